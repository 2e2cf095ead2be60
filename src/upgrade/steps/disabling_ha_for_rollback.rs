//! HA off before the new version is stopped for a rollback: bounded, and never a reason to stop. Pure.
use crate::api::{Phase, Step};
use crate::facts::Needs;
use crate::upgrade::context::{Context, seconds_between};
use crate::upgrade::next::Next;
use crate::upgrade::parts::ha::switch_off;
use crate::upgrade::steps::def::{HaStage, OnFailure, StepDef};

/// What there is to know about this step.
pub(crate) const DEF: StepDef = StepDef {
    step: Step::DisablingHaForRollback,
    words: "switching HA off",
    phase: Phase::DisablingHa,
    limit: None,
    job: None,
    looks: |_| Needs {
        ha: true,
        programs: true,
        ..Needs::default()
    },
    ha: HaStage::TakenBack,
    failure: OnFailure::Stalls,
    retries: &[],
    leads_to: &[Step::StoppingNew],
    decide: |cx, _| decide(cx),
};

/// Seconds that a rollback spends on switching HA off: the databases are replaced anyway.
const BEST_EFFORT_SECONDS: i64 = 60;

/// Before the new version is stopped for a rollback. Bounded, and never a reason to stop.
fn decide(cx: &Context<'_>) -> Result<Step, Next> {
    let late = cx
        .status
        .step_started_time
        .as_ref()
        .is_some_and(|since| seconds_between(since, &cx.now) >= BEST_EFFORT_SECONDS);
    match switch_off(cx) {
        Ok(()) | Err(Next::Fail(_) | Next::Stall(_)) => Ok(Step::StoppingNew),
        Err(_) if late => Ok(Step::StoppingNew),
        Err(next) => Err(next),
    }
}
