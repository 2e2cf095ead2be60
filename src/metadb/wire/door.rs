//! Where a client on this machine comes in: once, and only whom this process expects. Touches sockets of this machine.
use std::io;
use std::net::Ipv4Addr;
use std::path::Path;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener, UnixStream};

/// A connection of whatever kind.
pub(super) type Stream = Box<dyn Bytes>;

/// What is read and written.
pub(super) trait Bytes: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Bytes for T {}

/// A door that one comes through.
pub(super) enum Door {
    /// A port, for what is not encrypted.
    Port(TcpListener),
    /// A socket that this process itself comes to. Without a file: the operator has no folder to write to.
    Within(UnixListener),
    /// A socket in a folder that nobody else may enter, for a program that this process starts.
    Path(UnixListener),
}

impl Door {
    pub(super) async fn open_port() -> io::Result<(Self, u16)> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = listener.local_addr()?.port();
        Ok((Self::Port(listener), port))
    }

    /// The name begins with a zero: an abstract socket of Linux, which is gone with its listener.
    pub(super) fn open_within() -> io::Result<(Self, String)> {
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(io::Error::other)?;
        let name = format!("\0oms-operator-{:032x}", u128::from_ne_bytes(random));
        Ok((Self::Within(UnixListener::bind(&name)?), name))
    }

    pub(super) fn open_path(path: &Path) -> io::Result<Self> {
        Ok(Self::Path(UnixListener::bind(path)?))
    }

    /// Waits for the one client. Others that come to an abstract socket are sent away: any process here may.
    pub(super) async fn accept(self) -> io::Result<Stream> {
        match self {
            Self::Port(listener) => {
                let (client, _) = listener.accept().await?;
                client.set_nodelay(true)?;
                Ok(Box::new(client))
            }
            Self::Path(listener) => Ok(Box::new(listener.accept().await?.0)),
            Self::Within(listener) => {
                // The number of this process, as the kernel tells it about the other end.
                let own = UnixStream::pair()?.0.peer_cred()?.pid();
                loop {
                    let (client, _) = listener.accept().await?;
                    if own.is_some() && client.peer_cred()?.pid() == own {
                        return Ok(Box::new(client));
                    }
                }
            }
        }
    }
}
