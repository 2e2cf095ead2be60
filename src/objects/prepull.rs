//! The pod that pulls an image on a target's node before anything is touched: the new one before the upgrade, the one
//! of before it ahead of a rollback. Pure.
//!
//! One that stays holds the image of before the upgrade on its node while something else runs there.
//!
//! It runs a program that does nothing, with no mounts, no environment and no rights.
use super::labels::{Owner, ROLE_LABEL, build_metadata};
use super::names::prepull_name;
use super::pod_settings::{PodSettings, build_security_context};
use k8s_openapi::api::core::v1::{Container, LocalObjectReference, Pod, PodSpec, Toleration};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

/// Role of a pre-pull pod.
pub const PREPULL_ROLE: &str = "prepull";

/// Whether an object of ours was made for pulling an image: its role says so.
pub fn is_prepull(metadata: &ObjectMeta) -> bool {
    let labels = metadata.labels.as_ref();
    labels
        .and_then(|labels| labels.get(ROLE_LABEL))
        .map(String::as_str)
        == Some(PREPULL_ROLE)
}

/// Seconds. 68 years: an upgrade that waits for a person may take its time. Not every `sleep` knows `infinity`.
const LONGEST_SLEEP: &str = "2147483647";

/// Container of a pre-pull pod.
pub const PULL_CONTAINER: &str = "pull";

/// What is taken over from the target's pod.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PrePullSite {
    /// Node that the target's pod runs on.
    pub node: String,
    /// Secrets that its images are pulled with.
    pub image_pull_secrets: Vec<LocalObjectReference>,
    /// Taints that it tolerates.
    pub tolerations: Vec<Toleration>,
    /// Service account, which may bring further pull secrets.
    pub service_account: Option<String>,
}

/// What becomes of the pod once its image is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterPull {
    /// It ends: that the image can be had is all that was asked.
    End,
    /// It stays, so that the node does not throw the image away: the kubelet spares those of running containers.
    Stay,
}

/// What is pulled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pull {
    /// Name of the pod.
    pub name: String,
    pub image: String,
    /// When the kubelet asks the registry, in the words of `imagePullPolicy`.
    pub policy: String,
    pub after: AfterPull,
}

impl Pull {
    /// The new image: it need not be asked for where the node has it.
    pub fn of_new(owner: Owner<'_>, target: &str, image: &str) -> Self {
        Self {
            name: prepull_name(owner.uid, target, image),
            image: image.into(),
            policy: "IfNotPresent".into(),
            after: AfterPull::End,
        }
    }
}

/// Runs on the node of a target, and ends at once or stays.
pub fn build_prepull_pod(
    owner: Owner<'_>,
    pull: &Pull,
    site: &PrePullSite,
    settings: &PodSettings,
) -> Pod {
    let mut metadata = build_metadata(owner, pull.name.clone(), PREPULL_ROLE, None);
    settings.add_marks(&mut metadata);
    Pod {
        metadata,
        spec: Some(PodSpec {
            node_name: Some(site.node.clone()),
            containers: vec![Container {
                name: PULL_CONTAINER.into(),
                image: Some(pull.image.clone()),
                image_pull_policy: Some(pull.policy.clone()),
                command: Some(match pull.after {
                    AfterPull::End => vec!["/bin/true".into()],
                    AfterPull::Stay => vec!["/bin/sleep".into(), LONGEST_SLEEP.into()],
                }),
                // Where the installation names none, a LimitRange puts in both, and any number of ours may offend it.
                resources: settings.resources.clone(),
                security_context: Some(build_security_context()),
                ..Container::default()
            }],
            image_pull_secrets: Some(site.image_pull_secrets.clone()).filter(|all| !all.is_empty()),
            tolerations: Some(site.tolerations.clone()).filter(|all| !all.is_empty()),
            service_account_name: site.service_account.clone(),
            restart_policy: Some("Never".into()),
            termination_grace_period_seconds: Some(1),
            automount_service_account_token: Some(false),
            enable_service_links: Some(false),
            security_context: Some(settings.build_pod_security()),
            ..PodSpec::default()
        }),
        status: None,
    }
}

/// Reads from a target's pod what the pre-pull pod takes over; `None` while it has no node.
pub fn read_site(pod: &Pod) -> Option<PrePullSite> {
    let spec = pod.spec.as_ref()?;
    Some(PrePullSite {
        node: spec.node_name.clone()?,
        image_pull_secrets: spec.image_pull_secrets.clone().unwrap_or_default(),
        tolerations: spec.tolerations.clone().unwrap_or_default(),
        service_account: spec.service_account_name.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn builds_the_whole_pod() {
        let owner = Owner {
            namespace: "oms",
            name: "up",
            uid: "u-1",
        };
        let source: Pod = serde_json::from_value(json!({
            "metadata": {"name": "oms-1"},
            "spec": {"nodeName": "n1", "containers": [], "imagePullSecrets": [{"name": "pull"}], "serviceAccountName": "oms",
                "tolerations": [{"key": "k", "operator": "Exists"}], "volumes": [{"name": "secret"}]},
        }))
        .unwrap();
        let site = read_site(&source).unwrap();
        let pull = Pull::of_new(owner, "oms", "oms:4");
        let pod = build_prepull_pod(owner, &pull, &site, &PodSettings::default());
        assert_eq!(
            serde_json::to_value(&pod).unwrap(),
            json!({
                "apiVersion": "v1", "kind": "Pod",
                "metadata": {"name": prepull_name("u-1", "oms", "oms:4"), "namespace": "oms",
                    "labels": {"app.kubernetes.io/managed-by": "oms-operator", "oms.oceanbase.com/upgrade-uid": "u-1", "oms.oceanbase.com/role": "prepull",
                        "sidecar.istio.io/inject": "false"},
                    "annotations": {"oms.oceanbase.com/upgrade": "up", "linkerd.io/inject": "disabled"}},
                "spec": {
                    "nodeName": "n1", "restartPolicy": "Never", "terminationGracePeriodSeconds": 1,
                    "automountServiceAccountToken": false, "enableServiceLinks": false, "serviceAccountName": "oms",
                    "imagePullSecrets": [{"name": "pull"}], "tolerations": [{"key": "k", "operator": "Exists"}],
                    "securityContext": {"runAsNonRoot": true, "runAsUser": 65532, "runAsGroup": 65532, "fsGroup": 65532,
                        "fsGroupChangePolicy": "OnRootMismatch", "seccompProfile": {"type": "RuntimeDefault"}},
                    "containers": [{"name": "pull", "image": "oms:4", "imagePullPolicy": "IfNotPresent", "command": ["/bin/true"],
                        "securityContext": {"allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": {"drop": ["ALL"]}}}],
                },
            })
        );
    }
}
