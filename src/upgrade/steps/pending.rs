//! Nothing looked at yet: the object is held, so that a deletion leaves nothing half way. Pure.
use crate::api::{Phase, Step};
use crate::facts::Needs;
use crate::upgrade::context::Context;
use crate::upgrade::effect::Effect;
use crate::upgrade::next::Next;
use crate::upgrade::steps::def::{HaStage, Limit, OnFailure, StepDef};

/// What there is to know about this step.
pub(crate) const DEF: StepDef = StepDef {
    step: Step::Pending,
    words: "waiting to begin",
    phase: Phase::Pending,
    limit: Some(Limit::Preflight),
    job: None,
    looks: |_| Needs::default(),
    ha: HaStage::AsFound,
    failure: OnFailure::Waits,
    retries: &[],
    leads_to: &[Step::Preflight],
    decide: |cx, _| decide(cx),
};

fn decide(cx: &Context<'_>) -> Result<Step, Next> {
    // Before preflight, which looks at everything anew each time.
    if cx.object.finalizer {
        Ok(Step::Preflight)
    } else {
        Err(Next::Do(Effect::AddFinalizer))
    }
}
