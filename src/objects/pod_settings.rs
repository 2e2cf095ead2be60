//! What the installation of the operator says about the pods that it makes, and what all of them have. Pure.
//!
//! They meet the *restricted* Pod Security Standard.
use k8s_openapi::api::core::v1::{
    Capabilities, LocalObjectReference, PodSecurityContext, ResourceRequirements, SeccompProfile,
    SecurityContext, Toleration,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::Deserialize;
use std::collections::BTreeMap;

/// User and group of our pods: a number that no image needs to know.
pub const POD_USER: i64 = 65532;
/// What the installation says about the pods of Jobs.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct PodSettings {
    /// Secrets to pull the agent's image with.
    pub image_pull_secrets: Vec<LocalObjectReference>,
    /// Nodes that the pods may run on.
    pub node_selector: BTreeMap<String, String>,
    /// Taints that the pods tolerate.
    pub tolerations: Vec<Toleration>,
    /// Requests and limits of the agent.
    pub resources: Option<ResourceRequirements>,
    /// `imagePullPolicy`; the API server's default when absent.
    pub image_pull_policy: Option<String>,
    /// Labels of pods, beside ours.
    pub pod_labels: BTreeMap<String, String>,
    /// Annotations of pods, beside ours.
    pub pod_annotations: BTreeMap<String, String>,
    /// The cluster gives each namespace its users (OpenShift's `restricted-v2`): no user or group is asked for.
    pub assigned_user: bool,
}

/// Meshes are asked to leave pods alone that run to their end: a proxy beside an agent has the network first, and does
/// not end with it (Istio, "Controlling the injection policy"; Linkerd, "Automatic proxy injection").
const NO_PROXY_LABEL: (&str, &str) = ("sidecar.istio.io/inject", "false");
const NO_PROXY_ANNOTATION: (&str, &str) = ("linkerd.io/inject", "disabled");

impl PodSettings {
    /// What every pod of ours bears. Ours come last: nobody takes a pod from under its upgrade by a label.
    pub fn add_marks(&self, pod: &mut ObjectMeta) {
        let merge = |(name, value): (&str, &str), chosen: &BTreeMap<String, String>, ours| {
            let mut all = BTreeMap::from([(name.to_owned(), value.to_owned())]);
            all.extend(chosen.clone());
            all.extend(Option::<BTreeMap<String, String>>::unwrap_or_default(ours));
            Some(all)
        };
        pod.labels = merge(NO_PROXY_LABEL, &self.pod_labels, pod.labels.take());
        let annotations = pod.annotations.take();
        pod.annotations = merge(NO_PROXY_ANNOTATION, &self.pod_annotations, annotations);
    }

    /// Pod-wide security of everything that we start.
    pub fn build_pod_security(&self) -> PodSecurityContext {
        let user = (!self.assigned_user).then_some(POD_USER);
        PodSecurityContext {
            run_as_non_root: Some(true),
            run_as_user: user,
            run_as_group: user,
            fs_group: user,
            fs_group_change_policy: Some("OnRootMismatch".into()),
            seccomp_profile: Some(SeccompProfile {
                type_: "RuntimeDefault".into(),
                localhost_profile: None,
            }),
            ..PodSecurityContext::default()
        }
    }
}

/// Security of every container that we start.
pub fn build_security_context() -> SecurityContext {
    SecurityContext {
        allow_privilege_escalation: Some(false),
        read_only_root_filesystem: Some(true),
        capabilities: Some(Capabilities {
            add: None,
            drop: Some(vec!["ALL".into()]),
        }),
        ..SecurityContext::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_installation_marks_its_pods_and_never_as_somebody_elses() {
        let settings: PodSettings = serde_json::from_value(json!({
            "podLabels": {"team": "data", "sidecar.istio.io/inject": "true", "app.kubernetes.io/managed-by": "them"},
            "podAnnotations": {"policy": "x"}, "assignedUser": true,
        }))
        .unwrap();
        let mut pod = ObjectMeta {
            labels: Some(BTreeMap::from([(
                "app.kubernetes.io/managed-by".into(),
                "oms-operator".into(),
            )])),
            ..ObjectMeta::default()
        };
        settings.add_marks(&mut pod);
        assert_eq!(
            json!([pod.labels, pod.annotations]),
            json!([
                {"team": "data", "sidecar.istio.io/inject": "true", "app.kubernetes.io/managed-by": "oms-operator"},
                {"policy": "x", "linkerd.io/inject": "disabled"},
            ])
        );
        let security = settings.build_pod_security();
        assert_eq!(
            (
                security.run_as_user,
                security.run_as_group,
                security.fs_group
            ),
            (None, None, None)
        );
        assert_eq!(security.run_as_non_root, Some(true));
    }
}
