//! Whose sessions are on the MetaDB: OMS's, those that count as OMS's, and those that surely are another program's. Pure.
//!
//! Before the stop OMS itself is connected, and behind a proxy or NAT its sessions come from addresses that nobody knows. So
//! preflight refuses only what is sure to hold up the stop; whatever else is not known to be another's counts after the stop, where
//! every session of OMS must be gone, and is told before.
use super::Context;
use super::preflight::is_required;
use super::preflight_checks::Verdict;
use crate::api::CheckName;
use crate::facts::Fact;
use crate::oms::metadb::{
    ForeignSession, ServerCoverage, SessionReport, is_elsewhere, read_address,
};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// Groups of sessions that a message names.
const SHOWN: usize = 5;

/// What it means that the list is that of one server.
pub(super) const PARTLY_SEEN: &str = "only the sessions on the one database server that answered are visible, and it is not known to be the only one: an OMS that is left \
     connected to another would go unnoticed, and the backup would miss what it writes; OceanBase: let the account read oceanbase.gv$ob_processlist; \
     a cluster of MySQL or MariaDB, or an engine that is not known: see on every server that no session of OMS's account is left when OMS is stopped";

/// Why a report does not do after the stop: it no longer covers every server, and nobody vouches for the others.
pub(super) fn find_blind_spot(cx: &Context<'_>, report: &SessionReport) -> Option<&'static str> {
    (report.coverage == ServerCoverage::AnsweringServer
        && is_required(cx, CheckName::SessionsVisible))
    .then_some(PARTLY_SEEN)
}

/// The sessions that must be gone while OMS is stopped: all but those that are surely another program's.
pub(super) fn list_counted<'a>(
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

/// Every address from which this OMS may connect: nodes, targets, rows of `host`, pods. Empty when one of them is not known; then
/// no session is taken for another program's.
pub(super) fn collect_addresses(cx: &Context<'_>) -> Vec<String> {
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

/// Names, before OMS is stopped, the sessions that are not known to be OMS's own.
pub(super) fn judge_own_sessions(cx: &Context<'_>) -> Verdict {
    let (report, installation) = match (&cx.observed.metadb.sessions, &cx.observed.installation) {
        (Fact::Known(report), Fact::Known(installation)) => (report, installation),
        (Fact::Unknown(reason), _) | (_, Fact::Unknown(reason)) => {
            return Verdict::Unseen(reason.clone());
        }
    };
    let databases = installation.databases.names();
    let addresses: Vec<IpAddr> = collect_addresses(cx)
        .iter()
        .filter_map(|address| read_address(address))
        .collect();
    if addresses.is_empty() {
        return Verdict::Passed(
            "the addresses of OMS are not all known, so every session of its account counts as OMS's".into(),
        );
    }
    let is_own = |one: &&ForeignSession| {
        read_address(&one.host)
            .is_some_and(|host| addresses.iter().any(|own| own.to_canonical() == host))
    };
    let others: Vec<&ForeignSession> = report.foreign.iter().filter(|one| !is_own(one)).collect();
    let (elsewhere, doubtful): (Vec<_>, Vec<_>) = others
        .into_iter()
        .partition(|one| is_elsewhere(one.database.as_deref(), &one.host, &databases, &addresses));
    let hosts: BTreeSet<&str> = elsewhere.iter().map(|one| one.host.as_str()).collect();
    let on_ours = |one: &&&ForeignSession| {
        let named = |name: &str| databases.iter().any(|own| own.eq_ignore_ascii_case(name));
        one.database.as_deref().is_some_and(named)
    };
    // From where somebody works in OMS's databases, OMS itself may come through a proxy or NAT.
    let shared: BTreeSet<&str> = doubtful
        .iter()
        .filter(on_ours)
        .map(|one| one.host.as_str())
        .collect();
    let (in_the_way, doubtful): (Vec<_>, Vec<_>) = doubtful
        .into_iter()
        .partition(|one| hosts.contains(one.host.as_str()) && !shared.contains(one.host.as_str()));
    if !in_the_way.is_empty() {
        return Verdict::Unseen(format!(
            "another program has OMS's account: {}; {} of its sessions name no database of their own, so after the stop they would count as OMS's: the stop would wait for them, \
             and the upgrade turn back; give that program an account of its own, or stop it for the time of the upgrade",
            describe_groups(elsewhere.iter().chain(&in_the_way).copied()),
            in_the_way.len()
        ));
    }
    let mut told = Vec::new();
    if !elsewhere.is_empty() {
        told.push(format!(
            "another program has OMS's account, and its sessions do not count: {}; better give it an account of its own",
            describe_groups(elsewhere.iter().copied())
        ));
    }
    if !doubtful.is_empty() {
        told.push(format!(
            "sessions from hosts that are not known as OMS's nodes: {}; they are OMS's own through a proxy or NAT, or somebody else's: \
             the stop waits until they are gone, and the upgrade turns back when they stay; end what is not OMS's",
            describe_groups(doubtful.iter().copied())
        ));
    }
    if told.is_empty() {
        Verdict::Passed("every session comes from a node of OMS".into())
    } else {
        Verdict::Warning(told.join("; "))
    }
}

/// Who, from where, in which database, how many. No statement is ever read out.
fn describe_groups<'a>(sessions: impl Iterator<Item = &'a ForeignSession>) -> String {
    let mut groups: BTreeMap<(&str, &str, &str), usize> = BTreeMap::new();
    for one in sessions {
        let database = one.database.as_deref().unwrap_or("no database");
        *groups.entry((&one.user, &one.host, database)).or_default() += 1;
    }
    let mut text = groups
        .iter()
        .take(SHOWN)
        .map(|((user, host, database), count)| format!("{user}@{host} on {database} ({count})"))
        .collect::<Vec<_>>()
        .join(", ");
    if groups.len() > SHOWN {
        text.push_str(&format!(" and {} more", groups.len() - SHOWN));
    }
    text
}
