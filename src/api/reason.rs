//! Reasons: why something waits, stalls, fails or turns back, in one word that scripts and alerts know. No I/O.
//!
//! In objects they are texts: an operator reads the status of its predecessor and of its successor, whose words it may
//! not know. `docs/troubleshooting.md` has a line for each, kept by a test.
use crate::protocol::names::name_variants;
use crate::protocol::report::Reason as AgentReason;

/// Why an upgrade waits, stalls, failed or turned back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// A person asked for an abort, or deleted the object before the new version was started.
    AbortRequested,
    /// A person asked for a rollback.
    RollBackRequested,
    /// The status was gone and was rebuilt from the record on the Deployments.
    StatusLost,
    /// The upgrade was given up as it stood: the namespace goes, the Deployments are gone, or a person let go of it.
    Released,
    /// The event at the very end: nothing is left to clean up.
    Settled,
    /// The time of the safety copies was over, and they are gone.
    SafetyCopiesDropped,
    /// The time of the safety copies is over, and they could not be dropped; it is tried again.
    SafetyCopiesNotDropped,
    /// The event of an object that is deleted: the images that it forbade may come from now on.
    ForbiddenImagesLifted,
    /// The plan has findings; the message begins with the first of them.
    CheckFailed,
    /// Which other upgrades want the same Deployments was not read yet.
    RivalsUnseen,
    /// Something that a preflight check needs cannot be read yet.
    FactsUnseen,
    /// Preflight passed, and now the progress of the projects cannot be read.
    ProjectsUnseen,
    /// The pod that pulls the new image cannot be read.
    PrePullUnseen,
    /// A gate waits for the approval of the plan.
    ApprovalNeeded,
    /// The gate before the new version was not opened in time.
    ApprovalTimeout,
    /// The maintenance window is closed, or too short for what is left to do.
    WindowClosed,
    /// Another upgrade wrote its record on a Deployment after the checks.
    TargetClaimed,
    /// The Deployment has no readable pod template.
    TargetUnreadable,
    /// The Deployment changed after the checks, so that the OMS container cannot be told.
    ContainerUnknown,
    /// Another upgrade holds the lock of this MetaDB.
    MetaDbLocked,
    /// A step was not done within its time limit; the message says what was seen last.
    Timeout,
    /// The object holds what this operator cannot read.
    Unreadable,
    /// The API server stored less of the status than was written: its definition of `OmsUpgrade` is an older one.
    StatusCut,
    /// The operator met a fault of its own while it worked on this object.
    OperatorFault,
    /// What has to be done next is refused by the cluster, by the MetaDB or by the console.
    EffectRefused,
    /// Somebody else changed a target, or started it after it had been stopped.
    TargetContended,
    /// Somebody else started another image while OMS was stopped, and no verified backup tells what it did.
    OtherImageSeen,
    /// Somebody paused a Deployment, and something is held by that.
    TargetPaused,
    /// Somebody paused a Deployment, and nothing is held by that yet.
    PauseSeen,
    /// A Deployment cannot be read.
    TargetUnseen,
    /// The pods of a Deployment cannot be read.
    PodsUnseen,
    /// A Deployment was deleted during the upgrade.
    TargetVanished,
    /// A Deployment was deleted and made anew during the upgrade.
    TargetReplaced,
    /// The original of a Deployment is not recorded.
    OriginalsLost,
    /// The pod was made from another template than the Deployment has now.
    FormerPod,
    /// The ReplicaSet of a pod cannot be read, so that it is not known which template runs.
    ReplicaSetUnseen,
    /// The container runs the very image that ran before the upgrade, although the new one was asked for.
    OldImageRuns,
    /// A Deployment has more than one pod.
    SeveralPods,
    /// A pod of a Deployment was told to end and does not.
    PodStays,
    /// Kubernetes cannot make the pod of a Deployment, or take it away: somebody refuses it.
    PodRefused,
    /// The pod of a Deployment cannot be scheduled.
    Unschedulable,
    /// The container of a Deployment does not run; the message has Kubernetes' reason.
    ContainerWaiting,
    /// The new image cannot be pulled; its container never ran.
    ImageNotPulled,
    /// The image of before the upgrade cannot be had on a node any more, so a rollback stops nothing.
    OldImageNotPulled,
    /// The container of the new version restarted again and again.
    CrashLoop,
    /// The old image's tag was moved: under the same name another image runs now.
    ImageDiffers,
    /// The MetaDB does not answer.
    MetaDbUnseen,
    /// The lock row in the MetaDB is of a later time than the status.
    StatusOlder,
    /// The status was older than the record in the MetaDB, and was rebuilt from it.
    StatusRebuilt,
    /// The upgrade of an object that is gone is continued by this one.
    TakenOver,
    /// `spec.takeOver` names an upgrade that cannot be taken over as things are.
    TakeOverRefused,
    /// Rows of the record in the MetaDB are gone: the MetaDB is older than the status.
    RecordBehind,
    /// The schema of OMS is not what it was when OMS was stopped.
    SchemaChanged,
    /// The lock row in the MetaDB is gone or another upgrade's.
    LockLost,
    /// All pods are gone and yet somebody is connected to the databases of OMS.
    SessionsLeft,
    /// The list of sessions does not cover every server of the MetaDB.
    SessionsPartlyUnseen,
    /// Driver `Manual`: a person has to switch HA off.
    SwitchHaOff,
    /// Driver `Manual`: a person has to bring HA to its goal.
    SwitchHaOn,
    /// `ha.config` is not JSON.
    HaUnreadable,
    /// HA reads on again after OMS was stopped.
    HaEnabledAgain,
    /// There is no table for HA's parameter.
    HaMissing,
    /// HA was brought to its goal and does not read so any more.
    HaChanged,
    /// Whether `oms_console` runs cannot be seen.
    ConsoleUnseen,
    /// `oms_console` starts again, so that it reads `ha.config`.
    ConsoleStarting,
    /// supervisord does not answer yet, or a program is in the middle of its start.
    SupervisorStarting,
    /// The programs under supervisord cannot be read.
    ProgramsUnseen,
    /// A required program is not RUNNING.
    ProgramNotRunning,
    /// A program that ran before the upgrade is FATAL after a normal start and another run of `docker_init.sh`.
    ProgramFatal,
    /// `/oms/health` does not say healthy.
    Unhealthy,
    /// Hosts or heart beats cannot be read.
    HostsUnseen,
    /// A node is not ONLINE in the MetaDB.
    HostNotOnline,
    /// A node has no fresh heart beat.
    HeartBeatStale,
    /// The record of `docker_init.sh` cannot be read.
    InitUnseen,
    /// The programs did not come up by themselves, and `docker_init.sh` runs once more.
    InitOnceMore,
    /// The programs came up, and `docker_init.sh`, run once more for them, has not ended.
    InitStillRuns,
    /// `docker_init.sh` ended badly.
    InitFailed,
    /// `docker_init.sh` ended without an error and without a completion text that OMS documents.
    InitUnconfirmed,
    /// The container was replaced, or the script vanished, while `docker_init.sh` ran.
    InitInterrupted,
    /// A pod in which `docker_init.sh` may still run is not gone.
    FormerPodTerminating,
    /// Projects have no advancing checkpoint yet.
    ReplicationNotYetRecovered,
    /// Projects have no advancing checkpoint at the deadline.
    ReplicationNotRecovered,
    /// A Job of ours cannot be read.
    JobUnseen,
    /// The objects that we made cannot be listed.
    OwnObjectsUnseen,
    /// An object with the name of our Job exists and is not ours.
    NameTaken,
    /// The pod of a Job does not start.
    JobPodNotRunning,
    /// The pod of a Job is on a node that does not answer, or was deleted and does not end.
    JobPodLost,
    /// A Job was deleted before it reported.
    JobVanished,
    /// A Job ended without a report.
    JobKilled,
    /// A report belongs to another run.
    ReportForeign,
    /// A report lacks its result.
    ReportIncomplete,
    /// A Job looked at another manifest than the one that was recorded.
    ManifestMismatch,
    /// OMS wrote to the databases after the dump was begun.
    BackupStale,
    /// A rollback finds the claim with the backup gone or being deleted.
    BackupMissing,
    /// Another upgrade ended on the databases after this one.
    NewerUpgrade,
    /// The files of OMS name another MetaDB, or other databases, than the upgrade was begun on.
    MetaDbMoved,
    /// The claim cannot be read before a rollback.
    ClaimUnseen,
    /// The databases are not proven to suit the old image.
    ContentUnproven,
    /// A Job says why.
    Agent(AgentReason),
}

