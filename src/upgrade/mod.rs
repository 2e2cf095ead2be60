//! The brain: facts in, decision out. No I/O, no clock, no Kubernetes client.
//!
//! One file per part of the procedure; [`decide`] is total and deterministic. A pass either records
//! a status or carries out one effect whose intent is recorded already, so that every crash lies
//! between two passes.
mod adopt;
mod confirming_init;
mod deadline;
mod decide;
mod disabling_ha;
mod effect;
mod enabling_ha;
mod faults;
mod fencing;
mod health;
mod initializing;
mod job_step;
mod jobs;
mod locking;
mod needs;
mod orders;
mod pausing;
mod preflight;
mod preflight_cgroup;
mod preflight_checks;
mod preflight_probe;
mod preflight_projects;
mod promises;
mod recovering;
mod recovery_keys;
mod requests;
mod sessions;
mod settling;
mod starting;
mod stopping;
mod stopping_jobs;
mod summary;
mod targets;
mod templates;
mod timeouts;

pub use adopt::{TargetRecord, build_target_record};
pub use decide::{Decision, decide, decide_refusal};
pub use effect::Effect;
pub use faults::{Unreadable, decide_fault, describe_unreadable};
pub use needs::find_needs;
pub use requests::is_release_requested;

use crate::api::{OmsUpgradeSpec, OmsUpgradeStatus, Originals, TargetOriginal, Waiting};
use crate::facts::Observed;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

/// Everything a decision is made from.
#[derive(Clone, Debug)]
pub struct Context<'a> {
    /// The present moment, to the second.
    pub now: Time,
    /// Identity and metadata of the object.
    pub object: &'a ObjectFacts,
    /// What is asked.
    pub spec: &'a OmsUpgradeSpec,
    /// What is remembered.
    pub status: &'a OmsUpgradeStatus,
    /// What was seen in this pass.
    pub observed: &'a Observed,
}

/// Metadata of the `OmsUpgrade`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ObjectFacts {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// Uid.
    pub uid: String,
    /// Generation.
    pub generation: i64,
    /// `metadata.deletionTimestamp` is set.
    pub deleting: bool,
    /// Our finalizer is there.
    pub finalizer: bool,
    /// The release annotation asks to let go of everything.
    pub release: bool,
}

/// What a step wants next.
#[derive(Clone, Debug, PartialEq)]
enum Next {
    /// The step is done.
    Go(crate::api::Step),
    /// An effect, after its intent was recorded.
    Do(Effect),
    /// Nothing to do until something changes.
    Wait {
        /// Look again after so many seconds even when no watch fires.
        poll: u64,
        /// Why it takes longer than it should, for people.
        problem: Option<Waiting>,
    },
    /// The step cannot be done.
    Fail(Failure),
    /// The operator needs a person.
    Stall(Failure),
    /// Everything is as it should be; nothing is left to do.
    Settled,
}

/// Why a step cannot be done.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Failure {
    reason: String,
    message: String,
}

impl Failure {
    fn new(reason: &str, message: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            message: message.into(),
        }
    }
}

impl Next {
    /// Waits for a watch; looks again after five seconds in case one is lost.
    fn watch() -> Self {
        Self::Wait {
            poll: 5,
            problem: None,
        }
    }

    /// Waits for something that no watch tells.
    fn poll() -> Self {
        Self::Wait {
            poll: 1,
            problem: None,
        }
    }

    /// Waits, and says why it takes longer than it should.
    fn trouble(poll: u64, reason: &str, message: impl Into<String>) -> Self {
        Self::Wait {
            poll,
            problem: Some(Waiting {
                reason: reason.into(),
                message: message.into(),
            }),
        }
    }
}

impl Context<'_> {
    /// Seconds since 1970.
    fn unix_now(&self) -> i64 {
        self.now.0.as_second()
    }

    fn original(&self, target: &str) -> Option<&TargetOriginal> {
        self.originals()?.find_target(target)
    }

    fn originals(&self) -> Option<&Originals> {
        self.status.originals.as_ref()
    }
}

/// A count as the API writes it: Kubernetes schemas know no unsigned numbers.
fn to_i64(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Seconds from `since` to `now`; zero when `since` lies ahead.
fn seconds_between(since: &Time, now: &Time) -> i64 {
    (now.0.as_second() - since.0.as_second()).max(0)
}
