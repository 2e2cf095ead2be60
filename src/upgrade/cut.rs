//! A status of which the API server stored less than was written: what people are told then. Pure.
//!
//! An API server drops without a word what its definition does not have, and the definition may be older than the
//! operator. A memory with holes is none: what brings a field is tried before it is written, a write that was cut all
//! the same is taken back, and nothing is begun before the status can be stored whole.
use crate::api::condition_types::READY;
use crate::api::{OmsUpgradeStatus, Reason, Step, Waiting, find_condition};
use crate::objects::event::Note;
use crate::upgrade::standstill::{describe_standstill, tell_standstill};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeSet;

/// Fields named to people; the first ones say enough.
const MOST_NAMED: usize = 5;

/// Paths of what was written and is not stored so; empty where all of it is. What is stored is plain JSON: without a
/// field that each of ours has it reads as none.
pub fn list_cut_fields(written: &OmsUpgradeStatus, stored: Option<&Value>) -> Vec<String> {
    let read = stored.and_then(|stored| OmsUpgradeStatus::deserialize(stored).ok());
    if read.as_ref() == Some(written) {
        return Vec::new();
    }
    let show = |status: &OmsUpgradeStatus| serde_json::to_value(status).unwrap_or_default();
    let stored = match &read {
        Some(read) => show(read),
        None => stored.cloned().unwrap_or_default(),
    };
    let mut fields = Vec::new();
    compare("status", &show(written), &stored, &mut fields);
    if fields.is_empty() {
        fields.push("status".into());
    }
    fields.truncate(MOST_NAMED);
    fields
}

fn compare(path: &str, written: &Value, stored: &Value, fields: &mut Vec<String>) {
    match (written, stored) {
        (Value::Object(written), Value::Object(stored)) => {
            for (name, value) in written {
                let path = format!("{path}.{name}");
                match stored.get(name) {
                    Some(stored) => compare(&path, value, stored, fields),
                    None => fields.push(path),
                }
            }
            let added = stored.keys().filter(|name| !written.contains_key(*name));
            fields.extend(added.map(|name| format!("{path}.{name}")));
        }
        (Value::Array(written), Value::Array(stored)) if written.len() == stored.len() => {
            for (number, (written, stored)) in written.iter().zip(stored).enumerate() {
                compare(&format!("{path}[{number}]"), written, stored, fields);
            }
        }
        _ if written == stored => {}
        _ => fields.push(path.into()),
    }
}

/// Whether a status has a field that the one before it has not. What was read is known to the definition; whether a
/// field that comes is, only a try tells.
pub fn brings_new_fields(before: &OmsUpgradeStatus, after: &OmsUpgradeStatus) -> bool {
    let list = |status: &OmsUpgradeStatus| {
        let mut fields = BTreeSet::new();
        let value = serde_json::to_value(status).unwrap_or_default();
        collect_fields("", &value, &mut fields);
        fields
    };
    !list(after).is_subset(&list(before))
}

/// Paths of all fields; those of a list's items count once.
fn collect_fields(path: &str, value: &Value, fields: &mut BTreeSet<String>) {
    match value {
        Value::Object(all) => {
            for (name, value) in all {
                let path = format!("{path}.{name}");
                collect_fields(&path, value, fields);
                fields.insert(path);
            }
        }
        Value::Array(items) => items
            .iter()
            .for_each(|item| collect_fields(path, item, fields)),
        _ => {}
    }
}

/// Whether people were told of it last.
pub fn says_cut(status: &OmsUpgradeStatus) -> bool {
    find_condition(&status.conditions, READY).is_some_and(|ready| ready.reason == Reason::StatusCut)
}

/// The status of before, with what people have to know. Conditions are a field that every definition has.
pub fn describe_cut(
    status: &OmsUpgradeStatus,
    generation: i64,
    fields: &[String],
    now: &Time,
) -> (OmsUpgradeStatus, Note) {
    let note = note_cut(status, fields);
    let message = note.message.as_str();
    let mut told = status.clone();
    if told.step.is_some() && !told.settled {
        // As after a fault, the step has all of its time afterwards.
        told.waiting = Some(Waiting {
            reason: Reason::StatusCut.into(),
            message: message.into(),
        });
    }
    tell_standstill(
        &mut told.conditions,
        Reason::StatusCut,
        message,
        generation,
        now,
    );
    (told, note)
}