name_variants!(
    Reason:
    AbortRequested, RollBackRequested, StatusLost, Released, Settled, SafetyCopiesDropped,
    SafetyCopiesNotDropped, ForbiddenImagesLifted, CheckFailed, RivalsUnseen,
    FactsUnseen, ProjectsUnseen, PrePullUnseen, ApprovalNeeded, ApprovalTimeout,
    WindowClosed, TargetClaimed, TargetUnreadable, ContainerUnknown,
    MetaDbLocked, Timeout, Unreadable, StatusCut, OperatorFault, EffectRefused, TargetContended,
    OtherImageSeen,
    TargetPaused, PauseSeen, TargetUnseen, PodsUnseen, TargetVanished, TargetReplaced,
    OriginalsLost, FormerPod, ReplicaSetUnseen, OldImageRuns, SeveralPods, PodStays, PodRefused,
    Unschedulable,
    ContainerWaiting, ImageNotPulled, OldImageNotPulled, CrashLoop, ImageDiffers, MetaDbUnseen,
    StatusOlder, StatusRebuilt, TakenOver, TakeOverRefused, RecordBehind,
    SchemaChanged, LockLost, SessionsLeft,
    SessionsPartlyUnseen, SwitchHaOff, SwitchHaOn, HaUnreadable, HaEnabledAgain, HaMissing,
    HaChanged, ConsoleUnseen, ConsoleStarting, SupervisorStarting, ProgramsUnseen, ProgramNotRunning,
    ProgramFatal,
    Unhealthy, HostsUnseen, HostNotOnline, HeartBeatStale, InitUnseen, InitOnceMore, InitStillRuns,
    InitFailed, InitUnconfirmed, InitInterrupted, FormerPodTerminating, ReplicationNotYetRecovered,
    ReplicationNotRecovered, JobUnseen, OwnObjectsUnseen, NameTaken, JobPodNotRunning, JobPodLost, JobVanished,
    JobKilled, ReportForeign, ReportIncomplete, ManifestMismatch, BackupStale, BackupMissing,
    NewerUpgrade, MetaDbMoved, ClaimUnseen,
    ContentUnproven;
    Agent
);

