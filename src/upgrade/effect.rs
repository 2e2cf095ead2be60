//! What may be done to the world: effects as data, each with the intent that is recorded before. No I/O.
use crate::api::{HaDriver, InitRecord, Intent, KeptKey};
use crate::facts::OwnObject;
use crate::objects::jobs::JobOrder;
use crate::objects::prepull::Pull;
use crate::objects::target_change::TargetChange;
use crate::oms::ha::HaPatch;
use crate::oms::metadb::{HaRowWrite, LockClaim, RecordClaim, TakeOverClaim};
use crate::protocol::names::name_variants;
use json_patch::Patch;
use std::collections::BTreeMap;

/// One effect. A reconcile carries out at most one, and only when its intent is the recorded one.
///
/// An effect carries what it is carried out with: nothing is looked up or decided again after it. What only the hands
/// know comes from them: connections, accounts, the pod that runs at that moment, settings of the installation.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Holds the object until everything borrowed is given back.
    AddFinalizer,
    /// Lets the object go.
    RemoveFinalizer,
    /// Reads `config.yaml` from the running container once and keeps the account in a Secret of ours. No fact holds an
    /// account, so the hands read it.
    CreateCredentialsSecret,
    /// Pulls the new image on a target's node, with the rights of the pod that runs there: the hands take them over.
    CreatePrePull { target: String },
    /// Pulls the image of before the upgrade on a target's node, in the same way.
    CreateOldPull { target: String, pull: Pull },
    /// Starts a Job. Image and settings of its pod are those of the operator's own installation, which the hands know.
    CreateJob(Box<JobOrder>),
    /// Deletes an object of ours, by uid.
    DeleteOwn(OwnObject),
    /// Takes the lock in the MetaDB.
    AcquireLock(LockClaim),
    /// Raises the lock's epoch to the present one.
    RaiseLock(LockClaim),
    /// Takes lock and record of an upgrade over whose object is gone.
    TakeOverLock(Box<TakeOverClaim>),
    /// Adds a row to the record of upgrades, before anything rests on what it tells.
    AppendRecord(Box<RecordClaim>),
    /// Gives the lock back.
    ReleaseLock,
    /// Changes single keys of `ha.config`.
    SetHa {
        /// By which way.
        driver: HaDriver,
        /// The keys, and the row that they were decided on.
        write: Box<HaRowWrite>,
    },
    /// Writes down beside the lock which recovery keys are left in `ha.config`; an empty list: none.
    KeepKeys { keys: Vec<KeptKey> },
    /// Restarts `oms_console`, so that it reads `ha.config` again.
    RestartConsole {
        target: String,
        /// Process id before.
        pid: i64,
    },
    /// Stops `oms_console`: while it does not run it cannot write back what it has cached.
    StopConsole { target: String },
    /// Starts `oms_console`.
    StartConsole { target: String },
    /// Sets the global `ob_query_timeout`.
    SetQueryTimeout { microseconds: u64 },
    /// Writes a target Deployment.
    PatchTarget {
        target: String,
        change: TargetChange,
        /// Generation the change was decided on.
        generation: i64,
        /// The change, which holds only for the version that it was decided on.
        patch: Box<Patch>,
    },
    /// Writes the second copy of the originals: the record of each target, by its name.
    CreateOriginalsCopy { records: BTreeMap<String, String> },
    /// Makes the second copy belong to the object, so that it goes with it, or to nobody again.
    PassOriginalsCopy {
        name: String,
        uid: String,
        /// Version it was decided on.
        resource_version: String,
        /// It belongs to the object from now on.
        owned: bool,
    },
    /// Starts `docker_init.sh` detached, in the recorded container and in no other.
    StartInit(Box<InitRecord>),
}

/// What an effect is called in the intent that is recorded before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IntentKind {
    AddFinalizer,
    RemoveFinalizer,
    CreateCredentialsSecret,
    CreatePrePull,
    CreateOldPull,
    CreateJob,
    DeleteOwn,
    AcquireLock,
    RaiseLock,
    TakeOverLock,
    AppendRecord,
    ReleaseLock,
    SetHa,
    KeepKeys,
    RestartConsole,
    StopConsole,
    StartConsole,
    SetQueryTimeout,
    Fence,
    Stop,
    StartUpgrade,
    StartFinal,
    StartOld,
    GiveBack,
    CreateOriginalsCopy,
    PassOriginalsCopy,
    StartInit,
}

name_variants!(
    IntentKind: AddFinalizer, RemoveFinalizer, CreateCredentialsSecret, CreatePrePull, CreateOldPull, CreateJob,
    DeleteOwn, AcquireLock, RaiseLock, TakeOverLock, AppendRecord, ReleaseLock, SetHa, KeepKeys, RestartConsole,
    StopConsole, StartConsole, SetQueryTimeout, Fence, Stop, StartUpgrade, StartFinal, StartOld, GiveBack,
    CreateOriginalsCopy, PassOriginalsCopy, StartInit,
);

impl IntentKind {
    /// The kind of a recorded intent; `None` where another version of the operator recorded one that this one does not
    /// know.
    pub(crate) fn read(intent: &Intent) -> Option<Self> {
        let mut all = Self::ALL.iter().copied();
        all.find(|kind| kind.as_str() == intent.effect)
    }

