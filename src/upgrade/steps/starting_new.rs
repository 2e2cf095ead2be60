//! The new version starts for its initialisation. Pure.
//!
//! OMS upgrade guide, single node, step 4.
use crate::api::{Phase, Step};
use crate::facts::{CopyNeed, Needs};
use crate::objects::deployment::TemplateKind;
use crate::objects::target_change::TargetChange;
use crate::upgrade::context::Context;
use crate::upgrade::next::Next;
use crate::upgrade::parts::pods::find_running_pod;
use crate::upgrade::parts::services::require_settled;
use crate::upgrade::parts::start::bring_up;
use crate::upgrade::parts::templates::refuse_old_image;
use crate::upgrade::steps::def::{HaStage, Limit, OnFailure, StepDef};

/// What there is to know about this step.
pub(crate) const DEF: StepDef = StepDef {
    step: Step::StartingNew,
    words: "starting the new version for its initialisation",
    phase: Phase::Starting,
    limit: Some(Limit::Start),
    job: None,
    looks: |_| Needs {
        templates: true,
        programs: true,
        originals: CopyNeed::WhereMissing,
        ..Needs::default()
    },
    ha: HaStage::Off,
    failure: OnFailure::TurnsBack,
    retries: &[],
    leads_to: &[Step::Initializing],
    decide: |cx, _| decide(cx),
};

/// The upgrade start (upgrade guide, single node, step 4): `IS_UPGRADE=true`, no liveness and
/// startup probes, because a probe on 8089 kills the container while the console waits for the
/// initialisation. Containers must run; readiness may well wait for the initialisation.
fn decide(cx: &Context<'_>) -> Result<Step, Next> {
    for target in &bring_up(cx, TemplateKind::Upgrade, &TargetChange::StartUpgrade)? {
        let pod = find_running_pod(target)?;
        if pod.container.image_id.is_empty() {
            return Err(Next::watch());
        }
        refuse_old_image(cx, target, pod)?;
        // A container runs before its own start is done; `docker_init.sh` in the middle of that fails.
        require_settled(target)?;
    }
    Ok(Step::Initializing)
}
