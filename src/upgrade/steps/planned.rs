//! A plan waits for a person. Pure.
use crate::api::{Action, Phase, Step};
use crate::facts::Needs;
use crate::upgrade::context::Context;
use crate::upgrade::next::Next;
use crate::upgrade::steps::def::{HaStage, OnFailure, StepDef};

/// What there is to know about this step.
pub(crate) const DEF: StepDef = StepDef {
    step: Step::Planned,
    words: "planned",
    phase: Phase::Planned,
    limit: None,
    job: None,
    looks: |_| Needs::default(),
    ha: HaStage::AsFound,
    failure: OnFailure::Ends,
    retries: &[],
    leads_to: &[Step::Preflight],
    decide: |cx, _| decide(cx),
};

/// A plan waits for `action: Run`; preflight is made again then, since the world moves on.
fn decide(cx: &Context<'_>) -> Result<Step, Next> {
    match cx.spec.action {
        Action::Run => Ok(Step::Preflight),
        Action::Plan | Action::Abort | Action::RollBack => Err(Next::Wait {
            poll: 3600,
            problem: None,
        }),
    }
}
