//! CEL rules run locally; the same samples are refused by the real API server in the end-to-end tests.
use super::*;
use serde_json::{Value, json};

fn sample() -> Value {
    json!({
        "apiVersion": "oms.oceanbase.com/v1alpha1",
        "kind": "OmsUpgrade",
        "metadata": {"name": "to-4-0-0", "namespace": "oms"},
        "spec": {
            "targets": [{"name": "oms"}],
            "image": "registry.example.com/oms:feature_4.0.0-ce",
            "backup": {"claimName": "oms-backup"}
        }
    })
}

fn parse(value: Value) -> OmsUpgrade {
    serde_json::from_value(value).unwrap()
}

fn with(pointer: &str, key: &str, value: Value) -> OmsUpgrade {
    let mut object = sample();
    object.pointer_mut(pointer).unwrap()[key] = value;
    parse(object)
}

#[test]
fn the_smallest_object_is_complete() {
    let object = parse(sample());
    object.validate_cel().unwrap();
    assert_eq!(object.spec.action, Action::Run);
    assert_eq!(object.spec.ha.driver, HaDriver::MetaDb);
    assert_eq!(object.spec.ha.pull_back.slack_minutes, 30);
    assert_eq!(object.spec.timeouts.init.as_seconds(), 1800);
}

#[test]
fn wrong_objects_are_refused_with_the_field_named() {
    let profile = json!({"path": "/x", "bodyTemplate": "${config}"});
    for (object, field) in [
        (with("/spec", "ha", json!({"driver": "OmsApi"})), "ha.api"),
        (with("/spec", "ha", json!({"api": profile})), "ha.api"),
        (
            with(
                "/spec",
                "metadb",
                json!({"credentialsSecretRef": {"name": "s"}, "fromContainer": {}}),
            ),
            "metadb",
        ),
        (
            with(
                "/spec",
                "metadb",
                json!({"address": {"host": "h", "port": 2881}}),
            ),
            "metadb.databases",
        ),
        (
            with(
                "/spec",
                "checks",
                json!([{"name": "ProjectsInSync", "policy": "Attest"}]),
            ),
            "reason",
        ),
        (
            with(
                "/spec",
                "checks",
                json!([{"name": "ProjectsInSync", "policy": "Skip", "reason": ""}]),
            ),
            "reason",
        ),
        (
            with(
                "/spec",
                "ha",
                json!({"driver": "OmsApi", "api": {"path": "/x", "bodyTemplate": "b", "headers": [{"name": "A"}]}}),
            ),
            "secretKeyRef",
        ),
    ] {
        let message = object.validate_cel().unwrap_err().to_string();
        assert!(message.contains(field), "{field}: {message}");
    }
}

#[test]
fn a_started_upgrade_changes_only_its_controls() {
    let started = with("", "status", json!({"startedTime": "2026-01-01T00:00:00Z"}));
    for (key, value) in [
        ("action", json!("Abort")),
        ("paused", json!(true)),
        ("retries", json!(1)),
        ("timeouts", json!({"init": "1h"})),
    ] {
        let mut changed = started.clone();
        let mut spec = serde_json::to_value(&changed.spec).unwrap();
        spec[key] = value;
        changed.spec = serde_json::from_value(spec).unwrap();
        changed.validate_cel_update(&started).unwrap();
    }
    for (key, value) in [
        ("image", json!("other:4.0.0")),
        ("targets", json!([{"name": "other"}])),
        ("backup", json!({"claimName": "other"})),
        (
            "checks",
            json!([{"name": "CgroupVersion", "policy": "Skip", "reason": "r"}]),
        ),
        ("rollback", json!({"policy": "OnRequest"})),
        ("metadb", json!({"fromContainer": {}})),
        ("console", json!({"credentialsSecretRef": {"name": "c"}})),
        ("ha", json!({"goal": "Restore"})),
    ] {
        let mut changed = started.clone();
        let mut spec = serde_json::to_value(&changed.spec).unwrap();
        spec[key] = value;
        changed.spec = serde_json::from_value(spec).unwrap();
        let message = changed
            .validate_cel_update(&started)
            .unwrap_err()
            .to_string();
        assert!(
            message.contains("once the upgrade has started"),
            "{key}: {message}"
        );
        // Before the start everything may change.
        let fresh = parse(sample());
        changed.status = None;
        changed.validate_cel_update(&fresh).unwrap();
    }
}

#[test]
fn retries_only_grow() {
    let one = with("/spec", "retries", json!(1));
    let none = parse(sample());
    one.validate_cel_update(&none).unwrap();
    let message = none.validate_cel_update(&one).unwrap_err().to_string();
    assert!(message.contains("retries"), "{message}");
}

#[test]
fn the_crd_gives_status_a_default_that_no_wait_passes() {
    let crd = serde_json::to_value(build_crd()).unwrap();
    let schema = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
    assert_eq!(
        schema["properties"]["status"]["default"]["observedGeneration"],
        -1
    );
    assert_eq!(
        schema["properties"]["status"]["properties"]["conditions"]["x-kubernetes-list-type"],
        "map"
    );
    assert_eq!(
        schema["properties"]["spec"]["properties"]["targets"]["x-kubernetes-list-map-keys"][0],
        "name"
    );
    // Go knows no unsigned formats.
    assert!(
        !crd.to_string().contains("\"uint"),
        "unsigned format in the CRD"
    );
}

#[test]
fn an_absurd_time_limit_is_an_error_that_names_its_field() {
    let mut object = sample();
    object["spec"]["timeouts"] = json!({"backup": "9999999999999999h"});
    let error = read_upgrade(object).unwrap_err();
    assert!(error.contains("spec.timeouts.backup"), "{error}");
    assert!(error.contains("720h"), "{error}");
}

#[test]
fn an_object_of_a_newer_operator_is_an_error_that_names_its_field() {
    let mut object = sample();
    object["status"] = json!({"step": "Teleporting"});
    let error = read_upgrade(object).unwrap_err();
    assert!(error.contains("status.step"), "{error}");
}
