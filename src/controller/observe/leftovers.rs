//! Objects of our own that still exist, and the addresses that our pods have. Reads only.
use crate::controller::calls::{CallError, CallSite};
use crate::controller::ports::Ports;
use crate::controller::subject::{Subject, read_uid};
use crate::facts::{Needs, OwnKind, OwnObject};
use crate::objects::jobs::AGENT_CONTAINER;
use crate::objects::labels::{build_selector, is_ours};
use crate::objects::names::credentials_name;
use crate::objects::pod_trouble::{find_orphan, find_trouble, is_over};
use crate::objects::pods::{is_ended, read_job_end};
use crate::objects::prepull::is_prepull;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::ResourceExt;
use kube::api::{Api, ListParams};
use std::net::IpAddr;

/// Everything of ours that still exists. Secrets are looked for by name: listing them would need a
/// right that shows all of them.
pub(super) async fn list_own(
    ports: &Ports,
    subject: &Subject<'_>,
) -> Result<Vec<OwnObject>, CallError> {
    let namespace = subject.owner.namespace;
    let params = ListParams::default().labels(&build_selector(subject.marks.uid));
    let jobs: Api<Job> = Api::namespaced(ports.client.clone(), namespace);
    let pods: Api<Pod> = Api::namespaced(ports.client.clone(), namespace);
    let (jobs, pods) = futures::try_join!(
        ports.kube(CallSite::ListOwnJobs, jobs.list(&params)),
        ports.kube(CallSite::ListOwnPods, pods.list(&params)),
    )?;
    let now = ports.clock.now().as_second();
    let job_uids: Vec<String> = jobs.items.iter().filter_map(ResourceExt::uid).collect();
    let jobs = jobs.items.iter().map(|job| {
        Ok(OwnObject {
            kind: OwnKind::Job,
            name: job.name_any(),
            uid: read_uid(&job.metadata)?,
            active: read_job_end(job).is_none(),
            trouble: None,
        })
    });
    let pods = pods.items.iter().map(|pod| {
        Ok(OwnObject {
            kind: if is_prepull(&pod.metadata) {
                OwnKind::PrePull
            } else {
                OwnKind::Pod
            },
            name: pod.name_any(),
            uid: read_uid(&pod.metadata)?,
            // A helper of somebody else's may run for ever beside an agent that has ended.
            active: !is_over(pod, AGENT_CONTAINER),
            trouble: find_trouble(pod, AGENT_CONTAINER, now)
                .or_else(|| find_orphan(pod, &job_uids, now)),
        })
    });
    let mut own = jobs
        .chain(pods)
        .collect::<Result<Vec<OwnObject>, CallError>>()?;
    // Also where the spec does not ask for it any more: it was edited since.
    own.extend(find_secret(ports, subject).await?);
    Ok(own)
}

async fn find_secret(ports: &Ports, subject: &Subject<'_>) -> Result<Option<OwnObject>, CallError> {
    let api: Api<Secret> = Api::namespaced(ports.client.clone(), subject.owner.namespace);
    let name = credentials_name(subject.marks.uid);
    match ports.kube(CallSite::GetOwnSecret, api.get(&name)).await {
        Ok(secret) if is_ours(&secret.metadata, subject.marks.uid) => Ok(Some(OwnObject {
            kind: OwnKind::Secret,
            uid: read_uid(&secret.metadata)?,
            name,
            active: false,
            trouble: None,
        })),
        Ok(_) => Ok(None),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

/// Addresses of our own running Jobs: their sessions on the MetaDB are not foreign. Pods on the
/// host's network are left out, since OMS could have the same address.
pub(super) async fn list_own_addresses(
    ports: &Ports,
    subject: &Subject<'_>,
    needs: Needs,
) -> Vec<IpAddr> {
    if !needs.sessions {
        return Vec::new();
    }
    let api: Api<Pod> = Api::namespaced(ports.client.clone(), subject.owner.namespace);
    let params = ListParams::default().labels(&build_selector(subject.marks.uid));
    let Ok(pods) = ports.kube(CallSite::ListOwnPods, api.list(&params)).await else {
        return Vec::new();
    };
    pods.items
        .iter()
        .filter(|pod| !is_ended(pod))
        .filter(|pod| {
            pod.spec
                .as_ref()
                .is_some_and(|spec| !spec.host_network.unwrap_or(false))
        })
        .filter_map(|pod| pod.status.as_ref()?.pod_ip.as_deref()?.parse().ok())
        .collect()
}
