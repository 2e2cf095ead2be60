//! The new version is stopped after its initialisation, for a normal start. Pure.
use crate::api::{Phase, Reason, Step};
use crate::facts::{CopyNeed, Needs};
use crate::objects::deployment::TemplateKind;
use crate::upgrade::context::Context;
use crate::upgrade::next::Next;
use crate::upgrade::parts::ha::require_ha_off;
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
        ha: true,
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
    require_ha_off(cx, ask_for_ha_off)?;
    Ok(Step::StartingFinal)
}

/// `docker_init.sh` may have written `ha.config` anew. With HA on, a console would start its Stores before the keys for
/// their recovery are set.
fn ask_for_ha_off() -> Next {
    Next::trouble(
        5,
        Reason::HaEnabledAgain,
        "ha.config reads enable=true after docker_init.sh, although it was switched off; OMS is stopped, and started so it would \
         skip changes of its projects; set \"enable\": false in that row of the MetaDB, and the upgrade goes on by itself",
    )
}
