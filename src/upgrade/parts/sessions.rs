//! Whose sessions are on the MetaDB: OMS's, those that count as OMS's, and those that surely are another program's.
//! Pure.
//!
//! Before the stop OMS itself is connected, and behind a proxy or NAT its sessions come from addresses that nobody
//! knows. So preflight refuses only what is sure to hold up the stop; whatever else is not known to be another's counts
//! after the stop, where every session of OMS must be gone, and is told before.
use crate::api::CheckName;
use crate::metadb::{is_elsewhere, read_address};
use crate::oms::metadb::{ForeignSession, ServerCoverage, SessionReport};
use crate::upgrade::context::Context;
use crate::upgrade::parts::policy::is_required;
use std::collections::BTreeSet;
use std::net::IpAddr;

/// What it means that the list is that of one server.
pub(crate) const PARTLY_SEEN: &str = "only the sessions on the one database server that answered are visible, and it is not known to be the only one: an OMS that is left \
     connected to another would go unnoticed, and the backup would miss what it writes; OceanBase: let the account read oceanbase.gv$ob_processlist; \
     a cluster of MySQL or MariaDB, or an engine that is not known: see on every server that no session of OMS's account is left when OMS is stopped";

/// Why a report does not do after the stop: it no longer covers every server, and nobody vouches for the others.
pub(crate) fn find_blind_spot(cx: &Context<'_>, report: &SessionReport) -> Option<&'static str> {
    (report.coverage == ServerCoverage::AnsweringServer
        && is_required(cx, CheckName::SessionsVisible))
    .then_some(PARTLY_SEEN)
}

/// The sessions that must be gone while OMS is stopped: all but those that are surely another program's.
pub(crate) fn list_counted<'a>(
    cx: &Context<'_>,
    report: &'a SessionReport,
) -> Vec<&'a ForeignSession> {
    let Some(installation) = &cx.status.installation else {
        return report.foreign.iter().collect();
    };
    let addresses: Vec<IpAddr> = installation
        .addresses
        .iter()
        .filter_map(|address| read_address(address))
        .collect();
    report
        .foreign
        .iter()
        .filter(|one| {
            !is_elsewhere(
                one.database.as_deref(),
                &one.host,
                &installation.databases,
                &addresses,
            )
        })
        .collect()
}

/// Every address from which this OMS may connect: nodes, targets, rows of `host`, pods. Empty when one of them is not
/// known; then no session is taken for another program's.
pub(crate) fn collect_addresses(cx: &Context<'_>) -> Vec<String> {
    let (Some(installation), Some(hosts)) = (
        cx.observed.installation.known(),
        cx.observed.metadb.hosts.known(),
    ) else {
        return vec![];
    };
    let mut words: BTreeSet<&str> = installation.nodes.iter().map(String::as_str).collect();
    words.extend(
        installation
            .target_addresses
            .iter()
            .flatten()
            .map(String::as_str),
    );
    words.extend(hosts.iter().map(|host| host.ip.as_str()));
    for facts in &cx.observed.targets {
        let Some(pods) = facts.pods.known() else {
            return vec![];
        };
        words.extend(pods.iter().filter_map(|pod| pod.ip.as_deref()));
    }
    if words.iter().any(|word| read_address(word).is_none()) {
        return vec![];
    }
    words.into_iter().map(str::to_owned).collect()
}
