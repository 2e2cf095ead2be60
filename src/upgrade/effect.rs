//! What may be done to the world: effects as data, each with the intent that is recorded before. No I/O.
use crate::api::{HaDriver, Intent, JobRole, KeptKey};
use crate::facts::OwnObject;
use crate::objects::target_change::TargetChange;
use crate::oms::ha::HaPatch;

/// One effect. A pass carries out at most one, and only when its intent is the recorded one.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Holds the object until everything borrowed is given back.
    AddFinalizer,
    /// Lets the object go.
    RemoveFinalizer,
    /// Reads `config.yaml` from the running container once and keeps the account in a Secret of ours.
    CreateCredentialsSecret,
    /// Pulls the new image on a target's node.
    CreatePrePull { target: String },
    /// Starts a Job.
    CreateJob { role: JobRole, attempt: i32 },
    /// Deletes an object of ours, by uid.
    DeleteOwn(OwnObject),
    /// Takes the lock in the MetaDB.
    AcquireLock,
    /// Raises the lock's epoch to the present one.
    RaiseLock,
    /// Gives the lock back.
    ReleaseLock,
    /// Changes single keys of `ha.config`.
    SetHa {
        /// By which way.
        driver: HaDriver,
        /// The keys.
        patch: HaPatch,
        /// Make the row when there is none.
        insert: bool,
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
    },
    /// Starts `docker_init.sh` detached.
    StartInit { target: String, attempt: i32 },
}

impl Effect {
    /// The intent that must be recorded before this effect is carried out.
    pub fn describe_intent(&self) -> Intent {
        let (effect, subject, before) = match self {
            Self::AddFinalizer => ("AddFinalizer", None, None),
            Self::RemoveFinalizer => ("RemoveFinalizer", None, None),
            Self::CreateCredentialsSecret => ("CreateCredentialsSecret", None, None),
            Self::CreatePrePull { target } => ("CreatePrePull", Some(target.clone()), None),
            Self::CreateJob { role, attempt } => {
                ("CreateJob", Some(format!("{role:?}-{attempt}")), None)
            }
            Self::DeleteOwn(own) => (
                "DeleteOwn",
                Some(format!("{:?}/{}", own.kind, own.name)),
                Some(own.uid.clone()),
            ),
            Self::AcquireLock => ("AcquireLock", None, None),
            Self::RaiseLock => ("RaiseLock", None, None),
            Self::ReleaseLock => ("ReleaseLock", None, None),
            Self::SetHa { patch, .. } => ("SetHa", Some(describe_patch(patch)), None),
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
            } => (
                change.name(),
                Some(target.clone()),
                Some(generation.to_string()),
            ),
            Self::StartInit { target, attempt } => {
                ("StartInit", Some(format!("{target}-{attempt}")), None)
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
