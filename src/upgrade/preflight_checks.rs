//! Preflight checks of targets, installation and MetaDB. Pure.
use super::Context;
use super::preflight::{CheckId, find_container_name};
use super::sessions::{PARTLY_SEEN, judge_own_sessions};
use super::templates::is_current;
use crate::api::{CheckName, FENCE_ANNOTATION, ORIGINALS_ANNOTATION, Target};
use crate::facts::{DeploymentFacts, Fact, PodFacts};
use crate::objects::deployment::{
    UPGRADE_VARIABLE, find_container, is_paused, read_annotation, read_environment, read_replicas,
};
use crate::oms::ha::HaConfig;
use crate::oms::metadb::{HaRow, ServerCoverage, SessionVisibility, describe_removal};
use crate::oms::version::{is_upgrade_supported, parse_image_version};
use k8s_openapi::jiff::Timestamp;
use serde_json::Value;

/// What was seen about a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Passed(String),
    Warning(String),
    Failed(String),
    /// It cannot be seen: the user may attest it.
    Unseen(String),
}

impl Verdict {
    pub(super) fn is_good(&self) -> bool {
        matches!(self, Self::Passed(_) | Self::Warning(_))
    }
}

pub(super) type Found = (CheckId, Verdict);

/// Targets exist, are as they must be, and run; nobody else is at them.
pub(super) fn check_targets(cx: &Context<'_>) -> Vec<Found> {
    let mut found = Vec::new();
    if let Some([rival, ..]) = cx.observed.rivals.known().map(Vec::as_slice) {
        let text = format!(
            "OmsUpgrade {rival} is not finished and has a target of this one; wait for it or delete it"
        );
        found.push((CheckId::fixed("OneUpgrade"), Verdict::Failed(text)));
    }
    for (index, target) in cx.spec.targets.iter().enumerate() {
        let facts = cx.observed.targets.get(index);
        let verdict = match facts.map(|facts| (&facts.deployment, &facts.pods)) {
            None => Verdict::Unseen(format!("Deployment {} was not looked at", target.name)),
            Some((Fact::Unknown(reason), _)) => Verdict::Unseen(format!(
                "Deployment {} cannot be read: {reason}",
                target.name
            )),
            Some((Fact::Known(None), _)) => Verdict::Failed(format!(
                "spec.targets[{index}].name: Deployment {} does not exist in namespace {}",
                target.name, cx.object.namespace
            )),
            Some((Fact::Known(Some(deployment)), pods)) => {
                judge_target(cx, index, target, deployment, pods)
            }
        };
        found.push((CheckId::fixed("Targets"), verdict));
    }
    found
}

fn judge_target(
    cx: &Context<'_>,
    index: usize,
    target: &Target,
    deployment: &DeploymentFacts,
    pods: &Fact<Vec<PodFacts>>,
) -> Verdict {
    let object = &deployment.object;
    let name = &target.name;
    if let Some(verdict) = judge_record(cx, name, object) {
        return verdict;
    }
    let Some(container) = find_container_name(target, object) else {
        return Verdict::Failed(match &target.container {
            Some(wanted) => format!(
                "spec.targets[{index}].container: Deployment {name} has no container {wanted}"
            ),
            None => format!(
                "spec.targets[{index}].container: Deployment {name} has several containers; name the one that runs OMS"
            ),
        });
    };
    let Some(spec) = find_container(object, &container) else {
        return Verdict::Failed(format!("Deployment {name} has no container {container}"));
    };
    let image = spec
        .get("image")
        .and_then(Value::as_str)
        .unwrap_or_default();
    if image == cx.spec.image {
        return Verdict::Failed(format!(
            "spec.image: Deployment {name} runs {image} already; there is nothing to upgrade"
        ));
    }
    if is_paused(object) {
        return Verdict::Failed(format!(
            "Deployment {name} is paused (spec.paused), so its pods would not follow; resume it: kubectl rollout resume deployment {name}"
        ));
    }
    if read_replicas(object) != 1 {
        return Verdict::Failed(format!(
            "Deployment {name} has {} replicas; an OMS node is one Deployment with exactly 1 replica",
            read_replicas(object)
        ));
    }
    if read_environment(spec, UPGRADE_VARIABLE).is_some_and(|value| value == "true") {
        return Verdict::Failed(format!(
            "Deployment {name} carries {UPGRADE_VARIABLE}=true from an earlier upgrade, so its start is no normal start; remove it and let the pod restart"
        ));
    }
    match pods {
        Fact::Unknown(reason) => {
            Verdict::Unseen(format!("the pods of {name} cannot be read: {reason}"))
        }
        Fact::Known(pods) => match pods
            .iter()
            .find(|pod| pod.container.ready && !pod.terminating)
            .map(|pod| is_current(object, pod))
        {
            None => Verdict::Unseen(format!(
                "no pod of {name} is ready; OMS must be healthy before it is upgraded"
            )),
            Some(Fact::Unknown(reason)) => Verdict::Unseen(format!(
                "the ReplicaSet of the pod of {name} cannot be read, so it is not known which template runs: {reason}"
            )),
            // Abort and rollback start the Deployment's template: it must be the one that is known to run.
            Some(Fact::Known(false)) => Verdict::Unseen(format!(
                "the pod of {name} was made from another template than the Deployment has now: a rollout is under way, or does not come to its end; \
                 see kubectl rollout status deployment {name}, or take it back: kubectl rollout undo deployment {name}"
            )),
            Some(Fact::Known(true)) => Verdict::Passed(format!("{name} runs {image}")),
        },
    }
}

