//! Starting a version: all targets on one template, none in a crash loop. Pure.
use crate::api::{Direction, Reason};
use crate::facts::Fact;
use crate::objects::deployment::{TemplateKind, read_replicas};
use crate::objects::target_change::TargetChange;
use crate::upgrade::context::Context;
use crate::upgrade::next::Next;
use crate::upgrade::parts::shape::{Shape, bring_into_shape, has_shape};
use crate::upgrade::parts::targets::{
    Target, describe_start_by_others, read_targets, was_left_alone,
};
use crate::upgrade::parts::templates::{describe_unseen, find_doubt};

/// Restarts of one container before it is called a crash loop.
const CRASH_LOOP: i32 = 3;

/// Seconds from which on looks at a pull that fails count: a hiccup of the registry is shorter.
pub(crate) const PULL_PATIENCE: i64 = 30;

/// All targets on a template, none of them in a crash loop.
pub(crate) fn bring_up<'a>(
    cx: &'a Context<'_>,
    template: TemplateKind,
    change: &TargetChange,
) -> Result<Vec<Target<'a>>, Next> {
    let targets = read_targets(cx)?;
    let shape = Shape {
        templates: vec![template],
        running: true,
    };
    if rests_on_the_stop(cx, change) {
        targets
            .iter()
            .try_for_each(|target| trust_stop(cx, target, &shape))?;
    }
    if *change == TargetChange::StartFinal {
        targets
            .iter()
            .try_for_each(|target| refuse_another_start(cx, target, &shape))?;
    }
    bring_into_shape(cx, &targets, &shape, change)?;
    if cx.status.direction == Some(Direction::Forward) {
        targets.iter().try_for_each(require_start)?;
    }
    Ok(targets)
}

/// A start that cannot come to anything is given up on the way forward.
fn require_start(target: &Target<'_>) -> Result<(), Next> {
    let name = &target.original.name;
    let Some(pod) = target.pods.iter().find(|pod| !pod.terminating) else {
        return Ok(());
    };
    let container = &pod.container;
    if container.restart_count >= CRASH_LOOP {
        return Err(Next::fail(
            Reason::CrashLoop,
            format!(
                "the container of {name} restarted {} times; its logs tell why (after its pod was deleted the count begins anew)",
                container.restart_count
            ),
        ));
    }
    let waiting = container.waiting.as_deref();
    if container.id.is_empty() && is_pull_failure(waiting) {
        return Err(Next::trouble(
            5,
            Reason::ImageNotPulled,
            format!(
                "the image of {name} cannot be pulled ({}); its container never ran",
                waiting.unwrap_or_default()
            ),
        ));
    }
    Ok(())
}

/// Whether a start is right only when nobody wrote to the databases since they were backed up, compared or restored.
fn rests_on_the_stop(cx: &Context<'_>, change: &TargetChange) -> bool {
    match change {
        TargetChange::StartUpgrade => true,
        TargetChange::StartOld(_) => cx.status.direction == Some(Direction::RollBack),
        _ => false,
    }
}

/// No other version than the wanted one can have run on the databases, or can still come. Until that is known nobody is
/// asked to resume a target.
fn trust_stop(cx: &Context<'_>, target: &Target<'_>, shape: &Shape) -> Result<(), Next> {
    let doubt = if has_shape(cx, target, shape)? {
        find_doubt(target)
    } else {
        Fact::Known(!was_left_alone(cx, target))
    };
    match doubt {
        Fact::Known(false) => Ok(()),
        Fact::Known(true) => Err(describe_start_by_others(target)),
        Fact::Unknown(reason) => Err(describe_unseen(target, &reason)),
    }
}

/// The new version was stopped for its normal start: whatever runs in another shape, somebody else has started, and
/// what it made of the migrated databases is not known.
fn refuse_another_start(cx: &Context<'_>, target: &Target<'_>, shape: &Shape) -> Result<(), Next> {
    let runs = read_replicas(&target.deployment.object) > 0
        || target.pods.iter().any(|pod| !pod.container.id.is_empty());
    match runs && !has_shape(cx, target, shape)? {
        true => Err(describe_start_by_others(target)),
        false => Ok(()),
    }
}

fn is_pull_failure(waiting: Option<&str>) -> bool {
    matches!(
        waiting,
        Some("ImagePullBackOff" | "ErrImagePull" | "InvalidImageName" | "ErrImageNeverPull")
    )
}
