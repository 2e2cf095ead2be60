//! A status of which the API server stored less than was written: what people are told then. Pure.
//!
//! An API server drops without a word what its definition does not have, and the definition may be older than the
//! operator. A memory with holes is none: the write is taken back, and nothing is begun before it can be stored whole.
use crate::api::condition_types::READY;
use crate::api::{OmsUpgradeStatus, Reason, Step, Waiting, find_condition};
use crate::objects::event::Note;
use crate::upgrade::standstill::{describe_standstill, tell_standstill};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::Value;

/// Fields named to people; the first ones say enough.
const MOST_NAMED: usize = 5;

/// Paths of what was written and is not stored so; empty where all of it is.
pub fn list_cut_fields(
    written: &OmsUpgradeStatus,
    stored: Option<&OmsUpgradeStatus>,
) -> Vec<String> {
    if stored == Some(written) {
        return Vec::new();
    }
    let read = |status: Option<&OmsUpgradeStatus>| {
        let value = status.map(serde_json::to_value).and_then(Result::ok);
        value.unwrap_or_default()
    };
    let mut fields = Vec::new();
    compare("status", &read(Some(written)), &read(stored), &mut fields);
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
    let message = explain_cut(status, fields);
    let mut told = status.clone();
    if told.step.is_some() && !told.settled {
        // As after a fault, the step has all of its time afterwards.
        told.waiting = Some(Waiting {
            reason: Reason::StatusCut.into(),
            message: message.clone(),
        });
    }
    tell_standstill(
        &mut told.conditions,
        Reason::StatusCut,
        &message,
        generation,
        now,
    );
    let note = Note {
        reason: Reason::StatusCut.into(),
        message,
        warning: true,
    };
    (told, note)
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
        assert!(list_cut_fields(&written, Some(&written)).is_empty());
        let mut stored = written.clone();
        stored.internal.intent.as_mut().unwrap().before = None;
        stored.internal.epoch = 3;
        assert_eq!(
            list_cut_fields(&written, Some(&stored)),
            ["status.internal.epoch", "status.internal.intent.before"]
        );
        stored.internal.intent = None;
        stored.internal.epoch = 0;
        assert_eq!(
            list_cut_fields(&written, Some(&stored)),
            ["status.internal.intent"]
        );
        stored.internal.intent = written.internal.intent.clone();
        stored.internal.last_heart_beat = Some("x".into());
        assert_eq!(
            list_cut_fields(&written, Some(&stored)),
            ["status.internal.lastHeartBeat"]
        );
        assert_eq!(list_cut_fields(&written, None), ["status"]);
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
