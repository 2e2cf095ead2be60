//! What may be done to the world: effects as data, each with the intent that is recorded before. No I/O.
use crate::api::{HaDriver, InitRecord, Intent, KeptKey};
use crate::facts::OwnObject;
use crate::objects::jobs::JobOrder;
use crate::objects::target_change::TargetChange;
use crate::oms::ha::HaPatch;
use crate::oms::metadb::{HaRowWrite, LockClaim};
use json_patch::Patch;

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
    /// Starts a Job. Image and settings of its pod are those of the operator's own installation, which the hands know.
    CreateJob(Box<JobOrder>),
    /// Deletes an object of ours, by uid.
    DeleteOwn(OwnObject),
    /// Takes the lock in the MetaDB.
    AcquireLock(LockClaim),
    /// Raises the lock's epoch to the present one.
    RaiseLock(LockClaim),
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
    /// Starts `docker_init.sh` detached, in the recorded container and in no other.
    StartInit(Box<InitRecord>),
}

impl Effect {
    /// The intent that must be recorded before this effect is carried out.
    pub fn describe_intent(&self) -> Intent {
        let (effect, subject, before) = match self {
            Self::AddFinalizer => ("AddFinalizer", None, None),
            Self::RemoveFinalizer => ("RemoveFinalizer", None, None),
            Self::CreateCredentialsSecret => ("CreateCredentialsSecret", None, None),
            Self::CreatePrePull { target } => ("CreatePrePull", Some(target.clone()), None),
            Self::CreateJob(order) => {
                let subject = format!("{:?}-{}", order.role, order.attempt);
                ("CreateJob", Some(subject), None)
            }
            Self::DeleteOwn(own) => (
                "DeleteOwn",
                Some(format!("{:?}/{}", own.kind, own.name)),
                Some(own.uid.clone()),
            ),
            Self::AcquireLock(_) => ("AcquireLock", None, None),
            Self::RaiseLock(_) => ("RaiseLock", None, None),
            Self::ReleaseLock => ("ReleaseLock", None, None),
            Self::SetHa { write, .. } => ("SetHa", Some(describe_patch(&write.patch)), None),
            Self::KeepKeys { keys } => ("KeepKeys", Some(describe_kept(keys)), None),
            Self::RestartConsole { target, pid } => (
                "RestartConsole",
                Some(target.clone()),
                Some(pid.to_string()),
            ),
            Self::StopConsole { target } => ("StopConsole", Some(target.clone()), None),
            Self::StartConsole { target } => ("StartConsole", Some(target.clone()), None),
            Self::SetQueryTimeout { microseconds } => {
                ("SetQueryTimeout", Some(microseconds.to_string()), None)
            }
            Self::PatchTarget {
                target,
                change,
                generation,
                ..
            } => (
                change.name(),
                Some(target.clone()),
                Some(generation.to_string()),
            ),
            Self::StartInit(run) => {
                let subject = format!("{}-{}", run.target, run.attempt);
                ("StartInit", Some(subject), None)
            }
        };
        Intent {
            effect: effect.into(),
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
