//! The states of an upgrade: steps, directions, and the phases people see. No I/O.
use super::*;
use crate::protocol::names::name_variants;

/// Which way the upgrade goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Direction {
    /// Towards the new version.
    #[default]
    Forward,
    /// Back, from before the new version was started: nothing was changed in the databases.
    Abort,
    /// Back, from after the new version was started: image and, where the content differs, data.
    RollBack,
}

name_variants!(Direction: Forward, Abort, RollBack);

/// One step of the procedure; `status.phase` says the same in larger parts.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub enum Step {
    /// Nothing looked at yet.
    Pending,
    /// Read-only checks, probe Job, pre-pull.
    Preflight,
    /// Plan made; waits for `action: Run`, or for a person to fix what was found.
    Planned,
    /// The lock row in the MetaDB is taken and the originals are captured.
    Locking,
    /// HA is switched off and read back.
    DisablingHa,
    /// The old version is stopped; no pod and no session is left.
    StoppingOld,
    /// The backup Job runs.
    BackingUp,
    /// The verification Job runs.
    VerifyingBackup,
    /// The new version is started with `IS_UPGRADE=true`.
    StartingNew,
    /// `docker_init.sh` runs.
    Initializing,
    /// The new version is stopped for a normal start.
    StoppingForRestart,
    /// The new version starts as it will start from now on.
    StartingFinal,
    /// HA goes to its goal, with the pull-back that recovery needs.
    EnablingHa,
    /// Every project that ran before advances again.
    Recovering,
    /// Way back: own Jobs are stopped.
    StoppingJobs,
    /// Way back: the targets are fenced against writes decided before; in a rollback the lock epoch is raised.
    Fencing,
    /// Rollback: the backup is looked for on its claim, before anything is stopped.
    FindingBackup,
    /// Rollback: HA off, best effort.
    DisablingHaForRollback,
    /// Rollback: the new version is stopped; no pod and no session is left.
    StoppingNew,
    /// Rollback: the databases are compared with the backup.
    Comparing,
    /// Rollback: the backup is restored.
    Restoring,
    /// Way back: the old version starts.
    StartingOld,
    /// The verdict has fallen; what was borrowed is given back.
    Settling,
}

name_variants!(
    Step:
    Pending, Preflight, Planned, Locking, DisablingHa, StoppingOld, BackingUp, VerifyingBackup,
    StartingNew, Initializing, StoppingForRestart, StartingFinal, EnablingHa, Recovering,
    StoppingJobs, Fencing, FindingBackup, DisablingHaForRollback, StoppingNew, Comparing, Restoring,
    StartingOld, Settling,
);

/// Where an upgrade stands, for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Phase {
    /// Not looked at yet.
    Pending,
    /// Checks are made; OMS and its databases are not changed.
    Preflight,
    /// The plan is made; waits for `action: Run`, or for a person to fix what was found.
    Planned,
    /// HA is switched off.
    DisablingHa,
    /// The old version is stopped.
    Stopping,
    /// The databases are dumped.
    BackingUp,
    /// The dump is proven.
    VerifyingBackup,
    /// The new version is started for its initialisation.
    Starting,
    /// `docker_init.sh` runs.
    Initializing,
    /// The new version is started as it will run from now on.
    Restarting,
    /// HA is switched on.
    EnablingHa,
    /// Replication is waited for.
    RecoveringReplication,
    /// The new version runs.
    Succeeded,
    /// On the way back; nothing was changed in the databases.
    Aborting,
    /// As before.
    Aborted,
    /// On the way back, with the data.
    RollingBack,
    /// As before, with the data of the backup.
    RolledBack,
    /// Given up as it stood; nothing was put back.
    Failed,
}

name_variants!(
    Phase:
    Pending, Preflight, Planned, DisablingHa, Stopping, BackingUp, VerifyingBackup, Starting,
    Initializing, Restarting, EnablingHa, RecoveringReplication, Succeeded, Aborting, Aborted,
    RollingBack, RolledBack, Failed,
);

/// What high availability (HA) is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum HaState {
    /// It was last seen on.
    On,
    /// It was last seen off: OMS starts no component by itself.
    Off,
    /// It is on its way from one to the other, by the operator or by the person who is asked to switch it.
    Switching,
}

name_variants!(HaState: On, Off, Switching);

impl Phase {
    /// Whether the verdict has fallen.
    pub fn is_final(self) -> bool {
        matches!(
            self,
            Phase::Succeeded | Phase::Aborted | Phase::RolledBack | Phase::Failed
        )
    }
}
