//! An `OmsUpgrade` as the watch keeps it: without what no cached copy is read for, and never a reason for the watch to
//! end.
use super::claims::Claim;
use crate::api::{OmsUpgrade, read_upgrade};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use kube::runtime::watcher::Event;
use serde::de::Error;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use std::borrow::Cow;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

/// One object in the cache of the watch.
#[derive(Clone, Debug)]
pub(super) struct CachedUpgrade {
    /// What it lays claim to.
    pub claim: Arc<Claim>,
    /// The object; only its metadata where it cannot be read.
    pub content: Result<Arc<OmsUpgrade>, Box<ObjectMeta>>,
}

impl<'de> Deserialize<'de> for CachedUpgrade {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut object = Value::deserialize(deserializer)?;
        slim(&mut object);
        let metadata = object.get("metadata").cloned().unwrap_or_default();
        // Named twice, so that nothing is copied: the claim is read before the object is taken apart.
        let (readable, unreadable) = (Claim::read(&object, true), Claim::read(&object, false));
        // A list is read outside every reconcile, where a panic would end the work on all objects.
        match std::panic::catch_unwind(AssertUnwindSafe(|| read_upgrade(object))) {
            Ok(Ok(upgrade)) => Ok(Self {
                claim: Arc::new(readable),
                content: Ok(Arc::new(upgrade)),
            }),
            Ok(Err(_)) | Err(_) => Ok(Self {
                claim: Arc::new(unreadable),
                content: Err(Box::new(
                    ObjectMeta::deserialize(metadata).map_err(D::Error::custom)?,
                )),
            }),
        }
    }
}

/// What the watch tells, as news of claims.
pub(super) fn read_claims(event: &Event<CachedUpgrade>) -> Event<Arc<Claim>> {
    match event {
        Event::Init => Event::Init,
        Event::InitDone => Event::InitDone,
        Event::InitApply(cached) => Event::InitApply(cached.claim.clone()),
        Event::Apply(cached) => Event::Apply(cached.claim.clone()),
        Event::Delete(cached) => Event::Delete(cached.claim.clone()),
    }
}

/// Takes out what weighs most and what nobody reads in a cached copy. Each reconcile reads the whole object anew.
fn slim(object: &mut Value) {
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
        if let Some(annotations) = metadata
            .get_mut("annotations")
            .and_then(Value::as_object_mut)
        {
            annotations.remove("kubectl.kubernetes.io/last-applied-configuration");
        }
    }
}

impl Resource for CachedUpgrade {
    type DynamicType = ();
    type Scope = NamespaceResourceScope;

    fn kind(dt: &()) -> Cow<'_, str> {
        OmsUpgrade::kind(dt)
    }

    fn group(dt: &()) -> Cow<'_, str> {
        OmsUpgrade::group(dt)
    }

    fn version(dt: &()) -> Cow<'_, str> {
        OmsUpgrade::version(dt)
    }

    fn plural(dt: &()) -> Cow<'_, str> {
        OmsUpgrade::plural(dt)
    }

    fn meta(&self) -> &ObjectMeta {
        match &self.content {
            Ok(upgrade) => &upgrade.metadata,
            Err(metadata) => metadata,
        }
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        match &mut self.content {
            Ok(upgrade) => &mut Arc::make_mut(upgrade).metadata,
            Err(metadata) => metadata,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kube::ResourceExt;
    use serde_json::json;

    fn stored() -> Value {
        json!({
            "apiVersion": "oms.oceanbase.com/v1alpha1", "kind": "OmsUpgrade",
            "metadata": {"name": "up", "namespace": "oms", "uid": "u", "managedFields": [{"manager": "kubectl"}],
                "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}", "kept": "x"}},
            "spec": {"targets": [{"name": "oms"}], "image": "oms:4.0.0-ce", "backup": {"claimName": "c"}},
            "status": {"settled": true, "internal": {"originals": {"targets": [{"name": "oms", "uid": "d", "container": "oms", "replicas": 1,
                "image": "oms:3.3.1-ce", "templateHash": "a", "managedFieldsHash": "b"}]}}},
        })
    }

    #[test]
    fn a_cached_copy_is_slim() {
        let cached: CachedUpgrade = serde_json::from_value(stored()).unwrap();
        let upgrade = cached.content.as_ref().unwrap();
        assert_eq!(upgrade.metadata.managed_fields, None);
        assert_eq!(upgrade.annotations().keys().collect::<Vec<_>>(), ["kept"]);
    }

    #[test]
    fn an_object_that_cannot_be_read_has_its_name_and_its_claim() {
        let mut object = stored();
        object["spec"]["timeouts"] = json!({"backup": "9999999999999999h"});
        let cached: CachedUpgrade = serde_json::from_value(object.clone()).unwrap();
        assert_eq!(cached.name_any(), "up");
        assert!(cached.content.is_err());
        assert_eq!(*cached.claim, Claim::read(&object, false));
    }
}
