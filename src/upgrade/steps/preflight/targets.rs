//! Preflight checks of the target Deployments: they exist, run, start again, and nobody else is at them. Pure.
use crate::api::{FENCE_ANNOTATION, ORIGINALS_ANNOTATION, Target};
use crate::facts::{DeploymentFacts, Fact, PodFacts, TargetFacts};
use crate::objects::deployment::{
    UPGRADE_VARIABLE, find_container, find_container_name, is_paused, read_environment,
    read_replicas,
};
use crate::objects::originals::read_template_text;
use crate::protocol::hex::hash_text;
use crate::upgrade::context::Context;
use crate::upgrade::parts::templates::is_current;
use crate::upgrade::steps::preflight::check::CheckId;
use crate::upgrade::steps::preflight::verdict::{Found, Verdict};
use crate::upgrade::target_record::find_anothers_record;
use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};

/// Targets exist, are as they must be, and run; nobody else is at them.
pub(crate) fn check_targets(cx: &Context<'_>) -> Vec<Found> {
    let mut found = check_rivals(cx);
    for index in 0..cx.spec.targets.len() {
        let name = &cx.spec.targets[index].name;
        found.push(Found::new(CheckId::Targets, name, judge_one(cx, index)));
    }
    found
}

fn check_rivals(cx: &Context<'_>) -> Vec<Found> {
    let rivals = match &cx.observed.rivals {
        Fact::Known(rivals) => rivals,
        Fact::Unknown(reason) => {
            let verdict = Verdict::unread(format!("other upgrades cannot be read: {reason}"));
            return vec![Found::new(
                CheckId::OneUpgrade,
                &cx.object.namespace,
                verdict,
            )];
        }
    };
    let name = |rival: &String| {
        let verdict = Verdict::failed(
            format!("OmsUpgrade {rival} is not finished and has a target of this one"),
            "wait until it is finished, or, where it shall not run, delete it; then write a new spec.planRequest",
        );
        Found::new(CheckId::OneUpgrade, rival, verdict)
    };
    rivals.iter().map(name).collect()
}

/// What of the targets must be the same when their originals are recorded, as one hash. `None` where one of them cannot
/// be read.
pub(crate) fn hash_targets(cx: &Context<'_>) -> Option<String> {
    let describe = |facts: &TargetFacts| {
        let deployment = facts.deployment.known()?.as_ref()?;
        let object = &deployment.object;
        let template = read_template_text(object)?;
        let (replicas, paused) = (read_replicas(object), is_paused(object));
        Some(json!([deployment.uid, template, replicas, paused]))
    };
    let targets: Option<Vec<Value>> = cx.observed.targets.iter().map(describe).collect();
    Some(hash_text(&Value::from(targets?).to_string()))
}

/// The Deployment of a target, or why nothing can be told of it.
pub(super) fn find_deployment<'a>(
    cx: &'a Context<'_>,
    index: usize,
) -> Result<&'a DeploymentFacts, Verdict> {
    let name = &cx.spec.targets[index].name;
    match cx
        .observed
        .targets
        .get(index)
        .map(|facts| &facts.deployment)
    {
        None => Err(Verdict::unread(format!(
            "Deployment {name} was not looked at"
        ))),
        Some(Fact::Unknown(reason)) => Err(Verdict::unread(format!(
            "Deployment {name} cannot be read: {reason}"
        ))),
        Some(Fact::Known(None)) => Err(Verdict::failed(
            format!(
                "Deployment {name} does not exist in namespace {}",
                cx.object.namespace
            ),
            format!("correct spec.targets[{index}].name"),
        )),
        Some(Fact::Known(Some(deployment))) => Ok(deployment),
    }
}

/// What nothing can be told of before the Deployment of a target can be read.
pub(crate) fn require_deployment(cx: &Context<'_>, index: usize) -> Result<(), Verdict> {
    let missing = || Verdict::not_made(&name_target(cx, index));
    find_deployment(cx, index)
        .map(|_| ())
        .map_err(|_| missing())
}

/// A target as the needs of other checks name it.
pub(crate) fn name_target(cx: &Context<'_>, index: usize) -> String {
    format!("Targets {}", cx.spec.targets[index].name)
}

