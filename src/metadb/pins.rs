//! What every session of ours, the operator's and the agent's, sets for itself: no server-wide setting and no
//! `init_connect` changes what it reads, whether what it writes stays, or how long it waits.
//!
//! A server is asked which of the settings it has and what they are, what differs is set, and it is read back: a
//! proxy that swallows a SET is found out. Touches settings of the session at hand, nothing else.
use super::codes::{Meaning, judge_code};
use std::collections::BTreeMap;
use std::time::Duration;

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Error};

/// More rows than any table has; OceanBase takes no larger number. `DEFAULT` would be the server's own limit.
pub const ALL_ROWS: u64 = i64::MAX.unsigned_abs();

/// Ten hours in microseconds: longer than any deadline of a Job.
pub const LONGEST_MICROS: u64 = 36_000_000_000;

/// Seconds after which the server ends a session of a Job that asks for nothing. A node that is lost says no goodbye,
/// and until then its sessions and what they lock stand in the way of the next attempt.
pub const IDLE_SECONDS: u64 = 60;

/// Seconds that a session of a Job waits for a lock. What a lost node had locked is free after [`IDLE_SECONDS`]:
/// whoever gave up before would fail for a lock that goes by itself. What stays locked for longer belongs to
/// somebody, and that is said instead of waited out.
pub const LOCK_WAIT_SECONDS: u64 = 90;
const _: () = assert!(LOCK_WAIT_SECONDS > IDLE_SECONDS);

/// Settings that every server has. One that does not list them has not answered the question.
const EVERYWHERE: [&str; 3] = ["sql_select_limit", "autocommit", "character_set_client"];

/// Settings that would change without a word what is read or written. A server that refuses one of the others, which
/// say how long to wait or which refusals are told aloud, is worked with as it is.
const DECISIVE: [&str; 12] = [
    "sql_select_limit",
    "autocommit",
    "character_set_client",
    "character_set_connection",
    "character_set_results",
    "sql_mode",
    "time_zone",
    "tx_isolation",
    "transaction_isolation",
    "foreign_key_checks",
    "ob_read_consistency",
    "sql_quote_show_create",
];

/// What a session is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// One call of the operator, with the time after which nobody waits for it any more.
    Call(Duration),
    /// The work of a Job, which may take hours.
    Work,
}

/// Why a session is not fit for use.
#[derive(Debug)]
pub enum PinError {
    /// The server refused, or the connection broke.
    Refused(Error),
    /// A setting reads otherwise than it was set.
    NotKept {
        /// The variable.
        name: &'static str,
        /// As it was set.
        wanted: String,
        /// As it reads.
        found: String,
    },
}

