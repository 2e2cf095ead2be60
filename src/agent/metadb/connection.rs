//! Connects to the MetaDB and prepares each session. The only place that hands the password to a socket.

use crate::agent::credentials::Account;
use crate::agent::failure::Failure;
use crate::agent::report::{Engine, Reason};
use crate::agent::request::MetadbAddress;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, OptsBuilder};
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// A server that does not answer a connection within this time is not there.
const CONNECT_LIMIT: Duration = Duration::from_secs(20);

/// Seconds after which the server ends a session of ours that asks for nothing. A node that is lost says no goodbye, and
/// until then its sessions and what they lock stand in the way of the next attempt.
const IDLE_LIMIT: u64 = 60;

/// How long what a lost node left is waited for: longer than the server keeps it.
pub const LOST_PATIENCE: Duration = Duration::from_secs(IDLE_LIMIT + 30);

/// How often a session that must live on is asked: several times within [`IDLE_LIMIT`].
pub const HEARTBEAT: Duration = Duration::from_secs(10);

/// Ten hours in microseconds: longer than any deadline of a Job.
const OCEANBASE_LIMIT_MICROS: u64 = 36_000_000_000;

/// The server and the account to reach it.
pub struct Metadb {
    options: OptsBuilder,
    /// Kind of server.
    pub engine: Engine,
    /// `version()`.
    pub version: String,
    /// The user as the server's process list spells it.
    pub user: String,
    /// `CURRENT_USER()`, for GRANT statements.
    pub grantee: String,
    /// Addresses from which OMS may connect.
    pub oms_addresses: Vec<IpAddr>,
    own_sessions: Mutex<BTreeSet<u64>>,
}

impl Metadb {
    /// Connects once, to learn what the server is.
    ///
    /// # Errors
    /// `AccessDenied`, `ConnectionLost`.
    pub async fn discover(address: &MetadbAddress, account: &Account) -> Result<Self, Failure> {
        // The default handlers stay: no LOCAL INFILE, no clear-text plug-in. The server may not ask for files
        // or for the password itself.
        let options = OptsBuilder::default()
            .ip_or_hostname(address.host.clone())
            .tcp_port(address.port)
            .user(Some(account.user.clone()))
            .pass(Some(account.password.clone()))
            .prefer_socket(false)
            .tcp_nodelay(true)
            .tcp_keepalive(Some(Duration::from_secs(30)))
            .max_allowed_packet(Some(1 << 30))
            .stmt_cache_size(0);
        let mut connection = open(options.clone(), address).await?;
        let row: Option<(String, String, String)> = connection
            .query_first("SELECT VERSION(), @@version_comment, CURRENT_USER()")
            .await
            .map_err(|e| Failure::from_sql("asking for the version of the server", &e))?;
        let (version, comment, grantee) = row.unwrap_or_default();
        let engine = engine_of(&version, &comment);
        let user = grantee
            .rsplit_once('@')
            .map_or(grantee.as_str(), |(user, _)| user)
            .to_owned();
        let _ = connection.disconnect().await;
        Ok(Self {
            options,
            engine,
            version,
            user,
            grantee,
            oms_addresses: Vec::new(),
            own_sessions: Mutex::default(),
        })
    }

    /// Opens a session that is prepared for exact reading: UTC, utf8mb4, no time limit, plain SQL mode.
    ///
    /// # Errors
    /// `AccessDenied`, `ConnectionLost`, or what the server says to the settings.
    pub async fn connect(&self) -> Result<Conn, Failure> {
        let mut connection = open(
            self.options.clone(),
            &MetadbAddress {
                host: "the MetaDB".into(),
                port: 0,
            },
        )
        .await?;
        for statement in self.session_settings() {
            connection
                .query_drop(&statement)
                .await
                .map_err(|e| Failure::from_sql("preparing a session", &e))?;
        }
        // The handshake's number is not the session's behind obproxy.
        let id: Option<u64> = connection
            .query_first("SELECT CONNECTION_ID()")
            .await
            .map_err(|e| Failure::from_sql("preparing a session", &e))?;
        self.own_sessions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend(id);
        Ok(connection)
    }

    fn session_settings(&self) -> Vec<String> {
        // The limit first: what is lost before it is set stays for the server's own limit.
        let mut settings = vec![
            // The same for one that is lost in the middle of a statement, or of rows that nobody takes any more.
            format!(
                "SET SESSION net_write_timeout = {IDLE_LIMIT}, net_read_timeout = {IDLE_LIMIT}, wait_timeout = {IDLE_LIMIT}"
            ),
            "SET NAMES utf8mb4".to_owned(),
            "SET SESSION sql_mode = ''".to_owned(),
            "SET SESSION time_zone = '+00:00'".to_owned(),
        ];
        match self.engine {
            Engine::OceanBase => settings.push(format!(
                "SET SESSION ob_query_timeout = {OCEANBASE_LIMIT_MICROS}, ob_trx_timeout = {OCEANBASE_LIMIT_MICROS}, \
                 ob_trx_idle_timeout = {}",
                IDLE_LIMIT * 1_000_000
            )),
            Engine::MariaDb => settings.push("SET SESSION max_statement_time = 0".to_owned()),
            Engine::MySql => settings.push("SET SESSION max_execution_time = 0".to_owned()),
        }
        settings
    }

    /// Whether a session of the process list is one of this run.
    pub fn is_own_session(&self, id: u64) -> bool {
        self.own_sessions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .contains(&id)
    }
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

async fn open(options: OptsBuilder, address: &MetadbAddress) -> Result<Conn, Failure> {
    match tokio::time::timeout(CONNECT_LIMIT, Conn::new(options)).await {
        Ok(Ok(connection)) => Ok(connection),
        Ok(Err(error)) => Err(Failure::from_sql("connecting", &error)),
        Err(_) => Err(Failure::new(
            Reason::ConnectionLost,
            format!(
                "{}:{} did not answer within {} s. Nothing was touched. Check address and network policies, then try again.",
                address.host,
                address.port,
                CONNECT_LIMIT.as_secs()
            ),
        )),
    }
}

/// OceanBase calls itself `5.7.25-OceanBase…` or says so in its comment, MariaDB says so in the version.
fn engine_of(version: &str, comment: &str) -> Engine {
    let (version, comment) = (version.to_ascii_lowercase(), comment.to_ascii_lowercase());
    if version.contains("oceanbase") || comment.contains("oceanbase") {
        Engine::OceanBase
    } else if version.contains("mariadb") || comment.contains("mariadb") {
        Engine::MariaDb
    } else {
        Engine::MySql
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn engines_are_told_apart() {
        assert_eq!(
            engine_of(
                "5.7.25-OceanBase seekdb-v1.4.0.0",
                "OceanBase 4.3.5.3 seekdb"
            ),
            Engine::OceanBase
        );
        assert_eq!(engine_of("5.7.25", "OceanBase 3.1.4"), Engine::OceanBase);
        assert_eq!(
            engine_of("10.11.19-MariaDB-0+deb12u1", "Debian 12"),
            Engine::MariaDb
        );
        assert_eq!(
            engine_of("8.0.36", "MySQL Community Server - GPL"),
            Engine::MySql
        );
    }
}
