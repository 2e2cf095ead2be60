//! The record of upgrades: what has happened on this MetaDB and must be known even when the API server forgets it or
//! goes back to an older state. Facts as they stand in the rows, and how rows are added. Pure.
//!
//! A row is never changed, but for whose it is when another object takes an upgrade over. Each upgrade numbers its own
//! from 1; `ordinal` counts through all of them, so that the newest is known without a clock. Versions of operator and
//! agent meet here: a word or a field that this version does not know is an error that is told, never a row that is
//! passed over, since it may be the one that decides.
use super::fingerprint::SchemaFingerprint;
use crate::protocol::hex::{is_hex, write_hex};
use serde::{Deserialize, Serialize};
use serde_json::json;
use thiserror::Error;

/// Longest detail of a fact, in bytes: half of what the column takes.
pub const DETAIL_MAX: usize = 32_768;

/// Rows that one upgrade may have. Far more than any does: what is longer was not written by us.
pub const ROWS_MAX: usize = 200;

/// Upgrades of which the record may tell.
pub const UPGRADES_MAX: usize = 1_000;

/// Verdicts of other upgrades that are kept.
pub const VERDICTS_KEPT: usize = 20;

/// The table. Names are ASCII and in lower case, so that no setting of the server folds them.
pub const CREATE_RECORD: &str = "create table if not exists oms_operator_lock.upgrade_record (\
     uid varchar(64) collate utf8mb4_bin not null, seq int not null, ordinal bigint not null, epoch bigint not null, \
     fact varchar(64) collate utf8mb4_bin not null, detail text not null, \
     written_at timestamp not null default current_timestamp, \
     primary key (uid, seq), unique key ordinal (ordinal)) engine = InnoDB default character set utf8mb4";

/// Adds a row while the lock names this holder at this epoch, and the row before it is there.
///
/// One statement, so that a client that dies in the middle leaves no open transaction behind, in which the row of the
/// lock would stay locked. It locks that row itself: whoever raises the epoch is either seen here, or waits until this
/// row is in (tried on seekdb 1.4.0 and MariaDB 10.11, in both orders). Names are compared as bytes; the lock table
/// would fold case.
///
/// Values, in this order: seq, fact, detail, holder, epoch, seq, seq.
pub const APPEND: &str = "insert into oms_operator_lock.upgrade_record (uid, seq, ordinal, epoch, fact, detail) \
     select l.holder, ?, (select coalesce(max(r.ordinal), 0) + 1 from oms_operator_lock.upgrade_record r), l.epoch, ?, ? \
     from oms_operator_lock.upgrade_lock l \
     where l.id = 1 and cast(l.holder as binary) = cast(? as binary) and l.epoch = ? \
     and (? = 1 or exists (select 1 from oms_operator_lock.upgrade_record p where p.uid = l.holder and p.seq = ? - 1)) \
     for update";

/// Gives lock and record of one upgrade to another object, while the lock names the old holder at this epoch.
///
/// One statement over both tables, so that at no moment one of them is in the hands of either and the other is not
/// (tried on seekdb 1.4.0 and MariaDB 10.11). It is the only one that changes rows of the record, and it changes only
/// whose they are.
///
/// Values: old holder, new holder, epoch, note, new holder, old holder, old epoch.
pub const TAKE_OVER: &str = "update oms_operator_lock.upgrade_lock l \
     left join oms_operator_lock.upgrade_record r on r.uid = ? \
     set l.holder = ?, l.epoch = ?, l.note = ?, r.uid = ? \
     where l.id = 1 and cast(l.holder as binary) = cast(? as binary) and l.epoch = ?";

/// A row of an upgrade whose lock is still the given one is taken out; for upgrades long past.
///
/// Values: uid, holder, epoch.
pub const FORGET: &str = "delete from oms_operator_lock.upgrade_record where uid = ? and exists (\
     select 1 from oms_operator_lock.upgrade_lock l \
     where l.id = 1 and cast(l.holder as binary) = cast(? as binary) and l.epoch = ?)";

