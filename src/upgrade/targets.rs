//! The targets: bringing all of them into one shape, and telling when somebody else writes them. Pure.
use super::adopt::read_target_record;
use super::orders::patch_target;
use super::pausing::{hold_while_paused, wait_for_resumption};
use super::templates::require_current;
use super::{Context, Failure, Next};
use crate::api::{
    Direction, Intent, RELEASE_ANNOTATION, RELEASE_VALUE, StoppedTarget, TargetOriginal,
};
use crate::facts::{DeploymentFacts, Fact, PodFacts, TargetFacts};
use crate::objects::deployment::{
    TemplateKind, classify_template, find_last_writer, read_generation, read_replicas,
    read_replicas_owned_time,
};
use crate::objects::target_change::TargetChange;
use serde_json::Value;

/// The shape that all targets must have in a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    /// Templates that are fine.
    pub templates: Vec<TemplateKind>,
    /// Replicas as before the upgrade, or none.
    pub running: bool,
}

/// A target with everything that a step needs of it.
pub(super) struct Target<'a> {
    pub facts: &'a TargetFacts,
    pub deployment: &'a DeploymentFacts,
    pub pods: &'a [PodFacts],
    pub original: &'a TargetOriginal,
}

/// All targets with their originals; or why not.
pub(super) fn read_targets<'a>(cx: &'a Context<'_>) -> Result<Vec<Target<'a>>, Next> {
    let mut targets = Vec::new();
    for facts in &cx.observed.targets {
        let name = &facts.name;
        let deployment = match &facts.deployment {
            Fact::Unknown(reason) => {
                return Err(Next::trouble(
                    2,
                    "TargetUnseen",
                    format!("Deployment {name} cannot be read: {reason}"),
                ));
            }
            Fact::Known(None) => {
                return Err(Next::Fail(Failure::new(
                    "TargetVanished",
                    format!(
                        "Deployment {name} was deleted during the upgrade, and what is made anew under its name is not touched; the databases are not touched any more, the backup stays; \
                         bring OMS back by hand (docs/backup.md, restore by hand), then let go of this object with the annotation {RELEASE_ANNOTATION}={RELEASE_VALUE} and delete it; spec.retries does not help"
                    ),
                )));
            }
            Fact::Known(Some(deployment)) => deployment,
        };
        let pods = match &facts.pods {
            Fact::Unknown(reason) => {
                return Err(Next::trouble(
                    2,
                    "PodsUnseen",
                    format!("the pods of {name} cannot be read: {reason}"),
                ));
            }
            Fact::Known(pods) => pods.as_slice(),
        };
        let Some(original) = cx.original(name) else {
            return Err(Next::Fail(Failure::new(
                "OriginalsLost",
                format!("the original of Deployment {name} is not recorded"),
            )));
        };
        if original.uid != deployment.uid {
            return Err(Next::Fail(Failure::new(
                "TargetReplaced",
                format!(
                    "Deployment {name} was deleted and made anew during the upgrade (its uid changed); it is not touched, nor are the databases, and the backup stays; \
                     bring OMS back by hand (status.originals has the original, docs/backup.md the restore), then let go of this object with the annotation {RELEASE_ANNOTATION}={RELEASE_VALUE} and delete it; spec.retries does not help"
                ),
            )));
        }
        targets.push(Target {
            facts,
            deployment,
            pods,
            original,
        });
    }
    Ok(targets)
}

