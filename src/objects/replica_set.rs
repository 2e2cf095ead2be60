//! The ReplicaSet of a pod: it tells which template the pod was made from. Pure.
//!
//! The pod itself does not: registry mirrors and admission webhooks rewrite its images. And a paused Deployment is
//! scaled without its newest template, so what the Deployment says is not what runs.
use k8s_openapi::api::core::v1::Pod;
use serde_json::Value;

/// Label by which the Deployment controller tells its ReplicaSets apart. It adds the label to their templates.
const HASH_LABEL: &str = "pod-template-hash";

/// Name and uid of the ReplicaSet that a pod belongs to.
pub fn find_replica_set(pod: &Pod) -> Option<(&str, &str)> {
    pod.metadata
        .owner_references
        .iter()
        .flatten()
        .find(|owner| owner.controller == Some(true) && owner.kind == "ReplicaSet")
        .map(|owner| (owner.name.as_str(), owner.uid.as_str()))
}

/// Template of a ReplicaSet; `None` when it is another one under the same name.
pub fn read_template(mut object: Value, uid: &str) -> Option<Value> {
    let same = object.pointer("/metadata/uid").and_then(Value::as_str) == Some(uid);
    object
        .pointer_mut("/spec/template")
        .filter(|_| same)
        .map(Value::take)
}

/// Whether two templates are the same to the Deployment controller: the label that it adds itself does not count, and
/// what is empty counts as absent (kubernetes/pkg/controller/deployment/util, `EqualIgnoreHash`).
pub fn is_same_template(one: &Value, other: &Value) -> bool {
    normalize(one) == normalize(other)
}

fn normalize(template: &Value) -> Value {
    let mut template = template.clone();
    if let Some(labels) = template
        .pointer_mut("/metadata/labels")
        .and_then(Value::as_object_mut)
    {
        labels.remove(HASH_LABEL);
    }
    drop_empty(&mut template);
    template
}

/// Drops what API servers write for nothing, one in another way than the next (`creationTimestamp: null` up to 1.33).
/// An object without fields stays: `emptyDir: {}` says something.
fn drop_empty(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.values_mut().for_each(drop_empty);
            map.retain(|_, value| {
                !value.is_null() && value.as_array().is_none_or(|list| !list.is_empty())
            });
        }
        Value::Array(list) => list.iter_mut().for_each(drop_empty),
        _ => {}
    }
}

#[cfg(test)]
#[path = "replica_set_tests.rs"]
mod tests;