    /// The kind of a write to a target.
    pub(crate) fn of_change(change: &TargetChange) -> Self {
        match change {
            TargetChange::Fence => Self::Fence,
            TargetChange::Stop => Self::Stop,
            TargetChange::StartUpgrade => Self::StartUpgrade,
            TargetChange::StartFinal => Self::StartFinal,
            TargetChange::StartOld(_) => Self::StartOld,
            TargetChange::GiveBack => Self::GiveBack,
        }
    }

    /// Whether it was done to a console.
    pub(crate) fn is_of_console(self) -> bool {
        matches!(
            self,
            Self::RestartConsole | Self::StopConsole | Self::StartConsole
        )
    }
}

impl Effect {
    /// What it is called in its intent.
    pub(crate) fn kind(&self) -> IntentKind {
        match self {
            Self::AddFinalizer => IntentKind::AddFinalizer,
            Self::RemoveFinalizer => IntentKind::RemoveFinalizer,
            Self::CreateCredentialsSecret => IntentKind::CreateCredentialsSecret,
            Self::CreatePrePull { .. } => IntentKind::CreatePrePull,
            Self::CreateOldPull { .. } => IntentKind::CreateOldPull,
            Self::CreateJob(_) => IntentKind::CreateJob,
            Self::DeleteOwn(_) => IntentKind::DeleteOwn,
            Self::AcquireLock(_) => IntentKind::AcquireLock,
            Self::RaiseLock(_) => IntentKind::RaiseLock,
            Self::TakeOverLock(_) => IntentKind::TakeOverLock,
            Self::AppendRecord(_) => IntentKind::AppendRecord,
            Self::ReleaseLock => IntentKind::ReleaseLock,
            Self::SetHa { .. } => IntentKind::SetHa,
            Self::KeepKeys { .. } => IntentKind::KeepKeys,
            Self::RestartConsole { .. } => IntentKind::RestartConsole,
            Self::StopConsole { .. } => IntentKind::StopConsole,
            Self::StartConsole { .. } => IntentKind::StartConsole,
            Self::SetQueryTimeout { .. } => IntentKind::SetQueryTimeout,
            Self::PatchTarget { change, .. } => IntentKind::of_change(change),
            Self::CreateOriginalsCopy { .. } => IntentKind::CreateOriginalsCopy,
            Self::PassOriginalsCopy { .. } => IntentKind::PassOriginalsCopy,
            Self::StartInit(_) => IntentKind::StartInit,
        }
    }

    /// The intent that must be recorded before this effect is carried out.
    pub fn describe_intent(&self) -> Intent {
        let (subject, before) = match self {
            Self::AddFinalizer
            | Self::RemoveFinalizer
            | Self::CreateCredentialsSecret
            | Self::CreateOriginalsCopy { .. }
            | Self::AcquireLock(_)
            | Self::RaiseLock(_)
            | Self::ReleaseLock => (None, None),
            Self::AppendRecord(claim) => {
                (Some(claim.fact.name().into()), Some(claim.seq.to_string()))
            }
            Self::TakeOverLock(claim) => {
                (Some(claim.from.clone()), Some(claim.from_epoch.to_string()))
            }
            Self::CreateOldPull { target, pull } => (Some(target.clone()), Some(pull.name.clone())),
            Self::CreatePrePull { target }
            | Self::StopConsole { target }
            | Self::StartConsole { target } => (Some(target.clone()), None),
            Self::CreateJob(order) => (Some(format!("{}-{}", order.role, order.attempt)), None),
            Self::DeleteOwn(own) => (
                Some(format!("{}/{}", own.kind.as_str(), own.name)),
                Some(own.uid.clone()),
            ),
            Self::SetHa { write, .. } => (Some(describe_patch(&write.patch)), None),
            Self::KeepKeys { keys } => (Some(describe_kept(keys)), None),
            Self::RestartConsole { target, pid } => (Some(target.clone()), Some(pid.to_string())),
            Self::SetQueryTimeout { microseconds } => (Some(microseconds.to_string()), None),
            Self::PatchTarget {
                target, generation, ..
            } => (Some(target.clone()), Some(generation.to_string())),
            Self::PassOriginalsCopy { uid, owned, .. } => {
                let owner = if *owned { "to the object" } else { "to nobody" };
                (Some(owner.into()), Some(uid.clone()))
            }
            Self::StartInit(run) => (Some(format!("{}-{}", run.target, run.attempt)), None),
        };
        Intent {
            effect: self.kind().as_str().into(),
            subject,
            before,
        }
    }
}

fn describe_patch(patch: &HaPatch) -> String {
    let keys: Vec<String> = patch
        .changes
        .iter()
        .map(|change| match &change.value {
            Some(value) => format!("{}={value}", change.key),
            None => format!("{}-", change.key),
        })
        .collect();
    keys.join(",")
}

fn describe_kept(keys: &[KeptKey]) -> String {
    let keys: Vec<String> = keys
        .iter()
        .map(|kept| format!("{}={}", kept.key, kept.value))
        .collect();
    keys.join(",")
}
