//! A spec and a status with every field that the definition has, as JSON: what is stored must still be read, and
//! nothing of it lost.
use super::definition::{list_words, read_schema};
use super::{find_loss, pin, read_stored, to_text};
use oms_operator::api::{OmsUpgradeSpec, OmsUpgradeStatus};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

const MEANING: &str = "It is a sample with all fields. Fields that come are free, as long as an object without them is read. \
    A field that went or was renamed stands in the status of upgrades that are under way: the operator that follows must still read it.";

/// A value for every field.
fn fill(schema: &Value, name: &str) -> Value {
    if let Some(word) = list_words(schema).first() {
        return json!(word);
    }
    match schema["type"].as_str() {
        Some("object") => {
            let mut object = Map::new();
            for (name, field) in schema["properties"].as_object().into_iter().flatten() {
                object.insert(name.clone(), fill(field, name));
            }
            Value::Object(object)
        }
        Some("array") => json!([fill(&schema["items"], name)]),
        Some("boolean") => json!(true),
        Some("integer") => json!(7),
        Some("number") => json!(0.5),
        Some("string") if schema["format"] == "date-time" => json!("2026-01-02T03:04:05Z"),
        Some("string")
            if schema["pattern"]
                .as_str()
                .is_some_and(|p| p.contains("ms|s|m")) =>
        {
            json!("10m")
        }
        Some("string") => json!(format!("a {name}")),
        other => panic!("{name}: no value for {other:?}"),
    }
}

fn check_sample<T: Serialize + DeserializeOwned>(part: &str) {
    let path = format!("tests/golden/files/{part}.json");
    pin::check(&path, &to_text(&fill(&read_schema(part), part)), MEANING);
    let stored: Value = serde_json::from_str(&read_stored(&path)).unwrap();
    let read: T = serde_json::from_value(stored.clone())
        .unwrap_or_else(|error| panic!("{path} is not read any more: {error}"));
    let again = serde_json::to_value(&read).unwrap();
    assert_eq!(find_loss(&stored, &again, part), None, "{path}");
}

/// The stored status; the present one while it is being stored.
pub fn read_status() -> OmsUpgradeStatus {
    if pin::is_updating() {
        return serde_json::from_value(fill(&read_schema("status"), "status")).unwrap();
    }
    serde_json::from_str(&read_stored("tests/golden/files/status.json")).unwrap()
}

#[test]
fn a_whole_spec_is_read() {
    check_sample::<OmsUpgradeSpec>("spec");
}

#[test]
fn a_whole_status_is_read() {
    check_sample::<OmsUpgradeStatus>("status");
}

/// What an operator before this one did not know is absent.
#[test]
fn an_empty_status_is_read() {
    let read: OmsUpgradeStatus = serde_json::from_value(json!({})).unwrap();
    assert_eq!(read, OmsUpgradeStatus::default());
}