/// Brings the targets into a shape, one write per pass. `None` when all have it and the Deployment
/// controller has seen it.
pub(super) fn bring_into_shape(
    cx: &Context<'_>,
    targets: &[Target<'_>],
    shape: &Shape,
    change: &TargetChange,
) -> Option<Next> {
    for target in targets {
        let object = &target.deployment.object;
        if has_shape(cx, target, shape) {
            continue;
        }
        if is_rewritten(cx, target, change) {
            return Some(describe_contention(target));
        }
        if let Some(intent) = cx.status.intent.as_ref()
            && intent.effect == change.name()
            && intent.subject.as_deref() == Some(&target.original.name)
            && was_undone(cx, object, intent)
        {
            return Some(describe_contention(target));
        }
        if let Some(next) = hold_while_paused(cx, target, change) {
            return Some(next);
        }
        return Some(patch_target(cx, &target.original.name, change.clone()));
    }
    None
}

/// Whether somebody else wrote a template that a stop cannot mend and that the start of the new version must not overwrite.
fn is_rewritten(cx: &Context<'_>, target: &Target<'_>, change: &TargetChange) -> bool {
    let object = &target.deployment.object;
    let foreign =
        || classify_template(object, target.original, &cx.spec.image) == TemplateKind::Foreign;
    match change {
        // On the way back the old template is written whole, whatever stands there.
        TargetChange::Stop => goes_forward(cx) && read_replicas(object) == 0 && foreign(),
        TargetChange::StartUpgrade => foreign(),
        _ => false,
    }
}

fn goes_forward(cx: &Context<'_>) -> bool {
    cx.status.direction == Some(Direction::Forward)
}

/// Whether our write of a target has happened and another one took it back. Our record on the target says which write was
/// the last. Where there is none, before our first write or after a replacement of the whole object, the generation tells:
/// each of the two writes raises it; so does an annotation by anybody (of a Deployment), but one step alone cannot be both.
fn was_undone(cx: &Context<'_>, object: &Value, intent: &Intent) -> bool {
    if let Some(record) = read_target_record(object)
        && record.uid == cx.object.uid
    {
        return record.intent.as_ref() == Some(intent);
    }
    intent
        .before
        .as_deref()
        .and_then(|before| before.parse::<i64>().ok())
        .is_none_or(|before| read_generation(object) > before.saturating_add(1))
}

/// Stops when a target has left the shape that it was brought into.
pub(super) fn require_shape(
    cx: &Context<'_>,
    targets: &[Target<'_>],
    shape: &Shape,
) -> Option<Next> {
    targets
        .iter()
        .find(|target| !has_shape(cx, target, shape))
        .map(describe_contention)
}

pub(super) fn has_shape(cx: &Context<'_>, target: &Target<'_>, shape: &Shape) -> bool {
    let object = &target.deployment.object;
    let wanted = if shape.running {
        target.original.replicas
    } else {
        0
    };
    read_replicas(object) == wanted
        && shape
            .templates
            .contains(&classify_template(object, target.original, &cx.spec.image))
}

fn describe_contention(target: &Target<'_>) -> Next {
    let name = &target.original.name;
    blame(
        target,
        |who| {
            format!(
                "{who} changed image, replicas or template of Deployment {name} during the upgrade; the operator does not fight over it"
            )
        },
        " and raise spec.retries",
    )
}

/// What was read of the databases is not trusted any more.
pub(super) fn describe_start_by_others(target: &Target<'_>) -> Next {
    let name = &target.original.name;
    blame(
        target,
        |who| {
            format!(
                "Deployment {name} was changed after it had been stopped, last by {who}, and OMS may have run and written since: \
                 what was read of the databases is not trusted"
            )
        },
        ", then raise spec.retries on a way back, or ask for action: RollBack",
    )
}

/// Somebody else wrote a target: what happened, and what to do once that writer leaves it alone.
fn blame(target: &Target<'_>, happened: impl Fn(&str) -> String, then: &str) -> Next {
    let who =
        find_last_writer(&target.deployment.object).unwrap_or_else(|| "an unknown writer".into());
    Next::Fail(Failure::new(
        "TargetContended",
        format!(
            "{}; make {who} leave the Deployment alone \
             (Argo CD: ignoreDifferences with RespectIgnoreDifferences; Flux: reconcile disabled){then}",
            happened(&who)
        ),
    ))
}

/// Stops unless all targets are stopped and were so all the time: what every Job on the databases rests on.
pub(super) fn require_stopped(cx: &Context<'_>) -> Option<Next> {
    let targets = match read_targets(cx) {
        Ok(targets) => targets,
        Err(next) => return Some(next),
    };
    let mut templates = vec![
        TemplateKind::Old,
        TemplateKind::Upgrade,
        TemplateKind::Final,
    ];
    if !goes_forward(cx) {
        templates.push(TemplateKind::Foreign);
    }
    let stopped = Shape {
        templates,
        running: false,
    };
    require_shape(cx, &targets, &stopped).or_else(|| {
        targets
            .iter()
            .find(|target| !was_left_alone(cx, target))
            .map(describe_start_by_others)
    })
}

/// Whether nobody can have started a target since it was stopped: no pod, and either nothing of it was written since, or at
/// least not its replicas (an annotation raises the generation as well).
pub(super) fn was_left_alone(cx: &Context<'_>, target: &Target<'_>) -> bool {
    let object = &target.deployment.object;
    let owned = read_replicas_owned_time(object);
    target.pods.is_empty()
        && cx.status.stopped_targets.iter().any(|stopped| {
            stopped.name == target.original.name
                && (stopped.generation == read_generation(object)
                    || owned.is_some() && stopped.replicas_owned_time == owned)
        })
}

/// The targets as they are stopped now.
pub(super) fn list_stopped(targets: &[Target<'_>]) -> Vec<StoppedTarget> {
    targets
        .iter()
        .map(|target| StoppedTarget {
            name: target.original.name.clone(),
            generation: read_generation(&target.deployment.object),
            replicas_owned_time: read_replicas_owned_time(&target.deployment.object),
        })
        .collect()
}

/// The one live pod of a target, when its container runs on the Deployment's template.
pub(super) fn find_running_pod<'a>(target: &Target<'a>) -> Result<&'a PodFacts, Next> {
    let name = &target.original.name;
    if !crate::objects::deployment::is_observed(&target.deployment.object) {
        return Err(Next::watch());
    }
    let live: Vec<&PodFacts> = target.pods.iter().filter(|pod| !pod.terminating).collect();
    match live.as_slice() {
        [] => Err(wait_for_resumption(&target.deployment.object).unwrap_or_else(Next::watch)),
        [pod] if pod.container.running => require_current(target, pod).map(|()| *pod),
        [pod] => Err(match (&pod.unschedulable, &pod.container.waiting) {
            (Some(reason), _) => Next::trouble(
                5,
                "Unschedulable",
                format!("the pod of {name} cannot be scheduled: {reason}"),
            ),
            (None, Some(reason)) => Next::trouble(
                5,
                "ContainerWaiting",
                format!("the container of {name} does not run: {reason}"),
            ),
            (None, None) => Next::watch(),
        }),
        _ => Err(Next::trouble(
            5,
            "SeveralPods",
            format!("{name} has more than one pod"),
        )),
    }
}
