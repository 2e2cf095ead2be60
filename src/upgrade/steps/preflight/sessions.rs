//! Preflight checks of the sessions on the databases: all are seen, and all are OMS's own. Pure.
use crate::facts::Fact;
use crate::metadb::{is_elsewhere, read_address};
use crate::oms::metadb::{ForeignSession, ServerCoverage, SessionVisibility};
use crate::upgrade::context::Context;
use crate::upgrade::parts::sessions::{PARTLY_SEEN, collect_addresses};
use crate::upgrade::steps::preflight::verdict::Verdict;
use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::net::IpAddr;

/// Groups of sessions that a message names.
const SHOWN: usize = 5;

pub(crate) fn judge_sessions(cx: &Context<'_>) -> Verdict {
    let report = match &cx.observed.metadb.sessions {
        Fact::Unknown(reason) => return Verdict::unread(reason.as_str()),
        Fact::Known(report) => report,
    };
    let mut unseen = Vec::new();
    if report.visibility != SessionVisibility::AllAccounts && !report.sees_oms_account {
        unseen.push("sessions of OMS's account are not visible to this account, so a left-over OMS would go unnoticed");
    }
    if report.coverage == ServerCoverage::AnsweringServer {
        unseen.push(PARTLY_SEEN);
    }
    if !unseen.is_empty() {
        let way_out = "grant PROCESS, and on OceanBase SELECT on oceanbase.gv$ob_processlist, to the account of the MetaDB";
        return Verdict::unseen(unseen.join("; "), way_out);
    }
    match report.visibility {
        SessionVisibility::AllAccounts => Verdict::passed("sessions of every account are visible"),
        SessionVisibility::OwnAccountOnly => Verdict::warning(
            "only sessions of OMS's own account are visible; other users of the databases stay unseen",
            "grant PROCESS to the account of the MetaDB, if you want them to be seen",
        ),
    }
}

/// Names, before OMS is stopped, the sessions that are not known to be OMS's own.
pub(crate) fn judge_own_sessions(cx: &Context<'_>) -> Verdict {
    let (report, installation) = match (&cx.observed.metadb.sessions, &cx.observed.installation) {
        (Fact::Known(report), Fact::Known(installation)) => (report, installation),
        (Fact::Unknown(reason), _) | (_, Fact::Unknown(reason)) => {
            return Verdict::unread(reason.as_str());
        }
    };
    let databases = installation.databases.names();
    let addresses: Vec<IpAddr> = collect_addresses(cx)
        .iter()
        .filter_map(|address| read_address(address))
        .collect();
    if addresses.is_empty() {
        return Verdict::passed(
            "the addresses of OMS are not all known, so every session of its account counts as OMS's",
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
        return Verdict::unseen(
            format!(
                "another program has OMS's account: {}; {} of its sessions name no database of their own, so after the stop they would count as OMS's: \
                 the stop would wait for them, and the upgrade turn back",
                describe_groups(elsewhere.iter().chain(&in_the_way).copied()),
                in_the_way.len()
            ),
            "give that program an account of its own, or stop it for the time of the upgrade",
        );
    }
    let (mut told, mut ways_out) = (Vec::new(), Vec::new());
    if !elsewhere.is_empty() {
        told.push(format!(
            "another program has OMS's account, and its sessions do not count: {}",
            describe_groups(elsewhere.iter().copied())
        ));
        ways_out.push("better give it an account of its own");
    }
    if !doubtful.is_empty() {
        told.push(format!(
            "sessions from hosts that are not known as OMS's nodes: {}; they are OMS's own through a proxy or NAT, or somebody else's: \
             the stop waits until they are gone, and the upgrade turns back when they stay",
            describe_groups(doubtful.iter().copied())
        ));
        ways_out.push("end what is not OMS's");
    }
    if told.is_empty() {
        Verdict::passed("every session comes from a node of OMS")
    } else {
        Verdict::warning(told.join("; "), ways_out.join("; "))
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
