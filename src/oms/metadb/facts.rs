//! Facts read from the meta database, and the writes asked of it. Plain data.
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::super::ha::{HaConfig, HaError, HaPatch};
use crate::api::KeptKey;
use crate::metadb::Engine;

/// Who answers on the meta database's address.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ServerIdentity {
    /// Engine by version text.
    pub engine: Engine,
    /// As `SELECT version()` gives it.
    pub version: String,
    /// Identity that survives a failover or a proxy: cluster and tenant of OceanBase. `None` when the
    /// engine has none or the account may not read it.
    pub tenant: Option<String>,
    /// Identity of the one server that answered (`server_uuid` or the like); another replica has another.
    pub server: Option<String>,
    /// Account as the server sees it (`current_user()`), without its password.
    pub account: String,
    /// The server's offset from UTC, seconds east; must equal the nodes' (OMS deployment guide).
    pub utc_offset_seconds: i32,
    /// What the server's clock said, Unix seconds.
    pub clock: i64,
}

impl ServerIdentity {
    /// Product and version, for people.
    pub fn describe(&self) -> String {
        format!("{} {}", self.engine.as_str(), self.version)
    }
}

/// Which sessions count as foreign.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct SessionQuery {
    /// Login name of OMS (`oms_meta_user`).
    pub account: String,
    /// Databases of the installation.
    pub databases: Vec<String>,
    /// Addresses of our own running Jobs, whose sessions are not foreign. Never give an address
    /// that OMS could also come from (a host-networked pod's).
    pub own_addresses: Vec<IpAddr>,
}

/// Whose sessions the server shows us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SessionVisibility {
    /// Sessions of every account (PROCESS privilege).
    AllAccounts,
    /// Only our own account's: other users of the databases stay unseen.
    OwnAccountOnly,
}

/// Which servers of the database the list covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ServerCoverage {
    /// Every server of the cluster, or a stand-alone engine.
    AllServers,
    /// The server that answered; others may exist.
    AnsweringServer,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ForeignSession {
    /// Session id on its server.
    pub id: u64,
    /// Account name as the server shows it.
    pub user: String,
    /// Client address, without the port where there is one.
    pub host: String,
    /// Current database.
    pub database: Option<String>,
    /// `COMMAND` column, e.g. `Sleep`, `Query`. The statement itself is never read out.
    pub command: String,
    /// Seconds in this state.
    pub seconds: u64,
}

/// Foreign sessions and how much of the truth they are.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SessionReport {
    /// Whose sessions are visible.
    pub visibility: SessionVisibility,
    /// Which servers are covered.
    pub coverage: ServerCoverage,
    /// True when sessions of [`SessionQuery::account`] are visible.
    pub sees_oms_account: bool,
    /// Foreign sessions, sorted by id.
    pub foreign: Vec<ForeignSession>,
}

/// The HA parameter's row.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum HaRow {
    /// The table `oms_normal_config` does not exist: HA unknown to this version, so off.
    NoTable,
    /// The table has no `ha.config` row: off.
    NoRow,
    /// The row's text, as stored.
    Text(String),
}

impl HaRow {
    /// The text, if there is a row.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::NoTable | Self::NoRow => None,
        }
    }
}

/// A conditional change of the HA row.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct HaRowWrite {
    /// The row as the caller read it; the write happens only if it still reads so, byte for byte.
    pub expected: HaRow,
    /// Keys to set or remove.
    pub patch: HaPatch,
    /// Create the row when `expected` is [`HaRow::NoRow`]; otherwise such a write is refused.
    pub insert_if_missing: bool,
}

impl HaRowWrite {
    /// The whole text that the row is to have.
    pub fn build_config(&self) -> Result<HaConfig, HaError> {
        let before = self.expected.text();
        before
            .map_or_else(|| Ok(HaConfig::empty()), HaConfig::parse)?
            .apply_patch(&self.patch)
    }
}

/// What became of a write of the HA row.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum HaRowOutcome {
    /// The row now has this text, read back after the write.
    Written(String),
    /// The keys were as wanted already; nothing was written.
    Unchanged(String),
    /// The row reads differently from `expected`; nothing was written.
    Contended(HaRow),
    /// There is no row (or table) and inserting was not asked for; nothing was written.
    Missing,
}

/// Recovery keys of `ha.config` that an upgrade has left changed, written down beside the lock for the next one: no
/// object of Kubernetes outlives a deletion, and the row alone does not tell whose values they are.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct KeptKeys {
    /// Which upgrade left them, for people; cut to 255 characters.
    pub note: String,
    pub keys: Vec<KeptKey>,
}

/// Whether a connector's source configuration names the database type (upgrade guide, restrictions).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum DbType {
    /// `dbType` or `db_type` is set to this.
    Named(String),
    /// Neither key is there.
    Missing,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ConnectorFact {
    /// Task name, e.g. `10.0.0.1-9000:p_x-source-000-0:0002000001`.
    pub name: String,
    /// Its source's `dbType`.
    pub db_type: DbType,
}

/// Connectors as far as the table tells.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ConnectorReport {
    /// All connectors that have rows in `config_job`, sorted by name.
    Known(Vec<ConnectorFact>),
    /// The table is not shaped as expected: a person must look (console, OPS & Monitoring >
    /// Component > Connector).
    Unknown {
        /// What differs.
        reason: String,
    },
}

/// One node of the installation.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct HostRow {
    /// Node address (`OMS_HOST_IP`).
    pub ip: String,
    /// `host_status`, upper case; `ONLINE` is the good one.
    pub status: String,
}

impl HostRow {
    /// True when the cluster manager counts the node in.
    pub fn is_online(&self) -> bool {
        self.status == "ONLINE"
    }
}

/// Last heart beat of one node.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct HeartBeat {
    pub task_type: String,
    pub host_ip: String,
    /// Seconds since `gmt_modified` by the database's own clock; negative where OMS writes in a time zone east of it.
    pub age_seconds: i64,
    /// `gmt_modified` as the database writes it. Later moments are greater texts.
    pub written: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RegionRow {
    pub region: String,
    /// `cm_url`; credentials that someone put into the URL are cut out.
    pub cm_url: String,
    /// `is_default_cm`, where the column exists.
    pub is_default: Option<bool>,
}

/// Who may change this OMS: one upgrade at a time.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct LockRow {
    /// Uid of the upgrade that holds it; at most 64 characters.
    pub holder: String,
    /// Fence: a call with a lower epoch is late and must not act.
    pub epoch: i64,
    /// For people, e.g. `oms/to-4-0-0`; at most 255 characters.
    pub note: String,
    /// Seconds since the row was last written, by the database's clock.
    pub age_seconds: u64,
}

/// A wish to hold the lock.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct LockClaim {
    /// Uid of the upgrade; at most 64 characters.
    pub holder: String,
    /// Epoch to hold it at.
    pub epoch: i64,
    /// For people; cut to 255 characters.
    pub note: String,
}

/// A wish to continue the upgrade of an object that is gone.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TakeOverClaim {
    /// Uid that holds the lock.
    pub from: String,
    /// Epoch at which it does.
    pub from_epoch: i64,
    /// Who holds it afterwards, at a higher epoch.
    pub to: LockClaim,
}

/// What became of a lock call.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum LockOutcome {
    /// Held by the caller, as read back.
    Held(LockRow),
    /// Held by another upgrade; nothing was changed.
    HeldByOther(LockRow),
    /// Held by this holder at a higher epoch: the caller is late; nothing was changed.
    Fenced(LockRow),
    /// Nobody holds it.
    Free,
}
