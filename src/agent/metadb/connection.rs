//! Connects to the MetaDB and prepares each session.

use super::given::{Given, read_given};
use crate::agent::failure::{Failure, hint};
use crate::metadb::pins::{self, IDLE_SECONDS, PinError, Purpose};
use crate::metadb::secret::Credentials;
use crate::metadb::{
    Engine, LoginRules, Refusal, Wire, WireError, WireLimits, name_engine, open_door, open_wire,
};
use crate::protocol::report::Reason;
use crate::protocol::request::Address;
use mysql_async::Conn;
use mysql_async::prelude::Queryable;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// A server that does not answer a connection within this time is not there.
const CONNECT_LIMIT: Duration = Duration::from_secs(20);

/// Silence after which the server is asked whether it is still there.
const KEEPALIVE: Duration = Duration::from_secs(30);

const LIMITS: WireLimits = WireLimits {
    bytes: None,
    lifetime: None,
    keepalive: Some(KEEPALIVE),
};

/// How long what a lost node left is waited for: longer than the server keeps it.
pub const LOST_PATIENCE: Duration = Duration::from_secs(IDLE_SECONDS + 30);

/// How often a session that must live on is asked: several times within [`IDLE_SECONDS`].
pub const HEARTBEAT: Duration = Duration::from_secs(10);

/// The server and the account to reach it.
pub struct MetaDbServer {
    address: Address,
    account: Credentials,
    rules: LoginRules,
    /// Kind of server.
    pub engine: Engine,
    /// As `SELECT version()` gives it.
    pub version: String,
    /// The user as the server's process list spells it.
    pub user: String,
    /// `CURRENT_USER()`, for GRANT statements.
    pub grantee: String,
    /// Addresses from which OMS may connect.
    pub oms_addresses: Vec<IpAddr>,
    /// What sessions get that set nothing.
    pub given: Given,
    own_sessions: Mutex<BTreeSet<u64>>,
}

impl MetaDbServer {
    /// Connects once, to learn what the server is.
    ///
    /// # Errors
    /// `AccessDenied`, `ConnectionLost`.
    pub async fn discover(
        address: &Address,
        account: &Credentials,
        rules: &LoginRules,
    ) -> Result<Self, Failure> {
        let mut connection = open(address, account, rules).await?;
        let given = read_given(&mut connection)
            .await
            .map_err(|e| Failure::from_sql("asking what sessions are given", &e))?;
        let row: Option<(String, String, String)> = connection
            .query_first("SELECT VERSION(), @@version_comment, CURRENT_USER()")
            .await
            .map_err(|e| Failure::from_sql("asking for the version of the server", &e))?;
        let (version, comment, grantee) = row.unwrap_or_default();
        let engine = name_engine(&version, &comment);
        let user = grantee
            .rsplit_once('@')
            .map_or(grantee.as_str(), |(user, _)| user)
            .to_owned();
        let _ = connection.disconnect().await;
        Ok(Self {
            address: address.clone(),
            account: account.clone(),
            rules: rules.clone(),
            engine,
            version,
            user,
            grantee,
            oms_addresses: Vec::new(),
            given,
            own_sessions: Mutex::default(),
        })
    }

    /// Opens a session that is prepared for exact reading: UTC, utf8mb4, whole results, no time limit, plain SQL mode.
    ///
    /// # Errors
    /// `AccessDenied`, `ConnectionLost`, or what the server says to the settings.
    pub async fn connect(&self) -> Result<Conn, Failure> {
        let mut connection = open(&self.address, &self.account, &self.rules).await?;
        let failed = |e: &mysql_async::Error| Failure::from_sql(PREPARING, e);
        pins::begin(&mut connection).await.map_err(|e| failed(&e))?;
        let unkept = pins::pin(&mut connection, Purpose::Work, self.engine.is_oceanbase())
            .await
            .map_err(|error| match error {
                PinError::Refused(e) => failed(&e),
                PinError::NotKept {
                    name,
                    wanted,
                    found,
                } => not_kept(name, &wanted, &found),
            })?;
        if !unkept.is_empty() {
            tracing::debug!(?unkept, "the server keeps settings of its own");
        }
        // The handshake's number is not the session's behind obproxy.
        let id: Option<u64> = connection
            .query_first("SELECT CONNECTION_ID()")
            .await
            .map_err(|e| failed(&e))?;
        self.own_sessions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend(id);
        Ok(connection)
    }

    /// Whether a session of the process list is one of this run.
    pub fn is_own_session(&self, id: u64) -> bool {
        self.own_sessions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .contains(&id)
    }
}

/// Completes "while …".
const PREPARING: &str = "preparing a session";

