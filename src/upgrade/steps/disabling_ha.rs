//! The old image is held on its nodes, and HA is off, read back, before the old version is stopped. Pure.
//!
//! OMS upgrade guide, single node, step 1.
use crate::api::{Phase, Step};
use crate::facts::Needs;
use crate::upgrade::context::Context;
use crate::upgrade::next::Next;
use crate::upgrade::parts::ha::switch_off;
use crate::upgrade::parts::old_images::{HOLDING_ROUND, hold_old_images};
use crate::upgrade::steps::def::{HaStage, Limit, OnFailure, StepDef};

/// What there is to know about this step.
pub(crate) const DEF: StepDef = StepDef {
    step: Step::DisablingHa,
    words: "switching HA off",
    phase: Phase::DisablingHa,
    limit: Some(Limit::Ha),
    job: None,
    looks: |_| Needs {
        old_pulls: Some(HOLDING_ROUND),
        ha: true,
        programs: true,
        ..Needs::default()
    },
    ha: HaStage::AsFound,
    failure: OnFailure::TurnsBack,
    retries: &[],
    leads_to: &[Step::StoppingOld],
    decide: |cx, _| decide(cx),
};

/// Before the old version is stopped.
fn decide(cx: &Context<'_>) -> Result<Step, Next> {
    hold_old_images(cx)?;
    switch_off(cx)?;
    Ok(Step::StoppingOld)
}
