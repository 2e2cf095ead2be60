//! The way to the MetaDB: what a client and the server say to each other goes through here.
//!
//! Touches the network. The driver opens its connections itself and lets nobody look at them, so it is sent to a door
//! of this machine that takes one connection, is held by this process, and hands on what [`login`] and then
//! [`dialogue`] let pass. Where the connection is encrypted, it is from this door on: so what a server says is looked
//! at in any case, and one library decides whom to believe, also for the dump client.
mod dialogue;
mod door;
mod encrypt;
mod framing;
mod login;
mod packet;
mod server_key;

pub use dialogue::Refusal;

use super::options::build_options;
use super::rules::LoginRules;
use super::secret::Credentials;
use super::tls::TlsRules;
use crate::protocol::request::{Address, TlsMode};
use dialogue::Dialogue;
use door::{Door, Stream};
use encrypt::{describe, encrypt, find_tls_error, hide_offer, offers_tls};
use login::{Login, LoginTerms, Turn};
use mysql_async::{Conn, Error};
use packet::{Packet, read_packet, write_packet};
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
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

/// What is between client and server.
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
    let dialed = dial(address, rules, limits).await?;
    // The name stays the server's.
    let options = build_options(address, account).tcp_keepalive(None::<Duration>);
    let (door, options) = if dialed.tls.is_some() {
        // On a socket of this machine the driver says the password as it is, which the encrypted way asks for.
        let (door, name) = Door::open_within().map_err(failed)?;
        (door, options.socket(Some(name)))
    } else {
        let (door, port) = Door::open_port().await.map_err(failed)?;
        let here = std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
        (door, options.tcp_port(port).resolved_ips(Some(vec![here])))
    };
    let wire = start_relay(door, dialed, address, account, rules, limits);
    let mut unopened = CutUnlessOpened(Some(wire.relay.clone()));
    match Conn::new(options).await {
        Ok(conn) => {
            unopened.0 = None;
            Ok((conn, wire))
        }
        Err(error) => Err(match wire.refusal() {
            Some(refusal) => WireError::Refused(refusal.clone()),
            None => WireError::Driver(error),
        }),
    }
}

/// Opens a door for one connection of another program, which is encrypted behind it. `None` where the rules are content
/// without and the server offers nothing: then the program goes there itself.
///
/// # Errors
/// Nobody there, or the socket cannot be made.
pub async fn open_door(
    address: &Address,
    account: &Credentials,
    rules: &LoginRules,
    limits: WireLimits,
    socket: PathBuf,
) -> Result<Option<Wire>, WireError> {
    let dialed = dial(address, rules, limits).await?;
    if dialed.tls.is_none() {
        return Ok(None);
    }
    let door = Door::open_path(&socket).map_err(|error| WireError::Driver(error.into()))?;
    Ok(Some(start_relay(
        door, dialed, address, account, rules, limits,
    )))
}

/// A server that has greeted.
struct Dialed {
    server: TcpStream,
    greeting: Packet,
    /// The connection is to be encrypted by these.
    tls: Option<Arc<TlsRules>>,
}

