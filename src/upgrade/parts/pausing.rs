//! A target that somebody pauses in the middle (`kubectl rollout pause`). Pure.
//!
//! A paused Deployment is scaled and starts no new template: what is scaled up is the newest ReplicaSet that there is
//! (kubernetes/pkg/controller/deployment/sync.go). Preflight refuses one. A pause in the middle is somebody else's
//! wish: it is not undone but told, nothing is written that would start another template than meant, and it goes on
//! when it is resumed.
use crate::api::{Direction, Reason, Step, Waiting};
use crate::objects::deployment::{TemplateKind, find_pauser, is_paused};
use crate::objects::target_change::TargetChange;
use crate::upgrade::context::Context;
use crate::upgrade::next::Next;
use crate::upgrade::parts::originals::find_kind;
use crate::upgrade::parts::targets::Target;
use serde_json::Value;

/// Waits where a change would stop what could not be started again, or start another template than the wanted one. A
/// way back stops whatever runs.
pub(crate) fn hold_while_paused(
    cx: &Context<'_>,
    target: &Target<'_>,
    change: &TargetChange,
) -> Result<(), Next> {
    let object = &target.deployment.object;
    let held = match change {
        TargetChange::Stop => cx.status.direction == Some(Direction::Forward),
        TargetChange::StartUpgrade | TargetChange::StartFinal => true,
        // An abort leaves the template as it is, which only has to be scaled.
        TargetChange::StartOld(_) => {
            cx.status.direction == Some(Direction::RollBack)
                || find_kind(cx, target)? != TemplateKind::Old
        }
        TargetChange::Fence | TargetChange::GiveBack => false,
    };
    if held {
        wait_for_resumption(object)?;
    }
    Ok(())
}

/// The last moment at which an abort is enough. What follows needs a new template.
pub(crate) fn hold_before_the_line(cx: &Context<'_>, step: Step) -> Result<Step, Next> {
    if step == Step::StartingNew {
        list_deployments(cx).try_for_each(wait_for_resumption)?;
    }
    Ok(step)
}

/// Tells of a pause as soon as it is seen, also where nothing is held by it.
pub(crate) fn mention_pause(cx: &Context<'_>, next: Next) -> Next {
    let begun = cx.originals().is_some() && cx.status.step != Some(Step::Settling);
    match next {
        Next::Wait {
            poll,
            problem: None,
        } if begun => Next::Wait {
            poll,
            problem: list_deployments(cx)
                .find_map(describe_pause)
                .map(|told| Waiting {
                    reason: Reason::PauseSeen.into(),
                    ..told
                }),
        },
        next => next,
    }
}

/// Whether a pause holds what has to be done: only its end, or a way back that does without, lets the upgrade go on.
pub(crate) fn is_held(waiting: &Waiting) -> bool {
    waiting.reason == Reason::TargetPaused
}

/// Whether a step waits for a resumption for as long as it takes: past the line, and on a way back, there is no way
/// without it.
pub(crate) fn is_patient(cx: &Context<'_>, next: &Next) -> bool {
    may_last(cx) && matches!(next, Next::Wait { problem: Some(waiting), .. } if is_held(waiting))
}

pub(crate) fn may_last(cx: &Context<'_>) -> bool {
    let past = cx.status.point_of_no_return_time.is_some();
    past || cx.status.direction != Some(Direction::Forward)
}

/// Waits when the Deployment is paused.
pub(crate) fn wait_for_resumption(object: &Value) -> Result<(), Next> {
    match describe_pause(object) {
        Some(waiting) => Err(Next::Wait {
            poll: 5,
            problem: Some(waiting),
        }),
        None => Ok(()),
    }
}

fn describe_pause(object: &Value) -> Option<Waiting> {
    if !is_paused(object) {
        return None;
    }
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str);
    let name = text("/metadata/name").unwrap_or_default();
    let namespace =
        text("/metadata/namespace").map_or_else(String::new, |one| format!(" -n {one}"));
    let who = find_pauser(object).map_or_else(String::new, |who| format!(" by {who}"));
    Some(Waiting {
        reason: Reason::TargetPaused.into(),
        message: format!(
            "Deployment {name} was paused{who} (spec.paused), so Kubernetes starts no new template in it; no other template is written to it \
             until it is resumed, and it goes on by itself then: kubectl rollout resume deployment {name}{namespace}"
        ),
    })
}

/// The targets' Deployments that were seen.
pub(crate) fn list_deployments<'a>(cx: &Context<'a>) -> impl Iterator<Item = &'a Value> {
    let seen = cx.observed.targets.iter();
    seen.filter_map(|facts| facts.deployment.known()?.as_ref().map(|one| &one.object))
}
