//! The texts of the originals: a target's template and who owned its fields, before the upgrade. Pure.
//!
//! They stand in two places, the record on the target and a Secret of ours, and the status has their hashes. Literal
//! values of environment variables may be passwords: so the status, which many may read, holds none of these texts.
use super::labels::{Owner, build_metadata};
use super::names::originals_name;
use crate::api::{GROUP, TargetOriginal, VERSION};
use crate::protocol::hex::hash_text;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Role of the Secret with the second copy.
pub const ORIGINALS_ROLE: &str = "originals";

/// What a target was before the upgrade, word for word.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OriginalTexts {
    /// `spec.template` of the Deployment as JSON text.
    pub template: String,
    /// `metadata.managedFields` as JSON text, without the entries of its status: who owned which field. Where it is
    /// lost, the fields that the operator owns are left without an owner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub managed_fields: Option<String>,
}

impl OriginalTexts {
    /// Whether the template is the one whose hash was recorded.
    pub(crate) fn is_of(&self, original: &TargetOriginal) -> bool {
        hash_text(&self.template) == original.template_hash
    }
}

impl OriginalTexts {
    /// `imagePullPolicy` of the OMS container, which the API server writes into each template. `None` where it cannot
    /// be read.
    pub(crate) fn read_pull_policy(&self, container: &str) -> Option<String> {
        let template: Value = serde_json::from_str(&self.template).ok()?;
        let containers = template.pointer("/spec/containers")?.as_array()?;
        let own = containers
            .iter()
            .find(|one| one.get("name").and_then(Value::as_str) == Some(container))?;
        own.get("imagePullPolicy")?.as_str().map(str::to_owned)
    }
}

/// Whether an entry of `managedFields` speaks of the status.
pub(crate) fn is_status_entry(entry: &Value) -> bool {
    entry.get("subresource").and_then(Value::as_str) == Some("status")
}

/// The template of a live Deployment as text. Keys are in the order of the alphabet, so that equal templates are equal
/// texts.
pub fn read_template_text(object: &Value) -> Option<String> {
    Some(object.pointer("/spec/template")?.to_string())
}

/// The owners of a live Deployment's fields as text, without those of its status, which change all the time.
pub fn read_owners_text(object: &Value) -> String {
    let entries = object.pointer("/metadata/managedFields");
    let entries = entries.and_then(Value::as_array).into_iter().flatten();
    let kept: Vec<&Value> = entries.filter(|entry| !is_status_entry(entry)).collect();
    json!(kept).to_string()
}

/// The texts of a live Deployment.
pub fn capture_texts(object: &Value) -> Option<OriginalTexts> {
    Some(OriginalTexts {
        template: read_template_text(object)?,
        managed_fields: Some(read_owners_text(object)),
    })
}

/// The Secret with the second copy: the record of each target under its name. Without ownerReference until the upgrade
/// has settled: a foreground deletion of the object would take it away behind the finalizer.
pub fn build_originals_copy(owner: Owner<'_>, records: &BTreeMap<String, String>) -> Secret {
    let data = records.iter();
    let data = data.map(|(name, record)| (name.clone(), ByteString(record.clone().into_bytes())));
    Secret {
        metadata: build_metadata(owner, originals_name(owner.uid), ORIGINALS_ROLE, None),
        type_: Some("Opaque".into()),
        immutable: Some(true),
        data: Some(data.collect()),
        ..Secret::default()
    }
}

/// The patch that makes the Secret belong to the `OmsUpgrade`, so that it goes with it, or to nobody again. It holds
/// only for the very object that was seen.
pub fn build_owner_patch(owner: Owner<'_>, uid: &str, version: &str, owned: bool) -> Value {
    let references = match owned {
        true => json!([{
            "apiVersion": format!("{GROUP}/{VERSION}"), "kind": "OmsUpgrade",
            "name": owner.name, "uid": owner.uid,
        }]),
        false => json!([]),
    };
    json!([
        {"op": "test", "path": "/metadata/uid", "value": uid},
        {"op": "test", "path": "/metadata/resourceVersion", "value": version},
        {"op": "add", "path": "/metadata/ownerReferences", "value": references},
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_templates_are_equal_texts_whatever_the_order_of_their_keys() {
        let one: Value =
            serde_json::from_str(r#"{"spec":{"template":{"b":1,"a":{"d":2,"c":3}}}}"#).unwrap();
        let other: Value =
            serde_json::from_str(r#"{"spec":{"template":{"a":{"c":3,"d":2},"b":1}}}"#).unwrap();
        assert_eq!(read_template_text(&one), read_template_text(&other));
        assert_eq!(
            read_template_text(&one).unwrap(),
            r#"{"a":{"c":3,"d":2},"b":1}"#
        );
    }

    #[test]
    fn a_status_that_is_written_changes_no_owner() {
        let of = |time: &str| {
            json!({"metadata": {"managedFields": [
                {"manager": "helm", "operation": "Update", "time": "2026-01-01T00:00:00Z"},
                {"manager": "kube-controller-manager", "subresource": "status", "time": time}]}})
        };
        let (one, other) = (of("2026-01-02T00:00:00Z"), of("2026-01-03T00:00:00Z"));
        assert_eq!(read_owners_text(&one), read_owners_text(&other));
        assert!(read_owners_text(&one).contains("helm"));
    }

    #[test]
    fn the_copy_belongs_to_nobody_until_it_is_told_to() {
        let owner = Owner {
            namespace: "oms",
            name: "up",
            uid: "u",
        };
        let records = BTreeMap::from([("oms-1".to_owned(), "{}".to_owned())]);
        let mut secret = json!(build_originals_copy(owner, &records));
        assert!(secret["metadata"]["ownerReferences"].is_null());
        secret["metadata"]["uid"] = json!("s");
        secret["metadata"]["resourceVersion"] = json!("7");
        let apply = |secret: &mut Value, version: &str, owned| {
            let patch = build_owner_patch(owner, "s", version, owned);
            json_patch::patch(
                secret,
                &serde_json::from_value::<json_patch::Patch>(patch).unwrap(),
            )
        };
        assert!(
            apply(&mut secret, "6", true).is_err(),
            "one that changed since is left alone"
        );
        apply(&mut secret, "7", true).unwrap();
        let reference = &secret["metadata"]["ownerReferences"][0];
        assert_eq!(
            (&reference["uid"], &reference["kind"]),
            (&json!("u"), &json!("OmsUpgrade"))
        );
        apply(&mut secret, "7", false).unwrap();
        assert_eq!(secret["metadata"]["ownerReferences"], json!([]));
    }
}