impl Reason {
    /// Reads a word; `None` where this operator does not know it.
    pub fn parse(text: &str) -> Option<Self> {
        let own = Self::ALL.iter();
        own.copied()
            .chain(AgentReason::ALL.iter().map(|reason| Self::Agent(*reason)))
            .find(|reason| reason.as_str() == text)
    }
}

impl From<Reason> for String {
    fn from(reason: Reason) -> Self {
        reason.as_str().to_owned()
    }
}

impl PartialEq<Reason> for String {
    fn eq(&self, reason: &Reason) -> bool {
        self == reason.as_str()
    }
}

/// Why a promise is given, broken, or not given yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ConditionReason {
    /// All required checks passed.
    Passed,
    /// Read in the MetaDB.
    Row,
    /// It held while it had to, and that is over.
    Over,
    /// Proven by a restore into scratch databases.
    Restored,
    /// Files, object lists and row counts agree with the manifest.
    Verified,
    /// Made, and not proven yet.
    NotYetVerified,
    /// `docker_init.sh` said so on every node.
    Completed,
    /// A person took it for complete.
    Accepted,
    /// Under way.
    Running,
    /// It ended without saying that it is complete.
    Unconfirmed,
    /// Not yet.
    Pending,
    /// Done.
    Done,
    /// The spec asks for it.
    Asked,
    /// The spec does not ask for it any more.
    NotAsked,
    /// Somebody else writes the Deployments.
    TargetContended,
    /// Nobody else writes the Deployments.
    Quiet,
    /// Every project advances.
    Advancing,
    /// No project ran before.
    NoProjects,
    /// Nobody could be watched.
    NothingWatched,
    /// Not everybody could be watched.
    PartlyWatched,
    /// The upgrade was given up as it stood.
    Released,
    /// The plan has findings, and waits until they are fixed and a new plan is asked for.
    Findings,
    /// The plan has no findings, and waits for the word to begin.
    Ready,
    /// No tool is known to write the Deployments from a source of its own.
    NoSource,
    /// `spec.gitops.sourceImage` names the image that runs.
    SourceAgrees,
    /// `spec.gitops.sourceImage` names another image.
    SourceImageDiffers,
    /// Nobody said that the source names the image that runs.
    SourceUnconfirmed,
    /// The Deployment is given back once the source names the image that runs.
    SourceHeld,
    /// A forbidden image stands in the Deployment.
    SourceReverted,
    /// No plan waits.
    NotWaiting,
}

name_variants!(
    ConditionReason:
    Passed, Row, Over, Restored, Verified, NotYetVerified, Completed, Accepted, Running,
    Unconfirmed, Pending, Done, Asked, NotAsked, TargetContended, Quiet, Advancing, NoProjects,
    NothingWatched, PartlyWatched, Released, Findings, Ready, NoSource, SourceAgrees, SourceImageDiffers,
    SourceUnconfirmed, SourceHeld, SourceReverted, NotWaiting,
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_is_read_back() {
        for reason in Reason::ALL {
            assert_eq!(Reason::parse(reason.as_str()), Some(*reason));
        }
        assert_eq!(Reason::parse("OfTomorrow"), None);
    }
}
