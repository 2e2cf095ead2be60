//! What an agent says: progress while it works, one report at the end. No I/O.
//!
//! Everything goes to stdout as one JSON object per line ([`OutputLine`]); the report is also written to the
//! termination log of the container, which holds [`MAX_REPORT_BYTES`] at most. Nothing in here ever holds a
//! credential or a value of a row.

use super::names::name_variants;
use serde::{Deserialize, Serialize};

/// Kubernetes keeps this many bytes of a termination message (`terminationMessagePath`).
pub const MAX_REPORT_BYTES: usize = 4096;

/// One line of the agent's stdout.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum OutputLine {
    /// How far the work has come; at most one per second, only when something changed.
    Progress(Progress),
    /// The end; always the last line.
    Report(Box<Report>),
}

/// How far the work has come.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Progress {
    /// What is being done.
    pub phase: ProgressPhase,
    /// The database at hand; empty when the phase is not about one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub database: String,
    /// The table at hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<String>,
    /// Bytes done in this phase over all databases. Dumping and verifying count uncompressed bytes, loading
    /// too, reading contents counts the bytes of the values.
    pub bytes_done: u64,
    /// Bytes this phase will take: exact while verifying and loading, the server's estimate while dumping.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes_total: Option<u64>,
    /// Average rate of this phase.
    pub bytes_per_second: u64,
    /// Seconds left by that rate, when the total is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eta_seconds: Option<u64>,
}

/// The phases a progress line can be about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ProgressPhase {
    /// Connecting, waiting for the lock, looking at sessions.
    #[default]
    Starting,
    /// Reading the live databases to compute their content digests.
    ReadingContent,
    /// The dump client writes.
    Dumping,
    /// The stored files are read again.
    Verifying,
    /// A dump is loaded into databases aside.
    Loading,
    /// Loaded content is compared with the manifest.
    Comparing,
    /// Live tables are replaced.
    Swapping,
    /// Temporary databases are dropped.
    CleaningUp,
}

/// The end of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// `probe`, `dump`, `verify`, `compare`, `restore` or `drop-safety-copies`.
    pub command: String,
    /// As in the request.
    pub upgrade_uid: String,
    /// As in the request.
    pub attempt: i32,
    /// The verdict.
    pub outcome: Outcome,
    /// Why, in one word. `Completed` exactly when the outcome is `Succeeded`.
    pub reason: Reason,
    /// What happened, what it means for the data, what to do next.
    pub message: String,
    /// sha256 of `manifest.json`: what `dump` wrote or what the other commands trusted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifest_digest: Option<String>,
    /// Seconds the run took.
    pub seconds: u64,
    /// What the command found out. Present on success.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<CommandResult>,
}

/// The verdict of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// The command did all it was asked for. For `compare` that includes finding a difference, for `probe`
    /// finding that something is missing.
    Succeeded,
    /// It did not.
    Failed,
}

