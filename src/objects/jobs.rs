//! The Jobs that the agent runs in. Pure.
//!
//! One attempt per Job (`backoffLimit: 0`, `podReplacementPolicy: Failed`), so that two dumps or two
//! restores never run at once; no TTL, because the brain must see the end; no ownerReference and no
//! token. The pod meets the *restricted* Pod Security Standard.
use super::credentials::CREDENTIALS_MOUNT;
use super::labels::{Owner, build_annotations, build_labels, build_metadata};
use super::names::{BACKUP_MOUNT, job_name, role_word};
use super::pod_settings::{PodSettings, build_security_context};
use super::tls::{TLS_MOUNT, build_tls_volume};
use crate::api::{JobRole, MetaDbTls};
use crate::facts::AccountSource;
use crate::protocol::request::Request;
use k8s_openapi::api::batch::v1::{Job, JobSpec};
use k8s_openapi::api::core::v1::{
    Container, EmptyDirVolumeSource, PersistentVolumeClaimVolumeSource, PodSpec, PodTemplateSpec,
    ResourceRequirements, Volume, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use std::collections::BTreeMap;

/// Name of the agent's container.
pub const AGENT_CONTAINER: &str = "agent";

/// Everything that a Job is made of, except what only the installation of the operator says: image and settings of
/// pods.
#[derive(Clone, Debug, PartialEq)]
pub struct JobOrder {
    pub role: JobRole,
    pub attempt: i32,
    /// Claim for the backup.
    pub claim: String,
    /// Where the account lies.
    pub account: AccountSource,
    /// Where the certificates for the MetaDB lie.
    pub tls: Option<MetaDbTls>,
    /// What the agent is asked.
    pub request: Request,
    /// Seconds after which Kubernetes ends it.
    pub deadline: u64,
}

/// Builds a Job. `image` holds the agent and the dump client.
pub fn build_job(
    owner: Owner<'_>,
    order: &JobOrder,
    image: &str,
    settings: &PodSettings,
) -> Result<Job, serde_json::Error> {
    let word = role_word(order.role);
    let name = job_name(owner.uid, order.role, order.attempt);
    let request = serde_json::to_string(&order.request)?;
    let pod = build_pod(order, image, settings, request);
    let mut marks = ObjectMeta {
        labels: Some(build_labels(owner, word, Some(order.attempt))),
        annotations: Some(build_pod_annotations(owner)),
        ..ObjectMeta::default()
    };
    settings.add_marks(&mut marks);
    Ok(Job {
        metadata: build_metadata(owner, name, word, Some(order.attempt)),
        spec: Some(JobSpec {
            backoff_limit: Some(0),
            completions: Some(1),
            parallelism: Some(1),
            pod_replacement_policy: Some("Failed".into()),
            active_deadline_seconds: Some(i64::try_from(order.deadline).unwrap_or(i64::MAX)),
            template: PodTemplateSpec {
                metadata: Some(marks),
                spec: Some(pod),
            },
            ..JobSpec::default()
        }),
        status: None,
    })
}

/// No autoscaler takes the node from under a dump or a restore. The names are those of the Cluster Autoscaler's FAQ
/// ("What types of Pods can prevent CA from removing a node?") and of Karpenter's guide ("Disruption", pod-level
/// controls).
fn build_pod_annotations(owner: Owner<'_>) -> BTreeMap<String, String> {
    let mut annotations = build_annotations(owner);
    for (name, value) in [
        ("cluster-autoscaler.kubernetes.io/safe-to-evict", "false"),
        ("karpenter.sh/do-not-disrupt", "true"),
    ] {
        annotations.insert(name.into(), value.into());
    }
    annotations
}

fn build_pod(order: &JobOrder, image: &str, settings: &PodSettings, request: String) -> PodSpec {
    let mut mounts = vec![
        mount("credentials", CREDENTIALS_MOUNT, true),
        mount("tmp", "/tmp", false),
    ];
    let mut volumes = vec![
        order.account.build_volume("credentials"),
        Volume {
            name: "tmp".into(),
            empty_dir: Some(EmptyDirVolumeSource {
                size_limit: Some(Quantity("64Mi".into())),
                ..EmptyDirVolumeSource::default()
            }),
            ..Volume::default()
        },
    ];
    if let Some(volume) = order.tls.as_ref().and_then(build_tls_volume) {
        mounts.push(mount(&volume.name, TLS_MOUNT, true));
        volumes.push(volume);
    }
    if uses_claim(order.role) {
        mounts.insert(0, mount("backup", BACKUP_MOUNT, false));
        volumes.insert(0, build_claim_volume(order));
    }
    PodSpec {
        containers: vec![Container {
            name: AGENT_CONTAINER.into(),
            image: Some(image.into()),
            image_pull_policy: settings.image_pull_policy.clone(),
            args: Some(vec![
                "agent".into(),
                role_word(order.role).into(),
                "--request".into(),
                request,
            ]),
            resources: Some(settings.resources.clone().unwrap_or_else(default_resources)),
            security_context: Some(build_security_context()),
            termination_message_policy: Some("File".into()),
            volume_mounts: Some(mounts),
            ..Container::default()
        }],
        volumes: Some(volumes),
        image_pull_secrets: Some(settings.image_pull_secrets.clone()).filter(|all| !all.is_empty()),
        node_selector: Some(settings.node_selector.clone()).filter(|all| !all.is_empty()),
        tolerations: Some(settings.tolerations.clone()).filter(|all| !all.is_empty()),
        restart_policy: Some("Never".into()),
        termination_grace_period_seconds: Some(30),
        automount_service_account_token: Some(false),
        enable_service_links: Some(false),
        security_context: Some(settings.build_pod_security()),
        ..PodSpec::default()
    }
}

/// Safety copies are dropped long after the end: a person may have removed the claim by then.
fn uses_claim(role: JobRole) -> bool {
    role != JobRole::DropCopies
}

fn build_claim_volume(order: &JobOrder) -> Volume {
    Volume {
        name: "backup".into(),
        persistent_volume_claim: Some(PersistentVolumeClaimVolumeSource {
            claim_name: order.claim.clone(),
            read_only: None,
        }),
        ..Volume::default()
    }
}

fn mount(name: &str, path: &str, read_only: bool) -> VolumeMount {
    VolumeMount {
        name: name.into(),
        mount_path: path.into(),
        read_only: read_only.then_some(true),
        ..VolumeMount::default()
    }
}

fn default_resources() -> ResourceRequirements {
    let quantity = |name: &str, value: &str| (name.to_owned(), Quantity(value.into()));
    ResourceRequirements {
        requests: Some(BTreeMap::from([
            quantity("cpu", "100m"),
            quantity("memory", "128Mi"),
        ])),
        ..ResourceRequirements::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::request::{Address, Credentials, ProbeOptions};
    use serde_json::json;

    #[test]
    fn builds_the_whole_job() {
        let owner = Owner {
            namespace: "oms",
            name: "to-4-0-0",
            uid: "0f7c2a1e-6a55-4c1e-9a5e-000000000001",
        };
        let account = AccountSource::Keys {
            secret: "metadb".into(),
            user_key: "user".into(),
            password_key: "password".into(),
        };
        let request = Request {
            upgrade_uid: owner.uid.into(),
            attempt: 2,
            metadb: Address {
                host: "db".into(),
                port: 2881,
            },
            credentials: Credentials::ConfigYaml { path: "/x".into() },
            logins_without_tls: vec![],
            tls: None,
            databases: vec!["rm".into()],
            oms_addresses: vec![],
            directory: "/backup/x".into(),
            expected_manifest_digest: None,
            lock: None,
            restore_method: Default::default(),
            scratch_restore: Default::default(),
            verify_extent: Default::default(),
            safety_copies: vec![],
            trim_heartbeat_sequence: false,
            probe: ProbeOptions::default(),
            deadline_seconds: None,
        };
        let settings = PodSettings {
            image_pull_policy: Some("IfNotPresent".into()),
            ..PodSettings::default()
        };
        let order = JobOrder {
            role: JobRole::Dump,
            attempt: 2,
            claim: "oms-backup".into(),
            account,
            tls: None,
            request: request.clone(),
            deadline: 3600,
        };
        let job = build_job(owner, &order, "tools:1", &settings).unwrap();
        let labels = json!({
            "app.kubernetes.io/managed-by": "oms-operator",
            "oms.oceanbase.com/upgrade-uid": owner.uid,
            "oms.oceanbase.com/role": "dump",
            "oms.oceanbase.com/attempt": "2",
        });
        let pod_labels = {
            let mut labels = labels.clone();
            labels["sidecar.istio.io/inject"] = json!("false");
            labels
        };
        let annotations = json!({"oms.oceanbase.com/upgrade": "to-4-0-0"});
        assert_eq!(
            serde_json::to_value(&job).unwrap(),
            json!({
                "apiVersion": "batch/v1", "kind": "Job",
                "metadata": {"name": job_name(owner.uid, JobRole::Dump, 2), "namespace": "oms", "labels": labels, "annotations": annotations},
                "spec": {
                    "backoffLimit": 0, "completions": 1, "parallelism": 1, "podReplacementPolicy": "Failed", "activeDeadlineSeconds": 3600,
                    "template": {
                        "metadata": {"labels": pod_labels, "annotations": {"oms.oceanbase.com/upgrade": "to-4-0-0",
                            "linkerd.io/inject": "disabled",
                            "cluster-autoscaler.kubernetes.io/safe-to-evict": "false", "karpenter.sh/do-not-disrupt": "true"}},
                        "spec": {
                            "restartPolicy": "Never", "terminationGracePeriodSeconds": 30,
                            "automountServiceAccountToken": false, "enableServiceLinks": false,
                            "securityContext": {"runAsNonRoot": true, "runAsUser": 65532, "runAsGroup": 65532, "fsGroup": 65532,
                                "fsGroupChangePolicy": "OnRootMismatch", "seccompProfile": {"type": "RuntimeDefault"}},
                            "containers": [{
                                "name": "agent", "image": "tools:1", "imagePullPolicy": "IfNotPresent",
                                "args": ["agent", "dump", "--request", serde_json::to_string(&request).unwrap()],
                                "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}},
                                "securityContext": {"allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": {"drop": ["ALL"]}},
                                "terminationMessagePolicy": "File",
                                "volumeMounts": [
                                    {"name": "backup", "mountPath": "/backup"},
                                    {"name": "credentials", "mountPath": "/credentials", "readOnly": true},
                                    {"name": "tmp", "mountPath": "/tmp"},
                                ],
                            }],
                            "volumes": [
                                {"name": "backup", "persistentVolumeClaim": {"claimName": "oms-backup"}},
                                {"name": "credentials", "secret": {"secretName": "metadb", "defaultMode": 0o440, "optional": false,
                                    "items": [{"key": "user", "path": "user"}, {"key": "password", "path": "password"}]}},
                                {"name": "tmp", "emptyDir": {"sizeLimit": "64Mi"}},
                            ],
                        },
                    },
                },
            })
        );
    }

    #[test]
    fn settings_are_closed() {
        assert!(serde_json::from_value::<PodSettings>(json!({"nodeSelector": {"a": "b"}})).is_ok());
        assert!(serde_json::from_value::<PodSettings>(json!({"nodeSelectr": {}})).is_err());
    }
}
