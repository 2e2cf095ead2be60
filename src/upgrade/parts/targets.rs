//! The targets as a step sees them, and telling when somebody else writes them. Pure.
use crate::api::{
    Direction, RELEASE_ANNOTATION, RELEASE_VALUE, Reason, Step, StoppedTarget, TargetOriginal,
};
use crate::facts::{DeploymentFacts, PodFacts, TargetFacts};
use crate::objects::deployment::{find_last_writer, read_generation, read_replicas_owned_time};
use crate::upgrade::context::Context;
use crate::upgrade::next::{Failure, Next};

/// A target with everything that a step needs of it.
pub(crate) struct Target<'a> {
    pub facts: &'a TargetFacts,
    pub deployment: &'a DeploymentFacts,
    pub pods: &'a [PodFacts],
    pub original: &'a TargetOriginal,
}

/// All targets with their originals; or why not.
pub(crate) fn read_targets<'a>(cx: &'a Context<'_>) -> Result<Vec<Target<'a>>, Next> {
    let targets = cx.observed.targets.iter();
    targets.map(|facts| read_target(cx, facts)).collect()
}

fn read_target<'a>(cx: &'a Context<'_>, facts: &'a TargetFacts) -> Result<Target<'a>, Next> {
    let name = &facts.name;
    let deployment = require_deployment(facts)?.as_ref().ok_or_else(|| {
        Failure::with_advice(
            Reason::TargetVanished,
            format!(
                "Deployment {name} was deleted during the upgrade, and what is made anew under its name is not touched; the databases are not touched any more, the backup stays; \
                 bring OMS back by hand (docs/backup.md, restore by hand), then let go of this object with the annotation {RELEASE_ANNOTATION}={RELEASE_VALUE} and delete it; spec.retryRequest does not help"
            ),
        )
    })?;
    let pods = facts.pods.as_result().map_err(|why| {
        Next::trouble(
            2,
            Reason::PodsUnseen,
            format!("the pods of {name} cannot be read: {why}"),
        )
    })?;
    let original = cx.original(name).ok_or_else(|| {
        Failure::new(
            Reason::OriginalsLost,
            format!("the original of Deployment {name} is not recorded"),
        )
    })?;
    if original.uid != deployment.uid {
        return Err(Next::Fail(Failure::with_advice(
            Reason::TargetReplaced,
            format!(
                "Deployment {name} was deleted and made anew during the upgrade (its uid changed); it is not touched, nor are the databases, and the backup stays; \
                 bring OMS back by hand (status.internal.originals has the original, docs/backup.md the restore), then let go of this object with the annotation {RELEASE_ANNOTATION}={RELEASE_VALUE} and delete it; spec.retryRequest does not help"
            ),
        )));
    }
    Ok(Target {
        facts,
        deployment,
        pods,
        original,
    })
}

/// Where a step cannot see something because a target is gone, that is what people are told: the MetaDB's account is
/// read from its mounts.
pub(crate) fn name_lost_target(cx: &Context<'_>, next: Next) -> Next {
    let unseen = match &next {
        Next::Wait { problem, .. } => problem.is_some(),
        Next::Stall(_) => true,
        Next::Do(_) | Next::Fail(_) | Next::Settled { .. } => false,
    };
    let begun = cx.status.started_time.is_some() && cx.status.step != Some(Step::Settling);
    if !unseen || !begun || cx.originals().is_none() {
        return next;
    }
    match read_targets(cx) {
        Err(Next::Fail(lost))
            if matches!(lost.reason, Reason::TargetVanished | Reason::TargetReplaced) =>
        {
            Next::Fail(lost)
        }
        _ => next,
    }
}

/// The Deployment, once it is known whether there is one.
pub(crate) fn require_deployment(facts: &TargetFacts) -> Result<&Option<DeploymentFacts>, Next> {
    facts.deployment.as_result().map_err(|why| {
        Next::trouble(
            2,
            Reason::TargetUnseen,
            format!("Deployment {} cannot be read: {why}", facts.name),
        )
    })
}

pub(crate) fn describe_contention(target: &Target<'_>) -> Next {
    let name = &target.original.name;
    blame(
        target,
        |who| {
            format!(
                "{who} changed image, replicas or template of Deployment {name} during the upgrade; the operator does not fight over it"
            )
        },
        " and write a new spec.retryRequest",
    )
}

/// Something else was started by somebody else while the verdict was still to fall.
pub(crate) fn describe_departure(cx: &Context<'_>, target: &Target<'_>) -> Next {
    let (name, replicas) = (&target.original.name, target.original.replicas);
    let namespace = &cx.object.namespace;
    let instead = match goes_forward(cx) {
        true => ", or ask for action: RollBack",
        false => "",
    };
    blame(
        target,
        |who| {
            format!(
                "{who} changed image, replicas or template of Deployment {name} after it was up and before the upgrade has ended: what runs is not what \
                 was started and may write to the databases; nothing is overwritten and no verdict falls"
            )
        },
        &format!(
            ", put back what stood there (kubectl rollout undo deployment {name} -n {namespace}; kubectl scale deployment {name} -n {namespace} \
             --replicas={replicas}) and write a new spec.retryRequest{instead}"
        ),
    )
}

/// What was read of the databases is not trusted any more.
pub(crate) fn describe_start_by_others(target: &Target<'_>) -> Next {
    let name = &target.original.name;
    blame(
        target,
        |who| {
            format!(
                "Deployment {name} was changed after it had been stopped, last by {who}, and OMS may have run and written since: \
                 what was read of the databases is not trusted"
            )
        },
        ", then write a new spec.retryRequest on a way back, or ask for action: RollBack",
    )
}

/// Somebody else wrote a target: what happened, and what to do once that writer leaves it alone.
fn blame(target: &Target<'_>, happened: impl Fn(&str) -> String, then: &str) -> Next {
    let who =
        find_last_writer(&target.deployment.object).unwrap_or_else(|| "an unknown writer".into());
    Next::Fail(Failure::with_advice(
        Reason::TargetContended,
        format!(
            "{}; make {who} leave the Deployment alone \
             (Argo CD: ignoreDifferences with RespectIgnoreDifferences; Flux: reconcile disabled){then}",
            happened(&who)
        ),
    ))
}

pub(crate) fn goes_forward(cx: &Context<'_>) -> bool {
    cx.status.direction == Some(Direction::Forward)
}

/// Whether nobody can have started a target since it was stopped: no pod, and either nothing of it was written since,
/// or at least not its replicas (an annotation raises the generation as well).
pub(crate) fn was_left_alone(cx: &Context<'_>, target: &Target<'_>) -> bool {
    let object = &target.deployment.object;
    let owned = read_replicas_owned_time(object);
    target.pods.is_empty()
        && cx.status.internal.stopped_targets.iter().any(|stopped| {
            stopped.name == target.original.name
                && (stopped.generation == read_generation(object)
                    || owned.is_some() && stopped.replicas_owned_time == owned)
        })
}

/// The targets as they are stopped now.
pub(crate) fn list_stopped(targets: &[Target<'_>]) -> Vec<StoppedTarget> {
    targets
        .iter()
        .map(|target| StoppedTarget {
            name: target.original.name.clone(),
            generation: read_generation(&target.deployment.object),
            replicas_owned_time: read_replicas_owned_time(&target.deployment.object),
        })
        .collect()
}
