//! What an upgrade that is over leaves behind. No I/O.
use super::*;
use crate::protocol::names::name_variants;

/// One thing that an upgrade has left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Leftover {
    /// What it is.
    pub kind: LeftoverKind,
    /// Where it lies: `MetaDB <host>:<port>` or `claim <name>`.
    pub place: String,
    /// What it is called there: the database, or the directory.
    pub name: String,
    /// How large it is, as far as that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<i64>,
    /// When the operator drops it. Without a time a person removes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept_until_time: Option<Time>,
    /// When it was dropped, or found gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dropped_time: Option<Time>,
    /// Why it is still there although its time is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// Kinds of what an upgrade leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum LeftoverKind {
    /// A database with tables that a restore replaced.
    SafetyCopy,
    /// A directory with the backup.
    Backup,
}

name_variants!(LeftoverKind: SafetyCopy, Backup);

impl Leftover {
    /// Whether it is a safety copy that was not dropped yet.
    pub fn is_kept_copy(&self) -> bool {
        self.kind == LeftoverKind::SafetyCopy && self.dropped_time.is_none()
    }
}

/// How dropping the safety copies goes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CopyCleanup {
    /// It is being done.
    #[serde(default)]
    pub under_way: bool,
    /// How often it could not be done.
    #[serde(default)]
    pub failures: i32,
    /// Not before that time it is tried again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_time: Option<Time>,
}
