//! Connects to the MetaDB and prepares each session.

use super::given::{Given, read_given};
use crate::agent::failure::Failure;
use crate::metadb::pins::{self, IDLE_SECONDS, PinError, Purpose};
use crate::metadb::secret::Credentials;
use crate::metadb::{Engine, LoginRules, Refusal, WireError, WireLimits, name_engine, open_wire};
use crate::protocol::report::Reason;
use crate::protocol::request::Address;
use mysql_async::Conn;
use mysql_async::prelude::Queryable;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// A server that does not answer a connection within this time is not there.
const CONNECT_LIMIT: Duration = Duration::from_secs(20);

/// Silence after which the server is asked whether it is still there.
const KEEPALIVE: Duration = Duration::from_secs(30);

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
    connection
        .query_drop("SELECT 1")
        .await
        .map_err(|e| Failure::from_sql("keeping a session alive", &e))
}

async fn open(
    address: &Address,
    account: &Credentials,
    rules: &LoginRules,
) -> Result<Conn, Failure> {
    let limits = WireLimits {
        bytes: None,
        lifetime: None,
        keepalive: Some(KEEPALIVE),
    };
    let opening = open_wire(address, account, rules, limits);
    match tokio::time::timeout(CONNECT_LIMIT, opening).await {
        Ok(Ok((connection, _))) => Ok(connection),
        Ok(Err(WireError::Driver(error))) => Err(Failure::from_sql("connecting", &error)),
        Ok(Err(WireError::Refused(Refusal::Login(method)))) => {
            Err(Failure::login_unsupported("connecting", &method))
        }
        Ok(Err(WireError::Refused(Refusal::Unprotected))) => {
            Err(Failure::login_unprotected("connecting"))
        }
        Ok(Err(WireError::Refused(why))) => Err(Failure::new(
            Reason::ConnectionLost,
            format!(
                "While connecting to {}:{}: {why}. Nothing was changed. See what answers at that address",
                address.host, address.port
            ),
        )),
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
