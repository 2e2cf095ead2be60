//! Preflight checks of installation, claim and MetaDB. Pure.
use crate::api::{CheckName, MetaDbSource, Target};
use crate::facts::{Fact, TargetFacts};
use crate::metadb::describe_removal;
use crate::objects::deployment::find_container_name;
use crate::objects::host_address::{HostAddress, find_host_address};
use crate::oms::ha::HaConfig;
use crate::oms::metadb::HaRow;
use crate::upgrade::context::Context;
use crate::upgrade::parts::lock::{describe_holder, describe_ways_out};
use crate::upgrade::steps::preflight::check::CheckId;
use crate::upgrade::steps::preflight::sessions::{judge_own_sessions, judge_sessions};
use crate::upgrade::steps::preflight::targets::name_target;
use crate::upgrade::steps::preflight::verdict::{Found, Verdict};

/// What holds the configuration of OMS, as people call it.
const CONFIG: &str = "config.yaml";

/// Installation, MetaDB, HA and claim.
pub(crate) fn check_installation(cx: &Context<'_>) -> Vec<Found> {
    let metadb = name_metadb(cx);
    let needs = find_metadb_needs(cx);
    let read = |id: CheckId, subject: &str, verdict: Verdict| {
        Found::new(id, subject, verdict.after(needs.as_deref()))
    };
    let mut found = vec![
        Found::new(CheckId::Claim, &cx.spec.backup.claim_name, judge_claim(cx)),
        Found::new(CheckId::Installation, CONFIG, judge_installation(cx)),
        Found::new(CheckId::MetaDb, &metadb, judge_metadb(cx)),
        read(CheckId::OneUpgradePerMetaDb, &metadb, judge_lock(cx)),
        read(CheckId::HaReadable, "ha.config", judge_ha(cx)),
    ];
    for (name, verdict) in [
        (CheckName::SessionsVisible, judge_sessions(cx)),
        (CheckName::OnlyOwnSessions, judge_own_sessions(cx)),
    ] {
        found.push(read(CheckId::Named(name), &metadb, verdict));
    }
    let id = CheckId::Named(CheckName::AllNodesListed);
    for (node, verdict) in judge_nodes(cx) {
        found.push(read(id, &node, verdict));
    }
    found
}

/// The MetaDB as the subject of a check.
pub(crate) fn name_metadb(cx: &Context<'_>) -> String {
    let installation = cx.observed.installation.known();
    installation.map_or_else(|| "MetaDB".into(), |known| known.metadb.to_string())
}

/// What has to be mended before anything can be read in the MetaDB.
pub(crate) fn find_metadb_needs(cx: &Context<'_>) -> Option<String> {
    if cx.observed.installation.known().is_none() {
        Some(format!("Installation {CONFIG}"))
    } else if cx.observed.metadb.identity.known().is_none() {
        Some(format!("MetaDb {}", name_metadb(cx)))
    } else {
        None
    }
}

fn judge_claim(cx: &Context<'_>) -> Verdict {
    let name = &cx.spec.backup.claim_name;
    match &cx.observed.claim {
        Fact::Unknown(reason) => Verdict::unread(format!(
            "PersistentVolumeClaim {name} cannot be read: {reason}"
        )),
        Fact::Known(claim) if !claim.exists => Verdict::failed(
            format!(
                "PersistentVolumeClaim {name} does not exist in namespace {}",
                cx.object.namespace
            ),
            "create it, or correct spec.backup.claimName",
        ),
        Fact::Known(claim) if claim.phase == "Lost" => Verdict::failed(
            format!("PersistentVolumeClaim {name} has lost its volume"),
            "name another one in spec.backup.claimName",
        ),
        Fact::Known(claim) => Verdict::passed(format!("{name} is {}", claim.phase)),
    }
}

