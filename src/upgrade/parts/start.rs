//! Starting a version: all targets on one template, none in a crash loop. Pure.
use crate::api::{Direction, Reason};
use crate::facts::Fact;
use crate::objects::deployment::TemplateKind;
use crate::objects::target_change::TargetChange;
use crate::upgrade::context::{Context, seconds_between};
use crate::upgrade::next::{Failure, Next};
use crate::upgrade::parts::shape::{Shape, bring_into_shape, has_shape};
use crate::upgrade::parts::targets::{
    Target, describe_start_by_others, read_targets, was_left_alone,
};
use crate::upgrade::parts::templates::{describe_unseen, find_doubt};

/// Restarts of one container before it is called a crash loop.
const CRASH_LOOP: i32 = 3;

/// Seconds until a pull that keeps failing counts as failed: a hiccup of the registry is shorter.
const PULL_PATIENCE: i64 = 30;

/// All targets on a template, none of them in a crash loop.
pub(crate) fn bring_up<'a>(
    cx: &'a Context<'_>,
    template: TemplateKind,
    change: &TargetChange,
) -> Result<Vec<Target<'a>>, Next> {
    let targets = read_targets(cx)?;
    let forward = cx.status.direction == Some(Direction::Forward);
    let shape = Shape {
        templates: vec![template],
        running: true,
    };
    if rests_on_the_stop(cx, change)
        && let Some(next) = targets
            .iter()
            .find_map(|target| distrust_stop(cx, target, &shape))
    {
        return Err(next);
    }
    if let Some(next) = bring_into_shape(cx, &targets, &shape, change) {
        return Err(next);
    }
    for target in &targets {
        let Some(pod) = target.pods.iter().find(|pod| !pod.terminating) else {
            continue;
        };
        if forward && pod.container.restart_count >= CRASH_LOOP {
            return Err(Next::Fail(Failure::new(
                Reason::CrashLoop,
                format!(
                    "the container of {} restarted {} times; its logs tell why (after its pod was deleted the count begins anew)",
                    target.original.name, pod.container.restart_count
                ),
            )));
        }
        if forward
            && pod.container.id.is_empty()
            && is_pull_failure(pod.container.waiting.as_deref())
            && is_late(cx)
        {
            return Err(Next::Fail(Failure::new(
                Reason::ImageNotPulled,
                format!(
                    "the image of {} cannot be pulled ({}); its container never ran",
                    target.original.name,
                    pod.container.waiting.as_deref().unwrap_or_default()
                ),
            )));
        }
    }
    Ok(targets)
}

/// Whether a start is right only when nobody wrote to the databases since they were backed up, compared or restored.
fn rests_on_the_stop(cx: &Context<'_>, change: &TargetChange) -> bool {
    match change {
        TargetChange::StartUpgrade => true,
        TargetChange::StartOld(_) => cx.status.direction == Some(Direction::RollBack),
        _ => false,
    }
}

/// Whether another version than the wanted one may have run on the databases, or may still come. Until that is known nobody is
/// asked to resume a target.
fn distrust_stop(cx: &Context<'_>, target: &Target<'_>, shape: &Shape) -> Option<Next> {
    let doubt = if has_shape(cx, target, shape) {
        find_doubt(target)
    } else {
        Fact::Known(!was_left_alone(cx, target))
    };
    match doubt {
        Fact::Known(false) => None,
        Fact::Known(true) => Some(describe_start_by_others(target)),
        Fact::Unknown(reason) => Some(describe_unseen(target, &reason)),
    }
}

fn is_late(cx: &Context<'_>) -> bool {
    cx.status
        .step_started_time
        .as_ref()
        .is_some_and(|since| seconds_between(since, &cx.now) >= PULL_PATIENCE)
}

fn is_pull_failure(waiting: Option<&str>) -> bool {
    matches!(
        waiting,
        Some("ImagePullBackOff" | "ErrImagePull" | "InvalidImageName" | "ErrImageNeverPull")
    )
}
