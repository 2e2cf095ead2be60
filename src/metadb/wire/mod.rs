//! The way to the MetaDB: what the driver and the server say to each other goes through here.
//!
//! Touches the network. The driver opens its connections itself and lets nobody look at them, so it is sent to a port
//! of this machine that takes one connection, is held by this process, and hands on what [`dialogue`] lets pass.
mod dialogue;
mod framing;

pub use dialogue::Refusal;

use crate::protocol::request::Address;
use dialogue::Dialogue;
use mysql_async::{Conn, Error, OptsBuilder};
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;

/// Bytes that are handed on at once.
const PIECE: usize = 64 << 10;

/// What a connection may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WireLimits {
    /// Bytes that the server may send in all.
    pub bytes: Option<u64>,
    /// How long it may last, whoever still holds it.
    pub lifetime: Option<Duration>,
    /// Silence after which the server is asked whether it is there.
    pub keepalive: Option<Duration>,
}

/// Why there is no connection.
#[derive(Debug)]
pub enum WireError {
    /// It was cut here.
    Refused(Refusal),
    /// The driver's own words.
    Driver(Error),
}

/// What is between driver and server.
#[derive(Debug)]
pub struct Wire {
    refusal: Arc<OnceLock<Refusal>>,
    relay: AbortHandle,
}

impl Wire {
    /// Why the connection was cut, where it was cut here.
    pub fn refusal(&self) -> Option<&Refusal> {
        self.refusal.get()
    }

    /// Ends the connection at once, without a goodbye.
    pub fn cut(&self) {
        self.relay.abort();
    }
}

/// Ends what is between when the connection does not come about, also when nobody waits for it any more.
struct CutUnlessOpened(Option<AbortHandle>);

impl Drop for CutUnlessOpened {
    fn drop(&mut self) {
        if let Some(relay) = &self.0 {
            relay.abort();
        }
    }
}

/// Opens a connection.
///
/// # Errors
/// Nobody there, not let in, or a server that says what it must not.
pub async fn open_wire(
    options: OptsBuilder,
    address: &Address,
    limits: WireLimits,
) -> Result<(Conn, Wire), WireError> {
    let failed = |error: io::Error| WireError::Driver(error.into());
    let server = connect(address, limits.keepalive).await.map_err(failed)?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .await
        .map_err(failed)?;
    let port = listener.local_addr().map_err(failed)?.port();
    let refusal = Arc::new(OnceLock::new());
    let relay = tokio::spawn(run_relay(listener, server, limits, refusal.clone())).abort_handle();
    let mut unopened = CutUnlessOpened(Some(relay.clone()));
    // The name stays the server's.
    let options = options
        .tcp_port(port)
        .resolved_ips(Some(vec![IpAddr::V4(Ipv4Addr::LOCALHOST)]))
        .tcp_keepalive(None::<Duration>);
    match Conn::new(options).await {
        Ok(conn) => {
            unopened.0 = None;
            Ok((conn, Wire { refusal, relay }))
        }
        Err(error) => Err(match refusal.get() {
            Some(refusal) => WireError::Refused(refusal.clone()),
            None => WireError::Driver(error),
        }),
    }
}

async fn connect(address: &Address, keepalive: Option<Duration>) -> io::Result<TcpStream> {
    let stream = TcpStream::connect((address.host.as_str(), address.port)).await?;
    stream.set_nodelay(true)?;
    if let Some(silence) = keepalive {
        let keepalive = socket2::TcpKeepalive::new().with_time(silence);
        socket2::SockRef::from(&stream).set_tcp_keepalive(&keepalive)?;
    }
    Ok(stream)
}

/// Hands on until one end is gone, or says what must not pass; then both are closed.
async fn run_relay(
    listener: TcpListener,
    mut server: TcpStream,
    limits: WireLimits,
    refusal: Arc<OnceLock<Refusal>>,
) {
    let relay = async move {
        let (mut client, _) = listener.accept().await?;
        drop(listener);
        client.set_nodelay(true)?;
        let dialogue = Mutex::new(Dialogue::new(limits.bytes));
        let lock = || dialogue.lock().unwrap_or_else(PoisonError::into_inner);
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        let asking = hand_on(from_client, to_server, |piece| {
            lock().hear_client(piece);
            true
        });
        let answering = hand_on(from_server, to_client, |piece| {
            match lock().hear_server(piece) {
                Ok(()) => true,
                Err(why) => {
                    let _ = refusal.set(why);
                    false
                }
            }
        });
        tokio::select! {
            ended = asking => ended,
            ended = answering => ended,
        }
    };
    let ended = match limits.lifetime {
        Some(lifetime) => tokio::time::timeout(lifetime, relay)
            .await
            .unwrap_or(Ok(())),
        None => relay.await,
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection to the MetaDB broke");
    }
}

/// Hands on what `may_pass`, piece by piece.
async fn hand_on(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    may_pass: impl Fn(&[u8]) -> bool,
) -> io::Result<()> {
    let mut piece = vec![0; PIECE];
    loop {
        let length = from.read(&mut piece).await?;
        let (bytes, _) = piece.split_at(length);
        if bytes.is_empty() || !may_pass(bytes) {
            return Ok(());
        }
        to.write_all(bytes).await?;
    }
}
