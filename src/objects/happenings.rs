//! What Kubernetes tells of an object in events: there alone stands why a volume is not mounted, or a pod not made.
//! Pure.
use super::foreign_words::tell_words;
use crate::facts::PodTrouble;
use k8s_openapi::api::core::v1::Event;
use k8s_openapi::jiff::Timestamp;

/// Longest words of one event that are told, bytes.
const LONGEST: usize = 240;
/// Kinds of events that are told, the newest first.
const MOST: usize = 2;

/// The newest warnings about the object with this uid; `None` where there is none.
pub fn describe_events(events: &[Event], uid: &str) -> Option<String> {
    let about = |event: &&Event| {
        event.involved_object.uid.as_deref() == Some(uid)
            && event.type_.as_deref() == Some("Warning")
    };
    let mut warnings: Vec<&Event> = events.iter().filter(about).collect();
    warnings.sort_by_key(|event| std::cmp::Reverse(find_time(event)));
    let mut told: Vec<(&str, String)> = Vec::new();
    for event in warnings {
        let reason = event.reason.as_deref().unwrap_or("Warning");
        if told.len() < MOST && told.iter().all(|(known, _)| *known != reason) {
            let words = event.message.as_deref().unwrap_or_default();
            told.push((reason, format!("{reason}: {}", tell_words(words, LONGEST))));
        }
    }
    let told: Vec<String> = told.into_iter().map(|(_, words)| words).collect();
    (!told.is_empty()).then(|| told.join("; "))
}

/// The trouble with what the events say of it.
pub fn add_events(trouble: PodTrouble, told: Option<&str>) -> PodTrouble {
    match told {
        Some(told) => PodTrouble {
            message: format!("{}; its events say: {told}", trouble.message),
            ..trouble
        },
        None => trouble,
    }
}

/// When it was last seen: either group of events keeps that in another field.
fn find_time(event: &Event) -> Option<Timestamp> {
    let series = event.series.as_ref();
    let series = series.and_then(|series| series.last_observed_time.as_ref());
    let last = event.last_timestamp.as_ref().map(|time| time.0);
    last.max(series.map(|time| time.0))
        .max(event.event_time.as_ref().map(|time| time.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn build_event(reason: &str, uid: &str, change: Value) -> Event {
        let mut event = json!({
            "metadata": {"name": reason}, "involvedObject": {"kind": "Pod", "uid": uid}, "type": "Warning",
            "reason": reason, "message": format!("{reason} says why."), "lastTimestamp": "2026-01-01T00:00:10Z",
        });
        json_patch::merge(&mut event, &change);
        serde_json::from_value(event).unwrap()
    }

    #[test]
    fn the_newest_warnings_of_the_object_are_told_once_each() {
        let event = |reason: &str, change| build_event(reason, "p", change);
        let later =
            json!({"lastTimestamp": "2026-01-01T00:00:30Z", "message": "Multi-Attach error"});
        let events = [
            event("FailedScheduling", json!({})),
            event("FailedAttachVolume", later),
            // By the other group of events.
            event(
                "FailedMount",
                json!({"lastTimestamp": null, "eventTime": "2026-01-01T00:00:12.000000Z",
                "series": {"count": 3, "lastObservedTime": "2026-01-01T00:00:20.000000Z"}}),
            ),
            event("FailedMount", json!({"message": "an older one"})),
            event(
                "Pulled",
                json!({"type": "Normal", "lastTimestamp": "2026-01-01T00:01:00Z"}),
            ),
            build_event(
                "FailedMount",
                "another",
                json!({"lastTimestamp": "2026-01-01T00:01:00Z"}),
            ),
        ];
        assert_eq!(
            describe_events(&events, "p").unwrap(),
            "FailedAttachVolume: Multi-Attach error; FailedMount: FailedMount says why"
        );
        assert_eq!(describe_events(&events, "nobody"), None);
        let long = event(
            "FailedMount",
            json!({"message": format!("password=x {}", "y".repeat(900))}),
        );
        let told = describe_events(&[long], "p").unwrap();
        assert!(told.len() < 300 && !told.contains("=x"), "{told}");
    }
}
