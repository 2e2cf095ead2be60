//! The pods that pull an image before anything is touched. Reads only.
use super::targets::TargetView;
use crate::api::TargetOriginal;
use crate::controller::calls::CallSite;
use crate::controller::ports::Ports;
use crate::controller::subject::Subject;
use crate::facts::{Needs, PrePullFacts, PrePullState};
use crate::objects::names::{old_pull_name, prepull_name};
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
    let image = &subject.upgrade.spec.image;
    let name = |target: &str| prepull_name(subject.marks.uid, target, image);
    let names = targets.iter().map(|view| view.facts.name.as_str());
    read_pulls(ports, subject, names.map(|target| (target, name(target)))).await
}

/// One per target whose original is recorded; none where the step does not need them.
pub(super) async fn read_old_pulls(
    ports: &Ports,
    subject: &Subject<'_>,
    needs: Needs,
) -> Vec<PrePullFacts> {
    let Some(round) = needs.old_pulls else {
        return Vec::new();
    };
    let originals = subject.status.internal.originals.as_ref();
    let targets = originals
        .into_iter()
        .flat_map(|originals| &originals.targets);
    let uid = subject.marks.uid;
    let name = |one: &TargetOriginal| old_pull_name(uid, &one.name, &one.image, round);
    read_pulls(
        ports,
        subject,
        targets.map(|one| (one.name.as_str(), name(one))),
    )
    .await
}

async fn read_pulls<'a>(
    ports: &'a Ports,
    subject: &'a Subject<'a>,
    pods: impl Iterator<Item = (&'a str, String)>,
) -> Vec<PrePullFacts> {
    let looks: Vec<BoxFuture<'_, PrePullFacts>> = pods
        .map(|(target, name)| read_pull(ports, subject, target, name).boxed())
        .collect();
    futures::future::join_all(looks).await
}

async fn read_pull(
    ports: &Ports,
    subject: &Subject<'_>,
    target: &str,
    name: String,
) -> PrePullFacts {
    let uid = subject.marks.uid;
    let api: Api<Pod> = Api::namespaced(ports.client.clone(), subject.owner.namespace);
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
