//! The object of one reconcile, with the identity that the API server gave it. Pure.
use super::calls::CallError;
use crate::api::{OmsUpgrade, OmsUpgradeStatus};
use crate::objects::labels::Owner;
use crate::upgrade::HeardRequests;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use std::sync::LazyLock;

/// What an object has whose status nobody has written yet.
static BLANK: LazyLock<OmsUpgradeStatus> = LazyLock::new(OmsUpgradeStatus::default);

/// An `OmsUpgrade` as it was read at the start of a reconcile.
#[derive(Clone, Copy)]
pub(super) struct Subject<'a> {
    /// The object.
    pub upgrade: &'a OmsUpgrade,
    /// Its status; a blank one where there is none.
    pub status: &'a OmsUpgradeStatus,
    /// Who it is.
    pub owner: Owner<'a>,
    /// What everything carries that is made for its upgrade: the same, or the uid of the object whose upgrade it
    /// continues.
    pub marks: Owner<'a>,
    /// What the watch has heard of it and nobody has answered yet.
    pub heard: HeardRequests,
}

impl<'a> Subject<'a> {
    /// Takes an object up. One without an identity is taken up by nobody: an empty uid on a label, or an empty
    /// namespace in a path, would mean other objects than its own.
    pub fn read(upgrade: &'a OmsUpgrade) -> Result<Self, CallError> {
        let owner = read_owner(&upgrade.metadata)?;
        let status = upgrade.status.as_ref().unwrap_or(&BLANK);
        Ok(Self {
            upgrade,
            status,
            owner,
            marks: Owner {
                uid: status.internal.find_marks(owner.uid),
                ..owner
            },
            heard: HeardRequests::default(),
        })
    }
}

/// Who an object is.
pub(super) fn read_owner(metadata: &ObjectMeta) -> Result<Owner<'_>, CallError> {
    Owner::read(metadata)
        .ok_or_else(|| CallError::Bug("an OmsUpgrade has no uid, name or namespace".into()))
}

/// Uid of an object that the API server has shown; it gives one to each.
pub(super) fn read_uid(metadata: &ObjectMeta) -> Result<String, CallError> {
    metadata
        .uid
        .clone()
        .filter(|uid| !uid.is_empty())
        .ok_or_else(|| CallError::Bug(format!("{:?} has no uid", metadata.name)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn upgrade(metadata: Value) -> OmsUpgrade {
        serde_json::from_value(json!({
            "apiVersion": "oms.oceanbase.com/v1alpha1", "kind": "OmsUpgrade", "metadata": metadata,
            "spec": {"targets": [{"name": "oms"}], "image": "oms:4.0.0-ce", "backup": {"claimName": "c"}},
        }))
        .unwrap()
    }

    #[test]
    fn an_object_without_an_identity_is_taken_up_by_nobody() {
        let whole = json!({"name": "up", "namespace": "oms", "uid": "u"});
        let known = upgrade(whole.clone());
        assert_eq!(Subject::read(&known).unwrap().owner.uid, "u");
        for key in ["name", "namespace", "uid"] {
            for value in [json!(""), Value::Null] {
                let mut part = whole.clone();
                part[key] = value;
                assert!(Subject::read(&upgrade(part)).is_err(), "{key}");
            }
        }
    }
}
