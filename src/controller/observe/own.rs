//! Around the targets: the claim, our own Jobs, pods and Secrets, other upgrades, the namespace.
use super::job::look_at_job;
use super::namespace_of;
use super::targets::TargetView;
use crate::api::OmsUpgrade;
use crate::controller::calls::{CallError, CallSite};
use crate::controller::ports::Ports;
use crate::facts::{
    ClaimFacts, Fact, Needs, Observed, OwnKind, OwnObject, PrePullFacts, PrePullState,
};
use crate::objects::labels::{build_selector, is_ours};
use crate::objects::names::{credentials_name, prepull_name};
use crate::objects::pods::{is_ended, judge_prepull, read_job_end, read_pulled_image};
use futures::FutureExt;
use futures::future::BoxFuture;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Namespace, PersistentVolumeClaim, Pod, Secret};
use kube::ResourceExt;
use kube::api::{Api, ListParams};
use std::net::IpAddr;

/// Everything that is not inside OMS.
pub(super) async fn observe_around(
    ports: &Ports,
    upgrade: &OmsUpgrade,
    needs: Needs,
    targets: &[TargetView],
) -> Observed {
    let deleting = upgrade.metadata.deletion_timestamp.is_some();
    let rivals = if needs.rivals {
        ports.claims.find_rivals(upgrade)
    } else {
        Fact::default()
    };
    let (namespace_terminating, claim, prepulls, job, leftovers) = futures::join!(
        async { deleting && is_namespace_terminating(ports, upgrade).await },
        async {
            if needs.claim {
                Fact::from_result(read_claim(ports, upgrade).await)
            } else {
                Fact::default()
            }
        },
        async {
            if needs.prepulls {
                look_at_prepulls(ports, upgrade, targets).await
            } else {
                Vec::new()
            }
        },
        async {
            match needs.job {
                Some(role) => Fact::from_result(look_at_job(ports, upgrade, role).await),
                None => Fact::default(),
            }
        },
        async {
            if needs.leftovers {
                Fact::from_result(list_own(ports, upgrade).await)
            } else {
                Fact::default()
            }
        },
    );
    Observed {
        namespace_terminating,
        rivals,
        claim,
        prepulls,
        job,
        leftovers,
        ..Observed::default()
    }
}

/// A namespace that cannot be read counts as alive: then nothing is given up.
async fn is_namespace_terminating(ports: &Ports, upgrade: &OmsUpgrade) -> bool {
    let api: Api<Namespace> = Api::all(ports.client.clone());
    let name = namespace_of(upgrade);
    match ports.kube(CallSite::GetNamespace, api.get(&name)).await {
        Ok(namespace) => namespace.metadata.deletion_timestamp.is_some(),
        Err(_) => false,
    }
}

async fn read_claim(ports: &Ports, upgrade: &OmsUpgrade) -> Result<ClaimFacts, CallError> {
    let api: Api<PersistentVolumeClaim> =
        Api::namespaced(ports.client.clone(), &namespace_of(upgrade));
    let name = &upgrade.spec.backup.claim_name;
    match ports.kube(CallSite::GetClaim, api.get(name)).await {
        Ok(claim) => Ok(ClaimFacts {
            exists: claim.metadata.deletion_timestamp.is_none(),
            phase: claim
                .status
                .and_then(|status| status.phase)
                .unwrap_or_default(),
        }),
        Err(error) if error.is_not_found() => Ok(ClaimFacts {
            exists: false,
            phase: String::new(),
        }),
        Err(error) => Err(error),
    }
}

async fn look_at_prepulls(
    ports: &Ports,
    upgrade: &OmsUpgrade,
    targets: &[TargetView],
) -> Vec<PrePullFacts> {
    let api: Api<Pod> = Api::namespaced(ports.client.clone(), &namespace_of(upgrade));
    let looks: Vec<BoxFuture<'_, PrePullFacts>> = targets
        .iter()
        .map(|view| look_at_prepull(ports, &api, upgrade, &view.facts.name).boxed())
        .collect();
    futures::future::join_all(looks).await
}

async fn look_at_prepull(
    ports: &Ports,
    api: &Api<Pod>,
    upgrade: &OmsUpgrade,
    target: &str,
) -> PrePullFacts {
    let uid = upgrade.uid().unwrap_or_default();
    let name = prepull_name(&uid, target, &upgrade.spec.image);
    let pod = ports.kube(CallSite::GetPrePullPod, api.get(&name)).await;
    let image_id = pod.as_ref().ok().and_then(read_pulled_image);
    let state = match pod {
        Ok(pod) => judge_prepull(&pod, &uid, ports.clock.now().as_second()),
        Err(error) if error.is_not_found() => PrePullState::Absent,
        Err(error) => PrePullState::Unknown(error.to_string()),
    };
    PrePullFacts {
        target: target.to_owned(),
        state,
        image_id,
    }
}

/// Everything of ours that still exists. Secrets are looked for by name: listing them would need a
/// right that shows all of them.
async fn list_own(ports: &Ports, upgrade: &OmsUpgrade) -> Result<Vec<OwnObject>, CallError> {
    let namespace = namespace_of(upgrade);
    let uid = upgrade.uid().unwrap_or_default();
    let params = ListParams::default().labels(&build_selector(&uid));
    let jobs: Api<Job> = Api::namespaced(ports.client.clone(), &namespace);
    let pods: Api<Pod> = Api::namespaced(ports.client.clone(), &namespace);
    let (jobs, pods) = futures::try_join!(
        ports.kube(CallSite::ListOwnJobs, jobs.list(&params)),
        ports.kube(CallSite::ListOwnPods, pods.list(&params)),
    )?;
    let mut own: Vec<OwnObject> = Vec::new();
    own.extend(jobs.items.iter().map(|job| OwnObject {
        kind: OwnKind::Job,
        name: job.name_any(),
        uid: job.uid().unwrap_or_default(),
        active: read_job_end(job).is_none(),
    }));
    own.extend(pods.items.iter().map(|pod| OwnObject {
        kind: OwnKind::Pod,
        name: pod.name_any(),
        uid: pod.uid().unwrap_or_default(),
        active: !is_ended(pod),
    }));
    // Also where the spec does not ask for it any more: it was edited since.
    let secrets: Api<Secret> = Api::namespaced(ports.client.clone(), &namespace);
    let name = credentials_name(&uid);
    match ports.kube(CallSite::GetOwnSecret, secrets.get(&name)).await {
        Ok(secret) if is_ours(&secret.metadata, &uid) => own.push(OwnObject {
            kind: OwnKind::Secret,
            uid: secret.uid().unwrap_or_default(),
            name,
            active: false,
        }),
        Ok(_) => {}
        Err(error) if error.is_not_found() => {}
        Err(error) => return Err(error),
    }
    Ok(own)
}

/// Addresses of our own running Jobs: their sessions on the MetaDB are not foreign. Pods on the
/// host's network are left out, since OMS could have the same address.
pub(super) async fn list_own_addresses(
    ports: &Ports,
    upgrade: &OmsUpgrade,
    needs: Needs,
) -> Vec<IpAddr> {
    if !needs.sessions {
        return Vec::new();
    }
    let api: Api<Pod> = Api::namespaced(ports.client.clone(), &namespace_of(upgrade));
    let uid = upgrade.uid().unwrap_or_default();
    let params = ListParams::default().labels(&build_selector(&uid));
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