/// What people have to know of fields that cannot be stored.
pub fn note_cut(status: &OmsUpgradeStatus, fields: &[String]) -> Note {
    Note {
        reason: Reason::StatusCut.into(),
        message: explain_cut(status, &fields[..fields.len().min(MOST_NAMED)]),
        warning: true,
    }
}

fn explain_cut(status: &OmsUpgradeStatus, fields: &[String]) -> String {
    let under_way = status.started_time.is_some() && !status.settled;
    let step = status.step.filter(|_| under_way);
    let meaning = describe_standstill(step.map(Step::as_str));
    format!(
        "{} cannot be stored: the definition of OmsUpgrade in this cluster does not fit the operator {}, most likely it is older; \
         {meaning}; install the definition of that version (kubectl apply --server-side -f \
         crds/omsupgrades.oms.oceanbase.com.yaml), and this goes on by itself",
        fields.join(", "),
        env!("CARGO_PKG_VERSION")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{Intent, Internal};

    fn build_status() -> OmsUpgradeStatus {
        OmsUpgradeStatus {
            step: Some(Step::StoppingOld),
            started_time: Some("2026-01-01T00:00:00Z".parse().map(Time).unwrap()),
            internal: Internal {
                intent: Some(Intent {
                    effect: "StopOld".into(),
                    subject: Some("oms".into()),
                    before: Some("7".into()),
                }),
                ..Internal::default()
            },
            ..OmsUpgradeStatus::default()
        }
    }

    #[test]
    fn what_is_missing_and_what_is_another_value_is_named() {
        let written = build_status();
        let list = |stored: &OmsUpgradeStatus| {
            list_cut_fields(&written, serde_json::to_value(stored).ok().as_ref())
        };
        assert!(list(&written).is_empty());
        let mut stored = written.clone();
        stored.internal.intent.as_mut().unwrap().before = None;
        stored.internal.epoch = 3;
        let named = ["status.internal.epoch", "status.internal.intent.before"];
        assert_eq!(list(&stored), named);
        stored.internal.intent = None;
        stored.internal.epoch = 0;
        assert_eq!(list(&stored), ["status.internal.intent"]);
        stored.internal.intent = written.internal.intent.clone();
        stored.internal.last_heart_beat = Some("x".into());
        assert_eq!(list(&stored), ["status.internal.lastHeartBeat"]);
        assert_eq!(list_cut_fields(&written, None), ["status"]);
    }

    #[test]
    fn what_each_of_ours_has_is_named_where_it_is_missing() {
        let written = build_status();
        let mut stored = serde_json::to_value(&written).unwrap();
        let intent = stored.pointer_mut("/internal/intent").unwrap();
        intent.as_object_mut().unwrap().remove("effect").unwrap();
        assert!(OmsUpgradeStatus::deserialize(&stored).is_err());
        let named = ["status.internal.intent.effect"];
        assert_eq!(list_cut_fields(&written, Some(&stored)), named);
    }

    #[test]
    fn a_field_that_comes_is_new_and_one_that_goes_is_not() {
        let before = build_status();
        let mut after = before.clone();
        after.internal.epoch = 7;
        after.internal.intent.as_mut().unwrap().effect = "StartOld".into();
        assert!(!brings_new_fields(&before, &after));
        after.internal.intent = None;
        assert!(!brings_new_fields(&before, &after));
        assert!(brings_new_fields(&after, &before));
        let mut retried = before.clone();
        retried.internal.requests.retries.push("again".into());
        assert!(brings_new_fields(&before, &retried));
    }

    #[test]
    fn people_are_told_what_it_means_and_what_to_do() {
        let now = Time("2026-01-02T00:00:00Z".parse().unwrap());
        let status = build_status();
        assert!(!says_cut(&status));
        let (told, note) = describe_cut(&status, 4, &["status.intent".into()], &now);
        assert!(says_cut(&told) && note.warning);
        for words in [
            "status.intent",
            "StoppingOld",
            "stopped perhaps",
            "kubectl apply",
        ] {
            assert!(note.message.contains(words), "{words}: {}", note.message);
        }
        assert_eq!(told.waiting.as_ref().unwrap().reason, Reason::StatusCut);
        // All else is as it was before.
        assert_eq!(told.internal.intent, status.internal.intent);
        let (told, note) = describe_cut(&OmsUpgradeStatus::default(), 1, &["status".into()], &now);
        assert_eq!(told.waiting, None);
        assert!(note.message.contains("not touched"), "{}", note.message);
    }
}
