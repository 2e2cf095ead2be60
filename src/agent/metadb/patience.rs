//! Waits for a server that cannot just now. Sends the statements that it is told.
//!
//! OceanBase refuses writes for moments while memory is flushed, which loading a dump as fast as it goes brings about.
//! Outside a transaction a statement that was refused has done nothing, so it is sent again.

use crate::agent::failure::{Failure, server_code};
use crate::metadb::{Meaning, judge_code};
use mysql_async::Conn;
use mysql_async::prelude::Queryable;
use std::time::Duration;

const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(20);
/// Pauses together. What lasts longer is no moment: the run ends, and another one goes on.
const PATIENCE: Duration = Duration::from_secs(180);

/// The pauses between the tries.
fn list_pauses() -> impl Iterator<Item = Duration> {
    let pauses = std::iter::successors(Some(FIRST_PAUSE), |pause| {
        Some((*pause * 2).min(LONGEST_PAUSE))
    });
    pauses.scan(Duration::ZERO, |waited, pause| {
        *waited += pause;
        (*waited <= PATIENCE).then_some(pause)
    })
}

/// Runs a statement that returns no rows, outside a transaction; `doing` completes "while …".
///
/// # Errors
/// Of the server; `MetadbBusy` where it could not for as long as it was waited.
pub async fn run_patiently(
    connection: &mut Conn,
    statement: impl AsRef<[u8]>,
    doing: &str,
) -> Result<(), Failure> {
    let statement = statement.as_ref();
    let mut pauses = list_pauses();
    loop {
        let Err(error) = connection.query_drop(statement).await else {
            return Ok(());
        };
        let is_busy = server_code(&error).map(judge_code) == Some(Meaning::Busy);
        match pauses.next() {
            Some(pause) if is_busy => tokio::time::sleep(pause).await,
            _ => return Err(Failure::from_sql(doing, &error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_come_to_an_end() {
        let pauses: Vec<Duration> = list_pauses().collect();
        assert!(pauses.is_sorted() && pauses.len() > 10);
        let all: Duration = pauses.iter().sum();
        assert!(all <= PATIENCE && all + LONGEST_PAUSE > PATIENCE);
    }
}
