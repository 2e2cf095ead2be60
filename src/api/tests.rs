//! CEL rules run locally; the same samples are refused by the real API server in the end-to-end tests.
use super::spec::control::{MUTABLE, MUTABLE_UNTIL_ROLLBACK};
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
                "ha",
                json!({"parameters": {"perceiveStoreClientCheckpoint": false}}),
            ),
            "ha.parameters.perceiveStoreClientCheckpoint",
        ),
        (
            with(
                "/spec",
                "ha",
                json!({"pullBack": {"method": "RefetchInterval"}, "parameters": {"perceiveStoreClientCheckpoint": true}}),
            ),
            "ha.parameters.perceiveStoreClientCheckpoint",
        ),
        (
            with(
                "/spec",
                "ha",
                json!({"pullBack": {"method": "RefetchInterval"}, "parameters": {"refetchStoreIntervalMin": 60}}),
            ),
            "ha.parameters.refetchStoreIntervalMin",
        ),
        (
            with(
                "/spec",
                "metadb",
                json!({"source": "Container", "credentialsSecretRef": {"name": "s"}}),
            ),
            "metadb.credentialsSecretRef",
        ),
        (
            with(
                "/spec",
                "metadb",
                json!({"tls": {"mode": "VerifyIdentity"}}),
            ),
            "metadb.tls.caSecretRef",
        ),
        (
            with("/spec", "metadb", json!({"tls": {"mode": "VerifyCA"}})),
            "metadb.tls.caSecretRef",
        ),
        (
            with(
                "/spec",
                "metadb",
                json!({"tls": {"mode": "Require", "caSecretRef": {"name": "ca"}}}),
            ),
            "metadb.tls.caSecretRef",
        ),
        (
            with(
                "/spec",
                "metadb",
                json!({"tls": {"mode": "Disable", "clientSecretRef": {"name": "me"}}}),
            ),
            "metadb.tls.clientSecretRef",
        ),
        (
            with("/spec", "metadb", json!({"source": "Secret"})),
            "metadb.credentialsSecretRef",
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

/// The pull-back and the parameters agree: nothing is refused.
#[test]
fn parameters_of_ha_that_agree_with_the_pull_back_are_taken() {
    for ha in [
        json!({"parameters": {"enableHost": true, "subtopicStoreNumberThreshold": 8, "refetchStoreIntervalMin": 60}}),
        json!({"parameters": {"perceiveStoreClientCheckpoint": true}}),
        json!({"pullBack": {"method": "RefetchInterval"}, "parameters": {"perceiveStoreClientCheckpoint": false, "enableStore": true}}),
        json!({"rollbackGoal": "Disabled"}),
    ] {
        let object = with("/spec", "ha", ha.clone());
        object.validate_cel().unwrap();
        let written = serde_json::to_value(&object).unwrap();
        for (key, value) in ha.as_object().unwrap() {
            if key != "pullBack" {
                assert_eq!(&written["spec"]["ha"][key], value);
            }
        }
    }
}

/// Everything that may be written into the spec, as a change to `sample`.
fn list_changes() -> Vec<(&'static str, Value)> {
    vec![
        ("action", json!("Abort")),
        ("paused", json!(true)),
        ("planRequest", json!("again")),
        ("retryRequest", json!("again")),
        (
            "accept",
            json!([{"reason": "InitUnconfirmed", "value": "oms/1/abc"}]),
        ),
        ("sourceVersion", json!("3.3.0")),
        ("targetVersion", json!("4.0.0_BP1")),
        ("timeouts", json!({"init": "1h"})),
        ("cleanup", json!({"safetyCopies": "1h"})),
        ("takeOver", json!("22222222-2222-3333-4444-555555555555")),
        ("gitops", json!({"sourceImage": "other:4.0.0"})),
        ("approval", json!({"planHash": "h"})),
        ("rollback", json!({"policy": "OnRequest"})),
        ("image", json!("other:4.0.0")),
        ("targets", json!([{"name": "other"}])),
        ("backup", json!({"claimName": "other"})),
        (
            "checks",
            json!([{"name": "CgroupVersion", "policy": "Skip", "reason": "r"}]),
        ),
        ("retiredNodes", json!(["10.0.0.9"])),
        ("metadb", json!({"source": "Container"})),
        ("console", json!({"credentialsSecretRef": {"name": "c"}})),
        ("ha", json!({"goal": "Restore"})),
        ("projects", json!({"maxLagSeconds": 900})),
        ("init", json!({"completionTexts": ["all steps are done"]})),
        ("window", json!({"start": "22:00", "duration": "2h"})),
    ]
}

/// What the rules of the definition say to a change; the derive alone does not know all of them.
fn ask_rules(old: &OmsUpgrade, new: &OmsUpgrade) -> Vec<String> {
    let crd = serde_json::to_value(build_crd()).unwrap();
    let schema = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
    let (old, new) = (serde_json::to_value(old), serde_json::to_value(new));
    let validator = kube::core::cel::Validator::new();
    match validator.validate(schema, &new.unwrap(), Some(&old.unwrap())) {
        Ok(()) => Vec::new(),
        Err(errors) => errors.to_string().lines().map(str::to_owned).collect(),
    }
}

#[test]
fn every_field_of_the_spec_may_change_only_as_long_as_it_is_meant_to() {
    let stages = [
        ("fresh", None),
        ("planned", Some(json!({"phase": "Planned"}))),
        (
            "started",
            Some(json!({"startedTime": "2026-01-01T00:00:00Z", "direction": "Forward"})),
        ),
        (
            "going back",
            Some(json!({"startedTime": "2026-01-01T00:00:00Z", "direction": "RollBack"})),
        ),
    ];
    let changes = list_changes();
    let fields = serde_json::to_value(build_crd()).unwrap();
    let fields =
        fields.pointer("/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties");
    for field in fields.unwrap().as_object().unwrap().keys() {
        assert!(
            changes.iter().any(|(key, _)| key == field),
            "{field} is not tried"
        );
    }
    for (stage, status) in stages {
        for (key, value) in &changes {
            let mut old = sample();
            if let Some(status) = &status {
                old["status"] = status.clone();
            }
            let mut new = old.clone();
            new["spec"][key] = value.clone();
            let said = ask_rules(&parse(old), &parse(new)).join("\n");
            let frozen = match stage {
                "started" => !MUTABLE.contains(key) && !MUTABLE_UNTIL_ROLLBACK.contains(key),
                "going back" => !MUTABLE.contains(key),
                _ => false,
            };
            assert_eq!(
                said.contains(&format!("spec.{key}: it cannot change")),
                frozen,
                "{stage}, {key}: {said}"
            );
        }
    }
}

/// A mistyped image would tell that git has come after, when it has not.
#[test]
fn after_the_end_only_the_image_that_runs_can_be_named_as_that_of_the_source() {
    let forbidden =
        json!([{"target": "oms", "container": "oms", "image": "oms:3", "useImage": "oms:4"}]);
    let over = json!({"finishedTime": "2026-01-01T00:00:00Z", "forbiddenImages": forbidden});
    let runs = json!({"forbiddenImages": forbidden});
    let aborted = json!({"finishedTime": "2026-01-01T00:00:00Z"});
    for (status, before, after, taken) in [
        (&over, None, Some("oms:4"), true),
        (&over, None, Some("oms:3"), false),
        (&over, Some("oms:3"), Some("oms:5"), false),
        // What was written before is told by a condition, and keeps nobody from another edit.
        (&over, Some("oms:3"), Some("oms:3"), true),
        (&over, Some("oms:4"), None, true),
        (&runs, None, Some("oms:5"), true),
        (&aborted, None, Some("oms:5"), true),
    ] {
        let build = |image: Option<&str>| {
            let mut object = sample();
            object["status"] = status.clone();
            if let Some(image) = image {
                object["spec"]["gitops"] = json!({"sourceImage": image});
            }
            parse(object)
        };
        let said = ask_rules(&build(before), &build(after)).join("\n");
        assert_eq!(said.is_empty(), taken, "{before:?} {after:?}: {said}");
        assert!(taken || said.contains("spec.gitops.sourceImage"), "{said}");
    }
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

/// A text that every log holds would switch HA on after any run; long ones do not fit into the address of a request.
#[test]
fn a_text_that_counts_as_the_end_is_neither_short_nor_long() {
    let ask = |text: &str| {
        let mut object = sample();
        object["spec"]["init"] = json!({"completionTexts": [text]});
        let object = parse(object);
        ask_rules(&object, &object)
    };
    for good in [
        "全部初始化步骤完成",
        "initialized",
        &"a".repeat(120),
        &"全".repeat(40),
    ] {
        assert_eq!(ask(good), Vec::<String>::new(), "{good}");
    }
    for bad in ["done", "a b c d e f", &"a".repeat(121), &"全".repeat(41)] {
        let said = ask(bad).join("\n");
        assert!(said.contains("completionTexts"), "{bad}: {said}");
    }
}
