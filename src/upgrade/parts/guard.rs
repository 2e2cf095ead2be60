//! What must hold while a Job works on the databases. Pure.
//!
//! OceanBase cuts statements after `ob_query_timeout` (10 s by default), and a dump that was cut
//! restores "successfully". So the limit is raised first, its original recorded, and put back on
//! every way out.
use crate::api::{JobRole, OmsUpgradeStatus, Reason, Step};
use crate::facts::{CopyNeed, Needs};
use crate::protocol::report::Report;
use crate::upgrade::context::Context;
use crate::upgrade::effect::Effect;
use crate::upgrade::next::{Next, require_known};
use crate::upgrade::parts::job::run_job;
use crate::upgrade::parts::lock::refuse_newer_epoch;
use crate::upgrade::parts::shape::require_stopped;

/// `ob_query_timeout` while Jobs read and write the databases: ten hours, in microseconds.
pub(crate) const RAISED_QUERY_TIMEOUT: u64 = 36_000_000_000;

/// What a step looks at that runs a Job on the databases: what `guard` asks for.
pub(crate) fn list_needs(_: &OmsUpgradeStatus) -> Needs {
    Needs {
        query_timeout: true,
        lock: true,
        originals: CopyNeed::WhereMissing,
        ..Needs::default()
    }
}

/// Where a retry of a rollback begins when such a Job cannot be done: what was lost is taken again first, and where
/// somebody may have written, stopping and comparing begin anew.
pub(crate) const RETRIES: &[(Reason, Step)] = &[
    (Reason::Timeout, Step::StoppingJobs),
    (Reason::JobPodNotRunning, Step::StoppingJobs),
    (Reason::LockLost, Step::Fencing),
    (Reason::TargetContended, Step::StoppingNew),
    (Reason::ContentUnproven, Step::StoppingNew),
];

/// Runs a Job on databases that nobody else uses.
pub(crate) fn run_guarded(
    cx: &Context<'_>,
    draft: &mut OmsUpgradeStatus,
    role: JobRole,
) -> Result<Box<Report>, Next> {
    guard(cx, draft)?;
    run_job(cx, draft, role)
}

/// What must hold while a Job works on the databases: everything stopped, the lock ours, the time limit raised.
pub(crate) fn guard(cx: &Context<'_>, draft: &mut OmsUpgradeStatus) -> Result<(), Next> {
    require_stopped(cx)?;
    let lock = require_known(&cx.observed.metadb.lock, 2, Reason::MetaDbUnseen)?;
    if lock.as_ref().is_none_or(|row| row.holder != cx.object.uid) {
        return Err(Next::fail(
            Reason::LockLost,
            "the lock row in the MetaDB (oms_operator_lock.upgrade_lock) is gone or held by another upgrade; no data was changed by this step; \
             find out who removed it",
        ));
    }
    lock.iter()
        .try_for_each(|row| refuse_newer_epoch(cx, row))?;
    match require_known(&cx.observed.metadb.query_timeout, 2, Reason::MetaDbUnseen)? {
        Some(limit) if *limit < RAISED_QUERY_TIMEOUT => {
            // A rollback after success finds it given back, and changed by others since, perhaps.
            if let Some(originals) = &mut draft.internal.originals {
                let found = i64::try_from(*limit).unwrap_or(i64::MAX);
                originals.ob_query_timeout.get_or_insert(found);
            }
            Err(Next::Do(Effect::SetQueryTimeout {
                microseconds: RAISED_QUERY_TIMEOUT,
            }))
        }
        _ => Ok(()),
    }
}
