//! Looks for sessions of others on the databases. Reads the process list, nothing else.

use super::connection::Metadb;
use crate::agent::failure::Failure;
use crate::agent::report::Reason;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Row, Value};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Two looks this far apart: the operator itself polls the MetaDB, briefly, under the same account.
const BETWEEN_LOOKS: Duration = Duration::from_millis(1100);

/// How long sessions that are about to go are waited for; those of an agent that was killed a moment ago too.
const PATIENCE: Duration = Duration::from_secs(20);

/// Waits until no session of others uses the databases.
///
/// A session counts when it has our user or one of the databases as its current one and is seen in two looks
/// in a row. Sessions of other users on other databases are no business of OMS.
///
/// # Errors
/// `NotQuiesced`, naming user, host and database of what is left.
pub async fn require_quiet(
    metadb: &Metadb,
    connection: &mut Conn,
    databases: &[String],
) -> Result<(), Failure> {
    let began = Instant::now();
    let mut before = look(metadb, connection, databases).await?;
    loop {
        tokio::time::sleep(BETWEEN_LOOKS).await;
        let now = look(metadb, connection, databases).await?;
        let stayed: Vec<&String> = now
            .iter()
            .filter(|(id, _)| before.contains_key(id))
            .map(|(_, text)| text)
            .collect();
        if stayed.is_empty() {
            return Ok(());
        }
        if began.elapsed() > PATIENCE {
            let shown = stayed
                .iter()
                .take(5)
                .map(|s| s.as_str())
                .collect::<Vec<_>>()
                .join(", ");
            return Err(Failure::new(
                Reason::NotQuiesced,
                format!(
                    "{} session(s) of others stay connected to the databases: {shown}. Nothing was written. \
                     Stop whatever they belong to (OMS, its helpers, consoles), or KILL them, then try again.",
                    stayed.len()
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
    metadb: &Metadb,
    connection: &mut Conn,
    databases: &[String],
) -> Result<(), Failure> {
    if look(metadb, connection, databases).await?.is_empty() {
        return Ok(());
    }
    require_quiet(metadb, connection, databases).await
}

async fn look(
    metadb: &Metadb,
    connection: &mut Conn,
    databases: &[String],
) -> Result<BTreeMap<u64, String>, Failure> {
    let rows: Vec<Row> = connection
        .query("SHOW FULL PROCESSLIST")
        .await
        .map_err(|e| Failure::from_sql("looking at the sessions", &e))?;
    let mut found = BTreeMap::new();
    for row in rows {
        let text = |name: &str| text_of(&row, name);
        let Some(id) = text("Id").and_then(|id| id.parse::<u64>().ok()) else {
            continue;
        };
        let user = text("User").unwrap_or_default();
        let database = text("db").unwrap_or_default();
        let concerns_us = user == metadb.user
            || databases
                .iter()
                .any(|name| name.eq_ignore_ascii_case(&database));
        // Threads of the server itself are no sessions.
        let is_daemon = text("Command").as_deref() == Some("Daemon") || user == "system user";
        if concerns_us && !is_daemon && !metadb.is_own_session(id) {
            let host = text("Host").unwrap_or_default();
            found.insert(
                id,
                format!(
                    "session {id} of {user}@{host} on {}",
                    if database.is_empty() {
                        "no database"
                    } else {
                        &database
                    }
                ),
            );
        }
    }
    Ok(found)
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
