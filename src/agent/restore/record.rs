//! How far a restore has come, kept in the operator's own schema on the MetaDB.
//!
//! Without it, a half-done swap could not be told from a database that never was complete. Written before the
//! step that it names, so that a killed attempt is always found at that step or before it.

use crate::agent::failure::Failure;
use crate::agent::metadb::lock::SCHEMA;
use crate::agent::report::Reason;
use crate::agent::sql::names::literal;
use mysql_async::Conn;
use mysql_async::prelude::Queryable;

/// The steps of a restore that matter to a next attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Loading aside; the live databases are as they were. Starts over.
    Loading,
    /// Aside is complete and proven; tables are being renamed. Must be finished.
    Swapping,
    /// The live databases were dropped and are being loaded. Starts over.
    Dropping,
    /// The live databases equal the backup.
    Done,
    /// The live databases were replaced and did not equal the backup. Starts over.
    Differed,
}

impl Step {
    fn to_text(self) -> &'static str {
        match self {
            Self::Loading => "Loading",
            Self::Swapping => "Swapping",
            Self::Dropping => "Dropping",
            Self::Done => "Done",
            Self::Differed => "Differed",
        }
    }

    fn from_text(text: &str) -> Option<Self> {
        [
            Self::Loading,
            Self::Swapping,
            Self::Dropping,
            Self::Done,
            Self::Differed,
        ]
        .into_iter()
        .find(|s| s.to_text() == text)
    }
}

/// One row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestoreRecord {
    /// The upgrade.
    pub upgrade_uid: String,
    /// The attempt that wrote the row.
    pub attempt: i32,
    /// The backup that is being restored.
    pub manifest_digest: String,
    /// The step.
    pub step: Step,
    /// Suffix of the databases aside and of the safety copies.
    pub suffix: String,
}

/// Creates the table.
///
/// # Errors
/// Of the server.
pub async fn prepare(connection: &mut Conn) -> Result<(), Failure> {
    let sql = format!(
        "CREATE TABLE IF NOT EXISTS {SCHEMA}.restore_progress (upgrade_uid VARCHAR(64) PRIMARY KEY, attempt INT NOT NULL, \
         manifest_digest VARCHAR(64) NOT NULL, step VARCHAR(16) NOT NULL, suffix VARCHAR(32) NOT NULL)"
    );
    connection
        .query_drop(sql)
        .await
        .map_err(|e| Failure::from_sql("preparing the record of the restore", &e))
}

/// Reads all rows.
///
/// # Errors
/// Of the server; `Internal` for a row that this agent does not understand.
pub async fn read_all(connection: &mut Conn) -> Result<Vec<RestoreRecord>, Failure> {
    let rows: Vec<(String, i32, String, String, String)> = connection
        .query(format!("SELECT upgrade_uid, attempt, manifest_digest, step, suffix FROM {SCHEMA}.restore_progress"))
        .await
        .map_err(|e| Failure::from_sql("reading the record of the restore", &e))?;
    rows.into_iter()
        .map(|(upgrade_uid, attempt, manifest_digest, step, suffix)| {
            let step = Step::from_text(&step).ok_or_else(|| {
                Failure::new(
                    Reason::Internal,
                    format!("The record of a restore names step {step:?}, which this version does not know. Nothing was touched; use the version that began the restore."),
                )
            })?;
            Ok(RestoreRecord { upgrade_uid, attempt, manifest_digest, step, suffix })
        })
        .collect()
}

/// Writes the row of an upgrade.
///
/// # Errors
/// Of the server.
pub async fn write(connection: &mut Conn, record: &RestoreRecord) -> Result<(), Failure> {
    let sql = format!(
        "REPLACE INTO {SCHEMA}.restore_progress (upgrade_uid, attempt, manifest_digest, step, suffix) VALUES ({}, {}, {}, {}, {})",
        literal(&record.upgrade_uid),
        record.attempt,
        literal(&record.manifest_digest),
        literal(record.step.to_text()),
        literal(&record.suffix)
    );
    connection
        .query_drop(sql)
        .await
        .map_err(|e| Failure::from_sql("recording how far the restore is", &e))
}

/// Refuses while any restore stands in the middle of replacing live databases.
///
/// # Errors
/// `InvalidRequest` then, or of the server.
pub async fn refuse_unfinished(connection: &mut Conn) -> Result<(), Failure> {
    prepare(connection).await?;
    refuse_unfinished_where(connection, |_| true).await
}

/// The same for restores of other upgrades: their databases aside may hold the only complete content.
///
/// # Errors
/// As [`refuse_unfinished`].
pub async fn refuse_unfinished_of_others(
    connection: &mut Conn,
    upgrade_uid: &str,
) -> Result<(), Failure> {
    refuse_unfinished_where(connection, |record| record.upgrade_uid != upgrade_uid).await
}

async fn refuse_unfinished_where(
    connection: &mut Conn,
    concerned: impl Fn(&RestoreRecord) -> bool,
) -> Result<(), Failure> {
    let unfinished = read_all(connection)
        .await?
        .into_iter()
        .find(|record| matches!(record.step, Step::Swapping | Step::Dropping) && concerned(record));
    match unfinished {
        None => Ok(()),
        Some(record) => Err(Failure::new(
            Reason::InvalidRequest,
            format!(
                "The restore of upgrade {} (attempt {}) replaced only a part of the live databases. Nothing was touched. \
                 Finish that restore with another attempt first.",
                record.upgrade_uid, record.attempt
            ),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_survive_their_text() {
        for step in [
            Step::Loading,
            Step::Swapping,
            Step::Dropping,
            Step::Done,
            Step::Differed,
        ] {
            assert_eq!(Step::from_text(step.to_text()), Some(step));
            assert!(step.to_text().len() <= 16);
        }
        assert_eq!(Step::from_text("Other"), None);
    }
}
