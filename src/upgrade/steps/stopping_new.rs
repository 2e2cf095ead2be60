//! Whatever runs is stopped for a rollback, and for an abort that a person leads on although another version ran. Pure.
//!
//! OMS upgrade guide, rollback, step 2 (note T3).
use crate::api::{ContentProof, Direction, OmsUpgradeStatus, Phase, Step};
use crate::facts::{CopyNeed, Needs};
use crate::objects::deployment::TemplateKind;
use crate::upgrade::context::Context;
use crate::upgrade::next::Next;
use crate::upgrade::parts::stop::stop_targets;
use crate::upgrade::parts::targets::list_stopped;
use crate::upgrade::steps::def::{HaStage, Limit, OnFailure, StepDef};

/// What there is to know about this step.
pub(crate) const DEF: StepDef = StepDef {
    step: Step::StoppingNew,
    words: "stopping whatever runs",
    phase: Phase::Stopping,
    limit: Some(Limit::Stop),
    job: None,
    looks: |_| Needs {
        sessions: true,
        originals: CopyNeed::WhereMissing,
        ..Needs::default()
    },
    ha: HaStage::TakenBack,
    failure: OnFailure::Stalls,
    retries: &[],
    leads_to: &[Step::Comparing, Step::StartingOld],
    decide,
};

/// Whatever runs; then it is compared, save where a person vouches for it.
fn decide(cx: &Context<'_>, draft: &mut OmsUpgradeStatus) -> Result<Step, Next> {
    let any = [
        TemplateKind::Old,
        TemplateKind::Upgrade,
        TemplateKind::Final,
        // A restart by hand, a changed label: the old template is written whole afterwards.
        TemplateKind::Foreign,
    ];
    let targets = stop_targets(cx, &any)?;
    draft.new_stopped_time = Some(cx.now.clone());
    draft.internal.stopped_targets = list_stopped(&targets);
    if cx.status.direction == Some(Direction::Abort) {
        draft.internal.content_proof = Some(ContentProof::Accepted);
        return Ok(Step::StartingOld);
    }
    Ok(Step::Comparing)
}