/// What is not found because a target is not there follows from that.
fn judge_installation(cx: &Context<'_>) -> Verdict {
    let reason = match &cx.observed.installation {
        Fact::Known(known) => {
            return Verdict::passed(format!(
                "MetaDB {}, databases {}",
                known.metadb,
                known.databases.names().join(", ")
            ));
        }
        Fact::Unknown(reason) => reason,
    };
    let inside = cx.spec.metadb.find_source() == MetaDbSource::Container;
    let is_missing = |index: &usize| {
        let facts = cx.observed.targets.get(*index);
        facts.is_none_or(|facts| {
            let there = matches!(facts.deployment, Fact::Known(Some(_)));
            !there || inside && facts.find_running().is_none()
        })
    };
    let missing = (0..cx.spec.targets.len()).find(is_missing);
    let needs = missing.map(|index| name_target(cx, index));
    Verdict::unread(reason.as_str()).after(needs.as_deref())
}

fn judge_metadb(cx: &Context<'_>) -> Verdict {
    match &cx.observed.metadb.identity {
        Fact::Known(identity) => Verdict::passed(identity.describe()),
        Fact::Unknown(_) if cx.observed.installation.known().is_none() => {
            Verdict::not_made(&format!("Installation {CONFIG}"))
        }
        Fact::Unknown(reason) => Verdict::unseen(
            reason.as_str(),
            "see that the MetaDB answers the operator, and that it takes the account",
        ),
    }
}

fn judge_lock(cx: &Context<'_>) -> Verdict {
    match &cx.observed.metadb.lock {
        Fact::Unknown(reason) => Verdict::unread(reason.as_str()),
        Fact::Known(Some(row)) if row.holder != cx.object.uid => Verdict::failed(
            format!(
                "another upgrade ({}) holds the lock of this MetaDB",
                describe_holder(row)
            ),
            describe_ways_out(row),
        ),
        Fact::Known(_) => Verdict::passed("no other upgrade works on this MetaDB"),
    }
}

fn judge_ha(cx: &Context<'_>) -> Verdict {
    match &cx.observed.metadb.ha {
        Fact::Unknown(reason) => Verdict::unread(reason.as_str()),
        Fact::Known(HaRow::NoTable | HaRow::NoRow) => {
            Verdict::passed("there is no ha.config, so HA is off")
        }
        Fact::Known(HaRow::Text(text)) => match HaConfig::parse(text) {
            Ok(config) => judge_kept_keys(
                cx,
                &config,
                if config.read_setting().enable {
                    "HA is on"
                } else {
                    "HA is off"
                },
            ),
            Err(error) => Verdict::failed(
                error.to_string(),
                "correct ha.config in the console: System Management > System Parameters",
            ),
        },
    }
}

/// Keys that an earlier upgrade has left go back with this one, so a person who wants them must say so before.
fn judge_kept_keys(cx: &Context<'_>, config: &HaConfig, ha: &str) -> Verdict {
    let kept = match &cx.observed.metadb.kept_keys {
        Fact::Unknown(reason) => return Verdict::unread(reason.as_str()),
        Fact::Known(kept) => kept.as_ref(),
    };
    let installation = cx.observed.installation.known();
    let rm = installation.map_or_else(String::new, |known| known.databases.rm.clone());
    let left: Vec<String> = kept
        .map(|kept| config.list_still_kept(&kept.keys))
        .unwrap_or_default()
        .iter()
        .map(|key| format!("\"{}\": {}", key.key, key.value))
        .collect();
    match kept {
        Some(kept) if !left.is_empty() => Verdict::warning(
            format!(
                "{ha}; ha.config still has {}, left by {} for the recovery of replication; this upgrade puts back what was there before once every project advances",
                left.join(", "),
                kept.note
            ),
            format!(
                "if these values are your own by now, say so first: {}",
                describe_removal(&rm)
            ),
        ),
        _ => Verdict::passed(ha),
    }
}

