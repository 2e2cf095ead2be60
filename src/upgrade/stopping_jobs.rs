//! A way back begins: our own Jobs are stopped and gone before anything else is done. Pure.
use super::fencing::may_write_late;
use super::settling::is_prepull;
use super::{Context, Effect, Fact, Next, OwnKind};
use crate::api::{Direction, Step};

/// Deletes what still runs and waits until its pods are gone. Pre-pull pods touch nothing and may never end: they wait for the
/// clean-up.
pub(super) fn decide_stopping_jobs(cx: &Context<'_>) -> Next {
    // A rollback after success begins without one: a deletion would leave it half way.
    if !cx.object.finalizer && !cx.object.deleting {
        return Next::Do(Effect::AddFinalizer);
    }
    let leftovers = match &cx.observed.leftovers {
        Fact::Unknown(reason) => return Next::trouble(2, "OwnObjectsUnseen", reason.clone()),
        Fact::Known(leftovers) => leftovers,
    };
    if let Some(running) = leftovers
        .iter()
        .find(|own| own.kind == OwnKind::Job && own.active)
    {
        return Next::Do(Effect::DeleteOwn(running.clone()));
    }
    if leftovers
        .iter()
        .any(|own| own.kind == OwnKind::Pod && own.active && !is_prepull(&own.name))
    {
        return Next::watch();
    }
    match cx.status.direction {
        Some(Direction::RollBack) => Next::Go(Step::Fencing),
        _ if may_write_late(cx) => Next::Go(Step::Fencing),
        _ => Next::Go(Step::StartingOld),
    }
}
