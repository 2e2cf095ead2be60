//! The dump, of databases that nobody uses. Pure.
use crate::api::{BackupStatus, DatabaseSummary, JobRole, OmsUpgradeStatus, Phase, Reason, Step};
use crate::facts::Needs;
use crate::protocol::report::CommandResult;
use crate::upgrade::context::{Context, to_i64};
use crate::upgrade::next::{Failure, Next};
use crate::upgrade::parts::guard::run_guarded;
use crate::upgrade::steps::def::{Limit, OnFailure, StepDef};

/// What there is to know about this step.
pub(crate) const DEF: StepDef = StepDef {
    step: Step::BackingUp,
    words: "dumping the databases",
    phase: Phase::BackingUp,
    limit: Some(Limit::Backup),
    job: Some(JobRole::Dump),
    looks: |_| Needs {
        query_timeout: true,
        lock: true,
        ..Needs::default()
    },
    failure: OnFailure::TurnsBack,
    retries: &[],
    leads_to: &[Step::VerifyingBackup],
    decide,
};

/// The dump, of databases that nobody uses.
fn decide(cx: &Context<'_>, draft: &mut OmsUpgradeStatus) -> Next {
    let report = match run_guarded(cx, draft, JobRole::Dump) {
        Ok(report) => report,
        Err(next) => return next,
    };
    let (Some(CommandResult::Dump(dump)), Some(digest)) = (report.result, report.manifest_digest)
    else {
        return Next::Fail(Failure::new(
            Reason::ReportIncomplete,
            "the backup Job reported success without a manifest; the backup is not used",
        ));
    };
    draft.backup = Some(BackupStatus {
        directory: dump.directory,
        manifest_digest: digest,
        finished_time: Some(cx.now.clone()),
        verified: false,
        scratch_restored: false,
        databases: dump
            .databases
            .into_iter()
            .map(|database| DatabaseSummary {
                name: database.name,
                objects: to_i64(database.tables + database.views),
                rows: to_i64(database.rows),
                raw_bytes: to_i64(database.raw_bytes),
                stored_bytes: to_i64(database.stored_bytes),
            })
            .collect(),
    });
    Next::Go(Step::VerifyingBackup)
}
