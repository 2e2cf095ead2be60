//! A target Deployment as it is given back to its owners. Pure.
use crate::api::{FENCE_ANNOTATION, FIELD_MANAGER, ORIGINALS_ANNOTATION};
use crate::objects::deployment::{annotation_path, read_annotation};
use crate::objects::originals::is_status_entry;
use crate::objects::owner::FLUX_PAUSE;
use serde_json::{Value, json};

/// Whether nothing of ours is left on the Deployment: no annotation and no managed field.
pub fn is_given_back(object: &Value) -> bool {
    let managed = object
        .pointer("/metadata/managedFields")
        .and_then(Value::as_array)
        .is_some_and(|entries| {
            entries
                .iter()
                .any(|entry| entry.get("manager").and_then(Value::as_str) == Some(FIELD_MANAGER))
        });
    !managed
        && read_annotation(object, ORIGINALS_ANNOTATION).is_none()
        && read_annotation(object, FENCE_ANNOTATION).is_none()
}

/// Whether the pause of Flux on a Deployment was set by the operator: the API server has noted who set it, and a value
/// that was there already makes nobody its owner. So one that a person set, before or since, is never taken off.
pub fn owns_flux_pause(object: &Value) -> bool {
    let (name, value) = FLUX_PAUSE;
    let is_set = read_annotation(object, name) == Some(value);
    let entries = object.pointer("/metadata/managedFields");
    let mut entries = entries.and_then(Value::as_array).into_iter().flatten();
    let field = format!("f:{name}");
    is_set
        && entries.any(|entry| {
            entry.get("manager").and_then(Value::as_str) == Some(FIELD_MANAGER)
                && entry
                    .pointer("/fieldsV1/f:metadata/f:annotations")
                    .is_some_and(|fields| fields.get(&field).is_some())
        })
}

/// Removes our annotations, takes off the pause of Flux that we set, and puts the recorded owners of the fields back.
/// Entries of managers that were not there before, and of the status, stay as they are now. Where the owners are lost
/// only our own entry goes: a field that belongs to nobody is taken by the next apply of whoever sets it, without a
/// conflict.
pub(crate) fn build_give_back(object: &Value, owners: Option<&str>) -> Vec<Value> {
    let mut operations = Vec::new();
    for name in [ORIGINALS_ANNOTATION, FENCE_ANNOTATION] {
        if read_annotation(object, name).is_some() {
            operations.push(json!({"op": "remove", "path": annotation_path(name)}));
        }
    }
    if owns_flux_pause(object) {
        operations.push(json!({"op": "remove", "path": annotation_path(FLUX_PAUSE.0)}));
    }
    let recorded: Vec<Value> = owners
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default();
    let live = object
        .pointer("/metadata/managedFields")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    let mut entries: Vec<Value> = live
        .iter()
        .filter(|entry| entry.get("manager").and_then(Value::as_str) != Some(FIELD_MANAGER))
        .filter(|entry| {
            is_status_entry(entry) || !recorded.iter().any(|old| same_manager(old, entry))
        })
        .cloned()
        .collect();
    // An earlier upgrade that was released may have left an entry of ours.
    let ours = |entry: &Value| entry.get("manager").and_then(Value::as_str) == Some(FIELD_MANAGER);
    entries.extend(
        recorded
            .into_iter()
            .filter(|entry| !is_status_entry(entry) && !ours(entry)),
    );
    operations.push(json!({"op": "replace", "path": "/metadata/managedFields", "value": entries}));
    operations
}

fn same_manager(one: &Value, other: &Value) -> bool {
    ["manager", "operation", "subresource"]
        .iter()
        .all(|key| one.get(key) == other.get(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn give_back(owners: &[&str]) -> Value {
        let (name, value) = FLUX_PAUSE;
        let field = json!({"f:metadata": {"f:annotations": {format!("f:{name}"): {}}}});
        let entries = owners
            .iter()
            .map(|manager| json!({"manager": manager, "operation": "Update", "fieldsV1": field}));
        let mut object = json!({"metadata": {"annotations": {name: value, ORIGINALS_ANNOTATION: "{}"},
            "managedFields": entries.collect::<Vec<_>>()}});
        let patch = Value::Array(build_give_back(&object, Some("[]")));
        let patch: json_patch::Patch = serde_json::from_value(patch).unwrap();
        json_patch::patch(&mut object, &patch).unwrap();
        object
    }

    #[test]
    fn a_pause_goes_with_who_set_it() {
        let annotations = |object: &Value| object["metadata"]["annotations"].clone();
        let ours = give_back(&[FIELD_MANAGER]);
        assert_eq!(annotations(&ours), json!({}));
        assert!(is_given_back(&ours));
        let (name, value) = FLUX_PAUSE;
        for others in [&["kubectl-annotate"][..], &[]] {
            let object = give_back(others);
            assert_eq!(annotations(&object), json!({name: value}), "{others:?}");
        }
    }
}
