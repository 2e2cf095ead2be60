//! The record of upgrades as the operator reads it, and adds to it. Plain data. No I/O.
use super::LockRow;
use crate::metadb::record::RecordFact;

/// A fact with its place in the record.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RecordRow {
    /// Uid of the upgrade that wrote it.
    pub uid: String,
    /// Counts the rows of that upgrade, from 1.
    pub seq: u32,
    /// Counts the rows of all upgrades: the higher is the newer, whatever clocks say.
    pub ordinal: u64,
    /// Epoch of the lock under which it was written.
    pub epoch: i64,
    pub fact: RecordFact,
    /// When, by the clock of the database, in Unix seconds. For people.
    pub written: i64,
}

/// What the record tells one upgrade.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct UpgradeRecord {
    /// Its own rows, from seq 1 on without a gap.
    pub rows: Vec<RecordRow>,
    /// The newest verdict of any upgrade, this one included.
    pub newest_verdict: Option<RecordRow>,
    /// The last row of each other upgrade that has begun and not ended, the newest first.
    pub unfinished: Vec<RecordRow>,
}

impl UpgradeRecord {
    /// The seq of the row that comes next.
    pub fn next_seq(&self) -> u32 {
        self.rows.last().map_or(1, |row| row.seq.saturating_add(1))
    }
}

/// A row to be added.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RecordClaim {
    /// Uid of the upgrade, which has to hold the lock.
    pub holder: String,
    /// Epoch at which it has to hold it.
    pub epoch: i64,
    /// One more than the rows that the caller has seen.
    pub seq: u32,
    pub fact: RecordFact,
}

/// What became of a row to be added.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum RecordOutcome {
    /// It is there now.
    Appended,
    /// The same fact stood there already: an answer was lost.
    AlreadyThere,
    /// Another row stands at this seq: the caller knows less than has happened. Nothing was written.
    Conflict(RecordRow),
    /// The row before is not there: the caller knows of rows that the MetaDB has lost. Nothing was written.
    Behind {
        /// Seq of the last row; 0 where there is none.
        last: u32,
    },
    /// The lock is not held by this holder at this epoch, but so. Nothing was written, or it had been before the lock
    /// was lost: it is not looked at.
    NotOurs(Option<LockRow>),
}
