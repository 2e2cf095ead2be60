//! The meta database over the MySQL protocol: the adapter behind [`super::metadb::MetaDb`].
//!
//! Touches the network, nothing else. One connection per call, closed before the answer is given;
//! every call is bounded as a whole by the client and each statement by the server as well, so that
//! nothing runs on after the caller gave up. The server cannot read local files through this client
//! and cannot get the password in clear text.
mod cluster;
mod connectors;
mod explain;
mod fingerprint;
mod ha_row;
mod identity;
mod installation_id;
mod kept_keys;
mod lock;
mod lock_row;
mod own;
mod record;
mod rows;
mod session;
mod sessions;
mod store_limit;
mod tables;

use std::sync::Arc;
use std::time::Duration;

use super::installation::{Address, Databases};
use super::metadb::*;
use super::project::ProjectRow;
use crate::metadb::record::InstallationId;
use crate::metadb::secret::Credentials;
use crate::metadb::{LoginRules, SchemaFingerprint};
use own::OwnServers;
use session::Door;

/// Opens meta databases over TCP.
#[derive(Clone, Default)]
pub struct MySqlOpener {
    own: OwnServers,
}

impl MetaDbOpener for MySqlOpener {
    fn open(
        &self,
        address: &Address,
        credentials: &Credentials,
        rules: &LoginRules,
        databases: &Databases,
        limit: Duration,
    ) -> Arc<dyn MetaDb> {
        Arc::new(MySqlMetaDb {
            door: Door::new(
                address,
                credentials,
                rules,
                limit,
                self.own.find(&address.to_string()),
            ),
            databases: databases.clone(),
        })
    }
}

/// One meta database over TCP.
pub struct MySqlMetaDb {
    door: Door,
    databases: Databases,
}

/// One bounded call: opens a session, lets a function of the modules below use it, closes it.
macro_rules! call {
    ($self:ident, $name:literal, $module:ident :: $function:ident ( $($argument:expr),* )) => {
        Box::pin($self.door.call($name, move |mut session| async move {
            let answer = $module::$function(&mut session $(, $argument)*).await;
            (session, answer)
        }))
    };
}

impl MetaDb for MySqlMetaDb {
    fn identify(&self) -> MetaDbResult<'_, ServerIdentity> {
        call!(self, "identify the server", identity::identify())
    }

    fn list_sessions<'a>(&'a self, query: &'a SessionQuery) -> MetaDbResult<'a, SessionReport> {
        call!(self, "list sessions", sessions::list_sessions(query))
    }

    fn read_ha_row(&self) -> MetaDbResult<'_, HaRow> {
        call!(self, "read ha.config", ha_row::read_row(&self.databases.rm))
    }

    fn write_ha_row<'a>(&'a self, write: &'a HaRowWrite) -> MetaDbResult<'a, HaRowOutcome> {
        call!(
            self,
            "write ha.config",
            ha_row::write_row(&self.databases.rm, write)
        )
    }

    fn read_kept_keys(&self) -> MetaDbResult<'_, Option<KeptKeys>> {
        call!(
            self,
            "read the kept recovery keys",
            kept_keys::read_kept(&self.databases.rm)
        )
    }

    fn write_kept_keys<'a>(&'a self, kept: &'a KeptKeys) -> MetaDbResult<'a, ()> {
        call!(
            self,
            "write down the kept recovery keys",
            kept_keys::write_kept(&self.databases.rm, kept)
        )
    }

    fn read_store_limit(&self) -> MetaDbResult<'_, Option<u64>> {
        call!(
            self,
            "read the limit of Stores",
            store_limit::read_store_limit(&self.databases.rm)
        )
    }

    fn list_projects(&self) -> MetaDbResult<'_, Vec<ProjectRow>> {
        call!(
            self,
            "list projects",
            cluster::list_projects(&self.databases.rm)
        )
    }

    fn list_connectors(&self) -> MetaDbResult<'_, ConnectorReport> {
        call!(
            self,
            "list connectors",
            connectors::list_connectors(&self.databases.cm)
        )
    }

    fn list_hosts(&self) -> MetaDbResult<'_, Vec<HostRow>> {
        call!(self, "list hosts", cluster::list_hosts(&self.databases.cm))
    }

    fn list_heart_beats<'a>(&'a self, database: &'a str) -> MetaDbResult<'a, Vec<HeartBeat>> {
        call!(
            self,
            "list heart beats",
            cluster::list_heart_beats(database)
        )
    }

    fn list_regions(&self) -> MetaDbResult<'_, Vec<RegionRow>> {
        call!(
            self,
            "list regions",
            cluster::list_regions(&self.databases.rm)
        )
    }

    fn read_query_timeout(&self) -> MetaDbResult<'_, Option<u64>> {
        call!(
            self,
            "read ob_query_timeout",
            identity::read_query_timeout()
        )
    }

    fn set_query_timeout(&self, microseconds: u64) -> MetaDbResult<'_, ()> {
        call!(
            self,
            "set ob_query_timeout",
            identity::set_query_timeout(microseconds)
        )
    }

    fn read_lock(&self) -> MetaDbResult<'_, Option<LockRow>> {
        call!(self, "read the upgrade lock", lock_row::read_lock())
    }

    fn acquire_lock<'a>(&'a self, claim: &'a LockClaim) -> MetaDbResult<'a, LockOutcome> {
        call!(self, "take the upgrade lock", lock::acquire_lock(claim))
    }

    fn raise_lock<'a>(&'a self, claim: &'a LockClaim) -> MetaDbResult<'a, LockOutcome> {
        call!(self, "raise the upgrade lock", lock::raise_lock(claim))
    }

    fn take_over_lock<'a>(&'a self, claim: &'a TakeOverClaim) -> MetaDbResult<'a, LockOutcome> {
        call!(
            self,
            "take the upgrade lock over",
            lock::take_over_lock(claim)
        )
    }

    fn release_lock<'a>(
        &'a self,
        holder: &'a str,
        marks: &'a str,
    ) -> MetaDbResult<'a, LockOutcome> {
        call!(
            self,
            "release the upgrade lock",
            lock::release_lock(holder, marks)
        )
    }

    fn read_record<'a>(&'a self, uid: &'a str) -> MetaDbResult<'a, UpgradeRecord> {
        call!(
            self,
            "read the record of upgrades",
            record::read_record(uid)
        )
    }

    fn append_record<'a>(&'a self, claim: &'a RecordClaim) -> MetaDbResult<'a, RecordOutcome> {
        call!(
            self,
            "add to the record of upgrades",
            record::append_record(claim)
        )
    }

    fn read_installation_id(&self) -> MetaDbResult<'_, Option<InstallationId>> {
        call!(
            self,
            "read the id of the installation",
            installation_id::read_id()
        )
    }

    fn read_fingerprint(&self) -> MetaDbResult<'_, SchemaFingerprint> {
        call!(
            self,
            "read the schema",
            fingerprint::read_fingerprint(&self.databases)
        )
    }
}
