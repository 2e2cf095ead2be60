//! Conditions: their types, and how one is set. No I/O.
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

/// The condition types of an `OmsUpgrade`. Each is one promise.
pub mod condition_types {
    /// The single verdict: the new version runs, HA is at its goal, and replication is back, as far as anybody could
    /// watch it: where nobody could, the message says so.
    pub const READY: &str = "Ready";
    /// kstatus: work is under way.
    pub const RECONCILING: &str = "Reconciling";
    /// kstatus: the operator cannot go on by itself.
    pub const STALLED: &str = "Stalled";
    /// A plan waits for a person.
    pub const PLANNED: &str = "Planned";
    /// True at every end, and only there: succeeded, aborted, rolled back, or given up.
    pub const FINISHED: &str = "Finished";
    /// All required checks passed.
    pub const PREFLIGHT_PASSED: &str = "PreflightPassed";
    /// HA reads off.
    pub const HA_DISABLED: &str = "HaDisabled";
    /// The backup's content was proven.
    pub const BACKUP_VERIFIED: &str = "BackupVerified";
    /// `docker_init.sh` reported completion on every node where it had to run, or a person did.
    pub const SCHEMA_INITIALIZED: &str = "SchemaInitialized";
    /// Every project that ran before has an advancing checkpoint again. Unknown where nobody could watch it.
    pub const REPLICATION_RECOVERED: &str = "ReplicationRecovered";
    /// HA reads as its goal says.
    pub const HA_RESTORED: &str = "HaRestored";
    /// Data and image are those of before the upgrade. Present only once a rollback began.
    pub const ROLLED_BACK: &str = "RolledBack";
    /// Somebody else writes the fields that the operator changes.
    pub const TARGET_CONTENDED: &str = "TargetContended";
    /// What the Deployments are kept from (git, by a tool as Argo CD or Flux) names the image that suits the databases.
    /// Present only where such a tool is known, or a forbidden image came, at an end that left the databases to another
    /// version than before.
    pub const SOURCE_CONVERGED: &str = "SourceConverged";
    /// The upgrade is held at a phase boundary by `spec.paused`.
    pub const PAUSED: &str = "Paused";
}

/// Status of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConditionStatus {
    /// Seen to hold.
    True,
    /// Seen not to hold, or not yet.
    False,
    /// Nobody could look.
    Unknown,
}

impl From<bool> for ConditionStatus {
    fn from(holds: bool) -> Self {
        if holds { Self::True } else { Self::False }
    }
}

/// Sets a condition by type, keeping `lastTransitionTime` while its status stays the same.
pub fn set_condition(
    conditions: &mut Vec<Condition>,
    type_: &str,
    status: impl Into<ConditionStatus>,
    reason: &str,
    message: &str,
    generation: i64,
    now: &Time,
) {
    let status = match status.into() {
        ConditionStatus::True => "True",
        ConditionStatus::False => "False",
        ConditionStatus::Unknown => "Unknown",
    };
    let fresh = Condition {
        type_: type_.into(),
        status: status.into(),
        reason: reason.into(),
        message: truncate_message(message),
        observed_generation: Some(generation),
        last_transition_time: now.clone(),
    };
    match conditions
        .iter_mut()
        .find(|condition| condition.type_ == type_)
    {
        Some(condition) => {
            let since = if condition.status == status {
                condition.last_transition_time.clone()
            } else {
                now.clone()
            };
            *condition = Condition {
                last_transition_time: since,
                ..fresh
            };
        }
        None => conditions.push(fresh),
    }
}

/// The condition of a type, if present.
pub fn find_condition<'a>(conditions: &'a [Condition], type_: &str) -> Option<&'a Condition> {
    conditions.iter().find(|condition| condition.type_ == type_)
}

/// Whether the condition of a type is present and true.
pub fn condition_is_true(conditions: &[Condition], type_: &str) -> bool {
    find_condition(conditions, type_).is_some_and(|condition| condition.status == "True")
}

/// Condition messages are limited to 32 KiB by convention; ours stay readable.
fn truncate_message(message: &str) -> String {
    const LIMIT: usize = 2048;
    if message.len() <= LIMIT {
        return message.to_owned();
    }
    let mut end = LIMIT;
    while !message.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}…", &message[..end])
}
