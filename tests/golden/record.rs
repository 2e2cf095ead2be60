//! The record on a target: with it alone an upgrade whose status was lost finds its way back.
use super::objects::{original, spec, texts};
use super::{UID, find_loss, pin, read_stored, samples, to_text};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use oms_operator::api::{Direction, ORIGINALS_ANNOTATION, OmsUpgradeStatus, Originals};
use oms_operator::facts::*;
use oms_operator::upgrade::*;
use serde_json::{Value, json};

const MEANING: &str = "This stands in an annotation of Deployments that are stopped or changed. Fields that come are free when they may be \
    absent. Where the stored text is not read any more, an operator that comes after this one takes a stopped OMS for one that was never touched.";

const PATH: &str = "tests/golden/files/target-record.json";

fn build() -> Value {
    let mut status = samples::read_status();
    let originals = status.internal.originals.take().unwrap();
    status.internal.originals = Some(Originals {
        targets: vec![original()],
        ..originals
    });
    let text = build_target_record("to-4-0-0", UID, &status, "oms-1", texts()).unwrap();
    serde_json::from_str(&text).unwrap()
}

#[test]
fn the_record_on_a_target() {
    pin::check(PATH, &to_text(&build()), MEANING);
    let stored: Value = serde_json::from_str(&read_stored(PATH)).unwrap();
    let read: TargetRecord = serde_json::from_value(stored.clone()).unwrap();
    assert_eq!(find_loss(&stored, &json!(read), "record"), None);
}

/// The way by which the operator reads it: a status comes out of it that goes back.
#[test]
fn a_stored_record_leads_back() {
    let stored: Value = if pin::is_updating() {
        build()
    } else {
        serde_json::from_str(&read_stored(PATH)).unwrap()
    };
    let object = ObjectFacts {
        namespace: "oms".into(),
        name: "to-4-0-0".into(),
        uid: UID.into(),
        ..ObjectFacts::default()
    };
    let deployment = DeploymentFacts {
        uid: "7d1c".into(),
        resource_version: "1".into(),
        object: json!({"metadata": {"annotations": {ORIGINALS_ANNOTATION: stored.to_string()}}}),
    };
    let observed = Observed {
        targets: vec![TargetFacts {
            name: "oms-1".into(),
            deployment: Fact::Known(Some(deployment)),
            ..TargetFacts::default()
        }],
        originals_copy: Fact::Known(None),
        ..Observed::default()
    };
    let now: Time = serde_json::from_value(json!("2026-01-02T04:04:05Z")).unwrap();
    let decision = decide(&Context {
        now,
        object: &object,
        spec: &spec(),
        status: &OmsUpgradeStatus::default(),
        observed: &observed,
    });
    let Decision::Record { status, .. } = decision else {
        panic!("nothing was rebuilt: {decision:?}");
    };
    assert_eq!(status.cause.unwrap().reason, "StatusLost");
    assert_eq!(status.direction, Some(Direction::RollBack));
    assert_eq!(status.internal.originals.unwrap().targets, [original()]);
    assert_eq!(json!(status.backup), stored["backup"]);
}
