//! Rollback: are the databases as they were when they were dumped? Pure.
use crate::api::{ContentProof, JobRole, OmsUpgradeStatus, Phase, Reason, Step};
use crate::protocol::report::{CommandResult, CompareReport};
use crate::upgrade::context::Context;
use crate::upgrade::next::Next;
use crate::upgrade::parts::guard::{self, run_guarded};
use crate::upgrade::steps::def::{HaStage, Limit, OnFailure, StepDef};

/// What there is to know about this step.
pub(crate) const DEF: StepDef = StepDef {
    step: Step::Comparing,
    words: "comparing the databases with the backup",
    phase: Phase::VerifyingBackup,
    limit: Some(Limit::Backup),
    job: Some(JobRole::Compare),
    looks: guard::list_needs,
    ha: HaStage::TakenBack,
    failure: OnFailure::Stalls,
    retries: guard::RETRIES,
    leads_to: &[Step::StartingOld, Step::Restoring],
    decide,
};

/// Rollback: are the databases as they were when they were dumped?
fn decide(cx: &Context<'_>, draft: &mut OmsUpgradeStatus) -> Result<Step, Next> {
    let report = run_guarded(cx, draft, JobRole::Compare)?;
    match report.result {
        Some(CommandResult::Compare(CompareReport::Equal)) => {
            draft.internal.content_proof = Some(ContentProof::Equal);
            Ok(Step::StartingOld)
        }
        Some(CommandResult::Compare(CompareReport::Different { .. })) => Ok(Step::Restoring),
        _ => Err(Next::fail(
            Reason::ReportIncomplete,
            "the comparison Job reported success without a result; nothing is concluded from it",
        )),
    }
}
