//! An object that the operator cannot work on: what its status tells people then. Pure.
use crate::api::{Reason, Waiting};
use crate::objects::event::Note;
use crate::upgrade::context::Context;
use crate::upgrade::decide::{Decision, record};
use crate::upgrade::standstill::{describe_standstill, tell_standstill};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::Map;
use serde_json::Value;

/// An `OmsUpgrade` that does not read as one: its name and its parts as they are stored.
#[derive(Clone, Copy, Debug)]
pub struct Unreadable<'a> {
    pub namespace: &'a str,
    pub name: &'a str,
    pub generation: i64,
    /// Its status, as stored.
    pub status: Option<&'a Value>,
    /// What cannot be read: the path of a field, and why.
    pub error: &'a str,
}

/// The status of an object that cannot be read, with what people have to know; everything else in it stays as it is
/// stored. `None`: it says so already.
pub fn describe_unreadable(object: &Unreadable<'_>, now: &Time) -> Option<(Value, Note)> {
    let mut status = match object.status {
        Some(Value::Object(status)) => status.clone(),
        _ => Map::new(),
    };
    let message = explain_unreadable(object, &status);
    // A limit of a step that nobody could work on is no limit: as with a fault, its time begins anew after the
    // correction. A status that cannot be read is its writer's.
    let steps = status.contains_key("step") && !is_settled(&status);
    if steps && is_spec_at_fault(object) {
        let waiting = Waiting {
            reason: Reason::Unreadable.into(),
            message: message.clone(),
        };
        status.extend(
            serde_json::to_value(waiting)
                .ok()
                .map(|waiting| ("waiting".into(), waiting)),
        );
    }
    let stored = status.get("conditions").and_then(Value::as_array);
    let mut conditions = Vec::new();
    let mut unknown = Vec::new();
    for entry in stored.into_iter().flatten() {
        match serde_json::from_value::<Condition>(entry.clone()) {
            Ok(condition) => conditions.push(condition),
            Err(_) => unknown.push(entry.clone()),
        }
    }
    let generation = object.generation;
    tell_standstill(
        &mut conditions,
        Reason::Unreadable,
        &message,
        generation,
        now,
    );
    let conditions = conditions
        .iter()
        .filter_map(|condition| serde_json::to_value(condition).ok())
        .chain(unknown)
        .collect();
    status.insert("conditions".into(), Value::Array(conditions));
    status.insert("observedGeneration".into(), object.generation.into());
    let status = Value::Object(status);
    (object.status != Some(&status)).then(|| {
        let note = Note {
            reason: Reason::Unreadable.into(),
            message,
            warning: true,
        };
        (status, note)
    })
}

fn explain_unreadable(object: &Unreadable<'_>, status: &Map<String, Value>) -> String {
    let under_way = status.contains_key("startedTime") && !is_settled(status);
    let step = status.get("step").and_then(Value::as_str).unwrap_or("?");
    let meaning = describe_standstill(under_way.then_some(step));
    let way_out = if is_spec_at_fault(object) {
        format!(
            "correct the field: kubectl edit omsup -n {} {}",
            object.namespace, object.name
        )
    } else {
        let writer = status
            .get("operatorVersion")
            .and_then(Value::as_str)
            .unwrap_or("which wrote it");
        format!("run the version of the operator that knows it ({writer}) again")
    };
    format!(
        "{}: the operator cannot read this object; {meaning}; {way_out}",
        object.error
    )
}

fn is_settled(status: &Map<String, Value>) -> bool {
    status.get("settled").and_then(Value::as_bool) == Some(true)
}

fn is_spec_at_fault(object: &Unreadable<'_>) -> bool {
    object.error.starts_with("spec")
}

/// What follows from a fault of the operator's own in a reconcile: people are told, once. What went wrong in words
/// stands in the log only, since nobody knows what those words hold.
pub fn decide_fault(cx: &Context<'_>) -> Decision {
    let waiting = Waiting {
        reason: Reason::OperatorFault.into(),
        message: "the operator met a fault of its own here and tries again; until it gets over it nothing goes on, and nothing is \
                  undone; its log says where (look for \"panicked\"): report that, and run a version in which it is fixed"
            .into(),
    };
    if cx.status.waiting.as_ref() == Some(&waiting) {
        return Decision::Rest;
    }
    let note = Note {
        reason: Reason::OperatorFault.into(),
        message: waiting.message.clone(),
        warning: true,
    };
    let mut draft = cx.status.clone();
    draft.waiting = Some(waiting);
    match record(cx, draft) {
        Decision::Record { status, mut notes } => {
            notes.push(note);
            Decision::Record { status, notes }
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::condition_types::{HA_DISABLED, READY, STALLED};
    use serde_json::json;

    const ERROR: &str = "spec.timeouts.backup: 9999999999999999h is too long";

    fn describe(status: Option<&Value>, error: &str) -> Option<(Value, Note)> {
        let object = Unreadable {
            namespace: "oms",
            name: "up",
            generation: 3,
            status,
            error,
        };
        describe_unreadable(&object, &Time("2026-01-01T00:00:00Z".parse().unwrap()))
    }

    fn find<'a>(status: &'a Value, type_: &str) -> &'a Value {
        let conditions = status["conditions"].as_array().unwrap();
        conditions.iter().find(|one| one["type"] == type_).unwrap()
    }

    #[test]
    fn an_unreadable_object_says_what_to_correct_and_keeps_the_rest() {
        let stored = json!({
            "observedGeneration": 2, "startedTime": "2026-01-01T00:00:00Z", "step": "BackingUp", "ofTomorrow": {"a": 1},
            "conditions": [
                {"type": HA_DISABLED, "status": "True", "reason": "Row", "message": "m", "lastTransitionTime": "2026-01-01T00:00:00Z"},
                {"type": "OfTomorrow", "since": 5},
            ],
        });
        let (status, note) = describe(Some(&stored), ERROR).unwrap();
        let ready = find(&status, READY);
        assert_eq!(ready["status"], "False");
        assert_eq!(find(&status, STALLED)["status"], "True");
        let message = ready["message"].as_str().unwrap();
        for words in [
            ERROR,
            "BackingUp",
            "stopped perhaps",
            "kubectl edit omsup -n oms up",
        ] {
            assert!(message.contains(words), "{words}: {message}");
        }
        assert_eq!(status["observedGeneration"], 3);
        assert_eq!(status["waiting"]["reason"], Reason::Unreadable.as_str());
        assert_eq!(status["ofTomorrow"], json!({"a": 1}));
        assert_eq!(status["step"], "BackingUp");
        assert_eq!(find(&status, HA_DISABLED)["status"], "True");
        assert_eq!(find(&status, "OfTomorrow")["since"], 5);
        assert_eq!(note.message, message);
        // Written once.
        assert_eq!(describe(Some(&status), ERROR), None);
    }

    #[test]
    fn what_another_operator_wrote_is_its_to_read() {
        let stored = json!({"operatorVersion": "0.9.0", "step": "Teleporting"});
        let (status, _) = describe(Some(&stored), "status.step: unknown variant").unwrap();
        assert_eq!(status.get("waiting"), None);
        let message = find(&status, READY)["message"].as_str().unwrap();
        assert!(
            message.contains("0.9.0") && message.contains("nothing is done for it"),
            "{message}"
        );
        assert!(describe(None, ERROR).is_some());
    }
}