fn judge_one(cx: &Context<'_>, index: usize) -> Verdict {
    match (find_deployment(cx, index), cx.observed.targets.get(index)) {
        (Ok(deployment), Some(facts)) => {
            let target = &cx.spec.targets[index];
            judge_target(cx, index, target, deployment, &facts.pods)
        }
        (Ok(_), None) => Verdict::unread("it was not looked at"),
        (Err(verdict), _) => verdict,
    }
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
    let namespace = &cx.object.namespace;
    if let Some(verdict) = judge_record(cx, name, object) {
        return verdict;
    }
    let Some(container) = find_container_name(target, object) else {
        let field = format!("spec.targets[{index}].container");
        return match &target.container {
            Some(wanted) => Verdict::failed(
                format!("Deployment {name} has no container {wanted}"),
                format!("correct {field}"),
            ),
            None => Verdict::failed(
                format!("Deployment {name} has several containers"),
                format!("name the one that runs OMS in {field}"),
            ),
        };
    };
    let Some(spec) = find_container(object, &container) else {
        return Verdict::failed(
            format!("Deployment {name} has no container {container}"),
            format!("correct spec.targets[{index}].container"),
        );
    };
    let image = spec
        .get("image")
        .and_then(Value::as_str)
        .unwrap_or_default();
    if image == cx.spec.image {
        return Verdict::failed(
            format!("Deployment {name} runs {image} already; there is nothing to upgrade"),
            "correct spec.image, or delete this object",
        );
    }
    if is_paused(object) {
        return Verdict::failed(
            format!("Deployment {name} is paused (spec.paused), so its pods would not follow"),
            format!("resume it: kubectl rollout resume deployment {name} -n {namespace}"),
        );
    }
    if read_replicas(object) != 1 {
        return Verdict::failed(
            format!("Deployment {name} has {} replicas", read_replicas(object)),
            format!(
                "an OMS node is one Deployment with exactly 1 replica: kubectl scale deployment {name} -n {namespace} --replicas=1"
            ),
        );
    }
    if read_environment(spec, UPGRADE_VARIABLE).is_some_and(|value| value == "true") {
        return Verdict::failed(
            format!(
                "Deployment {name} carries {UPGRADE_VARIABLE}=true from an earlier upgrade, so its start is no normal start"
            ),
            "remove it and let the pod restart",
        );
    }
    match pods {
        Fact::Unknown(reason) => {
            Verdict::unread(format!("the pods of {name} cannot be read: {reason}"))
        }
        Fact::Known(pods) => match find_ready(pods).map(|pod| is_current(object, pod)) {
            None => Verdict::unseen(
                format!("no pod of {name} is ready"),
                format!(
                    "OMS must be healthy before it is upgraded: see kubectl describe pod -n {namespace}"
                ),
            ),
            Some(Fact::Unknown(reason)) => Verdict::unread(format!(
                "the ReplicaSet of the pod of {name} cannot be read, so it is not known which template runs: {reason}"
            )),
            // Abort and rollback start the Deployment's template: it must be the one that is known to run.
            Some(Fact::Known(false)) => Verdict::unseen(
                format!(
                    "the pod of {name} was made from another template than the Deployment has now: a rollout is under way, or does not come to its end"
                ),
                format!(
                    "see kubectl rollout status deployment {name} -n {namespace}, or take it back: kubectl rollout undo deployment {name} -n {namespace}"
                ),
            ),
            Some(Fact::Known(true)) => judge_strategy(object, name)
                .unwrap_or_else(|| Verdict::passed(format!("{name} runs {image}"))),
        },
    }
}

/// A rollout by anybody else during the upgrade would start a second OMS beside the first one, on the same databases.
/// The operator itself stops a target before it starts another template.
fn judge_strategy(object: &Value, name: &str) -> Option<Verdict> {
    let strategy = object.pointer("/spec/strategy/type")?.as_str()?;
    (strategy != "Recreate").then(|| {
        Verdict::warning(
            format!(
                "Deployment {name} has the strategy {strategy}: whenever its template is changed while it runs, a second OMS starts beside the first one on the same databases; the operator stops it first, others do not"
            ),
            format!(
                "set it: kubectl patch deployment {name} --type=merge -p '{{\"spec\":{{\"strategy\":{{\"type\":\"Recreate\",\"rollingUpdate\":null}}}}}}'; and change nothing of the Deployment during the upgrade"
            ),
        )
    })
}

fn find_ready(pods: &[PodFacts]) -> Option<&PodFacts> {
    pods.iter()
        .find(|pod| pod.container.ready && !pod.terminating)
}

/// The record of another upgrade: OMS may stand half way, and nobody knows what was done to it since.
pub(crate) fn judge_record(cx: &Context<'_>, name: &str, object: &Value) -> Option<Verdict> {
    find_anothers_record(object, cx.marks()).map(|record| {
        Verdict::failed(
            format!(
                "Deployment {name} carries the record of OmsUpgrade {} (uid {}), which did not end",
                record.upgrade, record.uid
            ),
            format!(
                "wait for it, or where it exists no more: spec.takeOver: {}; where that is refused bring OMS to a version that runs by hand, \
                 then: kubectl annotate deployment {name} -n {} {ORIGINALS_ANNOTATION}- {FENCE_ANNOTATION}-",
                record.holder.as_deref().unwrap_or(&record.uid),
                cx.object.namespace
            ),
        )
    })
}

/// Whether a Deployment carries the record of another upgrade, which may be at work.
pub(crate) fn is_claimed(cx: &Context<'_>) -> bool {
    cx.observed.targets.iter().any(|facts| {
        let deployment = facts.deployment.known().and_then(Option::as_ref);
        deployment.is_some_and(|one| find_anothers_record(&one.object, cx.marks()).is_some())
    })
}

/// A container that restarted, or a pod that is younger than its Deployment, shows that the image
/// survives a normal restart.
pub(crate) fn judge_restart(cx: &Context<'_>, index: usize) -> Verdict {
    const GRACE: i64 = 15;
    let deployment = match find_deployment(cx, index) {
        Ok(deployment) => deployment,
        Err(_) => return Verdict::not_made(&name_target(cx, index)),
    };
    let facts = &cx.observed.targets[index];
    let pods = match &facts.pods {
        Fact::Known(pods) if pods.iter().any(|pod| pod.container.ready) => pods,
        _ => return Verdict::not_made(&name_target(cx, index)),
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
    if proven {
        return Verdict::passed("the old version was seen to survive a restart");
    }
    let name = &facts.name;
    Verdict::unseen(
        format!(
            "the pod of {name} is as old as its Deployment and never restarted, so nothing shows that the old version survives a restart, on which abort and rollback rest"
        ),
        format!(
            "restart it once: kubectl rollout restart deployment {name} -n {}",
            cx.object.namespace
        ),
    )
}