async fn dial(
    address: &Address,
    rules: &LoginRules,
    limits: WireLimits,
) -> Result<Dialed, WireError> {
    let failed = |error: io::Error| WireError::Driver(error.into());
    let mut server = connect(address, limits.keepalive).await.map_err(failed)?;
    let greeting = match read_short(&mut server).await {
        Ok(greeting) => greeting,
        Err(Ended::Gone(error)) => return Err(failed(error)),
        Err(Ended::Refused(why)) => return Err(WireError::Refused(why)),
    };
    // Who is turned away at once is told why, and says nothing himself.
    let is_turned_away = greeting.payload.first() == Some(&0xff);
    let tls = match &rules.tls {
        Some(tls) if offers_tls(&greeting.payload) => Some(tls.clone()),
        Some(tls) if tls.mode != TlsMode::Prefer && !is_turned_away => {
            return Err(WireError::Refused(Refusal::TlsNotOffered));
        }
        _ => None,
    };
    Ok(Dialed {
        server,
        greeting,
        tls,
    })
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

fn start_relay(
    door: Door,
    dialed: Dialed,
    address: &Address,
    account: &Credentials,
    rules: &LoginRules,
    limits: WireLimits,
) -> Wire {
    let refusal = Arc::new(OnceLock::new());
    let is_encrypted = dialed.tls.is_some();
    let terms = LoginTerms {
        allows_sha2: rules.sha2_without_tls || is_encrypted,
        is_encrypted,
        password_length: account.password.reveal().len(),
    };
    let host = address.host.clone();
    let relay = run_relay(door, dialed, host, terms, limits, refusal.clone());
    Wire {
        refusal,
        relay: tokio::spawn(relay).abort_handle(),
    }
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
    door: Door,
    dialed: Dialed,
    host: String,
    terms: LoginTerms,
    limits: WireLimits,
    refusal: Arc<OnceLock<Refusal>>,
) {
    let relay = async {
        let mut client = door.accept().await?;
        let ended = hand_on_all(&mut client, dialed, &host, terms, limits).await;
        // Before the client is let go, which then asks why.
        match &ended {
            Err(Ended::Refused(why)) => drop(refusal.set(why.clone())),
            // A server may say only now that it wants another certificate of ours.
            Err(Ended::Gone(error)) if find_tls_error(error).is_some() => {
                drop(refusal.set(describe(error, &host)));
            }
            _ => {}
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

async fn hand_on_all(
    client: &mut Stream,
    dialed: Dialed,
    host: &str,
    terms: LoginTerms,
    limits: WireLimits,
) -> Result<(), Ended> {
    let mut login = Login::new(terms);
    let mut greeting = dialed.greeting;
    let turn = login.hear_server(&greeting.payload)?;
    let Some(tls) = dialed.tls else {
        let mut server = dialed.server;
        write_packet(client, &greeting).await?;
        if turn == Turn::Client {
            let answer = read_short(client).await?;
            write_packet(&mut server, &answer).await?;
            hand_on_login(client, &mut server, login, 0).await?;
        }
        return hand_on_session(client, &mut server, limits).await;
    };
    hide_offer(&mut greeting.payload);
    write_packet(client, &greeting).await?;
    let mut answer = read_short(client).await?;
    let mut server = encrypt(dialed.server, &mut answer, host, &tls).await?;
    write_packet(&mut server, &answer).await?;
    // The request for TLS, of which the client knows nothing, counts as well.
    hand_on_login(client, &mut server, login, 1).await?;
    hand_on_session(client, &mut server, limits).await
}

/// Hands on packet by packet, in turns, until the server says how the login ended. The server is `ahead` by so many
/// packets.
async fn hand_on_login(
    client: &mut (impl AsyncRead + AsyncWrite + Unpin),
    server: &mut (impl AsyncRead + AsyncWrite + Unpin),
    mut login: Login,
    ahead: u8,
) -> Result<(), Ended> {
    loop {
        let mut packet = read_short(server).await?;
        packet.sequence = packet.sequence.wrapping_sub(ahead);
        let turn = login.hear_server(&packet.payload)?;
        write_packet(client, &packet).await?;
        match turn {
            Turn::Ended => return Ok(()),
            Turn::Server => {}
            Turn::Client => {
                let mut packet = read_short(client).await?;
                packet.sequence = packet.sequence.wrapping_add(ahead);
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
    client: &mut Stream,
    server: &mut (impl AsyncRead + AsyncWrite + Unpin),
    limits: WireLimits,
) -> Result<(), Ended> {
    let dialogue = Mutex::new(Dialogue::new(limits.bytes));
    let lock = || dialogue.lock().unwrap_or_else(PoisonError::into_inner);
    let (from_client, to_client) = tokio::io::split(client);
    let (from_server, to_server) = tokio::io::split(server);
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
        to.flush().await?;
    }
}
