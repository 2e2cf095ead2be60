//! A way back begins: our own Jobs are stopped and gone before anything else is done. Pure.
use crate::api::{Direction, Phase, Reason, Step};
use crate::facts::{Fact, Needs};
use crate::upgrade::context::Context;
use crate::upgrade::effect::Effect;
use crate::upgrade::next::Next;
use crate::upgrade::parts::late_writes::may_write_late;
use crate::upgrade::parts::own_jobs::stop_own_jobs;
use crate::upgrade::steps::def::{Limit, OnFailure, StepDef};

/// What there is to know about this step.
pub(crate) const DEF: StepDef = StepDef {
    step: Step::StoppingJobs,
    words: "stopping our own Jobs",
    phase: Phase::Stopping,
    limit: Some(Limit::Stop),
    job: None,
    looks: |_| Needs {
        leftovers: true,
        ..Needs::default()
    },
    failure: OnFailure::Stalls,
    retries: &[],
    leads_to: &[Step::Fencing, Step::StartingOld],
    decide: |cx, _| decide(cx),
};

/// Deletes what still runs and waits until its pods are gone; then the way back begins.
fn decide(cx: &Context<'_>) -> Next {
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
                Reason::TargetUnseen,
                format!("Deployment {} cannot be read: {reason}", target.name),
            )),
            Fact::Known(_) => None,
        })
}
