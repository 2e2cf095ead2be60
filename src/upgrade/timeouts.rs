//! How long each step may take. Pure.
use crate::api::{OmsUpgradeSpec, Step};

/// Seconds that a step may take; `None` for steps that wait for a person or clean up.
pub fn find_timeout(spec: &OmsUpgradeSpec, step: Step) -> Option<i64> {
    let limits = &spec.timeouts;
    let limit = match step {
        Step::Planned | Step::Settling => return None,
        Step::Pending | Step::Preflight | Step::Locking => limits.preflight,
        Step::DisablingHa | Step::EnablingHa => limits.ha,
        Step::StoppingOld
        | Step::StoppingForRestart
        | Step::StoppingNew
        | Step::StoppingJobs
        | Step::Fencing => limits.stop,
        Step::BackingUp | Step::Comparing => limits.backup,
        Step::VerifyingBackup => limits.verify,
        Step::StartingNew => limits.start,
        Step::Initializing => limits.init,
        Step::StartingFinal | Step::StartingOld => limits.health,
        Step::Recovering => limits.recovery,
        // Best effort: the databases are replaced anyway.
        Step::DisablingHaForRollback => return None,
        Step::Restoring => limits.restore,
    };
    Some(i64::from(limit.as_seconds()))
}