/// Each node that is no target; one word for all where none is missing. A node that is gone for good is missed only
/// where it is at work nevertheless.
fn judge_nodes(cx: &Context<'_>) -> Vec<(String, Verdict)> {
    let every = |verdict| vec![("every node".to_owned(), verdict)];
    let Some(installation) = cx.observed.installation.known() else {
        return every(Verdict::unread("the installation is not known"));
    };
    let hosts = match &cx.observed.metadb.hosts {
        Fact::Known(hosts) => hosts,
        Fact::Unknown(reason) => return every(Verdict::unread(reason.as_str())),
    };
    let mut nodes = installation.nodes.clone();
    nodes.extend(hosts.iter().map(|host| host.ip.clone()));
    nodes.sort();
    nodes.dedup();
    let mut found = judge_addresses(cx);
    let unknown = installation.target_addresses.iter().any(Option::is_none);
    let retired = &cx.spec.retired_nodes;
    for node in retired {
        found.extend(judge_retired(cx, node).map(|verdict| (node.clone(), verdict)));
    }
    if found.is_empty() && unknown {
        return every(Verdict::unseen(
            "OMS_HOST_IP of a target is neither a value nor from the status of its pod, a ConfigMap or a Secret, so the address of its node cannot be told",
            "give it one of these, and let the pod restart",
        ));
    }
    let is_target = |node: &String| installation.target_addresses.contains(&Some(node.clone()));
    let missing = nodes
        .into_iter()
        .filter(|node| !unknown && !is_target(node) && !retired.contains(node));
    found.extend(missing.map(|node| {
        let verdict = Verdict::failed(
            format!(
                "node {node} of the installation is not listed; all nodes are upgraded together"
            ),
            "list its Deployment in spec.targets; where it is gone for good, name it in spec.retiredNodes",
        );
        (node, verdict)
    }));
    if found.is_empty() {
        return every(Verdict::passed(
            "every node of the installation is a target",
        ));
    }
    found
}

/// OMS knows its nodes by their addresses, and the upgrade makes each pod anew more than once.
fn judge_addresses(cx: &Context<'_>) -> Vec<(String, Verdict)> {
    let is_of_pod = |target: &Target, facts: &TargetFacts| {
        let object = &facts.deployment.known()?.as_ref()?.object;
        let container = find_container_name(target, object)?;
        let address = find_host_address(object.pointer("/spec/template")?, &container)?;
        (address == HostAddress::OfPod).then(|| facts.name.clone())
    };
    let judge = |name: String| {
        let verdict = Verdict::unseen(
            format!(
                "OMS_HOST_IP of {name} is the address of its pod, which is another one after each start: OMS would take the node for a new one, and miss this one"
            ),
            "take status.hostIP or a fixed address, and let the pod restart; where your network gives the pod the same address each time, attest it",
        );
        (name, verdict)
    };
    let targets = cx.spec.targets.iter().zip(&cx.observed.targets);
    targets
        .filter_map(|(target, facts)| is_of_pod(target, facts))
        .map(judge)
        .collect()
}

/// What speaks against a node being gone for good.
fn judge_retired(cx: &Context<'_>, node: &str) -> Option<Verdict> {
    let installation = cx.observed.installation.known()?;
    let is_target = installation
        .target_addresses
        .iter()
        .flatten()
        .any(|one| one == node);
    let hosts = cx.observed.metadb.hosts.known()?;
    let host = hosts.iter().find(|host| host.ip == node);
    let why = if is_target {
        "it is the node of a target"
    } else if host.is_some_and(|host| host.is_online()) {
        "the MetaDB has it as ONLINE"
    } else {
        return None;
    };
    Some(Verdict::failed(
        format!(
            "node {node} is in spec.retiredNodes, and {why}: an OMS at work there would go on with the old version on migrated databases"
        ),
        "take it off spec.retiredNodes, and list its Deployment in spec.targets; or stop its OMS, and wait until it is not ONLINE any more",
    ))
}
