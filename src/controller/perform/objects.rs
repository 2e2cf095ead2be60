//! Effects on Kubernetes objects of our own, and on our finalizer.
use super::Work;
use crate::api::{FINALIZER, JobRole, OmsUpgrade};
use crate::controller::calls::{CallError, CallSite};
use crate::facts::{OwnKind, OwnObject};
use crate::objects::agent_request::{build_request, find_deadline};
use crate::objects::credentials::build_credentials_secret;
use crate::objects::jobs::{JobOrder, build_job};
use crate::objects::labels::is_ours;
use crate::objects::prepull::{build_prepull_pod, read_site};
use crate::oms::config_yaml::parse_config;
use crate::oms::container::config_yaml_argv;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::ResourceExt;
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams, Preconditions};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::fmt::Debug;
use zeroize::Zeroizing;

impl Work<'_> {
    /// Conditional on the version that was read, like every change of the object.
    pub async fn add_finalizer(&self) -> Result<(), CallError> {
        let change = if self.upgrade.finalizers().is_empty() {
            json!({"op": "add", "path": "/metadata/finalizers", "value": [FINALIZER]})
        } else {
            json!({"op": "add", "path": "/metadata/finalizers/-", "value": FINALIZER})
        };
        self.patch_metadata(change).await
    }

    pub async fn remove_finalizer(&self) -> Result<(), CallError> {
        let Some(index) = self
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
        let version = self.upgrade.resource_version().unwrap_or_default();
        let operations = json!([
            {"op": "test", "path": "/metadata/resourceVersion", "value": version},
            change,
        ]);
        let patch = Patch::Json::<()>(parse_patch(operations)?);
        let api: Api<OmsUpgrade> = Api::namespaced(self.ports.client.clone(), &self.namespace);
        let params = PatchParams::default();
        let site = CallSite::PatchFinalizer;
        match self
            .ports
            .kube(site, api.patch(&self.name, &params, &patch))
            .await
        {
            Err(error) if !error.is_not_found() => Err(error),
            _ => Ok(()),
        }
    }

    pub async fn create_credentials_secret(&self) -> Result<(), CallError> {
        let mut account = None;
        let mut files = Vec::new();
        for view in &self.sight.targets {
            let (place, _) = view.find_place().ok_or_else(|| {
                CallError::Missing(format!("no container of {} runs", view.facts.name))
            })?;
            let answer = self
                .ports
                .exec(CallSite::ExecConfig, &place, config_yaml_argv())
                .await?;
            let text = Zeroizing::new(answer.stdout);
            let (config, found) =
                parse_config(&text).map_err(|error| CallError::Missing(error.to_string()))?;
            account.get_or_insert(found);
            files.push((view.facts.name.clone(), config));
        }
        let account = account.ok_or_else(|| CallError::Missing("there is no target".into()))?;
        let secret = build_credentials_secret(self.owner(), &account, &files).map_err(unbuilt)?;
        self.create(CallSite::CreateSecret, &secret).await
    }

    pub async fn create_prepull(&self, target: &str) -> Result<(), CallError> {
        let site = self
            .find_target(target)
            .and_then(|view| {
                view.pods
                    .iter()
                    .filter(|pod| pod.metadata.deletion_timestamp.is_none())
                    .find_map(read_site)
            })
            .ok_or_else(|| CallError::Missing(format!("no pod of {target} has a node")))?;
        let pod = build_prepull_pod(self.owner(), target, &self.upgrade.spec.image, &site);
        self.create(CallSite::CreatePrePullPod, &pod).await
    }

    pub async fn create_job(&self, role: JobRole, attempt: i32) -> Result<(), CallError> {
        let located = self.located()?;
        let spec = &self.upgrade.spec;
        let account = &located.account;
        let request = build_request(
            self.owner(),
            spec,
            self.status,
            &located.installation,
            account,
            role,
            attempt,
        );
        let settings = &self.ports.settings;
        let job = build_job(&JobOrder {
            owner: self.owner(),
            role,
            attempt,
            image: &settings.tools_image,
            claim: &spec.backup.claim_name,
            account,
            request: &request,
            deadline: find_deadline(&spec.timeouts, role),
            settings: &settings.pods,
        })
        .map_err(unbuilt)?;
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
        let api: Api<K> = Api::namespaced(self.ports.client.clone(), &self.namespace);
        let params = PostParams::default();
        match self.ports.kube(site, api.create(&params, object)).await {
            Ok(_) => Ok(()),
            Err(error) if error.is_already_exists() => {
                let name = object.name_any();
                let there = self.ports.kube(site, api.get(&name)).await?;
                if is_ours(there.meta(), &self.uid) {
                    Ok(())
                } else {
                    Err(CallError::Missing(format!(
                        "{} {name} exists and is not ours; delete or rename it",
                        K::kind(&())
                    )))
                }
            }
            Err(error) => Err(error),
        }
    }

    pub async fn delete_own(&self, own: &OwnObject) -> Result<(), CallError> {
        match own.kind {
            OwnKind::Job => self.delete::<Job>(CallSite::DeleteJob, own).await,
            OwnKind::Pod => self.delete::<Pod>(CallSite::DeletePod, own).await,
            OwnKind::Secret => self.delete::<Secret>(CallSite::DeleteSecret, own).await,
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
        let api: Api<K> = Api::namespaced(self.ports.client.clone(), &self.namespace);
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
pub(super) fn parse_patch(operations: Value) -> Result<json_patch::Patch, CallError> {
    serde_json::from_value(operations).map_err(unbuilt)
}

fn unbuilt(error: serde_json::Error) -> CallError {
    CallError::Missing(format!(
        "an object could not be built ({error}); nothing was done; this is a fault of the operator"
    ))
}
