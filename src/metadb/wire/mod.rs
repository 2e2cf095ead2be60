//! The way to the MetaDB: what the driver and the server say to each other goes through here.
//!
//! Touches the network. The driver opens its connections itself and lets nobody look at them, so it is sent to a port
//! of this machine that takes one connection, is held by this process, and hands on what [`login`] and then
//! [`dialogue`] let pass.
mod dialogue;
mod framing;
mod login;
mod packet;
mod server_key;

pub use dialogue::Refusal;

use super::options::build_options;
use super::rules::LoginRules;
use super::secret::Credentials;
use crate::protocol::request::Address;
use dialogue::Dialogue;
use login::{Login, LoginTerms, Turn};
use mysql_async::{Conn, Error};
use packet::{Packet, read_packet, write_packet};
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
    address: &Address,
    account: &Credentials,
    rules: &LoginRules,
    limits: WireLimits,
) -> Result<(Conn, Wire), WireError> {
    let failed = |error: io::Error| WireError::Driver(error.into());
    let server = connect(address, limits.keepalive).await.map_err(failed)?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .await
        .map_err(failed)?;
    let port = listener.local_addr().map_err(failed)?.port();
    let refusal = Arc::new(OnceLock::new());
    let terms = LoginTerms {
        allows_sha2: rules.sha2_without_tls,
        is_encrypted: false,
        password_length: account.password.reveal().len(),
    };
    let relay =
        tokio::spawn(run_relay(listener, server, terms, limits, refusal.clone())).abort_handle();
    let mut unopened = CutUnlessOpened(Some(relay.clone()));
    // The name stays the server's.
    let options = build_options(address, account)
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

/// Why nothing is handed on any more.
enum Ended {
    Gone(io::Error),
    Refused(Refusal),
}

impl From<io::Error> for Ended {
    fn from(error: io::Error) -> Self {
        Self::Gone(error)
    }
}

impl From<Refusal> for Ended {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// Hands on until one end is gone, or says what must not pass; then both are closed.
async fn run_relay(
    listener: TcpListener,
    mut server: TcpStream,
    terms: LoginTerms,
    limits: WireLimits,
    refusal: Arc<OnceLock<Refusal>>,
) {
    let relay = async {
        let (mut client, _) = listener.accept().await?;
        drop(listener);
        client.set_nodelay(true)?;
        let ended = async {
            hand_on_login(&mut client, &mut server, terms).await?;
            hand_on_session(&mut client, &mut server, limits).await
        }
        .await;
        // Before the client is let go, which then asks why.
        if let Err(Ended::Refused(why)) = &ended {
            let _ = refusal.set(why.clone());
        }
        ended
    };
    let ended = match limits.lifetime {
        Some(lifetime) => tokio::time::timeout(lifetime, relay)
            .await
            .unwrap_or(Ok(())),
        None => relay.await,
    };
    if let Err(Ended::Gone(error)) = ended {
        tracing::debug!(%error, "a connection to the MetaDB broke");
    }
}

/// Hands on packet by packet, in turns, until the server says how the login ended.
async fn hand_on_login(
    client: &mut (impl AsyncRead + AsyncWrite + Unpin),
    server: &mut (impl AsyncRead + AsyncWrite + Unpin),
    terms: LoginTerms,
) -> Result<(), Ended> {
    let mut login = Login::new(terms);
    loop {
        let packet = read_short(server).await?;
        let turn = login.hear_server(&packet.payload)?;
        write_packet(client, &packet).await?;
        match turn {
            Turn::Ended => return Ok(()),
            Turn::Server => {}
            Turn::Client => {
                let packet = read_short(client).await?;
                login.hear_client(&packet.payload)?;
                write_packet(server, &packet).await?;
            }
        }
    }
}

async fn read_short(from: &mut (impl AsyncRead + Unpin)) -> Result<Packet, Ended> {
    let packet = read_packet(from).await?;
    Ok(packet.ok_or(Refusal::Malformed("a login of many kilobytes"))?)
}

async fn hand_on_session(
    client: &mut TcpStream,
    server: &mut TcpStream,
    limits: WireLimits,
) -> Result<(), Ended> {
    let dialogue = Mutex::new(Dialogue::new(limits.bytes));
    let lock = || dialogue.lock().unwrap_or_else(PoisonError::into_inner);
    let (from_client, to_client) = client.split();
    let (from_server, to_server) = server.split();
    let asking = hand_on(from_client, to_server, |piece| {
        lock().hear_client(piece);
        Ok(())
    });
    let answering = hand_on(from_server, to_client, |piece| lock().hear_server(piece));
    tokio::select! {
        ended = asking => ended,
        ended = answering => ended,
    }
}

/// Hands on what `judge` lets pass, piece by piece.
async fn hand_on(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    judge: impl Fn(&[u8]) -> Result<(), Refusal>,
) -> Result<(), Ended> {
    let mut piece = vec![0; PIECE];
    loop {
        let length = from.read(&mut piece).await?;
        let (bytes, _) = piece.split_at(length);
        if bytes.is_empty() {
            return Ok(());
        }
        judge(bytes)?;
        to.write_all(bytes).await?;
    }
}
