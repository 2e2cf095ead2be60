//! How far a restore has come, kept in a row of the operator's own table on the MetaDB: `holder` is the upgrade,
//! `epoch` the attempt, `note` holds step, suffix and manifest digest.
//!
//! Without it, a half-done swap could not be told from a database that never was complete. Written before the
//! step that it names, so that a killed attempt is always found at that step or before it.

use crate::agent::failure::Failure;
use crate::agent::metadb::patience::run_patiently;
use crate::agent::sql::names::literal;
use crate::metadb::lock_table::{RESTORE_ROW, TABLE};
use crate::protocol::report::Reason;
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
    /// The word in the row.
    pub fn to_text(self) -> &'static str {
        match self {
            Self::Loading => "Loading",
            Self::Swapping => "Swapping",
            Self::Dropping => "Dropping",
            Self::Done => "Done",
            Self::Differed => "Differed",
        }
    }

    /// The step that a word in the row means.
    pub fn from_text(text: &str) -> Option<Self> {
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
    /// Who restores.
    pub upgrade_uid: String,
    /// The attempt that wrote the row.
    pub attempt: i32,
    /// The backup that is being restored.
    pub manifest_digest: String,
    /// How far it has come.
    pub step: Step,
    /// Suffix of the databases aside and of the safety copies.
    pub suffix: String,
}

/// Reads the row, if there is one.
///
/// # Errors
/// Of the server; `Internal` for a row that this agent does not understand.
pub async fn read(connection: &mut Conn) -> Result<Option<RestoreRecord>, Failure> {
    let row: Option<(String, i32, String)> = connection
        .query_first(format!(
            "SELECT holder, epoch, note FROM {TABLE} WHERE id = {RESTORE_ROW}"
        ))
        .await
        .map_err(|e| Failure::from_sql("reading the record of the restore", &e))?;
    let Some((upgrade_uid, attempt, note)) = row else {
        return Ok(None);
    };
    let mut words = note.split(' ');
    let parts = (
        words.next().and_then(Step::from_text),
        words.next(),
        words.next(),
    );
    let (Some(step), Some(suffix), Some(digest)) = parts else {
        return Err(Failure::new(
            Reason::Internal,
            format!(
                "The record of a restore reads {note:?}, which this version does not understand. Nothing was touched; \
                 use the version that began the restore"
            ),
        ));
    };
    let (suffix, manifest_digest) = (suffix.to_owned(), digest.to_owned());
    Ok(Some(RestoreRecord {
        upgrade_uid,
        attempt,
        manifest_digest,
        step,
        suffix,
    }))
}

/// Writes the row.
///
/// # Errors
/// Of the server.
pub async fn write(connection: &mut Conn, record: &RestoreRecord) -> Result<(), Failure> {
    let note = format!(
        "{} {} {}",
        record.step.to_text(),
        record.suffix,
        record.manifest_digest
    );
    let sql = format!(
        "REPLACE INTO {TABLE} (id, holder, epoch, note) VALUES ({RESTORE_ROW}, {}, {}, {})",
        literal(&record.upgrade_uid),
        record.attempt,
        literal(&note)
    );
    run_patiently(connection, sql, "recording how far the restore is").await
}

/// Refuses while a restore of an upgrade other than `except` stands in the middle of replacing live databases:
/// its databases aside may hold the only complete content.
///
/// # Errors
/// `InvalidRequest` then.
pub fn refuse_unfinished(
    record: Option<&RestoreRecord>,
    except: Option<&str>,
) -> Result<(), Failure> {
    match record {
        Some(record)
            if matches!(record.step, Step::Swapping | Step::Dropping)
                && except != Some(record.upgrade_uid.as_str()) =>
        {
            Err(Failure::new(
                Reason::InvalidRequest,
                format!(
                    "The restore of upgrade {} (attempt {}) replaced only a part of the live databases. Nothing was touched. \
                     Finish that restore with another attempt first",
                    record.upgrade_uid, record.attempt
                ),
            ))
        }
        _ => Ok(()),
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

    #[test]
    fn only_a_half_done_replacement_of_others_is_in_the_way() {
        let record = |step| RestoreRecord {
            upgrade_uid: "u".into(),
            attempt: 1,
            manifest_digest: "d".into(),
            step,
            suffix: "1".into(),
        };
        assert!(refuse_unfinished(None, None).is_ok());
        for step in [Step::Loading, Step::Done, Step::Differed] {
            assert!(refuse_unfinished(Some(&record(step)), None).is_ok());
        }
        for step in [Step::Swapping, Step::Dropping] {
            assert!(refuse_unfinished(Some(&record(step)), Some("u")).is_ok());
            assert!(refuse_unfinished(Some(&record(step)), Some("v")).is_err());
            assert!(refuse_unfinished(Some(&record(step)), None).is_err());
        }
    }
}
