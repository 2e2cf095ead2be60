//! Rollback: the content of the backup comes back. Pure.
use crate::api::{ContentProof, JobRole, OmsUpgradeStatus, Phase, Reason, Step};
use crate::protocol::report::CommandResult;
use crate::upgrade::context::Context;
use crate::upgrade::next::Next;
use crate::upgrade::parts::guard::{self, run_guarded};
use crate::upgrade::parts::leftovers::note_copies;
use crate::upgrade::steps::def::{HaStage, Limit, OnFailure, StepDef};

/// What there is to know about this step.
pub(crate) const DEF: StepDef = StepDef {
    step: Step::Restoring,
    words: "restoring the backup",
    phase: Phase::VerifyingBackup,
    limit: Some(Limit::Restore),
    job: Some(JobRole::Restore),
    looks: guard::list_needs,
    ha: HaStage::TakenBack,
    failure: OnFailure::Stalls,
    retries: guard::RETRIES,
    leads_to: &[Step::StartingOld],
    decide,
};

/// Rollback: the content of the backup comes back.
fn decide(cx: &Context<'_>, draft: &mut OmsUpgradeStatus) -> Result<Step, Next> {
    let report = run_guarded(cx, draft, JobRole::Restore)?;
    let Some(CommandResult::Restore(restored)) = report.result else {
        return Err(Next::fail(
            Reason::ReportIncomplete,
            "the restore Job reported success without a result; it is not believed",
        ));
    };
    note_copies(draft, &restored.safety_copies);
    draft.internal.content_proof = Some(ContentProof::Restored);
    Ok(Step::StartingOld)
}
