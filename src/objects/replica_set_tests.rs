use super::*;
use serde_json::json;

fn template(metadata: Value) -> Value {
    json!({"metadata": metadata, "spec": {"containers": [{"name": "oms", "image": "oms:3", "resources": {}}],
        "volumes": [{"name": "scratch", "emptyDir": {}}]}})
}

#[test]
fn a_template_is_compared_as_the_deployment_controller_does() {
    let deployment = template(json!({"labels": {"app": "oms"}}));
    for metadata in [
        json!({"labels": {"app": "oms", "pod-template-hash": "5d4f"}}),
        json!({"labels": {"app": "oms", "pod-template-hash": "5d4f"}, "creationTimestamp": null}),
    ] {
        assert!(is_same_template(&template(metadata), &deployment));
    }
    for metadata in [
        json!({"labels": {"app": "oms"}, "annotations": {"kubectl.kubernetes.io/restartedAt": "now"}}),
        json!({"labels": {"app": "other"}}),
    ] {
        assert!(!is_same_template(&template(metadata), &deployment));
    }
    let mut other = deployment.clone();
    other["spec"]["containers"][0]["image"] = json!("oms:4");
    assert!(!is_same_template(&other, &deployment));
    let mut other = deployment.clone();
    other["spec"]["volumes"][0] = json!({"name": "scratch"});
    assert!(
        !is_same_template(&other, &deployment),
        "an emptyDir is not nothing"
    );
    let mut other = deployment.clone();
    other["spec"]["tolerations"] = json!([]);
    assert!(is_same_template(&other, &deployment));
}

#[test]
fn the_controlling_replica_set_tells_by_name_and_uid() {
    let owned = |kind: &str, controller: bool| -> Pod {
        serde_json::from_value(json!({"metadata": {"ownerReferences": [
            {"apiVersion": "v1", "kind": kind, "name": "oms-5d4f", "uid": "u", "controller": controller}]}}))
        .unwrap()
    };
    assert_eq!(
        find_replica_set(&owned("ReplicaSet", true)),
        Some(("oms-5d4f", "u"))
    );
    assert_eq!(find_replica_set(&owned("ReplicaSet", false)), None);
    assert_eq!(find_replica_set(&owned("StatefulSet", true)), None);
    assert_eq!(find_replica_set(&Pod::default()), None);
    let object =
        json!({"metadata": {"uid": "u"}, "spec": {"template": {"spec": {"new": "field"}}}});
    assert_eq!(
        read_template(object.clone(), "u"),
        Some(json!({"spec": {"new": "field"}}))
    );
    assert_eq!(read_template(object, "another"), None);
}
