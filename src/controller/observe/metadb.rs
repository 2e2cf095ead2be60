//! Facts of the meta database.
use super::installation::InstallationAccess;
use super::on_demand::look_if;
use crate::controller::calls::{CallError, CallSite};
use crate::controller::ports::Ports;
use crate::controller::subject::Subject;
use crate::facts::{Fact, MetaDbFacts, Needs};
use crate::oms::metadb::{HeartBeat, SessionQuery};
use std::net::IpAddr;

/// Every fact unknown for one reason.
pub(super) fn blind(reason: &str) -> MetaDbFacts {
    MetaDbFacts {
        identity: Fact::Unknown(reason.into()),
        ha: Fact::Unknown(reason.into()),
        kept_keys: Fact::Unknown(reason.into()),
        store_limit: Fact::Unknown(reason.into()),
        sessions: Fact::Unknown(reason.into()),
        projects: Fact::Unknown(reason.into()),
        connectors: Fact::Unknown(reason.into()),
        hosts: Fact::Unknown(reason.into()),
        heart_beats: Fact::Unknown(reason.into()),
        query_timeout: Fact::Unknown(reason.into()),
        lock: Fact::Unknown(reason.into()),
        record: Fact::Unknown(reason.into()),
        fingerprint: Fact::Unknown(reason.into()),
    }
}

/// Asks only what is needed, all at once.
pub(super) async fn observe_metadb(
    ports: &Ports,
    subject: &Subject<'_>,
    needs: Needs,
    access: &InstallationAccess,
    own_addresses: Vec<IpAddr>,
) -> MetaDbFacts {
    let db = &access.metadb;
    let found = &access.installation;
    let query = SessionQuery {
        account: access.oms_account.clone(),
        databases: found.databases.names(),
        own_addresses,
    };
    // Before the operation all that are listed are looked at, later the recorded ones are followed.
    let begun = subject.status.started_time.is_some();
    let wants_projects = needs.projects || (needs.progress && !begun);
    let (
        identity,
        ha,
        kept_keys,
        store_limit,
        sessions,
        projects,
        connectors,
        hosts,
        heart_beats,
        query_timeout,
        lock,
        record,
        fingerprint,
    ) = futures::join!(
        look_if(
            needs.identity,
            ports.call(CallSite::MetaDbIdentify, db.identify())
        ),
        look_if(
            needs.ha,
            ports.call(CallSite::MetaDbReadHa, db.read_ha_row())
        ),
        look_if(
            needs.kept_keys,
            ports.call(CallSite::MetaDbReadKeptKeys, db.read_kept_keys())
        ),
        look_if(
            needs.store_limit,
            ports.call(CallSite::MetaDbReadStoreLimit, db.read_store_limit())
        ),
        look_if(
            needs.sessions,
            ports.call(CallSite::MetaDbSessions, db.list_sessions(&query))
        ),
        look_if(
            wants_projects,
            ports.call(CallSite::MetaDbProjects, db.list_projects())
        ),
        look_if(
            needs.projects && !begun,
            ports.call(CallSite::MetaDbConnectors, db.list_connectors())
        ),
        look_if(
            needs.health,
            ports.call(CallSite::MetaDbHosts, db.list_hosts())
        ),
        look_if(needs.health, list_heart_beats(ports, access)),
        look_if(
            needs.query_timeout,
            ports.call(CallSite::MetaDbReadQueryTimeout, db.read_query_timeout())
        ),
        look_if(
            needs.lock,
            ports.call(CallSite::MetaDbReadLock, db.read_lock())
        ),
        look_if(
            needs.record,
            ports.call(
                CallSite::MetaDbReadRecord,
                db.read_record(subject.owner.uid)
            )
        ),
        look_if(
            needs.fingerprint,
            ports.call(CallSite::MetaDbFingerprint, db.read_fingerprint())
        ),
    );
    MetaDbFacts {
        identity,
        ha,
        kept_keys,
        store_limit,
        sessions,
        projects,
        connectors,
        hosts,
        heart_beats,
        query_timeout,
        lock,
        record,
        fingerprint,
    }
}

async fn list_heart_beats(
    ports: &Ports,
    access: &InstallationAccess,
) -> Result<Vec<HeartBeat>, CallError> {
    let mut all = Vec::new();
    for database in &access.installation.databases.heartbeats {
        let call = access.metadb.list_heart_beats(database);
        all.extend(ports.call(CallSite::MetaDbHeartBeats, call).await?);
    }
    Ok(all)
}
