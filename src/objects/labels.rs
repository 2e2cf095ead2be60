//! Labels and annotations of the objects that we make. Pure.
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use std::collections::BTreeMap;

/// Label: uid of the `OmsUpgrade` that an object belongs to. Only this makes an object ours.
pub const UPGRADE_UID_LABEL: &str = "oms.oceanbase.com/upgrade-uid";
/// Label: what the object is for.
pub const ROLE_LABEL: &str = "oms.oceanbase.com/role";
/// Label: number of the attempt.
pub const ATTEMPT_LABEL: &str = "oms.oceanbase.com/attempt";
/// Annotation: full name of the `OmsUpgrade`, which may be longer than a label allows.
pub const UPGRADE_ANNOTATION: &str = "oms.oceanbase.com/upgrade";
/// Label of the conventions: who manages the object.
pub const MANAGED_BY_LABEL: &str = "app.kubernetes.io/managed-by";

/// The `OmsUpgrade` that an object is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner<'a> {
    pub namespace: &'a str,
    pub name: &'a str,
    /// An object of the same name that comes later has another.
    pub uid: &'a str,
}

impl<'a> Owner<'a> {
    /// Reads an object's identity; `None` where a part of it is missing or empty.
    pub fn read(metadata: &'a ObjectMeta) -> Option<Self> {
        let part = |text: &'a Option<String>| text.as_deref().filter(|text| !text.is_empty());
        Some(Self {
            namespace: part(&metadata.namespace)?,
            name: part(&metadata.name)?,
            uid: part(&metadata.uid)?,
        })
    }
}

/// Labels of an object for a role, with the attempt where there is one.
pub fn build_labels(
    owner: Owner<'_>,
    role: &str,
    attempt: Option<i32>,
) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::from([
        (MANAGED_BY_LABEL.into(), crate::api::FIELD_MANAGER.into()),
        (UPGRADE_UID_LABEL.into(), owner.uid.into()),
        (ROLE_LABEL.into(), role.into()),
    ]);
    if let Some(attempt) = attempt {
        labels.insert(ATTEMPT_LABEL.into(), attempt.to_string());
    }
    labels
}

/// Metadata of an object that we make. Without ownerReference on purpose: a foreground deletion of
/// the `OmsUpgrade` would kill it while our finalizer still holds.
pub fn build_metadata(
    owner: Owner<'_>,
    name: String,
    role: &str,
    attempt: Option<i32>,
) -> ObjectMeta {
    ObjectMeta {
        name: Some(name),
        namespace: Some(owner.namespace.into()),
        labels: Some(build_labels(owner, role, attempt)),
        annotations: Some(build_annotations(owner)),
        ..ObjectMeta::default()
    }
}

/// Annotations of an object that we make.
pub fn build_annotations(owner: Owner<'_>) -> BTreeMap<String, String> {
    BTreeMap::from([(UPGRADE_ANNOTATION.into(), owner.name.into())])
}

/// Selects everything made for one upgrade.
pub fn build_selector(uid: &str) -> String {
    format!("{UPGRADE_UID_LABEL}={uid}")
}

/// Whether an object was made for the upgrade. Nothing is for one without a uid.
pub fn is_ours(metadata: &ObjectMeta, uid: &str) -> bool {
    metadata
        .labels
        .as_ref()
        .and_then(|labels| labels.get(UPGRADE_UID_LABEL))
        .is_some_and(|value| !uid.is_empty() && value == uid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upgrade_without_a_uid_owns_nothing() {
        let owner = Owner {
            namespace: "oms",
            name: "up",
            uid: "",
        };
        let metadata = build_metadata(owner, "x".into(), "dump", None);
        assert!(!is_ours(&metadata, ""));
    }
}