fn not_kept(name: &str, wanted: &str, found: &str) -> Failure {
    Failure::new(
        Reason::UnsuitedSetting,
        format!(
            "The MetaDB does not keep the session's setting {name}: it reads {found} instead of {wanted}. What was read could be less \
             than all, so this run ended. If there is a proxy in between, let it keep the settings of sessions, or give the \
             address of the server itself; then try again"
        ),
    )
}

/// Waits for work that does not use a session, and asks the session now and then so that the server keeps it.
///
/// # Errors
/// Of the work; `ConnectionLost` when the session ended meanwhile.
pub async fn keep_alive<T>(
    connection: &mut Conn,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let mut work = std::pin::pin!(work);
    loop {
        tokio::select! {
            outcome = &mut work => return outcome,
            () = tokio::time::sleep(HEARTBEAT) => {}
        }
        ping(connection).await?;
    }
}

/// Asks a session for nothing.
///
/// # Errors
/// `ConnectionLost` when it has ended.
pub async fn ping(connection: &mut Conn) -> Result<(), Failure> {
    let asking = connection.query_drop("SELECT 1");
    match tokio::time::timeout(PING_LIMIT, asking).await {
        Ok(answered) => answered.map_err(|e| Failure::from_sql("keeping a session alive", &e)),
        // A peer that is gone without a word is noticed by TCP only after minutes.
        Err(_) => Err(Failure::new(
            Reason::ConnectionLost,
            format!(
                "While keeping a session alive the MetaDB did not answer within {} s",
                PING_LIMIT.as_secs()
            ),
        )
        .and(hint(Reason::ConnectionLost))),
    }
}

/// In which a server answers that has nothing to do for us.
const PING_LIMIT: Duration = Duration::from_secs(30);

async fn open(
    address: &Address,
    account: &Credentials,
    rules: &LoginRules,
) -> Result<Conn, Failure> {
    let opening = open_wire(address, account, rules, LIMITS);
    let (connection, _) = finish(address, tokio::time::timeout(CONNECT_LIMIT, opening).await)?;
    Ok(connection)
}

fn finish<T>(
    address: &Address,
    opened: Result<Result<T, WireError>, tokio::time::error::Elapsed>,
) -> Result<T, Failure> {
    match opened {
        Ok(Ok(opened)) => Ok(opened),
        Ok(Err(WireError::Driver(error))) => Err(Failure::from_sql("connecting", &error)),
        Ok(Err(WireError::Refused(why))) => Err(explain_refusal(&why, address)),
        Err(_) => Err(Failure::new(
            Reason::ConnectionLost,
            format!(
                "{}:{} did not answer within {} s. Nothing was touched. Check address and network policies, then try again",
                address.host,
                address.port,
                CONNECT_LIMIT.as_secs()
            ),
        )),
    }
}

/// Opens a door for the dump client behind which the connection is encrypted. `None` where it goes to the server by
/// itself, without TLS.
///
/// # Errors
/// As for a connection of our own.
pub async fn open_client_door(
    address: &Address,
    account: &Credentials,
    rules: &LoginRules,
    socket: PathBuf,
) -> Result<Option<Wire>, Failure> {
    if rules.tls.is_none() {
        return Ok(None);
    }
    let opening = open_door(address, account, rules, LIMITS, socket);
    finish(address, tokio::time::timeout(CONNECT_LIMIT, opening).await)
}

/// Why a connection was cut on our side, of the driver or of the dump client.
pub fn explain_refusal(why: &Refusal, address: &Address) -> Failure {
    let tls = |what: String| Failure::new(Reason::TlsFailed, what);
    match why {
        Refusal::Login(method) => Failure::login_unsupported("connecting", method),
        Refusal::Unprotected => Failure::login_unprotected("connecting"),
        Refusal::TlsNotOffered => tls(format!(
            "The MetaDB at {address} offers no TLS, and spec.metadb.tls asks for it. Nothing was changed, and no password was given \
             away. Give the server a certificate, or see what answers at that address; where the network is trusted, set \
             spec.metadb.tls.mode to Disable"
        )),
        Refusal::Untrusted(reason) => tls(format!(
            "The certificate of the MetaDB at {address} is not trusted: {reason}. Nothing was changed, and no password was given \
             away. See what answers at that address; put the CA that signed the server's certificate into the Secret of \
             spec.metadb.tls.caSecretRef; give the address by a name that the certificate bears"
        )),
        Refusal::TlsFailed(reason) => tls(format!(
            "TLS with the MetaDB at {address} failed: {reason}. Nothing was changed. See the log of the server; it must know TLS \
             1.2 or 1.3, and trust the certificate of spec.metadb.tls.clientSecretRef where it asks for one"
        )),
        Refusal::Malformed(_) | Refusal::TooLarge(_) => Failure::new(
            Reason::ConnectionLost,
            format!(
                "While connecting to {address}: {why}. Nothing was changed. See what answers at that address"
            ),
        ),
    }
}
