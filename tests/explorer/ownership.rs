//! What an API server keeps by itself: the generation, and field ownership as far as anybody asks for it.
use serde_json::{Value, json};

/// The annotation of which it matters who set it.
const PAUSE: &str = "kustomize.toolkit.fluxcd.io/reconcile";

/// Field ownership, as far as it concerns replicas, pauses, templates and the pause of Flux: who changes them takes
/// them from the other owners.
pub fn record_manager(before: &Value, object: &mut Value, manager: &str, now: &str) {
    let changed = |field: &str| before["spec"][field] != object["spec"][field];
    let taken: Vec<String> = ["replicas", "paused", "template"]
        .into_iter()
        .filter(|field| changed(field))
        .map(|field| format!("f:{field}"))
        .collect();
    let pause = |one: &Value| one["metadata"]["annotations"][PAUSE].clone();
    let (was_paused, is_paused) = (pause(before), pause(object));
    if !object["metadata"]["managedFields"].is_array() {
        object["metadata"]["managedFields"] = json!([]);
    }
    let Some(entries) = object["metadata"]["managedFields"].as_array_mut() else {
        return;
    };
    for entry in entries.iter_mut() {
        if let Some(fields) = entry
            .pointer_mut("/fieldsV1/f:spec")
            .and_then(Value::as_object_mut)
        {
            fields.retain(|field, _| !taken.contains(field));
        }
    }
    let mut fields = entries
        .iter()
        .find(|entry| entry["manager"] == manager)
        .map_or_else(|| json!({"f:spec": {}}), |entry| entry["fieldsV1"].clone());
    for field in taken {
        fields["f:spec"][field] = json!({});
    }
    if was_paused != is_paused {
        let field = format!("f:{PAUSE}");
        for entry in entries.iter_mut() {
            let owned = entry.pointer_mut("/fieldsV1/f:metadata/f:annotations");
            if let Some(owned) = owned.and_then(Value::as_object_mut) {
                owned.remove(&field);
            }
        }
        if is_paused.is_string() {
            fields["f:metadata"]["f:annotations"][field] = json!({});
        }
    }
    entries.retain(|entry| entry["manager"] != manager);
    entries.push(
        json!({"manager": manager, "operation": "Update", "apiVersion": "apps/v1", "time": now,
        "fieldsType": "FieldsV1", "fieldsV1": fields}),
    );
}

/// Counts a change: of the spec, and for Deployments also of the annotations
/// (kubernetes/pkg/registry/apps/deployment/strategy.go, `PrepareForUpdate`).
pub fn raise_generation(resource: &str, before: &Value, object: &mut Value) {
    let annotations = |one: &Value| one["metadata"]["annotations"].clone();
    if object["spec"] != before["spec"]
        || resource == "deployments" && annotations(object) != annotations(before)
    {
        let generation = before["metadata"]["generation"].as_i64().unwrap_or(0);
        object["metadata"]["generation"] = json!(generation + 1);
    }
}
