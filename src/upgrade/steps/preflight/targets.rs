//! Preflight checks of the target Deployments: they exist, run, start again, and nobody else is at them. Pure.
use crate::api::{FENCE_ANNOTATION, ORIGINALS_ANNOTATION, Target};
use crate::facts::{DeploymentFacts, Fact, PodFacts};
use crate::objects::deployment::{
    UPGRADE_VARIABLE, find_container, find_container_name, is_paused, read_annotation,
    read_environment, read_replicas,
};
use crate::upgrade::context::Context;
use crate::upgrade::parts::templates::is_current;
use crate::upgrade::steps::preflight::check::{CheckId, Found, Verdict};
use crate::upgrade::target_record::read_target_record;
use k8s_openapi::jiff::Timestamp;
use serde_json::Value;

/// Targets exist, are as they must be, and run; nobody else is at them.
pub(crate) fn check_targets(cx: &Context<'_>) -> Vec<Found> {
    let mut found = Vec::new();
    if let Some([rival, ..]) = cx.observed.rivals.known().map(Vec::as_slice) {
        let text = format!(
            "OmsUpgrade {rival} is not finished and has a target of this one; wait for it or delete it"
        );
        found.push((CheckId::OneUpgrade, Verdict::Failed(text)));
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
        found.push((CheckId::Targets, verdict));
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
pub(crate) fn judge_record(cx: &Context<'_>, name: &str, object: &Value) -> Option<Verdict> {
    let record = read_target_record(object)?;
    (record.uid != cx.object.uid).then(|| {
        Verdict::Failed(format!(
            "Deployment {name} carries the record of OmsUpgrade {} (uid {}), which did not end; bring OMS to a version that runs by hand \
             (its backup stays on the claim), then remove the record: kubectl annotate deployment {name} {ORIGINALS_ANNOTATION}- {FENCE_ANNOTATION}-",
            record.upgrade, record.uid
        ))
    })
}

/// A container that restarted, or a pod that is younger than its Deployment, shows that the image
/// survives a normal restart.
pub(crate) fn judge_restarts(cx: &Context<'_>) -> Verdict {
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

pub(crate) fn judge_owners(cx: &Context<'_>) -> Verdict {
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
