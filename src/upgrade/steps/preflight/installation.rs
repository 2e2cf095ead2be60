//! Preflight checks of installation, claim and MetaDB. Pure.
use crate::api::CheckName;
use crate::facts::Fact;
use crate::metadb::describe_removal;
use crate::oms::ha::HaConfig;
use crate::oms::metadb::HaRow;
use crate::upgrade::context::Context;
use crate::upgrade::steps::preflight::cgroup::judge_cgroup;
use crate::upgrade::steps::preflight::check::{CheckId, Found, Verdict};
use crate::upgrade::steps::preflight::images::judge_versions;
use crate::upgrade::steps::preflight::sessions::{judge_own_sessions, judge_sessions};
use crate::upgrade::steps::preflight::targets::{judge_owners, judge_restarts};

/// Installation, MetaDB, HA, claim, and what the user may attest.
pub(crate) fn check_installation(cx: &Context<'_>) -> Vec<Found> {
    let observed = cx.observed;
    let mut found = vec![(CheckId::Claim, judge_claim(cx))];
    found.push((
        CheckId::Installation,
        match &observed.installation {
            Fact::Unknown(reason) => Verdict::Unseen(reason.clone()),
            Fact::Known(known) => Verdict::Passed(format!(
                "MetaDB {}, databases {}",
                known.metadb,
                known.databases.names().join(", ")
            )),
        },
    ));
    if observed.installation.known().is_some() {
        found.push((
            CheckId::MetaDb,
            match &observed.metadb.identity {
                Fact::Unknown(reason) => Verdict::Unseen(reason.clone()),
                Fact::Known(identity) => Verdict::Passed(identity.describe()),
            },
        ));
        found.push((CheckId::OneUpgradePerMetaDb, judge_lock(cx)));
        found.push((CheckId::HaReadable, judge_ha(cx)));
        found.push((
            CheckId::Named(CheckName::SessionsVisible),
            judge_sessions(cx),
        ));
        found.push((
            CheckId::Named(CheckName::OnlyOwnSessions),
            judge_own_sessions(cx),
        ));
        found.push((CheckId::Named(CheckName::AllNodesListed), judge_nodes(cx)));
    }
    found.push((CheckId::Named(CheckName::SourceVersion), judge_versions(cx)));
    found.push((CheckId::Named(CheckName::CgroupVersion), judge_cgroup(cx)));
    found.push((
        CheckId::Named(CheckName::OldImageRestarts),
        judge_restarts(cx),
    ));
    found.push((CheckId::Named(CheckName::NoOtherOwner), judge_owners(cx)));
    found
}

fn judge_claim(cx: &Context<'_>) -> Verdict {
    let name = &cx.spec.backup.claim_name;
    match &cx.observed.claim {
        Fact::Unknown(reason) => Verdict::Unseen(format!(
            "PersistentVolumeClaim {name} cannot be read: {reason}"
        )),
        Fact::Known(claim) if !claim.exists => Verdict::Failed(format!(
            "spec.backup.claimName: PersistentVolumeClaim {name} does not exist in namespace {}; create it",
            cx.object.namespace
        )),
        Fact::Known(claim) if claim.phase == "Lost" => Verdict::Failed(format!(
            "spec.backup.claimName: PersistentVolumeClaim {name} has lost its volume"
        )),
        Fact::Known(claim) => Verdict::Passed(format!("{name} is {}", claim.phase)),
    }
}

fn judge_lock(cx: &Context<'_>) -> Verdict {
    match &cx.observed.metadb.lock {
        Fact::Unknown(reason) => Verdict::Unseen(reason.clone()),
        Fact::Known(Some(row)) if row.holder != cx.object.uid => Verdict::Failed(format!(
            "another upgrade ({}) holds the lock of this MetaDB; wait for it. If it exists no more: drop table oms_operator_lock.upgrade_lock",
            row.note
        )),
        Fact::Known(_) => Verdict::Passed("no other upgrade works on this MetaDB".into()),
    }
}

fn judge_ha(cx: &Context<'_>) -> Verdict {
    match &cx.observed.metadb.ha {
        Fact::Unknown(reason) => Verdict::Unseen(reason.clone()),
        Fact::Known(HaRow::NoTable | HaRow::NoRow) => {
            Verdict::Passed("there is no ha.config, so HA is off".into())
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
            Err(error) => Verdict::Failed(error.to_string()),
        },
    }
}

/// Keys that an earlier upgrade has left go back with this one, so a person who wants them must say so before.
fn judge_kept_keys(cx: &Context<'_>, config: &HaConfig, ha: &str) -> Verdict {
    let kept = match &cx.observed.metadb.kept_keys {
        Fact::Unknown(reason) => return Verdict::Unseen(reason.clone()),
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
        Some(kept) if !left.is_empty() => Verdict::Warning(format!(
            "{ha}; ha.config still has {}, left by {} for the recovery of replication; this upgrade puts back what was there before once every project advances. \
             If these values are your own by now, say so first: {}",
            left.join(", "),
            kept.note,
            describe_removal(&rm)
        )),
        _ => Verdict::Passed(ha.into()),
    }
}

fn judge_nodes(cx: &Context<'_>) -> Verdict {
    let Some(installation) = cx.observed.installation.known() else {
        return Verdict::Unseen("the installation is not known".into());
    };
    let mut nodes = installation.nodes.clone();
    match &cx.observed.metadb.hosts {
        Fact::Known(hosts) => nodes.extend(hosts.iter().map(|host| host.ip.clone())),
        Fact::Unknown(reason) => return Verdict::Unseen(reason.clone()),
    }
    nodes.sort();
    nodes.dedup();
    if installation.target_addresses.iter().any(Option::is_none) {
        return Verdict::Unseen(
            "a target has no literal OMS_HOST_IP, so its node address cannot be told".into(),
        );
    }
    let missing: Vec<String> = nodes
        .into_iter()
        .filter(|node| !installation.target_addresses.contains(&Some(node.clone())))
        .collect();
    if missing.is_empty() {
        Verdict::Passed("every node of the installation is a target".into())
    } else {
        Verdict::Failed(format!(
            "spec.targets: node(s) {} of the installation are not listed; all nodes are upgraded together",
            missing.join(", ")
        ))
    }
}
