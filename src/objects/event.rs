//! Events: one per transition, under a name that follows from it. Pure.
//!
//! They are events of the core group, not of `events.k8s.io`: only there a last time stamp may be set, and `kubectl
//! describe` sorts by nothing else.
use super::foreign_words::cut_text;
use super::names::event_name;
use crate::api::{FIELD_MANAGER, GROUP, VERSION};
use crate::objects::labels::Owner;
use k8s_openapi::api::core::v1::{Event, EventSource, ObjectReference};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta, Time};

/// Longest message that the API server takes, bytes.
const LONGEST_MESSAGE: usize = 1024;
/// Longest reason that the API server takes, bytes.
const LONGEST_REASON: usize = 128;

/// One transition, for an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// CamelCase, unique per transition.
    pub reason: String,
    /// For people.
    pub message: String,
    /// Warning rather than Normal.
    pub warning: bool,
}

/// Builds the event about a note. `resource_version` is that of the status which the note explains.
pub fn build_event(
    owner: Owner<'_>,
    resource_version: &str,
    note: &Note,
    reporter: &str,
    now: &Time,
) -> Event {
    Event {
        metadata: ObjectMeta {
            name: Some(event_name(owner.uid, resource_version, &note.reason)),
            namespace: Some(owner.namespace.into()),
            ..ObjectMeta::default()
        },
        event_time: Some(MicroTime(now.0)),
        first_timestamp: Some(now.clone()),
        last_timestamp: Some(now.clone()),
        count: Some(1),
        source: Some(EventSource {
            component: Some(FIELD_MANAGER.into()),
            ..EventSource::default()
        }),
        reporting_component: Some(FIELD_MANAGER.into()),
        reporting_instance: Some(cut_text(reporter, LONGEST_REASON)),
        action: Some("Upgrade".into()),
        reason: Some(cut_text(&note.reason, LONGEST_REASON)),
        message: Some(cut_text(&note.message, LONGEST_MESSAGE)),
        type_: Some(if note.warning { "Warning" } else { "Normal" }.into()),
        involved_object: ObjectReference {
            api_version: Some(format!("{GROUP}/{VERSION}")),
            kind: Some("OmsUpgrade".into()),
            name: Some(owner.name.into()),
            namespace: Some(owner.namespace.into()),
            uid: Some(owner.uid.into()),
            ..ObjectReference::default()
        },
        ..Event::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::jiff::Timestamp;

    #[test]
    fn notes_are_cut_on_a_character_border() {
        let owner = Owner {
            namespace: "oms",
            name: "up",
            uid: "u",
        };
        let now = Time(Timestamp::UNIX_EPOCH);
        let note = Note {
            reason: "BackingUp".into(),
            message: "ä".repeat(2000),
            warning: true,
        };
        let event = build_event(owner, "7", &note, "pod-1", &now);
        let text = event.message.unwrap();
        assert!(text.len() <= 1024 && text.ends_with('…'), "{}", text.len());
        assert_eq!(event.type_.as_deref(), Some("Warning"));
        assert_eq!(event.last_timestamp.as_ref(), Some(&now));
        assert_eq!(
            build_event(owner, "7", &note, "pod-2", &now).metadata.name,
            event.metadata.name
        );
        assert_ne!(
            build_event(owner, "8", &note, "pod-1", &now).metadata.name,
            event.metadata.name
        );
    }
}
