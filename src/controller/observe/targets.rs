//! The targets: their Deployments, whole, and their pods.
use crate::api::Target;
use crate::controller::calls::{CallError, CallSite};
use crate::controller::ports::{ExecPlace, Ports};
use crate::controller::subject::Subject;
use crate::facts::{DeploymentFacts, Fact, Needs, PodFacts, TargetFacts};
use crate::objects::deployment::{read_containers, read_selector};
use crate::objects::pod_trouble::describe_stay;
use crate::objects::pods::{is_ended, read_pod};
use crate::objects::replica_set::{find_replica_set, read_template};
use crate::upgrade::read_recorded_template;
use futures::FutureExt;
use futures::future::BoxFuture;
use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::api::core::v1::Pod;
use kube::Resource;
use kube::api::{Api, GetParams, ListParams, Request};
use serde_json::Value;

/// One target, with what the brain does not see.
pub(super) struct TargetView {
    /// For the brain.
    pub facts: TargetFacts,
    /// Name of the OMS container; empty when it cannot be told.
    pub container: String,
    /// The original template where the record on the target has it, else the live one.
    pub template: Option<Value>,
    /// The pods as read.
    pub pods: Vec<Pod>,
    pub namespace: String,
}

impl TargetView {
    /// The live pod whose container runs, as a place for a command.
    pub fn find_place(&self) -> Option<(ExecPlace, &PodFacts)> {
        let pod = self.facts.find_running()?;
        let place = ExecPlace {
            namespace: self.namespace.clone(),
            pod: pod.name.clone(),
            container: self.container.clone(),
        };
        Some((place, pod))
    }
}

/// Reads a target's Deployment and pods.
pub(super) async fn observe_target(
    ports: &Ports,
    subject: &Subject<'_>,
    target: &Target,
) -> TargetView {
    let namespace = subject.owner.namespace;
    let original = subject
        .status
        .internal
        .originals
        .as_ref()
        .and_then(|all| all.find_target(&target.name));
    let deployment = read_deployment(ports, namespace, &target.name).await;
    let live = match &deployment {
        Ok(Some(facts)) => Some(&facts.object),
        _ => None,
    };
    let container = original
        .map(|original| original.container.clone())
        .or_else(|| target.container.clone())
        .or_else(|| live.and_then(find_only_container))
        .unwrap_or_default();
    let template = live
        .zip(original)
        .and_then(|(object, original)| read_recorded_template(object, subject.marks.uid, original))
        .or_else(|| {
            live.and_then(|object| object.pointer("/spec/template"))
                .cloned()
        });
    let pods = match live {
        Some(object) => list_pods(ports, namespace, object).await,
        None => Ok(Vec::new()),
    };
    let now = ports.clock.now().as_second();
    let read = |pod: &Pod| PodFacts {
        stay: describe_stay(pod, now),
        ..read_pod(pod, &container)
    };
    let facts = TargetFacts {
        name: target.name.clone(),
        deployment: Fact::from_result(deployment),
        pods: match &pods {
            Ok(pods) => Fact::Known(pods.iter().map(read).collect()),
            Err(error) => Fact::Unknown(error.to_string()),
        },
        ..TargetFacts::default()
    };
    TargetView {
        facts,
        container,
        template,
        pods: pods.unwrap_or_default(),
        namespace: namespace.to_owned(),
    }
}

fn find_only_container(object: &Value) -> Option<String> {
    match read_containers(object) {
        [only] => only.get("name")?.as_str().map(str::to_owned),
        _ => None,
    }
}

/// Reads a Deployment as the exact object of the API server: a field that our types do not know must
/// not be lost, because templates are written back.
async fn read_deployment(
    ports: &Ports,
    namespace: &str,
    name: &str,
) -> Result<Option<DeploymentFacts>, CallError> {
    let url = Deployment::url_path(&(), Some(namespace));
    let Some(object) = read_object(ports, CallSite::GetDeployment, url, name).await? else {
        return Ok(None);
    };
    let text = |pointer: &str| {
        object
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    Ok(Some(DeploymentFacts {
        uid: text("/metadata/uid"),
        resource_version: text("/metadata/resourceVersion"),
        object,
    }))
}

/// Reads an object whole; `None` when it does not exist.
pub(super) async fn read_object(
    ports: &Ports,
    site: CallSite,
    url: String,
    name: &str,
) -> Result<Option<Value>, CallError> {
    let request = Request::new(url)
        .get(name, &GetParams::default())
        .map_err(|error| CallError::Bug(error.to_string()))?;
    match ports.kube(site, ports.client.request(request)).await {
        Ok(object) => Ok(Some(object)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

/// What a pod was made from; `Known(None)` where no ReplicaSet owns it.
pub(super) type Template = Fact<Option<Value>>;

/// Templates that the pods of each target were made from, in the order of its pods: one list per target, empty
/// where they are not needed.
pub(super) async fn read_all_templates(
    ports: &Ports,
    needs: Needs,
    targets: &[TargetView],
) -> Vec<Vec<Template>> {
    if !needs.templates {
        return targets.iter().map(|_| Vec::new()).collect();
    }
    let looks: Vec<BoxFuture<'_, Vec<Template>>> = targets
        .iter()
        .map(|view| read_templates(ports, view).boxed())
        .collect();
    futures::future::join_all(looks).await
}

/// Each ReplicaSet is read once; one that cannot be read is unknown.
async fn read_templates(ports: &Ports, view: &TargetView) -> Vec<Template> {
    let url = ReplicaSet::url_path(&(), Some(&view.namespace));
    let mut seen: Vec<(&str, Template)> = Vec::new();
    let mut templates = Vec::new();
    for pod in &view.pods {
        let Some((name, uid)) = find_replica_set(pod) else {
            templates.push(Fact::Known(None));
            continue;
        };
        if !seen.iter().any(|(known, _)| *known == uid) {
            let object = read_object(ports, CallSite::GetReplicaSet, url.clone(), name).await;
            let template = object.map(|object| read_template(object?, uid));
            seen.push((uid, Fact::from_result(template)));
        }
        let known = seen.iter().find(|(known, _)| *known == uid);
        templates.push(known.map_or_else(Fact::default, |(_, template)| template.clone()));
    }
    templates
}

/// Pods of a Deployment by its selector. Pods that have ended hold nothing any more.
async fn list_pods(ports: &Ports, namespace: &str, object: &Value) -> Result<Vec<Pod>, CallError> {
    let selector = read_selector(object)
        .ok_or_else(|| CallError::Unbuildable("its selector cannot be read".into()))?;
    let api: Api<Pod> = Api::namespaced(ports.client.clone(), namespace);
    let list = ports
        .kube(
            CallSite::ListTargetPods,
            api.list(&ListParams::default().labels(&selector)),
        )
        .await?;
    Ok(list
        .items
        .into_iter()
        .filter(|pod| !is_ended(pod))
        .collect())
}
