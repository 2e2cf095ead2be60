//! The images of the Deployments, as the watch tells them: a settled upgrade is looked at again only where one of them
//! is not as its status says. No call.
//!
//! It may lag behind, so nothing is decided on it: it only wakes a reconcile, which reads the Deployment itself.
use crate::api::{OmsUpgrade, OmsUpgradeStatus};
use crate::objects::deployment::read_containers;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use kube::ResourceExt;
use kube::runtime::watcher::Event;
use serde::de::Error;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// A Deployment as the watch brings it: its name, and the image of each container.
#[derive(Clone, Debug)]
pub(super) struct SeenDeployment {
    metadata: ObjectMeta,
    images: HashMap<String, String>,
}

impl<'de> Deserialize<'de> for SeenDeployment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut object = Value::deserialize(deserializer)?;
        let images = read_containers(&object).iter().filter_map(|container| {
            let text = |name: &str| container.get(name)?.as_str().map(str::to_owned);
            Some((text("name")?, text("image")?))
        });
        let images = images.collect();
        let mut metadata = object
            .get_mut("metadata")
            .map(Value::take)
            .unwrap_or_default();
        // Nobody reads them here, and they are most of it.
        if let Some(fields) = metadata.as_object_mut() {
            fields.remove("managedFields");
            fields.remove("annotations");
        }
        let metadata = ObjectMeta::deserialize(metadata).map_err(D::Error::custom)?;
        Ok(Self { metadata, images })
    }
}

impl Resource for SeenDeployment {
    type DynamicType = ();
    type Scope = NamespaceResourceScope;

    fn kind(dt: &()) -> Cow<'_, str> {
        Deployment::kind(dt)
    }

    fn group(dt: &()) -> Cow<'_, str> {
        Deployment::group(dt)
    }

    fn version(dt: &()) -> Cow<'_, str> {
        Deployment::version(dt)
    }

    fn plural(dt: &()) -> Cow<'_, str> {
        Deployment::plural(dt)
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

/// What the watches have told.
#[derive(Debug, Default)]
pub struct Sightings(RwLock<HashMap<String, Namespace>>);

#[derive(Debug, Default)]
struct Namespace {
    /// All Deployments of the namespace were read once.
    complete: bool,
    /// By name, then by container.
    images: HashMap<String, HashMap<String, String>>,
    /// What a new list has brought so far.
    incoming: HashMap<String, HashMap<String, String>>,
}

impl Sightings {
    fn read(&self) -> RwLockReadGuard<'_, HashMap<String, Namespace>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, HashMap<String, Namespace>> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in what the watch of a namespace tells.
    pub(super) fn apply(&self, namespace: &str, event: &Event<SeenDeployment>) {
        let mut all = self.write();
        let here = all.entry(namespace.to_owned()).or_default();
        match event {
            Event::Apply(seen) => {
                here.images.insert(seen.name_any(), seen.images.clone());
            }
            Event::Delete(seen) => {
                here.images.remove(&seen.name_any());
            }
            Event::Init => here.incoming.clear(),
            Event::InitApply(seen) => {
                here.incoming.insert(seen.name_any(), seen.images.clone());
            }
            Event::InitDone => {
                here.images = std::mem::take(&mut here.incoming);
                here.complete = true;
            }
        }
    }

    /// Whether a forbidden image has come or gone since an upgrade settled, so that its status tells otherwise.
    pub(super) fn contradict(&self, upgrade: &OmsUpgrade) -> bool {
        let namespace = upgrade.metadata.namespace.as_deref().unwrap_or_default();
        let all = self.read();
        let (Some(here), Some(status)) = (all.get(namespace), &upgrade.status) else {
            return false;
        };
        here.complete && status.settled && here.contradicts(status)
    }
}

impl Namespace {
    fn contradicts(&self, status: &OmsUpgradeStatus) -> bool {
        let mut forbidden = status.forbidden_images.iter();
        forbidden.any(|one| {
            let live = self
                .images
                .get(&one.target)
                .and_then(|images| images.get(&one.container));
            let mut told = status.internal.sources.iter();
            let told = told
                .find(|source| source.target == one.target)
                .and_then(|source| source.reverted.as_ref())
                .is_some_and(|reverted| reverted.image == one.image);
            one.has_substitute() && told != (live == Some(&one.image))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn upgrade(settled: bool, reverted: bool) -> OmsUpgrade {
        let reverted = reverted.then(|| json!({"image": "oms:3", "by": "argocd-controller"}));
        serde_json::from_value(json!({
            "apiVersion": "oms.oceanbase.com/v1alpha1", "kind": "OmsUpgrade",
            "metadata": {"name": "up", "namespace": "oms", "uid": "u"},
            "spec": {"targets": [{"name": "oms"}], "image": "oms:4", "backup": {"claimName": "c"}},
            "status": {"settled": settled, "forbiddenImages": [
                {"target": "oms", "container": "oms", "image": "oms:3", "useImage": "oms:4"}],
                "internal": {"sources": [{"target": "oms", "reverted": reverted}]}},
        }))
        .unwrap()
    }

    fn seen(image: &str) -> SeenDeployment {
        serde_json::from_value(json!({
            "metadata": {"name": "oms", "namespace": "oms", "annotations": {"a": "b"}, "managedFields": [{}]},
            "spec": {"template": {"spec": {"containers": [{"name": "side", "image": "oms:3"}, {"name": "oms", "image": image}]}}},
        }))
        .unwrap()
    }

    #[test]
    fn only_a_forbidden_image_that_comes_or_goes_wakes_a_settled_upgrade() {
        let sightings = Sightings::default();
        sightings.apply("oms", &Event::Init);
        sightings.apply("oms", &Event::InitApply(seen("oms:3")));
        let fresh = upgrade(true, false);
        assert!(!sightings.contradict(&fresh), "nothing was listed yet");
        sightings.apply("oms", &Event::InitDone);
        assert!(sightings.contradict(&fresh));
        assert!(!sightings.contradict(&upgrade(true, true)), "told already");
        assert!(
            !sightings.contradict(&upgrade(false, false)),
            "it looks by itself"
        );
        for image in ["oms:4", "oms:5"] {
            sightings.apply("oms", &Event::Apply(seen(image)));
            assert!(!sightings.contradict(&fresh), "{image}");
            assert!(sightings.contradict(&upgrade(true, true)), "{image}");
        }
        sightings.apply("oms", &Event::Apply(seen("oms:3")));
        sightings.apply("oms", &Event::Delete(seen("oms:3")));
        assert!(!sightings.contradict(&fresh));
        // Of another namespace nothing is known.
        let mut elsewhere = fresh;
        elsewhere.metadata.namespace = Some("other".into());
        assert!(!sightings.contradict(&elsewhere));
    }
}
