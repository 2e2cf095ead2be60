//! A way back begins: our own Jobs are stopped and gone before anything else is done. Pure.
use super::fencing::may_write_late;
use super::settling::is_prepull;
use super::{Context, Effect, Next};
use crate::api::{Direction, Step};
use crate::facts::{Fact, OwnKind};

/// Deletes what still runs and waits until its pods are gone; then the way back begins.
pub(super) fn decide_stopping_jobs(cx: &Context<'_>) -> Next {
    // A rollback after success begins without one: a deletion would leave it half way.
    if !cx.object.finalizer && !cx.object.deleting {
        return Next::Do(Effect::AddFinalizer);
    }
    if let Some(next) = stop_own_jobs(cx) {
        return next;
    }
    if cx.status.direction == Some(Direction::RollBack) {
        return Next::Go(Step::Fencing);
    }
    if cx.originals().is_none()
        && let Some(next) = wait_for_targets(cx)
    {
        return next;
    }
    if may_write_late(cx) {
        Next::Go(Step::Fencing)
    } else {
        Next::Go(Step::StartingOld)
    }
}

/// Where no original is recorded, only the record on the targets tells whether one was written. One that cannot be read now is
/// no answer: there would be nothing to fence it by.
fn wait_for_targets(cx: &Context<'_>) -> Option<Next> {
    cx.observed
        .targets
        .iter()
        .find_map(|target| match &target.deployment {
            Fact::Unknown(reason) => Some(Next::trouble(
                2,
                "TargetUnseen",
                format!("Deployment {} cannot be read: {reason}", target.name),
            )),
            Fact::Known(_) => None,
        })
}

/// `None` when no Job of ours runs and none of their pods is left. Pre-pull pods touch nothing and may never end: they wait for
/// the clean-up.
pub(super) fn stop_own_jobs(cx: &Context<'_>) -> Option<Next> {
    let own = match &cx.observed.leftovers {
        Fact::Unknown(reason) => {
            return Some(Next::trouble(2, "OwnObjectsUnseen", reason.clone()));
        }
        Fact::Known(own) => own,
    };
    let mut active = own.iter().filter(|own| own.active);
    if let Some(job) = active.clone().find(|own| own.kind == OwnKind::Job) {
        return Some(Next::Do(Effect::DeleteOwn(job.clone())));
    }
    active
        .any(|own| own.kind == OwnKind::Pod && !is_prepull(&own.name))
        .then(Next::watch)
}
