//! The new version is stopped after its initialisation, for a normal start. Pure.
use crate::api::{Phase, Step};
use crate::facts::{CopyNeed, Needs};
use crate::objects::deployment::TemplateKind;
use crate::upgrade::context::Context;
use crate::upgrade::next::Next;
use crate::upgrade::parts::stop::stop_targets;
use crate::upgrade::steps::def::{HaStage, Limit, OnFailure, StepDef};

/// What there is to know about this step.
pub(crate) const DEF: StepDef = StepDef {
    step: Step::StoppingForRestart,
    words: "stopping the new version for a normal start",
    phase: Phase::Restarting,
    limit: Some(Limit::Stop),
    job: None,
    looks: |_| Needs {
        sessions: true,
        originals: CopyNeed::WhereMissing,
        ..Needs::default()
    },
    ha: HaStage::Off,
    failure: OnFailure::TurnsBack,
    retries: &[],
    leads_to: &[Step::StartingFinal],
    decide: |cx, _| decide(cx),
};

/// The new version after its initialisation, for a normal start.
fn decide(cx: &Context<'_>) -> Result<Step, Next> {
    stop_targets(cx, &[TemplateKind::Upgrade])?;
    Ok(Step::StartingFinal)
}