impl From<Error> for PinError {
    fn from(error: Error) -> Self {
        Self::Refused(error)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Value {
    Number(u64),
    Switch(bool),
    Word(&'static str),
}

type Pin = (&'static str, Value);

/// The first statement of every session. Before it even an answer of one row may be cut away, and a look at the
/// settings may be refused as too large; and while autocommit is off, such a look begins a transaction on OceanBase,
/// within which some of them cannot be set. Every server has the first two.
///
/// # Errors
/// Of the server.
pub async fn begin(connection: &mut Conn) -> Result<(), Error> {
    let first = [
        ("sql_select_limit", Value::Number(ALL_ROWS)),
        ("autocommit", Value::Switch(true)),
    ];
    connection.query_drop(write_set(&first)).await?;
    // OceanBase had none of this name, at least up to 4.3.2.
    let second = [("sql_big_selects", Value::Switch(true))];
    unless_unknown(connection.query_drop(write_set(&second)).await)
}

/// A variable that the server does not have needs no setting.
///
/// # Errors
/// Every other one.
pub fn unless_unknown(result: Result<(), Error>) -> Result<(), Error> {
    match result {
        Err(Error::Server(error)) if judge_code(error.code) == Meaning::VariableUnknown => Ok(()),
        result => result,
    }
}

/// Sets everything else, and proves that it is set. Comes back with the settings that are not decisive and that the
/// server did not keep: it is worked with all the same.
///
/// # Errors
/// When the server refuses a decisive setting, or does not keep it.
pub async fn pin(
    connection: &mut Conn,
    purpose: Purpose,
    is_oceanbase: bool,
) -> Result<Vec<&'static str>, PinError> {
    let ahead = list_ahead(purpose, is_oceanbase);
    set_all(connection, &ahead).await?;
    let mut pins = ahead;
    pins.extend(list_pins(purpose, is_oceanbase));
    let names: Vec<&str> = pins.iter().map(|(name, _)| *name).collect();
    let before = read_settings(connection, &names).await?;
    // An answer without these is none, and would leave everything as the server gives it.
    for name in EVERYWHERE {
        if !before.contains_key(name) {
            return Err(PinError::NotKept {
                name,
                wanted: "a value".to_owned(),
                found: "nothing".to_owned(),
            });
        }
    }
    // A server that does not list a variable has none of that name.
    pins.retain(|(name, _)| before.contains_key(*name));
    let differing: Vec<Pin> = pins
        .iter()
        .filter(|(name, value)| !before.get(*name).is_some_and(|text| agrees(*value, text)))
        .copied()
        .collect();
    if differing.is_empty() {
        return Ok(Vec::new());
    }
    set_all(connection, &differing).await?;
    let after = read_settings(connection, &names).await?;
    let mut unkept = Vec::new();
    for (name, value) in pins {
        let found = after.get(name).cloned().unwrap_or_default();
        if agrees(value, &found) {
            continue;
        }
        if DECISIVE.contains(&name) {
            return Err(PinError::NotKept {
                name,
                wanted: write_value(value),
                found,
            });
        }
        unkept.push(name);
    }
    Ok(unkept)
}

/// Sets all of them at once, and one by one where a server refuses that: what is not decisive may be refused.
async fn set_all(connection: &mut Conn, pins: &[Pin]) -> Result<(), Error> {
    if pins.is_empty() {
        return Ok(());
    }
    match connection.query_drop(write_set(pins)).await {
        Err(Error::Server(_)) => {}
        result => return result,
    }
    for pin in pins {
        let result = connection.query_drop(write_set(&[*pin])).await;
        match result {
            Err(Error::Server(_)) if !DECISIVE.contains(&pin.0) => {}
            result => result?,
        }
    }
    Ok(())
}

/// The settings of this session out of `names` that the server has, with names in lower case.
///
/// # Errors
/// Of the server.
pub async fn read_settings(
    connection: &mut Conn,
    names: &[&str],
) -> Result<BTreeMap<String, String>, Error> {
    let list: Vec<String> = names.iter().map(|name| format!("'{name}'")).collect();
    let rows: Vec<(String, Option<String>)> = connection
        .query(format!(
            "SHOW SESSION VARIABLES WHERE Variable_name IN ({})",
            list.join(", ")
        ))
        .await?;
    Ok(rows
        .into_iter()
        .map(|(name, value)| (name.to_ascii_lowercase(), value.unwrap_or_default()))
        .collect())
}

/// What has to be set before the server is asked anything more.
fn list_ahead(purpose: Purpose, is_oceanbase: bool) -> Vec<Pin> {
    let mut ahead = Vec::new();
    if purpose == Purpose::Work {
        // What is lost before this is set stays for the server's own limit: idle, in the middle of a statement, or
        // sending rows that nobody takes any more. Every server has these.
        for name in ["net_write_timeout", "net_read_timeout", "wait_timeout"] {
            ahead.push((name, Value::Number(IDLE_SECONDS)));
        }
    }
    if is_oceanbase {
        // A limit that is too short would cut the very question for the settings.
        let micros = match purpose {
            Purpose::Call(limit) => micros_of(limit),
            Purpose::Work => LONGEST_MICROS,
        };
        ahead.push(("ob_query_timeout", Value::Number(micros)));
    }
    ahead
}

fn list_pins(purpose: Purpose, is_oceanbase: bool) -> Vec<Pin> {
    let mut pins = vec![
        // A list that is cut looks like a short one.
        ("sql_select_limit", Value::Number(ALL_ROWS)),
        // What was answered as done would be gone with the session, and every look would be at the same old moment.
        ("autocommit", Value::Switch(true)),
        // Names and texts would lose the letters that another character set lacks, in both directions.
        ("character_set_client", Value::Word("utf8mb4")),
        ("character_set_connection", Value::Word("utf8mb4")),
        ("character_set_results", Value::Word("utf8mb4")),
        // Queries on large tables would be refused by an estimate.
        ("sql_big_selects", Value::Switch(true)),
        // Writes that find their row by no key would be refused.
        ("sql_safe_updates", Value::Switch(false)),
        // Every write would be refused.
        ("tx_read_only", Value::Switch(false)),
        ("transaction_read_only", Value::Switch(false)),
        // Rows of a child without a parent would be taken, in our own writes.
        ("foreign_key_checks", Value::Switch(true)),
        ("unique_checks", Value::Switch(true)),
        // Definitions are compared as text, and a dump client asks for quoted names.
        ("sql_quote_show_create", Value::Switch(true)),
    ];
    // Nobody's uncommitted rows. MySQL and MariaDB refuse to write under READ COMMITTED while their binary log holds
    // statements; OceanBase knows it best.
    let isolation = if is_oceanbase {
        "READ-COMMITTED"
    } else {
        "REPEATABLE-READ"
    };
    pins.push(("tx_isolation", Value::Word(isolation)));
    pins.push(("transaction_isolation", Value::Word(isolation)));
    match purpose {
        // The time zone stays as the server gives it: ages are reckoned from what OMS wrote under it.
        Purpose::Call(limit) => pins.extend(list_for_call(limit, is_oceanbase)),
        Purpose::Work => pins.extend(list_for_work(is_oceanbase)),
    }
    pins
}

/// Nothing runs on after its caller gave up.
fn list_for_call(limit: Duration, is_oceanbase: bool) -> Vec<Pin> {
    let seconds = limit.as_secs().max(1);
    let mut pins = vec![
        // A value that is too long is an error, not a shorter value.
        ("sql_mode", Value::Word("STRICT_ALL_TABLES")),
        ("lock_wait_timeout", Value::Number(seconds)),
    ];
    if is_oceanbase {
        // Longer than the statement, so that its own limit is the one that strikes.
        pins.push((
            "ob_trx_lock_timeout",
            Value::Number(micros_of(limit).saturating_mul(2)),
        ));
        pins.push(("ob_trx_timeout", Value::Number(LONGEST_MICROS)));
        pins.push(("ob_read_consistency", Value::Word("STRONG")));
        pins.push(("max_execution_time", Value::Number(0)));
    } else {
        // Milliseconds on MySQL, seconds on MariaDB.
        let millis = u64::try_from(limit.as_millis())
            .unwrap_or(u64::MAX)
            .max(1000);
        pins.push(("max_execution_time", Value::Number(millis)));
        pins.push(("max_statement_time", Value::Number(seconds)));
        pins.push(("innodb_lock_wait_timeout", Value::Number(seconds)));
    }
    pins
}

fn list_for_work(is_oceanbase: bool) -> Vec<Pin> {
    let mut pins = vec![
        // As the dump client has it: definitions are written alike, and back-slashes in texts escape.
        ("sql_mode", Value::Word("")),
        // Times are compared as text.
        ("time_zone", Value::Word("+00:00")),
        ("lock_wait_timeout", Value::Number(LOCK_WAIT_SECONDS)),
        // Tables may take hours.
        ("max_statement_time", Value::Number(0)),
        ("max_execution_time", Value::Number(0)),
        // MySQL 8 tells the sizes of tables as they were a day ago.
        ("information_schema_stats_expiry", Value::Number(0)),
    ];
    if is_oceanbase {
        pins.push(("ob_trx_timeout", Value::Number(LONGEST_MICROS)));
        pins.push((
            "ob_trx_idle_timeout",
            Value::Number(IDLE_SECONDS * 1_000_000),
        ));
        pins.push((
            "ob_trx_lock_timeout",
            Value::Number(LOCK_WAIT_SECONDS * 1_000_000),
        ));
        // A replica that lags behind would give rows of the past.
        pins.push(("ob_read_consistency", Value::Word("STRONG")));
        // What is made in scratch databases holds passwords of data sources: when it is dropped it is gone.
        pins.push(("recyclebin", Value::Switch(false)));
    } else {
        // OceanBase takes this one and keeps its own.
        pins.push(("innodb_lock_wait_timeout", Value::Number(LOCK_WAIT_SECONDS)));
        pins.extend(MYSQL_DEFINITIONS);
    }
    pins
}

/// What decides on MySQL, and partly on MariaDB, what becomes of a definition: a table comes back as it was, also where
/// the server asks more of new ones. Some accounts may not set the first two; a table that they strike is then named
/// when it is made in scratch databases.
const MYSQL_DEFINITIONS: [Pin; 4] = [
    ("sql_require_primary_key", Value::Switch(false)),
    ("sql_generate_invisible_primary_key", Value::Switch(false)),
    (
        "show_gipk_in_create_table_and_information_schema",
        Value::Switch(true),
    ),
    ("explicit_defaults_for_timestamp", Value::Switch(true)),
];

fn micros_of(limit: Duration) -> u64 {
    u64::try_from(limit.as_micros())
        .unwrap_or(LONGEST_MICROS)
        .clamp(1_000_000, LONGEST_MICROS)
}

fn write_set(pins: &[Pin]) -> String {
    let list: Vec<String> = pins
        .iter()
        .map(|(name, value)| format!("SESSION {name} = {}", write_value(*value)))
        .collect();
    format!("SET {}", list.join(", "))
}

fn write_value(value: Value) -> String {
    match value {
        Value::Number(number) => number.to_string(),
        Value::Switch(on) => u8::from(on).to_string(),
        Value::Word(word) => format!("'{word}'"),
    }
}

/// Whether what a server shows is this value: switches come as words or numbers, MariaDB's seconds with six decimals.
fn agrees(value: Value, found: &str) -> bool {
    match value {
        Value::Number(number) => {
            let whole = match found.split_once('.') {
                Some((whole, rest)) if rest.bytes().all(|digit| digit == b'0') => whole,
                _ => found,
            };
            whole.parse() == Ok(number)
        }
        Value::Switch(on) => is_on(found) == on,
        Value::Word(word) => found.eq_ignore_ascii_case(word),
    }
}

/// Whether a switch is on, as servers show it.
pub fn is_on(found: &str) -> bool {
    found == "1" || found.eq_ignore_ascii_case("ON") || found.eq_ignore_ascii_case("TRUE")
}

#[cfg(test)]
#[path = "pins_tests.rs"]
mod tests;
