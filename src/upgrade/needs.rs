//! What a pass has to look at: a step asks only for what it decides on. Pure.
use crate::api::{Direction, JobRole, OmsUpgradeStatus, Step};
use crate::facts::Needs;

/// The Job that a step is about.
pub fn find_role(step: Step) -> Option<JobRole> {
    match step {
        Step::Preflight => Some(JobRole::Probe),
        Step::BackingUp => Some(JobRole::Dump),
        Step::VerifyingBackup => Some(JobRole::Verify),
        Step::Comparing => Some(JobRole::Compare),
        Step::Restoring => Some(JobRole::Restore),
        _ => None,
    }
}

/// Whether the lock in the MetaDB may have been taken: from the step on that takes it.
pub(super) fn may_hold_lock(status: &OmsUpgradeStatus) -> bool {
    status.started_time.is_some()
        || status
            .history
            .iter()
            .any(|record| record.step == Step::Locking)
}

/// What the present step needs to see.
pub fn find_needs(status: &OmsUpgradeStatus) -> Needs {
    let Some(step) = status.step else {
        return Needs::default();
    };
    let base = Needs {
        job: find_role(step),
        ..Needs::default()
    };
    match step {
        Step::Pending | Step::Planned => Needs::default(),
        Step::Preflight => Needs {
            claim: true,
            prepulls: true,
            templates: true,
            installation: true,
            identity: true,
            ha: true,
            kept_keys: true,
            sessions: true,
            projects: true,
            progress: true,
            health: true,
            lock: true,
            cgroup: true,
            rivals: true,
            leftovers: true,
            ..base
        },
        Step::Locking => Needs {
            ha: true,
            kept_keys: true,
            lock: true,
            query_timeout: true,
            projects: true,
            progress: true,
            ..base
        },
        Step::DisablingHa | Step::DisablingHaForRollback => Needs {
            ha: true,
            programs: true,
            ..base
        },
        Step::StoppingOld => Needs {
            ha: true,
            sessions: true,
            ..base
        },
        Step::StoppingForRestart | Step::StoppingNew => Needs {
            sessions: true,
            ..base
        },
        Step::BackingUp | Step::VerifyingBackup | Step::Comparing | Step::Restoring => Needs {
            query_timeout: true,
            lock: true,
            ..base
        },
        Step::StartingNew => Needs {
            templates: true,
            programs: true,
            ..base
        },
        Step::Initializing => Needs {
            templates: true,
            init: true,
            ..base
        },
        Step::StartingFinal => Needs {
            templates: true,
            programs: true,
            health: true,
            init: true,
            ..base
        },
        Step::StartingOld => Needs {
            templates: true,
            programs: true,
            health: true,
            ..base
        },
        Step::EnablingHa => Needs {
            templates: true,
            ha: true,
            programs: true,
            health: true,
            ..base
        },
        Step::Recovering => Needs {
            ha: true,
            kept_keys: true,
            programs: true,
            projects: true,
            progress: true,
            ..base
        },
        Step::StoppingJobs => Needs {
            leftovers: true,
            ..base
        },
        Step::Fencing if status.direction == Some(Direction::Abort) => base,
        Step::Fencing => Needs {
            claim: true,
            lock: true,
            leftovers: true,
            ..base
        },
        Step::Settling if status.settled => Needs::default(),
        Step::Settling => Needs {
            leftovers: true,
            lock: may_hold_lock(status),
            query_timeout: status
                .originals
                .as_ref()
                .is_some_and(|originals| originals.ob_query_timeout.is_some()),
            ..base
        },
    }
}
