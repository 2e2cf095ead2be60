//! Rollback: the backup is still where it was put, and the old image can still be had, before anything is stopped for
//! it. Pure.
//!
//! A claim that was emptied, or made anew under its name, is there as well: only what lies on it tells.
use crate::api::{JobRole, OmsUpgradeStatus, Phase, Reason, Step};
use crate::facts::{CopyNeed, Needs};
use crate::protocol::report::CommandResult;
use crate::protocol::sentence::drop_full_stop;
use crate::upgrade::context::Context;
use crate::upgrade::next::{Failure, Next};
use crate::upgrade::parts::abandonment::describe_release;
use crate::upgrade::parts::job::run_job;
use crate::upgrade::parts::old_images::{find_round, pull_old_images, require_old_images};
use crate::upgrade::steps::def::{HaStage, Limit, OnFailure, StepDef};

/// What there is to know about this step.
pub(crate) const DEF: StepDef = StepDef {
    step: Step::FindingBackup,
    words: "looking for the backup and the old image",
    phase: Phase::Stopping,
    limit: Some(Limit::Stop),
    job: Some(JobRole::Verify),
    looks: |status| Needs {
        old_pulls: Some(find_round(status)),
        originals: CopyNeed::WhereMissing,
        ..Needs::default()
    },
    ha: HaStage::TakenBack,
    failure: OnFailure::Stalls,
    retries: &[],
    leads_to: &[Step::DisablingHaForRollback],
    decide,
};

/// An agent finds the very manifest that was recorded, in a format that it knows, and every file with its length. What
/// was proven once is not proven again in full: that takes its time, and a restore does it anyway.
fn decide(cx: &Context<'_>, draft: &mut OmsUpgradeStatus) -> Result<Step, Next> {
    // The image is pulled while the agent looks.
    pull_old_images(cx)?;
    let report = match run_job(cx, draft, JobRole::Verify) {
        Ok(report) => report,
        Err(Next::Fail(failure)) => return Err(Next::Fail(blame_claim(cx, failure))),
        Err(next) => return Err(next),
    };
    match report.result {
        Some(CommandResult::Verify(_)) => {
            require_old_images(cx)?;
            Ok(Step::DisablingHaForRollback)
        }
        _ => {
            let message = "the verification Job reported success without a result";
            let failure = Failure::new(Reason::ReportIncomplete, message);
            Err(Next::Fail(blame_claim(cx, failure)))
        }
    }
}

/// Which claim it is about, and what it means.
fn blame_claim(cx: &Context<'_>, failure: Failure) -> Failure {
    let claim = &cx.spec.backup.claim_name;
    let backup = cx.status.backup.as_ref();
    let directory = backup.map_or("of this upgrade", |backup| backup.directory.as_str());
    Failure::with_advice(
        failure.reason,
        format!(
            "the backup could not be found on PersistentVolumeClaim {claim}, so nothing was stopped for this rollback, and nothing of OMS, HA or the databases was changed: \
             {}; bring the backup back (directory {directory} below the claim, which the agent has at /backup), then write a new spec.retryRequest, which looks again; \
             where it is lost for good, {release}, and what runs stays",
            drop_full_stop(&failure.message),
            release = describe_release()
        ),
    )
}
