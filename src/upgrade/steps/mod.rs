//! The procedure, one file per step, in its order. Pure.
//!
//! Whoever adds a step adds a file and a variant of [`Step`]; the compiler then lists what is missing.
pub(crate) mod def;

mod backing_up;
mod disabling_ha;
mod enabling_ha;
mod initializing;
mod locking;
mod pending;
mod planned;
pub(crate) mod preflight;
mod recovering;
mod starting_final;
mod starting_new;
mod stopping_for_restart;
mod stopping_old;
mod verifying_backup;

// Ways back.
mod comparing;
mod disabling_ha_for_rollback;
mod fencing;
mod finding_backup;
mod restoring;
mod starting_old;
mod stopping_jobs;
mod stopping_new;

mod settling;

use crate::api::{Direction, Phase, Step};
use def::StepDef;

/// What there is to know about a step.
pub fn find_def(step: Step) -> &'static StepDef {
    match step {
        Step::Pending => &pending::DEF,
        Step::Preflight => &preflight::DEF,
        Step::Planned => &planned::DEF,
        Step::Locking => &locking::DEF,
        Step::DisablingHa => &disabling_ha::DEF,
        Step::StoppingOld => &stopping_old::DEF,
        Step::BackingUp => &backing_up::DEF,
        Step::VerifyingBackup => &verifying_backup::DEF,
        Step::StartingNew => &starting_new::DEF,
        Step::Initializing => &initializing::DEF,
        Step::StoppingForRestart => &stopping_for_restart::DEF,
        Step::StartingFinal => &starting_final::DEF,
        Step::EnablingHa => &enabling_ha::DEF,
        Step::Recovering => &recovering::DEF,
        Step::StoppingJobs => &stopping_jobs::DEF,
        Step::Fencing => &fencing::DEF,
        Step::FindingBackup => &finding_backup::DEF,
        Step::DisablingHaForRollback => &disabling_ha_for_rollback::DEF,
        Step::StoppingNew => &stopping_new::DEF,
        Step::Comparing => &comparing::DEF,
        Step::Restoring => &restoring::DEF,
        Step::StartingOld => &starting_old::DEF,
        Step::Settling => &settling::DEF,
    }
}

/// Every step, in the order of the procedure.
#[cfg(feature = "testing")]
pub fn list_defs() -> impl Iterator<Item = &'static StepDef> {
    Step::ALL.iter().copied().map(find_def)
}

/// The phase that people see for a step.
pub(crate) fn find_phase(step: Step, direction: Direction) -> Phase {
    match (direction, step) {
        (Direction::Forward, _) => find_def(step).phase,
        (Direction::Abort, Step::Settling) => Phase::Aborted,
        (Direction::RollBack, Step::Settling) => Phase::RolledBack,
        (Direction::Abort, _) => Phase::Aborting,
        (Direction::RollBack, _) => Phase::RollingBack,
    }
}