/// Why a run ended as it did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Hash)]
pub enum Reason {
    /// All done.
    Completed,
    /// The request makes no sense, or this agent is too old for it.
    InvalidRequest,
    /// The mounted Secret or `config.yaml` cannot be read or lacks a key.
    CredentialsUnreadable,
    /// The MetaDB refused user name or password, or the account may not enter a database.
    AccessDenied,
    /// The MetaDB could not be reached, or a connection broke.
    ConnectionLost,
    /// The server cut a statement (OceanBase: `ob_query_timeout`; MySQL and MariaDB: their time limits).
    QueryTimeout,
    /// The server was short of memory or otherwise too busy, for as long as it was waited.
    MetadbBusy,
    /// The account lacks a privilege; the message holds the GRANT statement.
    PrivilegeMissing,
    /// A server-wide setting would change what the dump client reads, or a session of ours does not keep its own; the
    /// message names it.
    UnsuitedSetting,
    /// One side wants TLS and the other does not offer it, or its certificate is not believed.
    TlsFailed,
    /// The server's `max_allowed_packet` is smaller than the longest statement of the dump.
    PacketTooSmall,
    /// A named database does not exist.
    DatabaseMissing,
    /// Neither `mariadb-dump` nor `mysqldump` is in the image, or it cannot be run.
    ClientMissing,
    /// The dump client ended with an error that has no reason of its own.
    ClientFailed,
    /// The claim is not mounted, or this user cannot write there.
    ClaimNotWritable,
    /// The volume is full.
    NoSpace,
    /// The volume reported an error.
    VolumeFailed,
    /// Sessions other than ours use the databases.
    NotQuiesced,
    /// Objects or rows changed while they were dumped.
    ChangedWhileDumping,
    /// The dump does not begin as a dump of this database begins.
    NoHeader,
    /// The dump does not end with the line that its client writes last.
    NoTrailer,
    /// The dump holds something that a dump of tables and views never holds.
    UnexpectedStatement,
    /// The manifest is missing, unreadable, or not the one that is expected.
    ManifestMismatch,
    /// A stored file is missing, or its length or sha256 is not the one in the manifest.
    ChecksumMismatch,
    /// Content that must be equal is not: the dump against the manifest, the loaded tables against it, or
    /// the live databases against it after a restore.
    ContentDiffers,
    /// Routines, events or triggers exist, which the documented backup (`--triggers=false`) does not carry, or foreign
    /// keys that this kind of server does not take back.
    UnsupportedObjects,
    /// The dump comes from another kind of server.
    EngineDiffers,
    /// The lock row is missing or belongs to someone else.
    LockLost,
    /// Another agent holds the named lock.
    AgentBusy,
    /// Renaming across databases failed.
    RenameFailed,
    /// `deadlineSeconds` passed.
    DeadlineExceeded,
    /// SIGTERM or SIGINT.
    Interrupted,
    /// The server answered with an error that has no reason of its own.
    ServerError,
    /// A fault of the agent itself.
    Internal,
}

name_variants!(
    Reason:
    Completed, InvalidRequest, CredentialsUnreadable, AccessDenied, ConnectionLost, QueryTimeout,
    MetadbBusy, PrivilegeMissing, UnsuitedSetting, TlsFailed, PacketTooSmall, DatabaseMissing, ClientMissing,
    ClientFailed, ClaimNotWritable, NoSpace, VolumeFailed, NotQuiesced, ChangedWhileDumping,
    NoHeader, NoTrailer, UnexpectedStatement, ManifestMismatch, ChecksumMismatch, ContentDiffers,
    UnsupportedObjects, EngineDiffers, LockLost, AgentBusy, RenameFailed, DeadlineExceeded,
    Interrupted, ServerError, Internal,
);

/// What a command found out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum CommandResult {
    Probe(Box<ProbeReport>),
    Dump(DumpReport),
    Verify(VerifyReport),
    Compare(CompareReport),
    Restore(RestoreReport),
    DropSafetyCopies(DropReport),
}

/// What the MetaDB runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Engine {
    /// OceanBase in MySQL mode, seekdb included.
    #[serde(rename = "OceanBase")]
    OceanBase,
    #[serde(rename = "MariaDB")]
    MariaDb,
    #[serde(rename = "MySQL")]
    MySql,
}

impl Engine {
    /// The word as it stands in reports and messages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OceanBase => "OceanBase",
            Self::MariaDb => "MariaDB",
            Self::MySql => "MySQL",
        }
    }
}

/// Whether something was tried, and how it went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Trial {
    /// Not tried, with the reason.
    NotTried(String),
    Works,
    /// It failed, with the server's words.
    Failed(String),
    /// The server has no such thing, with its words.
    Unsupported(String),
}

impl Trial {
    /// What a report says that was written before this was tried.
    fn not_told() -> Self {
        Self::NotTried("the agent that made the report does not try it".into())
    }
}

