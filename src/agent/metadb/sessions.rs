//! Looks for sessions of others on the databases. Reads the process list, nothing else.

use super::connection::{LOST_PATIENCE, MetaDbServer};
use crate::agent::failure::{Failure, server_code};
use crate::metadb::{SessionList, is_elsewhere, judge_code, name_database};
use crate::protocol::report::Reason;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Row, Value};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Two looks this far apart: the operator itself polls the MetaDB, briefly, under the same account.
const BETWEEN_LOOKS: Duration = Duration::from_millis(1100);

/// How long sessions of other accounts that are about to go are waited for.
const PATIENCE: Duration = Duration::from_secs(20);

/// Stands in our own statement.
const MARK: &str = "oms_agent_session_list";

/// A session of somebody else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Foreign {
    /// Its number in the process list, for KILL.
    pub id: u64,
    /// Account, host and database.
    pub text: String,
    /// Whether it has our account: it is OMS's, or what a lost node left.
    is_of_account: bool,
}

/// Waits until no session of others uses the databases.
///
/// A session counts when it has our user or one of the databases as its current one and is seen in two looks
/// in a row. Sessions of other users on other databases are no business of OMS, nor are those of the account that are
/// surely another program's. Those of our account are waited for longer: they may be what a lost node left, and the
/// server ends those.
///
/// # Errors
/// `NotQuiesced`, naming number, user, host and database of what is left.
pub async fn require_quiet(
    metadb: &MetaDbServer,
    connection: &mut Conn,
    databases: &[String],
) -> Result<(), Failure> {
    let began = Instant::now();
    let mut before = look(metadb, connection, databases).await?;
    loop {
        tokio::time::sleep(BETWEEN_LOOKS).await;
        let now = look(metadb, connection, databases).await?;
        let stayed: Vec<Foreign> = now
            .values()
            .filter(|session| before.contains_key(&session.id))
            .cloned()
            .collect();
        if stayed.is_empty() {
            return Ok(());
        }
        let patience = if stayed.iter().all(|session| session.is_of_account) {
            LOST_PATIENCE
        } else {
            PATIENCE
        };
        if began.elapsed() > patience {
            return Err(Failure::new(
                Reason::NotQuiesced,
                format!(
                    "{} session(s) of others stay connected to the databases. Nothing was written. \
                     Stop whatever they belong to (OMS, its helpers, consoles), or end them, then try again: {}",
                    stayed.len(),
                    say_kill(&stayed)
                ),
            ));
        }
        before = now;
    }
}

/// The same after it was quiet once: a single look is enough while nobody is there.
///
/// # Errors
/// As [`require_quiet`].
pub async fn require_still_quiet(
    metadb: &MetaDbServer,
    connection: &mut Conn,
    databases: &[String],
) -> Result<(), Failure> {
    if look(metadb, connection, databases).await?.is_empty() {
        return Ok(());
    }
    require_quiet(metadb, connection, databases).await
}

/// Sessions of our account that are not this run's.
///
/// # Errors
/// Of the server.
pub async fn list_account(
    metadb: &MetaDbServer,
    connection: &mut Conn,
) -> Result<Vec<Foreign>, Failure> {
    let found = look(metadb, connection, &[]).await?;
    Ok(found.into_values().collect())
}

/// The statements that end sessions, with whose they are; the first ones when there are many.
pub fn say_kill(sessions: &[Foreign]) -> String {
    const SHOWN: usize = 5;
    let mut text = sessions
        .iter()
        .take(SHOWN)
        .map(|session| format!("KILL {} ({})", session.id, session.text))
        .collect::<Vec<_>>()
        .join("; ");
    if sessions.len() > SHOWN {
        text.push_str(&format!("; and {} more", sessions.len() - SHOWN));
    }
    text
}

async fn look(
    metadb: &MetaDbServer,
    connection: &mut Conn,
    databases: &[String],
) -> Result<BTreeMap<u64, Foreign>, Failure> {
    let rows = read_rows(metadb, connection).await?;
    let mut found = BTreeMap::new();
    for row in rows {
        let text = |name: &str| text_of(&row, name);
        let Some(id) = text("id").and_then(|id| id.parse::<u64>().ok()) else {
            continue;
        };
        let user = text("user").unwrap_or_default();
        let database = name_database(text("db")).unwrap_or_default();
        let concerns_us = user == metadb.user
            || databases
                .iter()
                .any(|name| name.eq_ignore_ascii_case(&database));
        // Threads of the server itself are no sessions.
        let host = text("host").unwrap_or_default();
        // Where no database is asked for, every session of the account is.
        let is_elsewhere = !databases.is_empty()
            && is_elsewhere(Some(&database), &host, databases, &metadb.oms_addresses);
        let is_daemon = text("command").as_deref() == Some("Daemon") || user == "system user";
        let is_own = metadb.is_own_session(id) || text("own").as_deref() == Some("1");
        if concerns_us && !is_daemon && !is_elsewhere && !is_own {
            let place = if database.is_empty() {
                "no database"
            } else {
                &database
            };
            let session = Foreign {
                id,
                text: format!("{user}@{host} on {place}"),
                is_of_account: user == metadb.user,
            };
            found.insert(id, session);
        }
    }
    Ok(found)
}

/// The sessions on every server, where they can be had: OMS may come in over another one than this run.
async fn read_rows(metadb: &MetaDbServer, connection: &mut Conn) -> Result<Vec<Row>, Failure> {
    let failed = |e: &mysql_async::Error| Failure::from_sql("looking at the sessions", e);
    if let Some(list) = SessionList::of_all_servers(metadb.engine, MARK) {
        match connection.query(list.sql).await {
            Ok(rows) => return Ok(rows),
            // The list of one server would hide sessions on the others, so it is taken only where there is no other.
            Err(error) => match server_code(&error).map(judge_code) {
                Some(meaning) if meaning.is_unavailable() => {}
                _ => return Err(failed(&error)),
            },
        }
    }
    let list = SessionList::of_one_server(MARK);
    connection.query(list.sql).await.map_err(|e| failed(&e))
}

/// The text of a column, found by its name without regard to case.
pub fn text_of(row: &Row, name: &str) -> Option<String> {
    let index = row
        .columns_ref()
        .iter()
        .position(|column| column.name_str().eq_ignore_ascii_case(name))?;
    match row.as_ref(index)? {
        Value::Bytes(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
        Value::Int(number) => Some(number.to_string()),
        Value::UInt(number) => Some(number.to_string()),
        _ => None,
    }
}
