//! The steps that are Jobs: backup, verification, comparison, restore. Pure.
//!
//! OceanBase cuts statements after `ob_query_timeout` (10 s by default), and a dump that was cut
//! restores "successfully". So the limit is raised first, its original recorded, and put back on
//! every way out.
use super::job_step::run_job;
use super::{Context, Effect, Failure, Next, to_i64};
use crate::api::{BackupStatus, ContentProof, DatabaseSummary, JobRole, OmsUpgradeStatus, Step};
use crate::facts::Fact;
use crate::protocol::report::{CommandResult, CompareReport, Report, Trial};

/// `ob_query_timeout` while Jobs read and write the databases: ten hours, in microseconds.
pub(super) const RAISED_QUERY_TIMEOUT: u64 = 36_000_000_000;

/// The dump, of databases that nobody uses.
pub(super) fn decide_backing_up(cx: &Context<'_>, draft: &mut OmsUpgradeStatus) -> Next {
    let report = match run_guarded(cx, draft, JobRole::Dump) {
        Ok(report) => report,
        Err(next) => return next,
    };
    let (Some(CommandResult::Dump(dump)), Some(digest)) = (report.result, report.manifest_digest)
    else {
        return Next::Fail(Failure::new(
            "ReportIncomplete",
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

/// The proof of the dump.
pub(super) fn decide_verifying(cx: &Context<'_>, draft: &mut OmsUpgradeStatus) -> Next {
    let report = match run_guarded(cx, draft, JobRole::Verify) {
        Ok(report) => report,
        Err(next) => return next,
    };
    let Some(CommandResult::Verify(verify)) = report.result else {
        return Next::Fail(Failure::new(
            "ReportIncomplete",
            "the verification Job reported success without a result; the backup is not trusted",
        ));
    };
    let Some(backup) = draft
        .backup
        .as_mut()
        .filter(|backup| Some(&backup.manifest_digest) == report.manifest_digest.as_ref())
    else {
        return Next::Fail(Failure::new(
            "ManifestMismatch",
            "the verification Job looked at another manifest than the one that was recorded",
        ));
    };
    backup.verified = true;
    backup.scratch_restored = verify.scratch_restore == Trial::Works;
    Next::Go(Step::StartingNew)
}

/// Rollback: are the databases as they were when they were dumped?
pub(super) fn decide_comparing(cx: &Context<'_>, draft: &mut OmsUpgradeStatus) -> Next {
    let report = match run_guarded(cx, draft, JobRole::Compare) {
        Ok(report) => report,
        Err(next) => return next,
    };
    match report.result {
        Some(CommandResult::Compare(CompareReport::Equal)) => {
            draft.content_proof = Some(ContentProof::Equal);
            Next::Go(Step::StartingOld)
        }
        Some(CommandResult::Compare(CompareReport::Different { .. })) => Next::Go(Step::Restoring),
        _ => Next::Fail(Failure::new(
            "ReportIncomplete",
            "the comparison Job reported success without a result; nothing is concluded from it",
        )),
    }
}

/// Rollback: the content of the backup comes back.
pub(super) fn decide_restoring(cx: &Context<'_>, draft: &mut OmsUpgradeStatus) -> Next {
    let report = match run_guarded(cx, draft, JobRole::Restore) {
        Ok(report) => report,
        Err(next) => return next,
    };
    let Some(CommandResult::Restore(_)) = report.result else {
        return Next::Fail(Failure::new(
            "ReportIncomplete",
            "the restore Job reported success without a result; it is not believed",
        ));
    };
    draft.content_proof = Some(ContentProof::Restored);
    Next::Go(Step::StartingOld)
}

/// Runs a Job on databases that nobody else uses.
fn run_guarded(
    cx: &Context<'_>,
    draft: &mut OmsUpgradeStatus,
    role: JobRole,
) -> Result<Box<Report>, Next> {
    match guard(cx) {
        Some(next) => Err(next),
        None => run_job(cx, draft, role),
    }
}

/// What must hold while a Job works on the databases: everything stopped, the lock ours, the time
/// limit raised. `None` when it does.
fn guard(cx: &Context<'_>) -> Option<Next> {
    if let Some(next) = super::targets::require_stopped(cx) {
        return Some(next);
    }
    match &cx.observed.metadb.lock {
        Fact::Unknown(reason) => return Some(Next::trouble(2, "MetaDbUnseen", reason.clone())),
        Fact::Known(Some(row)) if row.holder == cx.object.uid => {}
        Fact::Known(_) => {
            return Some(Next::Fail(Failure::new(
                "LockLost",
                "the lock row in the MetaDB (oms_operator_lock.upgrade_lock) is gone or held by another upgrade; no data was changed by this step; \
                 find out who removed it",
            )));
        }
    }
    match &cx.observed.metadb.query_timeout {
        Fact::Unknown(reason) => Some(Next::trouble(2, "MetaDbUnseen", reason.clone())),
        Fact::Known(Some(limit)) if *limit < RAISED_QUERY_TIMEOUT => {
            Some(Next::Do(Effect::SetQueryTimeout {
                microseconds: RAISED_QUERY_TIMEOUT,
            }))
        }
        Fact::Known(_) => None,
    }
}