/// The record of another upgrade: OMS may stand half way, and nobody knows what was done to it since.
pub(super) fn judge_record(cx: &Context<'_>, name: &str, object: &Value) -> Option<Verdict> {
    let record = super::adopt::read_target_record(object)?;
    (record.uid != cx.object.uid).then(|| {
        Verdict::Failed(format!(
            "Deployment {name} carries the record of OmsUpgrade {} (uid {}), which did not end; bring OMS to a version that runs by hand \
             (its backup stays on the claim), then remove the record: kubectl annotate deployment {name} {ORIGINALS_ANNOTATION}- {FENCE_ANNOTATION}-",
            record.upgrade, record.uid
        ))
    })
}

/// Installation, MetaDB, HA, claim, and what the user may attest.
pub(super) fn check_installation(cx: &Context<'_>) -> Vec<Found> {
    let observed = cx.observed;
    let mut found = vec![(CheckId::fixed("Claim"), judge_claim(cx))];
    found.push((
        CheckId::fixed("Installation"),
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
            CheckId::fixed("MetaDb"),
            match &observed.metadb.identity {
                Fact::Unknown(reason) => Verdict::Unseen(reason.clone()),
                Fact::Known(identity) => {
                    Verdict::Passed(format!("{:?} {}", identity.engine, identity.version))
                }
            },
        ));
        found.push((CheckId::fixed("OneUpgradePerMetaDb"), judge_lock(cx)));
        found.push((CheckId::fixed("HaReadable"), judge_ha(cx)));
        found.push((
            CheckId::named(CheckName::SessionsVisible),
            judge_sessions(cx),
        ));
        found.push((
            CheckId::named(CheckName::OnlyOwnSessions),
            judge_own_sessions(cx),
        ));
        found.push((CheckId::named(CheckName::AllNodesListed), judge_nodes(cx)));
    }
    found.push((CheckId::named(CheckName::SourceVersion), judge_versions(cx)));
    found.push((
        CheckId::named(CheckName::CgroupVersion),
        super::preflight_cgroup::judge_cgroup(cx),
    ));
    found.push((
        CheckId::named(CheckName::OldImageRestarts),
        judge_restarts(cx),
    ));
    found.push((CheckId::named(CheckName::NoOtherOwner), judge_owners(cx)));
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

