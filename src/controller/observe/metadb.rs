//! Facts of the meta database.
use super::installation::Located;
use crate::api::OmsUpgrade;
use crate::controller::calls::{CallError, CallSite};
use crate::controller::ports::Ports;
use crate::facts::{Fact, MetaDbFacts, Needs};
use crate::oms::metadb::{HeartBeat, SessionQuery};
use std::future::Future;
use std::net::IpAddr;

/// Every fact unknown for one reason.
pub(super) fn blind(reason: &str) -> MetaDbFacts {
    MetaDbFacts {
        identity: Fact::Unknown(reason.into()),
        ha: Fact::Unknown(reason.into()),
        kept_keys: Fact::Unknown(reason.into()),
        sessions: Fact::Unknown(reason.into()),
        projects: Fact::Unknown(reason.into()),
        connectors: Fact::Unknown(reason.into()),
        hosts: Fact::Unknown(reason.into()),
        heart_beats: Fact::Unknown(reason.into()),
        query_timeout: Fact::Unknown(reason.into()),
        lock: Fact::Unknown(reason.into()),
    }
}

/// Asks only what is needed, all at once.
pub(super) async fn observe_metadb(
    ports: &Ports,
    upgrade: &OmsUpgrade,
    needs: Needs,
    located: &Located,
    own_addresses: Vec<IpAddr>,
) -> MetaDbFacts {
    let db = &located.metadb;
    let found = &located.installation;
    let query = SessionQuery {
        account: located.oms_account.clone(),
        databases: found.databases.names(),
        own_addresses,
    };
    // Before the operation all that are listed are looked at, later the recorded ones are followed.
    let begun = upgrade
        .status
        .as_ref()
        .is_some_and(|status| status.started_time.is_some());
    let wants_projects = needs.projects || (needs.progress && !begun);
    let (
        identity,
        ha,
        kept_keys,
        sessions,
        projects,
        connectors,
        hosts,
        heart_beats,
        query_timeout,
        lock,
    ) = futures::join!(
        ask(
            needs.identity,
            ports.call(CallSite::MetaDbIdentify, db.identify())
        ),
        ask(
            needs.ha,
            ports.call(CallSite::MetaDbReadHa, db.read_ha_row())
        ),
        ask(
            needs.kept_keys,
            ports.call(CallSite::MetaDbReadKeptKeys, db.read_kept_keys())
        ),
        ask(
            needs.sessions,
            ports.call(CallSite::MetaDbSessions, db.list_sessions(&query))
        ),
        ask(
            wants_projects,
            ports.call(CallSite::MetaDbProjects, db.list_projects())
        ),
        ask(
            needs.projects && !begun,
            ports.call(CallSite::MetaDbConnectors, db.list_connectors())
        ),
        ask(
            needs.health,
            ports.call(CallSite::MetaDbHosts, db.list_hosts())
        ),
        ask(needs.health, list_heart_beats(ports, located)),
        ask(
            needs.query_timeout,
            ports.call(CallSite::MetaDbReadQueryTimeout, db.read_query_timeout())
        ),
        ask(
            needs.lock,
            ports.call(CallSite::MetaDbReadLock, db.read_lock())
        ),
    );
    MetaDbFacts {
        identity,
        ha,
        kept_keys,
        sessions,
        projects,
        connectors,
        hosts,
        heart_beats,
        query_timeout,
        lock,
    }
}

async fn ask<T>(wanted: bool, call: impl Future<Output = Result<T, CallError>>) -> Fact<T> {
    if wanted {
        Fact::from_result(call.await)
    } else {
        Fact::default()
    }
}

async fn list_heart_beats(ports: &Ports, located: &Located) -> Result<Vec<HeartBeat>, CallError> {
    let mut all = Vec::new();
    for database in &located.installation.databases.heartbeats {
        let call = located.metadb.list_heart_beats(database);
        all.extend(ports.call(CallSite::MetaDbHeartBeats, call).await?);
    }
    Ok(all)
}
