//! What must hold while a Job works on the databases. Pure.
//!
//! OceanBase cuts statements after `ob_query_timeout` (10 s by default), and a dump that was cut
//! restores "successfully". So the limit is raised first, its original recorded, and put back on
//! every way out.
use crate::api::{JobRole, OmsUpgradeStatus, Reason};
use crate::facts::Fact;
use crate::protocol::report::Report;
use crate::upgrade::context::Context;
use crate::upgrade::effect::Effect;
use crate::upgrade::next::{Failure, Next};
use crate::upgrade::parts::job::run_job;
use crate::upgrade::parts::shape::require_stopped;

/// `ob_query_timeout` while Jobs read and write the databases: ten hours, in microseconds.
pub(crate) const RAISED_QUERY_TIMEOUT: u64 = 36_000_000_000;

/// Runs a Job on databases that nobody else uses.
pub(crate) fn run_guarded(
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
    if let Some(next) = require_stopped(cx) {
        return Some(next);
    }
    match &cx.observed.metadb.lock {
        Fact::Unknown(reason) => {
            return Some(Next::trouble(2, Reason::MetaDbUnseen, reason.clone()));
        }
        Fact::Known(Some(row)) if row.holder == cx.object.uid => {}
        Fact::Known(_) => {
            return Some(Next::Fail(Failure::new(
                Reason::LockLost,
                "the lock row in the MetaDB (oms_operator_lock.upgrade_lock) is gone or held by another upgrade; no data was changed by this step; \
                 find out who removed it",
            )));
        }
    }
    match &cx.observed.metadb.query_timeout {
        Fact::Unknown(reason) => Some(Next::trouble(2, Reason::MetaDbUnseen, reason.clone())),
        Fact::Known(Some(limit)) if *limit < RAISED_QUERY_TIMEOUT => {
            Some(Next::Do(Effect::SetQueryTimeout {
                microseconds: RAISED_QUERY_TIMEOUT,
            }))
        }
        Fact::Known(_) => None,
    }
}