/// What happened. The variant's name stands in the column `fact`, its fields as JSON in `detail`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(
    tag = "fact",
    content = "detail",
    rename_all_fields = "camelCase",
    deny_unknown_fields
)]
pub enum RecordFact {
    /// The lock was taken, and nothing was changed yet.
    Locked {
        /// `ha.config` as it read then; absent where there was no such row, which means off.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ha: Option<String>,
        /// What the targets ran.
        images: Vec<TargetImage>,
    },
    /// OMS was stopped, and nobody is connected to its databases.
    Stopped {
        /// Their schema then: what every later one is held against.
        fingerprint: SchemaFingerprint,
    },
    /// The backup was proven.
    BackupVerified {
        /// sha256 of its manifest.
        manifest_digest: String,
    },
    /// The point of no return: the new image may be started from here on.
    Line {},
    /// The new image, or another one than before, was seen on a target before the line; somebody else had started it.
    NewImageSeen {
        /// Name of the Deployment.
        target: String,
        /// The image as pulled; as written where no container of it had run yet.
        image_id: String,
    },
    /// A restore may touch the databases from here on.
    RestoreBegun { attempt: i32 },
    /// A restore has brought its tables in.
    Swapped { attempt: i32 },
    /// Another object is about to continue the upgrade, because its own is gone: the next epoch of the lock is that
    /// one's, and so are these rows from then on.
    TakenOver {
        /// Uid of the object that is gone.
        from: String,
        /// Uid of the object that began the upgrade, which stands in what it has made.
        marks: String,
    },
    /// How the upgrade, or a rollback after it, ended.
    Verdict {
        outcome: RecordedOutcome,
        /// The schema as it was left, where it was seen.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        fingerprint: Option<SchemaFingerprint>,
    },
}

/// What a target ran before the upgrade.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TargetImage {
    /// Name of the Deployment.
    pub target: String,
    /// Image as written in the template.
    pub image: String,
    /// Image as pulled, where it was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_id: Option<String>,
}

/// How an upgrade ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum RecordedOutcome {
    Succeeded,
    Aborted,
    RolledBack,
    Failed,
}

/// A row that this version does not understand.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Error)]
#[error(
    "the fact {fact:?} is not one that this version of the operator knows, or holds something that it does not know"
)]
pub struct UnknownFact {
    /// The word in the row, shortened.
    pub fact: String,
}

/// A fact as it stands in a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FactColumns {
    pub fact: String,
    pub detail: String,
}

impl RecordFact {
    /// What stands in the column `fact`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Locked { .. } => "Locked",
            Self::Stopped { .. } => "Stopped",
            Self::BackupVerified { .. } => "BackupVerified",
            Self::Line {} => "Line",
            Self::NewImageSeen { .. } => "NewImageSeen",
            Self::RestoreBegun { .. } => "RestoreBegun",
            Self::Swapped { .. } => "Swapped",
            Self::TakenOver { .. } => "TakenOver",
            Self::Verdict { .. } => "Verdict",
        }
    }

    /// The fact as it is stored; `None` for one that is too long.
    pub fn to_columns(&self) -> Option<FactColumns> {
        let value = serde_json::to_value(self).ok()?;
        let columns = FactColumns {
            fact: value.get("fact")?.as_str()?.to_owned(),
            detail: value.get("detail")?.to_string(),
        };
        (columns.detail.len() <= DETAIL_MAX).then_some(columns)
    }

    /// The fact that a row tells.
    ///
    /// # Errors
    /// For whatever a newer version, or somebody else, has written.
    pub fn from_columns(fact: &str, detail: &str) -> Result<Self, UnknownFact> {
        let unknown = || UnknownFact {
            fact: fact.chars().take(64).collect(),
        };
        let detail: serde_json::Value = serde_json::from_str(detail).map_err(|_| unknown())?;
        serde_json::from_value(json!({"fact": fact, "detail": detail})).map_err(|_| unknown())
    }
}

/// Marks one MetaDB: 128 random bits that were written into our own database once. Never made from a name or an id of
/// the server, which change with a failover, and which a copy of the server may share.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct InstallationId(String);

impl InstallationId {
    /// From random bits.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(write_hex(&bytes))
    }

    /// As it stands in its row.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for InstallationId {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if is_hex(&text, 32) {
            Ok(Self(text))
        } else {
            Err("an id of an installation is 32 hexadecimal digits")
        }
    }
}

impl From<InstallationId> for String {
    fn from(id: InstallationId) -> Self {
        id.0
    }
}

/// Which upgrades are forgotten, out of what is told of each but the one that has the lock now: its uid, its newest
/// ordinal, and the newest ordinal of a verdict of it. Those that ended last are kept, and whatever is newer than the
/// oldest of them, ended or not. So the newest ordinal stays, and none is given twice.
pub fn choose_forgotten(others: &[(String, u64, Option<u64>)]) -> Vec<&str> {
    let mut verdicts: Vec<u64> = others
        .iter()
        .filter_map(|(_, _, verdict)| *verdict)
        .collect();
    verdicts.sort_unstable_by(|one, other| other.cmp(one));
    let Some(oldest) = verdicts.get(VERDICTS_KEPT - 1) else {
        return Vec::new();
    };
    others
        .iter()
        .filter(|(_, newest, _)| newest < oldest)
        .map(|(uid, _, _)| uid.as_str())
        .collect()
}

#[cfg(test)]
#[path = "record_tests.rs"]
mod tests;
