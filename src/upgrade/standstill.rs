//! What people are told of an object on which nobody can work: what it means, and in which conditions. Pure.
use crate::api::condition_types::{READY, RECONCILING, STALLED};
use crate::api::{Reason, set_condition};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

/// What it means for OMS: while an upgrade is under way, in which step it stands.
pub(crate) fn describe_standstill(step: Option<&str>) -> String {
    match step {
        Some(step) => format!(
            "the upgrade stands still in step {step}, and OMS stays as it is there, stopped perhaps; no data is changed"
        ),
        None => "nothing is done for it; OMS and its data are not touched".into(),
    }
}

/// Neither ready nor at work: it waits for a person.
pub(crate) fn tell_standstill(
    conditions: &mut Vec<Condition>,
    reason: Reason,
    message: &str,
    generation: i64,
    now: &Time,
) {
    for (type_, holds) in [(READY, false), (RECONCILING, false), (STALLED, true)] {
        let word = reason.as_str();
        set_condition(conditions, type_, holds, word, message, generation, now);
    }
}
