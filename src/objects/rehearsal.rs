//! Writes of a target as they are rehearsed before anything is touched, and how what would be stored differs. Pure.
//!
//! A webhook or a policy that changes a template is found out by a dry run, which goes through all of admission and
//! stores nothing.
use super::deployment::{TemplateKind, build_template, capture_original};
use super::originals::read_template_text;
use crate::api::{FENCE_ANNOTATION, ORIGINALS_ANNOTATION};
use crate::facts::{DeploymentFacts, FieldChange, RehearsedAct};
use serde_json::{Map, Value, json};

/// Fields that every API server adds to a pod by itself, below `spec`.
const USUAL: [&str; 9] = [
    "spec.serviceAccountName",
    "spec.serviceAccount",
    "spec.priority",
    "spec.preemptionPolicy",
    "spec.nodeName",
    "spec.enableServiceLinks",
    "spec.imagePullSecrets",
    "spec.tolerations[node.kubernetes.io/not-ready]",
    "spec.tolerations[node.kubernetes.io/unreachable]",
];

/// The body of a rehearsal: a patch of the Deployment, or a pod. `None` where none can be built.
pub fn build_rehearsal(
    facts: &DeploymentFacts,
    container: &str,
    new_image: &str,
    act: RehearsedAct,
) -> Option<Value> {
    let template = build_act_template(facts, container, new_image, act)?;
    if act.is_pod() {
        return build_pod(&facts.object, &template);
    }
    let replicas = i32::from(act != RehearsedAct::Stop);
    let mut operations = vec![
        json!({"op": "test", "path": "/metadata/resourceVersion", "value": facts.resource_version}),
    ];
    let annotations = facts.object.pointer("/metadata/annotations");
    let mut all = annotations
        .and_then(Value::as_object)
        .cloned()
        .unwrap_or_default();
    all.insert(ORIGINALS_ANNOTATION.into(), json!("{}"));
    all.insert(FENCE_ANNOTATION.into(), json!("1"));
    operations.push(json!({"op": "add", "path": "/metadata/annotations", "value": all}));
    operations.push(json!({"op": "replace", "path": "/spec/template", "value": template}));
    operations.push(json!({"op": "replace", "path": "/spec/replicas", "value": replicas}));
    Some(Value::Array(operations))
}

/// How what came back differs from what was sent.
pub fn compare_rehearsal(
    facts: &DeploymentFacts,
    act: RehearsedAct,
    sent: &Value,
    stored: &Value,
) -> Vec<FieldChange> {
    let mut changes = Vec::new();
    if act.is_pod() {
        for part in ["labels", "annotations"] {
            let path = format!("metadata.{part}");
            compare(
                &path,
                sent["metadata"].get(part),
                stored["metadata"].get(part),
                &mut changes,
            );
        }
        compare("spec", sent.get("spec"), stored.get("spec"), &mut changes);
        changes.retain(|change| !is_usual(change));
        return changes;
    }
    let mut wanted = facts.object["spec"].clone();
    for operation in sent.as_array().into_iter().flatten() {
        for field in ["template", "replicas"] {
            if operation["path"] == format!("/spec/{field}") {
                wanted[field] = operation["value"].clone();
            }
        }
    }
    compare("spec", Some(&wanted), stored.get("spec"), &mut changes);
    changes
}

fn build_act_template(
    facts: &DeploymentFacts,
    container: &str,
    new_image: &str,
    act: RehearsedAct,
) -> Option<Value> {
    let original = capture_original(facts, "", container, None)?;
    let kind = match act {
        RehearsedAct::StartUpgrade | RehearsedAct::UpgradePod => TemplateKind::Upgrade,
        RehearsedAct::StartFinal | RehearsedAct::FinalPod => TemplateKind::Final,
        RehearsedAct::Stop | RehearsedAct::StartOld | RehearsedAct::OldPod => TemplateKind::Old,
    };
    let text = read_template_text(&facts.object)?;
    build_template(&original, &text, new_image, &kind)
}

/// As a ReplicaSet makes it, but for its owner.
fn build_pod(object: &Value, template: &Value) -> Option<Value> {
    let name = object.pointer("/metadata/name")?.as_str()?;
    let mut metadata = Map::new();
    metadata.insert("generateName".into(), json!(format!("{name}-")));
    for part in ["labels", "annotations"] {
        if let Some(value) = template["metadata"].get(part) {
            metadata.insert(part.into(), value.clone());
        }
    }
    Some(json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}))
}

/// Absent, null and empty say the same: API servers of different versions store one for the other.
fn is_nothing(value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null) => true,
        Some(Value::Object(map)) => map.is_empty(),
        Some(Value::Array(list)) => list.is_empty(),
        Some(_) => false,
    }
}

fn compare(
    path: &str,
    sent: Option<&Value>,
    stored: Option<&Value>,
    changes: &mut Vec<FieldChange>,
) {
    if is_nothing(sent) && is_nothing(stored) || sent == stored {
        return;
    }
    match (sent, stored) {
        (Some(Value::Object(one)), Some(Value::Object(other))) => {
            let keys = one
                .keys()
                .chain(other.keys().filter(|key| !one.contains_key(*key)));
            for key in keys {
                let field = format!("{path}.{key}");
                compare(&field, one.get(key), other.get(key), changes);
            }
        }
        (Some(Value::Array(one)), Some(Value::Array(other))) => {
            compare_lists(path, one, other, changes);
        }
        (None | Some(Value::Null), Some(Value::Array(other))) => {
            compare_lists(path, &[], other, changes);
        }
        (Some(Value::Array(one)), None | Some(Value::Null)) => {
            compare_lists(path, one, &[], changes);
        }
        _ => changes.push(FieldChange {
            path: path.to_owned(),
            sent: sent.filter(|value| !is_nothing(Some(value))).cloned(),
            stored: stored.filter(|value| !is_nothing(Some(value))).cloned(),
        }),
    }
}

