//! The pods that pull the new image before anything is touched. Reads only.
use super::targets::TargetView;
use crate::controller::calls::CallSite;
use crate::controller::ports::Ports;
use crate::controller::subject::Subject;
use crate::facts::{Needs, PrePullFacts, PrePullState};
use crate::objects::names::prepull_name;
use crate::objects::pods::{judge_prepull, read_pulled_image};
use futures::FutureExt;
use futures::future::BoxFuture;
use k8s_openapi::api::core::v1::Pod;
use kube::api::Api;

/// One per target; none where the step does not need them.
pub(super) async fn read_prepulls(
    ports: &Ports,
    subject: &Subject<'_>,
    needs: Needs,
    targets: &[TargetView],
) -> Vec<PrePullFacts> {
    if !needs.prepulls {
        return Vec::new();
    }
    let looks: Vec<BoxFuture<'_, PrePullFacts>> = targets
        .iter()
        .map(|view| read_prepull(ports, subject, &view.facts.name).boxed())
        .collect();
    futures::future::join_all(looks).await
}

async fn read_prepull(ports: &Ports, subject: &Subject<'_>, target: &str) -> PrePullFacts {
    let uid = subject.owner.uid;
    let api: Api<Pod> = Api::namespaced(ports.client.clone(), subject.owner.namespace);
    let name = prepull_name(uid, target, &subject.upgrade.spec.image);
    let pod = ports.kube(CallSite::GetPrePullPod, api.get(&name)).await;
    let image_id = pod.as_ref().ok().and_then(read_pulled_image);
    let state = match pod {
        Ok(pod) => judge_prepull(&pod, uid, ports.clock.now().as_second()),
        Err(error) if error.is_not_found() => PrePullState::Absent,
        Err(error) => PrePullState::Unknown(error.to_string()),
    };
    PrePullFacts {
        target: target.to_owned(),
        state,
        image_id,
    }
}