fn judge_sessions(cx: &Context<'_>) -> Verdict {
    let report = match &cx.observed.metadb.sessions {
        Fact::Unknown(reason) => return Verdict::Unseen(reason.clone()),
        Fact::Known(report) => report,
    };
    let mut unseen = Vec::new();
    if report.visibility != SessionVisibility::AllAccounts && !report.sees_oms_account {
        unseen.push("sessions of OMS's account are not visible to this account, so a left-over OMS would go unnoticed; grant PROCESS");
    }
    if report.coverage == ServerCoverage::AnsweringServer {
        unseen.push(PARTLY_SEEN);
    }
    if !unseen.is_empty() {
        return Verdict::Unseen(unseen.join("; "));
    }
    match report.visibility {
        SessionVisibility::AllAccounts => {
            Verdict::Passed("sessions of every account are visible".into())
        }
        SessionVisibility::OwnAccountOnly => Verdict::Warning(
            "only sessions of OMS's own account are visible; other users of the databases stay unseen".into(),
        ),
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

fn judge_versions(cx: &Context<'_>) -> Verdict {
    let Some(target) = parse_image_version(&cx.spec.image) else {
        return Verdict::Unseen(format!(
            "spec.image: no version can be read from {}",
            cx.spec.image
        ));
    };
    for source in read_source_images(cx) {
        match parse_image_version(&source) {
            None => {
                return Verdict::Unseen(format!(
                    "no version can be read from the running image {source}"
                ));
            }
            Some(version) if !is_upgrade_supported(version, target) => {
                return Verdict::Failed(format!(
                    "OMS does not support an upgrade from {version} to {target}; supported sources of 4.0.0 are 3.2.2, 3.3.0 and 3.3.1"
                ));
            }
            Some(_) => {}
        }
    }
    Verdict::Passed(format!("to {target}"))
}

/// Images of the OMS containers as written in the templates.
pub(super) fn read_source_images(cx: &Context<'_>) -> Vec<String> {
    cx.spec
        .targets
        .iter()
        .zip(&cx.observed.targets)
        .filter_map(|(target, facts)| {
            let object = &facts.deployment.known()?.as_ref()?.object;
            let container = find_container_name(target, object)?;
            find_container(object, &container)?
                .get("image")?
                .as_str()
                .map(str::to_owned)
        })
        .collect()
}

/// A container that restarted, or a pod that is younger than its Deployment, shows that the image
/// survives a normal restart.
fn judge_restarts(cx: &Context<'_>) -> Verdict {
    const GRACE: i64 = 15;
    for facts in &cx.observed.targets {
        let (Some(Some(deployment)), Some(pods)) = (facts.deployment.known(), facts.pods.known())
        else {
            return Verdict::Unseen(format!("{} cannot be read", facts.name));
        };
        let created = deployment
            .object
            .pointer("/metadata/creationTimestamp")
            .and_then(Value::as_str)
            .and_then(|text| text.parse::<Timestamp>().ok())
            .map_or(i64::MAX, Timestamp::as_second);
        let proven = pods.iter().any(|pod| {
            pod.container.ready
                && (pod.container.restart_count > 0 || pod.created.saturating_sub(created) > GRACE)
        });
        if !proven {
            return Verdict::Unseen(format!(
                "the pod of {} is as old as its Deployment and never restarted, so nothing shows that the old version survives a restart, on which abort and rollback rest; \
                 restart it once: kubectl rollout restart deployment {}",
                facts.name, facts.name
            ));
        }
    }
    Verdict::Passed("the old version was seen to survive a restart".into())
}

fn judge_owners(cx: &Context<'_>) -> Verdict {
    for facts in &cx.observed.targets {
        let Some(Some(deployment)) = facts.deployment.known() else {
            continue;
        };
        let object = &deployment.object;
        let label = |name: &str| {
            object
                .pointer("/metadata/labels")
                .and_then(|labels| labels.get(name))
                .and_then(Value::as_str)
        };
        let owner = if let Some(kind) = object
            .pointer("/metadata/ownerReferences/0/kind")
            .and_then(Value::as_str)
        {
            Some(format!("it belongs to a {kind}, which would write it back"))
        } else if read_annotation(object, "argocd.argoproj.io/tracking-id").is_some()
            || label("argocd.argoproj.io/instance").is_some()
        {
            Some("Argo CD manages it: add ignoreDifferences with managedFieldsManagers: [oms-operator] and the sync option RespectIgnoreDifferences=true, leave automated sync off until git names the image that runs, then attest this check".into())
        } else if label("kustomize.toolkit.fluxcd.io/name").is_some()
            && read_annotation(object, "kustomize.toolkit.fluxcd.io/reconcile") != Some("disabled")
        {
            Some("Flux manages it: annotate the live Deployment with kustomize.toolkit.fluxcd.io/reconcile=disabled until the upgrade is finished".into())
        } else if label("helm.toolkit.fluxcd.io/name").is_some() {
            Some("a Flux HelmRelease manages it: suspend the HelmRelease until the upgrade is finished, then attest this check".into())
        } else {
            None
        };
        if let Some(owner) = owner {
            return Verdict::Unseen(format!(
                "somebody else may write Deployment {} back: {owner}",
                facts.name
            ));
        }
    }
    Verdict::Passed("nobody else is known to write the Deployments".into())
}
