//! The meta database (MetaDB) as a port: what can be asked of it and changed in it.
//!
//! No I/O here. The adapter is [`super::mysql`]; tests put a double behind the same trait.
//! Every call is bounded in time by the adapter, every write is conditional or absolute and read
//! back, and a failed call says whether the write may have happened.
mod error;
mod facts;
mod record;

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;

pub use error::{MetaDbError, WriteFate};
pub use facts::*;
pub use record::{RecordClaim, RecordOutcome, RecordRow, UpgradeRecord};

use super::installation::{Address, Databases};
use crate::metadb::record::InstallationId;
use crate::metadb::secret::Credentials;
use crate::metadb::{LoginRules, SchemaFingerprint};

/// Answer of a call to the meta database.
pub type MetaDbResult<'a, T> = BoxFuture<'a, Result<T, MetaDbError>>;

/// Opens meta databases; the seam where tests put their own.
pub trait MetaDbOpener: Send + Sync {
    /// Makes a client. Does not connect yet: the first call does.
    ///
    /// `limit` bounds each call as a whole (connect, statements, read back).
    fn open(
        &self,
        address: &Address,
        credentials: &Credentials,
        rules: &LoginRules,
        databases: &Databases,
        limit: Duration,
    ) -> Arc<dyn MetaDb>;
}

/// Calls to one meta database. Object-safe; one connection per call.
pub trait MetaDb: Send + Sync {
    /// Who answers: engine, version, identity.
    fn identify(&self) -> MetaDbResult<'_, ServerIdentity>;

    /// Sessions of the OMS account or on its databases, other than this client's own.
    fn list_sessions<'a>(&'a self, query: &'a SessionQuery) -> MetaDbResult<'a, SessionReport>;

    /// The row of the HA parameter (`oms_normal_config`, rm database).
    fn read_ha_row(&self) -> MetaDbResult<'_, HaRow>;

    /// Changes single keys of the HA row, only if it still reads as the caller saw it.
    fn write_ha_row<'a>(&'a self, write: &'a HaRowWrite) -> MetaDbResult<'a, HaRowOutcome>;

    /// The recovery keys that an upgrade has left in the HA row of this rm database; `None` when there are none.
    fn read_kept_keys(&self) -> MetaDbResult<'_, Option<KeptKeys>>;

    /// Writes down which keys are left, or with an empty list that none is, and reads it back. Absolute.
    fn write_kept_keys<'a>(&'a self, kept: &'a KeptKeys) -> MetaDbResult<'a, ()>;

    /// How many Stores a subtopic may have (`ops.store.max_count_per_subtopic`, rm database); `None` where OMS has not
    /// written the row, which then has the documented default.
    fn read_store_limit(&self) -> MetaDbResult<'_, Option<u64>>;

    /// All migration and synchronization projects (rm database), deleted ones included.
    fn list_projects(&self) -> MetaDbResult<'_, Vec<super::project::ProjectRow>>;

    /// What `config_job` (cm database) says about each connector's source `dbType`.
    fn list_connectors(&self) -> MetaDbResult<'_, ConnectorReport>;

    /// Nodes of the installation (`host`, cm database).
    fn list_hosts(&self) -> MetaDbResult<'_, Vec<HostRow>>;

    /// Heart beats of the `supervisor` task in one heartbeat database, with ages by the server's clock.
    fn list_heart_beats<'a>(&'a self, database: &'a str) -> MetaDbResult<'a, Vec<HeartBeat>>;

    /// Regions (`cluster_info`, rm database).
    #[cfg_attr(
        not(feature = "testing"),
        expect(dead_code, reason = "waits for installations of several regions")
    )]
    fn list_regions(&self) -> MetaDbResult<'_, Vec<RegionRow>>;

    /// Global `ob_query_timeout` in microseconds; `None` on engines that have no such variable.
    fn read_query_timeout(&self) -> MetaDbResult<'_, Option<u64>>;

    /// Sets global `ob_query_timeout` and reads it back. Unconditional: callers record the original first.
    fn set_query_timeout(&self, microseconds: u64) -> MetaDbResult<'_, ()>;

    /// The lock that admits one upgrade per meta database; `None` when nobody holds it.
    fn read_lock(&self) -> MetaDbResult<'_, Option<LockRow>>;

    /// Takes the lock, or finds that this holder has it. Before that, whatever is not there yet of our own database is
    /// made, with the id of the installation; afterwards the record of upgrades long past is taken out.
    fn acquire_lock<'a>(&'a self, claim: &'a LockClaim) -> MetaDbResult<'a, LockOutcome>;

    /// Raises the epoch of a lock that `claim.holder` holds at an epoch ≤ `claim.epoch`.
    fn raise_lock<'a>(&'a self, claim: &'a LockClaim) -> MetaDbResult<'a, LockOutcome>;

    /// Gives lock and record of one upgrade to another object, at once, while the lock names the old holder at the
    /// given epoch. To ask again after a lost answer does no harm. The answer tells who holds it then.
    fn take_over_lock<'a>(&'a self, claim: &'a TakeOverClaim) -> MetaDbResult<'a, LockOutcome>;

    /// Gives the lock back, with what restores of this upgrade have left in rows beside it, under the uid that stands
    /// in what it has made. The record and the id of the installation stay. Succeeds when the lock is free already;
    /// `HeldByOther` leaves it alone.
    fn release_lock<'a>(&'a self, holder: &'a str, marks: &'a str)
    -> MetaDbResult<'a, LockOutcome>;

    /// What the record of upgrades tells the upgrade `uid`. Empty while no upgrade ever took the lock.
    fn read_record<'a>(&'a self, uid: &'a str) -> MetaDbResult<'a, UpgradeRecord>;

    /// Adds a row to the record, only while the lock is held as the claim says and exactly behind the rows that the
    /// caller has seen. To ask again after a lost answer does no harm.
    fn append_record<'a>(&'a self, claim: &'a RecordClaim) -> MetaDbResult<'a, RecordOutcome>;

    /// The id that the first upgrade has given to this MetaDB; `None` before.
    #[cfg_attr(
        not(feature = "testing"),
        expect(
            dead_code,
            reason = "waits for an upgrade that is taken over by a new object"
        )
    )]
    fn read_installation_id(&self) -> MetaDbResult<'_, Option<InstallationId>>;

    /// What the schema of all databases of the installation is now.
    fn read_fingerprint(&self) -> MetaDbResult<'_, SchemaFingerprint>;
}
