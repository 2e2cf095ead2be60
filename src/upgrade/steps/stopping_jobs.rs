//! A way back begins: our own Jobs are stopped and gone before anything else is done. Pure.
use crate::api::{Direction, Phase, Step};
use crate::facts::Needs;
use crate::upgrade::context::Context;
use crate::upgrade::effect::Effect;
use crate::upgrade::next::Next;
use crate::upgrade::parts::late_writes::may_write_late;
use crate::upgrade::parts::own_jobs::stop_own_jobs;
use crate::upgrade::parts::targets::require_deployment;
use crate::upgrade::steps::def::{HaStage, Limit, OnFailure, StepDef};

/// What there is to know about this step.
pub(crate) const DEF: StepDef = StepDef {
    step: Step::StoppingJobs,
    words: "stopping our own Jobs",
    phase: Phase::Stopping,
    limit: Some(Limit::Stop),
    job: None,
    looks: |status| Needs {
        fingerprint: status.direction == Some(Direction::Abort)
            && status.internal.fingerprint.is_some(),
        leftovers: true,
        templates: true,
        ..Needs::default()
    },
    ha: HaStage::TakenBack,
    failure: OnFailure::Stalls,
    retries: &[],
    leads_to: &[Step::Fencing, Step::StartingOld],
    decide: |cx, _| decide(cx),
};

/// Deletes what still runs and waits until its pods are gone; then the way back begins.
fn decide(cx: &Context<'_>) -> Result<Step, Next> {
    // A rollback after success begins without one: a deletion would leave it half way.
    if !cx.object.finalizer && !cx.object.deleting {
        return Err(Next::Do(Effect::AddFinalizer));
    }
    stop_own_jobs(cx)?;
    if cx.status.direction == Some(Direction::RollBack) {
        return Ok(Step::Fencing);
    }
    // Where no original is recorded, only the record on the targets tells whether one was written. One that cannot be
    // read now is no answer: there would be nothing to fence it by.
    if cx.originals().is_none() {
        for facts in &cx.observed.targets {
            require_deployment(facts)?;
        }
    }
    if may_write_late(cx) {
        Ok(Step::Fencing)
    } else {
        Ok(Step::StartingOld)
    }
}