/// Answer of `probe`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProbeReport {
    /// Kind of server.
    pub engine: Engine,
    /// As `SELECT version()` gives it.
    pub server_version: String,
    /// First line of the dump client's `--version`.
    pub client_version: String,
    /// Free bytes on the claim for this user.
    pub free_bytes: u64,
    /// A file was written, fsynced, read back and removed on the claim.
    pub claim: Trial,
    /// Privileges that dump, verify and restore need. Only the missing and unknown ones when all do not fit.
    pub privileges: Vec<Privilege>,
    /// One `RENAME TABLE` across two scratch databases. `Unsupported` means: restore with `DropAndLoad`.
    pub rename_across_databases: Trial,
    /// The first rows of every table were dumped by the client, read, loaded into scratch databases and compared.
    #[serde(default = "Trial::not_told")]
    pub first_rows: Trial,
    /// The session default of OceanBase's `ob_query_timeout` in microseconds; `None` on other engines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ob_query_timeout_micros: Option<u64>,
    /// Whether this account may run `SET GLOBAL ob_query_timeout` (tried with the value it has already).
    /// `None` on other engines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub may_set_ob_query_timeout: Option<bool>,
    /// Bytes of the databases by the server's own estimate.
    pub estimated_bytes: u64,
    /// Rows of `heatbeat_sequence` (the name is spelt so) in all databases, by the server's estimate.
    pub heartbeat_sequence_rows: u64,
    /// Estimate for `dump` with the digests it takes.
    pub dump_seconds: u64,
    /// Estimate for a restore.
    pub restore_seconds: u64,
    /// Routines, events, triggers, sequences and the like that exist and that the backup would not carry, as `kind
    /// db.name`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unsupported_objects: Vec<String>,
    /// Settings of the server that would change what the dump client reads and that it cannot set for itself, each with
    /// the statement that changes it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unsuited_settings: Vec<String>,
    /// Databases of the request that do not exist.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing_databases: Vec<String>,
}

/// One privilege that the agent needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Privilege {
    /// What it is needed for, for example `dump oms_rm` or `restore aside`.
    pub purpose: String,
    /// Whether the account has it.
    pub state: PrivilegeState,
    /// The exact statement that an administrator runs when it is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant: Option<String>,
}

/// Whether the account has a privilege.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PrivilegeState {
    Present,
    Missing,
    /// It cannot be told without touching the live databases (for example, roles hide it).
    Unknown,
}

/// Answer of `dump`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DumpReport {
    /// Directory of this attempt on the claim.
    pub directory: String,
    /// One entry per database.
    pub databases: Vec<DatabaseSummary>,
    /// Seconds that reading the contents for the digests took.
    pub digest_seconds: u64,
    /// Seconds that the dump client, compression and hashing took.
    pub dump_seconds: u64,
}

/// One database of a backup.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DatabaseSummary {
    pub name: String,
    /// Number of base tables.
    pub tables: u64,
    /// Number of views.
    pub views: u64,
    /// Exact number of rows.
    pub rows: u64,
    /// Bytes of the dump before compression.
    pub raw_bytes: u64,
    /// Bytes of the file.
    pub stored_bytes: u64,
}

/// Answer of `verify`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VerifyReport {
    /// Files whose sha256, length, header, trailer, row counts and content digests equal the manifest.
    pub files: u64,
    /// Rows read back from the files.
    pub rows: u64,
    /// Bytes read back before decompression.
    pub stored_bytes: u64,
    /// The restore into scratch databases.
    pub scratch_restore: Trial,
}

/// Answer of `compare`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum CompareReport {
    /// The live databases hold exactly what the manifest says, in both directions.
    Equal,
    /// They do not.
    Different {
        /// What differs, in words; the first findings when there are many.
        summary: String,
        /// How many objects differ.
        objects: u64,
    },
}

/// Answer of `restore`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RestoreReport {
    /// How the live tables were replaced.
    pub method: RestoreMethodUsed,
    /// Databases that hold the replaced tables, of every attempt of this upgrade, until they are dropped.
    pub safety_copies: Vec<SafetyCopy>,
    /// Tables restored.
    pub tables: u64,
    /// Views recreated.
    pub views: u64,
    /// Rows restored.
    pub rows: u64,
    /// Attempt whose swap was finished by this one, when that is another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resumed_attempt: Option<i32>,
}

/// One database of replaced tables.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SafetyCopy {
    /// Name of the database.
    pub database: String,
    /// How many were replaced; an attempt that died may have moved a part of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tables: Option<u64>,
    /// Bytes by the server's own estimate; missing where it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
}

/// How `restore` came to its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum RestoreMethodUsed {
    /// Loaded aside, compared, swapped.
    #[default]
    Swap,
    /// Dropped and loaded.
    DropAndLoad,
    /// A former attempt had finished already; only compared.
    AlreadyRestored,
}

/// Answer of `drop-safety-copies`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DropReport {
    /// Databases that were dropped. What was asked for and stands nowhere here was gone already.
    pub dropped: Vec<String>,
    /// Databases that bear the name of a copy and are none of this upgrade. They were left alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub foreign: Vec<String>,
}

#[cfg(test)]
#[path = "report_tests.rs"]
mod tests;
