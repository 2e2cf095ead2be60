//! What the API server would make of the writes of a target: they are sent as dry runs, which go through all of
//! admission and store nothing.
use super::targets::TargetView;
use crate::controller::calls::{CallError, CallSite};
use crate::controller::ports::Ports;
use crate::controller::subject::Subject;
use crate::facts::{DeploymentFacts, Needs, RehearsalFacts, Rehearsed, RehearsedAct};
use crate::objects::rehearsal::{build_rehearsal, compare_rehearsal};
use futures::FutureExt;
use futures::future::BoxFuture;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Pod;
use kube::Resource;
use kube::api::{Patch, PatchParams, PostParams, Request};
use serde_json::Value;

/// One list per target; empty ones where the step does not need them.
pub(super) async fn rehearse_all(
    ports: &Ports,
    subject: &Subject<'_>,
    needs: Needs,
    views: &[TargetView],
) -> Vec<Vec<RehearsalFacts>> {
    let looks: Vec<BoxFuture<'_, Vec<RehearsalFacts>>> = views
        .iter()
        .map(|view| rehearse_target(ports, subject, needs, view).boxed())
        .collect();
    futures::future::join_all(looks).await
}

async fn rehearse_target(
    ports: &Ports,
    subject: &Subject<'_>,
    needs: Needs,
    view: &TargetView,
) -> Vec<RehearsalFacts> {
    let deployment = view.facts.deployment.known().and_then(Option::as_ref);
    let Some(deployment) = deployment.filter(|_| needs.rehearsal) else {
        return Vec::new();
    };
    let image = &subject.upgrade.spec.image;
    let acts = RehearsedAct::ALL.into_iter().filter_map(|act| {
        let sent = build_rehearsal(deployment, &view.container, image, act)?;
        Some(async move {
            RehearsalFacts {
                act,
                outcome: rehearse(ports, view, deployment, act, sent).await,
            }
        })
    });
    futures::future::join_all(acts).await
}

/// A refusal is an answer; whatever else goes wrong says nothing.
async fn rehearse(
    ports: &Ports,
    view: &TargetView,
    deployment: &DeploymentFacts,
    act: RehearsedAct,
    sent: Value,
) -> Rehearsed {
    let stored = match act.is_pod() {
        true => send_pod(ports, view, &sent).await,
        false => send_patch(ports, view, &sent).await,
    };
    match stored {
        Ok(stored) => Rehearsed::Taken(compare_rehearsal(deployment, act, &sent, &stored)),
        Err(error) => match error.kube_status() {
            Some(status) if error.is_refusal() && status.code < 500 && status.code != 401 => {
                Rehearsed::Refused(status.message.clone())
            }
            _ => Rehearsed::Unseen(error.to_string()),
        },
    }
}

/// Sends a patch of a target as a dry run.
pub(super) async fn send_patch(
    ports: &Ports,
    view: &TargetView,
    sent: &Value,
) -> Result<Value, CallError> {
    let unbuilt = |error: String| CallError::Bug(error);
    let patch: json_patch::Patch =
        serde_json::from_value(sent.clone()).map_err(|error| unbuilt(error.to_string()))?;
    let params = PatchParams {
        dry_run: true,
        field_manager: Some(crate::api::FIELD_MANAGER.into()),
        ..PatchParams::default()
    };
    let request = Request::new(Deployment::url_path(&(), Some(&view.namespace)))
        .patch(&view.facts.name, &params, &Patch::Json::<()>(patch))
        .map_err(|error| unbuilt(error.to_string()))?;
    let sent = ports.client.request::<Value>(request);
    ports.kube(CallSite::RehearseDeployment, sent).await
}

async fn send_pod(ports: &Ports, view: &TargetView, sent: &Value) -> Result<Value, CallError> {
    let params = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    let request = Request::new(Pod::url_path(&(), Some(&view.namespace)))
        .create(&params, sent.to_string().into_bytes())
        .map_err(|error| CallError::Bug(error.to_string()))?;
    let sent = ports.client.request::<Value>(request);
    ports.kube(CallSite::RehearsePod, sent).await
}
