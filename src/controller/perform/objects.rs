//! Effects on Kubernetes objects of our own, and on our finalizer.
use super::Performer;
use super::targets::is_failed_test;
use crate::api::{FINALIZER, OmsUpgrade};
use crate::controller::calls::{CallError, CallSite};
use crate::facts::{OwnKind, OwnObject};
use crate::metadb::secret::Credentials;
use crate::objects::credentials::build_credentials_secret;
use crate::objects::jobs::{JobOrder, build_job};
use crate::objects::labels::is_ours;
use crate::objects::originals::build_originals_copy;
use crate::objects::prepull::{Pull, build_prepull_pod, read_site};
use crate::oms::config_yaml::{NodeConfig, parse_config};
use crate::oms::container::config_yaml_argv;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::ResourceExt;
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams, Preconditions};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Debug;
use zeroize::Zeroizing;

impl Performer<'_> {
    /// Conditional on the version that was read, like every change of the object.
    pub(super) async fn add_finalizer(&self) -> Result<(), CallError> {
        let change = if self.subject.upgrade.finalizers().is_empty() {
            json!({"op": "add", "path": "/metadata/finalizers", "value": [FINALIZER]})
        } else {
            json!({"op": "add", "path": "/metadata/finalizers/-", "value": FINALIZER})
        };
        self.patch_metadata(change).await
    }

    pub(super) async fn remove_finalizer(&self) -> Result<(), CallError> {
        let Some(index) = self
            .subject
            .upgrade
            .finalizers()
            .iter()
            .position(|one| one == FINALIZER)
        else {
            return Ok(());
        };
        self.patch_metadata(
            json!({"op": "remove", "path": format!("/metadata/finalizers/{index}")}),
        )
        .await
    }

    async fn patch_metadata(&self, change: Value) -> Result<(), CallError> {
        let version = self.subject.upgrade.resource_version().unwrap_or_default();
        let operations = json!([
            {"op": "test", "path": "/metadata/resourceVersion", "value": version},
            change,
        ]);
        let patch = Patch::Json::<()>(parse_patch(operations)?);
        let api: Api<OmsUpgrade> =
            Api::namespaced(self.ports.client.clone(), self.subject.owner.namespace);
        let params = PatchParams::default();
        let site = CallSite::PatchFinalizer;
        match self
            .ports
            .kube(site, api.patch(self.subject.owner.name, &params, &patch))
            .await
        {
            Err(error) if !error.is_not_found() => Err(error),
            _ => Ok(()),
        }
    }

    /// The account is in no fact, so that no decision and no log can tell it: it goes from the container to the Secret.
    pub(super) async fn create_credentials_secret(&self) -> Result<(), CallError> {
        let mut account = None;
        let mut files = Vec::new();
        for target in &self.subject.upgrade.spec.targets {
            let (config, found) = self.read_config(&target.name).await?;
            account.get_or_insert(found);
            files.push((target.name.clone(), config));
        }
        let account = account.ok_or_else(|| CallError::Bug("there is no target".into()))?;
        let secret = build_credentials_secret(self.subject.marks, &account, &files)
            .map_err(describe_unbuilt)?;
        self.create(CallSite::CreateSecret, &secret).await
    }

    /// One that is there already is looked at again: the next reconcile reads what it holds.
    pub(super) async fn create_originals_copy(
        &self,
        records: &BTreeMap<String, String>,
    ) -> Result<(), CallError> {
        let secret = build_originals_copy(self.subject.marks, records);
        self.create(CallSite::CreateSecret, &secret).await
    }

    /// Conditional on the very object that was read; one that has changed is looked at again.
    pub(super) async fn pass_originals_copy(
        &self,
        name: &str,
        operations: Value,
    ) -> Result<(), CallError> {
        let patch = Patch::Json::<()>(parse_patch(operations)?);
        let api: Api<Secret> =
            Api::namespaced(self.ports.client.clone(), self.subject.owner.namespace);
        let params = PatchParams::default();
        let sent = api.patch(name, &params, &patch);
        match self.ports.kube(CallSite::PatchSecret, sent).await {
            Err(error) if error.is_not_found() || error.is_conflict() || is_failed_test(&error) => {
                Ok(())
            }
            sent => sent.map(|_| ()),
        }
    }

    async fn read_config(&self, target: &str) -> Result<(NodeConfig, Credentials), CallError> {
        let place = self.find_place(target)?;
        let site = CallSite::ExecConfig;
        let answer = self.ports.exec(site, &place, config_yaml_argv()).await?;
        let text = Zeroizing::new(answer.stdout);
        if answer.exit_code != 0 {
            return Err(CallError::Unbuildable(format!(
                "config.yaml of {target} cannot be read in its container (exit code {})",
                answer.exit_code
            )));
        }
        parse_config(&text).map_err(|error| CallError::Unbuildable(error.to_string()))
    }

    pub(super) async fn create_prepull(&self, target: &str) -> Result<(), CallError> {
        let pull = Pull::of_new(self.subject.marks, target, &self.subject.upgrade.spec.image);
        self.create_pull(target, &pull).await
    }

    pub(super) async fn create_pull(&self, target: &str, pull: &Pull) -> Result<(), CallError> {
        let site = self
            .observation
            .list_pods(target)
            .iter()
            .filter(|pod| pod.metadata.deletion_timestamp.is_none())
            .find_map(read_site)
            .ok_or_else(|| CallError::Missing(format!("no pod of {target} has a node")))?;
        // The pod that runs there tells the node and with which rights images are pulled: no decision rests on that.
        let settings = &self.ports.settings.pods;
        let pod = build_prepull_pod(self.subject.marks, pull, &site, settings);
        self.create(CallSite::CreatePrePullPod, &pod).await
    }

    pub(super) async fn create_job(&self, order: &JobOrder) -> Result<(), CallError> {
        let settings = &self.ports.settings;
        let owner = self.subject.marks;
        let job = build_job(owner, order, &settings.tools_image, &settings.pods)
            .map_err(describe_unbuilt)?;
        self.create(CallSite::CreateJob, &job).await
    }

    /// Creates an object. One that is there already is fine when it is ours: a former try made it.
    async fn create<K>(&self, site: CallSite, object: &K) -> Result<(), CallError>
    where
        K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>
            + Clone
            + Debug
            + DeserializeOwned
            + serde::Serialize,
    {
        let api: Api<K> = Api::namespaced(self.ports.client.clone(), self.subject.owner.namespace);
        let params = PostParams::default();
        let made = self.ports.kube(site, api.create(&params, object)).await;
        if !made.as_ref().is_err_and(CallError::is_already_exists) {
            return made.map(|_| ());
        }
        let name = object.name_any();
        let there = self.ports.kube(site, api.get(&name)).await?;
        if is_ours(there.meta(), self.subject.marks.uid) {
            return Ok(());
        }
        let kind = K::kind(&());
        Err(CallError::Unbuildable(format!(
            "{kind} {name} exists and is not ours; delete or rename it"
        )))
    }

    pub(super) async fn delete_own(&self, own: &OwnObject) -> Result<(), CallError> {
        match own.kind {
            OwnKind::Job => self.delete::<Job>(CallSite::DeleteJob, own).await,
            OwnKind::Pod | OwnKind::PrePull => self.delete::<Pod>(CallSite::DeletePod, own).await,
            OwnKind::Secret | OwnKind::OriginalsCopy => {
                self.delete::<Secret>(CallSite::DeleteSecret, own).await
            }
        }
    }

    /// Deletes by uid, with what belongs to it. Without a propagation policy the pod of a Job would
    /// run on, ownerless.
    async fn delete<K>(&self, site: CallSite, own: &OwnObject) -> Result<(), CallError>
    where
        K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>
            + Clone
            + Debug
            + DeserializeOwned,
    {
        let api: Api<K> = Api::namespaced(self.ports.client.clone(), self.subject.owner.namespace);
        let params = DeleteParams::background().preconditions(Preconditions {
            uid: Some(own.uid.clone()),
            resource_version: None,
        });
        match self.ports.kube(site, api.delete(&own.name, &params)).await {
            Err(error) if !error.is_not_found() && !error.is_conflict() => Err(error),
            _ => Ok(()),
        }
    }
}

/// Operations as a patch.
fn parse_patch(operations: Value) -> Result<json_patch::Patch, CallError> {
    serde_json::from_value(operations).map_err(describe_unbuilt)
}

fn describe_unbuilt(error: serde_json::Error) -> CallError {
    CallError::Bug(format!("an object could not be built ({error})"))
}