/// Entries are the same where they have the same name; those without one where they stand at the same place.
fn compare_lists(path: &str, one: &[Value], other: &[Value], changes: &mut Vec<FieldChange>) {
    let names = |list: &[Value]| -> Vec<String> {
        let named = list.iter().enumerate();
        named
            .map(|(place, entry)| name_entry(place, entry))
            .collect()
    };
    let (before, after) = (names(one), names(other));
    let all = before
        .iter()
        .chain(after.iter().filter(|name| !before.contains(name)));
    for name in all {
        let find = |names: &[String], list: &'_ [Value]| -> Option<Value> {
            let place = names.iter().position(|known| known == name)?;
            list.get(place).cloned()
        };
        let (sent, stored) = (find(&before, one), find(&after, other));
        let entry = format!("{path}[{name}]");
        compare(&entry, sent.as_ref(), stored.as_ref(), changes);
    }
}

fn name_entry(place: usize, entry: &Value) -> String {
    let keys = ["mountPath", "name", "key", "containerPort", "ip"];
    let named = keys.iter().find_map(|key| match entry.get(*key)? {
        Value::String(name) => Some(name.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    });
    named.unwrap_or_else(|| place.to_string())
}

/// What every pod gets.
fn is_usual(change: &FieldChange) -> bool {
    let path = change.path.as_str();
    change.only_adds()
        && (USUAL.iter().any(|usual| path.starts_with(usual))
            || path.starts_with("spec.volumes[kube-api-access-")
            || path.ends_with("[/var/run/secrets/kubernetes.io/serviceaccount]")
            || path.ends_with(".hostPort"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deployment() -> DeploymentFacts {
        DeploymentFacts {
            uid: "d".into(),
            resource_version: "7".into(),
            object: json!({"metadata": {"name": "oms"}, "spec": {"replicas": 1, "strategy": {"type": "Recreate"},
                "template": {"metadata": {"creationTimestamp": null, "labels": {"app": "oms"}}, "spec": {"containers": [
                    {"name": "oms", "image": "oms:3", "env": [{"name": "A", "value": "secret"}], "resources": {}}]}}}}),
        }
    }

    fn apply(patch: &Value) -> Value {
        let mut object = deployment().object;
        object["metadata"]["resourceVersion"] = json!("7");
        let patch: json_patch::Patch = serde_json::from_value(patch.clone()).unwrap();
        json_patch::patch(&mut object, &patch).unwrap();
        object
    }

    fn paths(act: RehearsedAct, change: fn(&mut Value)) -> Vec<(String, bool)> {
        let facts = deployment();
        let sent = build_rehearsal(&facts, "oms", "oms:4", act).unwrap();
        let mut stored = match act.is_pod() {
            true => sent.clone(),
            false => apply(&sent),
        };
        change(&mut stored);
        let changes = compare_rehearsal(&facts, act, &sent, &stored);
        let tell = |change: FieldChange| (change.path.clone(), change.only_adds());
        changes.into_iter().map(tell).collect()
    }

    #[test]
    fn what_comes_back_as_it_was_sent_is_no_change() {
        for act in RehearsedAct::ALL {
            assert_eq!(paths(act, |_| ()), [], "{act:?}");
        }
        // Of an API server that knows no null.
        let without = paths(RehearsedAct::StartOld, |stored| {
            let metadata = &mut stored["spec"]["template"]["metadata"];
            metadata
                .as_object_mut()
                .unwrap()
                .remove("creationTimestamp");
        });
        assert_eq!(without, []);
    }

    #[test]
    fn each_change_is_told_by_its_place() {
        let image = paths(RehearsedAct::StartUpgrade, |stored| {
            let container = &mut stored["spec"]["template"]["spec"]["containers"][0];
            container["image"] = json!("mirror/oms:4");
            container["env"] =
                json!([{"name": "B", "value": "b"}, {"name": "A", "value": "other"}]);
        });
        let container = "spec.template.spec.containers[oms]";
        let wanted = [
            (format!("{container}.env[A].value"), false),
            (format!("{container}.env[IS_UPGRADE]"), false),
            (format!("{container}.env[B]"), true),
            (format!("{container}.image"), false),
        ];
        let mut sorted = image;
        sorted.sort();
        let mut wanted = wanted.to_vec();
        wanted.sort();
        assert_eq!(sorted, wanted);
    }

    #[test]
    fn what_every_pod_gets_is_not_told() {
        let usual = paths(RehearsedAct::OldPod, |pod| {
            pod["spec"]["serviceAccountName"] = json!("default");
            pod["spec"]["volumes"] = json!([{"name": "kube-api-access-x", "projected": {}}]);
            pod["spec"]["containers"][0]["volumeMounts"] = json!([
                {"name": "kube-api-access-x", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"}]);
        });
        assert_eq!(usual, []);
        let sidecar = paths(RehearsedAct::FinalPod, |pod| {
            let containers = pod["spec"]["containers"].as_array_mut().unwrap();
            containers.push(json!({"name": "proxy", "image": "proxy:1"}));
        });
        assert_eq!(sidecar, [("spec.containers[proxy]".to_owned(), true)]);
    }
}
