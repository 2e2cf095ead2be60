//! Who else writes a Deployment, by the marks that such tools leave on it. Pure.
//!
//! Marks are labels and annotations; the managers of `metadata.managedFields` tell as well, also where a tool marks
//! nothing (Argo CD's tracking by label is the label that every Helm chart sets).
use crate::objects::deployment::read_annotation;
use serde_json::Value;

/// A tool that writes by itself what it was told once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Its name, for people.
    pub tool: &'static str,
    /// What switches it off for the time of the upgrade.
    pub switch: &'static str,
    /// It writes what a source says that people change, as git: not what it finds by itself.
    from_source: bool,
}

impl Owner {
    /// Whether it may be told to leave fields alone, which stands in an object of its own.
    pub fn is_argocd(self) -> bool {
        self.tool == ARGOCD
    }
}

const ARGOCD: &str = "Argo CD";

/// How a tool is known.
struct Marks {
    owner: Owner,
    labels: &'static [&'static str],
    annotations: &'static [&'static str],
    /// Names in `managedFields`.
    managers: &'static [&'static str],
    /// An annotation and the value with which it leaves the object alone.
    exempt: Option<(&'static str, &'static str)>,
}

/// The annotation and its value with which Flux's kustomize-controller leaves an object alone: tried with 1.9, on the
/// live object, over new commits.
pub const FLUX_PAUSE: (&str, &str) = ("kustomize.toolkit.fluxcd.io/reconcile", "disabled");
const FLUX_LABEL: &str = "kustomize.toolkit.fluxcd.io/name";
const FLUX_MANAGER: &str = "kustomize-controller";

/// Each with the marks of its documents; the first that is found is told.
const TOOLS: &[Marks] = &[
    // argo-cd.readthedocs.io, resource tracking; the label is that of 1.x.
    Marks {
        owner: Owner {
            tool: ARGOCD,
            switch: "add ignoreDifferences with managedFieldsManagers: [oms-operator], and with jqPathExpressions for livenessProbe and \
                     startupProbe of the containers, which are taken out for one start, and the sync option RespectIgnoreDifferences=true \
                     (docs/gitops.md has the lines); without the chart's policies leave automated sync off, too, until git names the image \
                     that runs; then attest this check",
            from_source: true,
        },
        labels: &["argocd.argoproj.io/instance"],
        annotations: &["argocd.argoproj.io/tracking-id"],
        managers: &["argocd-controller", "argocd-application-controller"],
        exempt: None,
    },
    // fluxcd.io, helm-controller. Before the Kustomization: a HelmRelease may itself be made by one.
    Marks {
        owner: Owner {
            tool: "a Flux HelmRelease",
            switch: "suspend the HelmRelease until the upgrade is finished, then attest this check",
            from_source: true,
        },
        labels: &["helm.toolkit.fluxcd.io/name"],
        annotations: &[],
        managers: &["helm-controller"],
        exempt: None,
    },
    // fluxcd.io, kustomize-controller.
    Marks {
        owner: Owner {
            tool: "Flux",
            switch: "annotate the live Deployment with kustomize.toolkit.fluxcd.io/reconcile=disabled until the upgrade is finished, or take that annotation off: then \
                     the operator sets it for the time of the upgrade",
            from_source: true,
        },
        labels: &[FLUX_LABEL],
        annotations: &[],
        managers: &[FLUX_MANAGER],
        exempt: Some(FLUX_PAUSE),
    },
    // github.com/rancher/wrangler, apply; Fleet is the best known that uses it.
    Marks {
        owner: Owner {
            tool: "Rancher Fleet, or another controller of Rancher's",
            switch: "pause the GitRepo (spec.paused: true) until git names the image that runs, then attest this check",
            from_source: true,
        },
        labels: &["objectset.rio.cattle.io/hash"],
        annotations: &["objectset.rio.cattle.io/id"],
        managers: &["fleetagent", "fleet-agent"],
        exempt: None,
    },
    // karmada.io, resource propagation.
    Marks {
        owner: Owner {
            tool: "Karmada",
            switch: "suspend the propagation in the control plane (spec.suspension.dispatching: true of the PropagationPolicy) until the template there \
                     names the image that runs, then attest this check",
            from_source: true,
        },
        labels: &["karmada.io/managed", "work.karmada.io/permanent-id"],
        annotations: &["work.karmada.io/name"],
        managers: &["karmada", "karmada-agent", "karmada-controller-manager"],
        exempt: None,
    },
    // cloud.google.com, Config Sync; the inventory is also kpt's.
    Marks {
        owner: Owner {
            tool: "Config Sync",
            switch: "write the annotation configmanagement.gke.io/managed: disabled into the repository until it names the image that runs",
            from_source: true,
        },
        labels: &["configsync.gke.io/declared-version"],
        annotations: &[
            "configmanagement.gke.io/managed",
            "configsync.gke.io/resource-id",
            "config.k8s.io/owning-inventory",
        ],
        managers: &["configsync", "kpt"],
        exempt: Some(("configmanagement.gke.io/managed", "disabled")),
    },
    // kubevela.io, apply-once policy.
    Marks {
        owner: Owner {
            tool: "KubeVela",
            switch: "give the Application the policy apply-once (enable: true) until it names the image that runs, then attest this check",
            from_source: true,
        },
        labels: &["app.oam.dev/name", "app.oam.dev/component"],
        annotations: &[],
        managers: &["kubevela", "vela-core"],
        exempt: None,
    },
    // carvel.dev, kapp and kapp-controller.
    Marks {
        owner: Owner {
            tool: "kapp",
            switch: "pause the App of kapp-controller (spec.paused: true), or run no kapp deploy, until the source names the image that runs, then attest \
                     this check",
            from_source: true,
        },
        labels: &["kapp.k14s.io/app", "kapp.k14s.io/association"],
        annotations: &["kapp.k14s.io/identity"],
        managers: &["kapp", "kapp-controller"],
        exempt: None,
    },
    // keel.sh, policies.
    Marks {
        owner: Owner {
            tool: "Keel, which changes the image by itself,",
            switch: "set keel.sh/policy to never until the upgrade is finished",
            from_source: false,
        },
        labels: &["keel.sh/policy"],
        annotations: &["keel.sh/policy"],
        managers: &["keel"],
        exempt: Some(("keel.sh/policy", "never")),
    },
    // docs.fluxcd.io, Flux of before 2021.
    Marks {
        owner: Owner {
            tool: "Flux (the first)",
            switch: "annotate the Deployment in git with fluxcd.io/ignore: \"true\" until git names the image that runs",
            from_source: true,
        },
        labels: &["fluxcd.io/sync-gc-mark"],
        annotations: &["fluxcd.io/sync-checksum", "flux.weave.works/antecedent"],
        managers: &[],
        exempt: Some(("fluxcd.io/ignore", "true")),
    },
    // projectsveltos.github.io.
    Marks {
        owner: Owner {
            tool: "Sveltos",
            switch: "set syncMode: OneTime in the ClusterProfile, or pause it, until it names the image that runs, then attest this check",
            from_source: true,
        },
        labels: &["projectsveltos.io/reference-name"],
        annotations: &[
            "projectsveltos.io/reference-name",
            "projectsveltos.io/owner-name",
        ],
        managers: &["application/apply-patch.sveltos"],
        exempt: None,
    },
];

/// Names in `managedFields` under which replicas are set by what scales on its own.
const SCALERS: &[&str] = &[
    "kube-controller-manager",
    "keda",
    "keda-operator",
    "vpa-updater",
];

/// The tools that keep a Deployment and are not switched off, nor can be by the operator.
pub fn list_owners(object: &Value) -> impl Iterator<Item = Owner> {
    let pausable = can_pause_flux(object);
    list_tools(object)
        .filter(move |tool| {
            tool.exempt.is_none_or(|(name, value)| {
                let found = read_annotation(object, name).or_else(|| read_label(object, name));
                found != Some(value) && !(pausable && tool.exempt == Some(FLUX_PAUSE))
            })
        })
        .map(|tool| tool.owner)
}

/// The tool that writes a Deployment from a source that people change, whether it is switched off now or not.
pub fn find_keeper(object: &Value) -> Option<Owner> {
    let mut tools = list_tools(object).map(|tool| tool.owner);
    tools.find(|owner| owner.from_source)
}

/// Whether a Kustomization of Flux keeps a Deployment and nobody has said whether it may.
pub fn can_pause_flux(object: &Value) -> bool {
    let marked = read_label(object, FLUX_LABEL).is_some()
        || list_managers(object).any(|(name, _)| name == FLUX_MANAGER);
    marked && read_annotation(object, FLUX_PAUSE.0).is_none()
}

fn list_tools(object: &Value) -> impl Iterator<Item = &'static Marks> {
    TOOLS.iter().filter(|tool| {
        let label = |name: &&str| read_label(object, name).is_some();
        let annotation = |name: &&str| read_annotation(object, name).is_some();
        tool.labels.iter().any(label)
            || tool.annotations.iter().any(annotation)
            || list_managers(object).any(|(name, _)| tool.managers.contains(&name))
    })
}

/// Who has scaled a Deployment by itself: an autoscaler writes replicas through the subresource.
pub fn find_scaler(object: &Value) -> Option<&str> {
    list_managers(object)
        .find(|(name, part)| *part == Some("scale") && SCALERS.contains(name))
        .map(|(name, _)| name)
}

/// Who has written a Deployment, each with the subresource through which.
fn list_managers(object: &Value) -> impl Iterator<Item = (&str, Option<&str>)> {
    let entries = object.pointer("/metadata/managedFields");
    let entries = entries.and_then(Value::as_array).into_iter().flatten();
    entries.filter_map(|entry| {
        let text = |name: &str| entry.get(name).and_then(Value::as_str);
        Some((text("manager")?, text("subresource")))
    })
}

fn read_label<'a>(object: &'a Value, name: &str) -> Option<&'a str> {
    object
        .pointer("/metadata/labels")
        .and_then(|labels| labels.get(name))
        .and_then(Value::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object(labels: Value, annotations: Value, manager: &str) -> Value {
        json!({"metadata": {"labels": labels, "annotations": annotations, "managedFields": [
            {"manager": "kubectl-create", "operation": "Update"}, {"manager": manager, "operation": "Apply"}]}})
    }

    fn find_owner(object: &Value) -> Option<Owner> {
        list_owners(object).next()
    }

    /// What each tool leaves on what it keeps, with and without a manager that tells.
    #[test]
    fn tools_are_known_by_their_marks_and_by_their_managers() {
        let (none, plain) = (json!({}), "kubectl-client-side-apply");
        let instance = json!({"app.kubernetes.io/instance": "oms"});
        for (labels, annotations, manager, tool) in [
            (
                instance.clone(),
                none.clone(),
                "argocd-controller",
                "Argo CD",
            ),
            (
                none.clone(),
                json!({"argocd.argoproj.io/tracking-id": "a"}),
                plain,
                "Argo CD",
            ),
            (
                json!({"objectset.rio.cattle.io/hash": "0"}),
                none.clone(),
                plain,
                "Rancher Fleet",
            ),
            (none.clone(), none.clone(), "fleetagent", "Rancher Fleet"),
            (
                json!({"karmada.io/managed": "true"}),
                none.clone(),
                plain,
                "Karmada",
            ),
            (
                none.clone(),
                json!({"configmanagement.gke.io/managed": "enabled"}),
                plain,
                "Config Sync",
            ),
            (
                json!({"app.oam.dev/name": "oms"}),
                none.clone(),
                plain,
                "KubeVela",
            ),
            (
                json!({"kapp.k14s.io/app": "17"}),
                none.clone(),
                plain,
                "kapp",
            ),
            (
                none.clone(),
                json!({"keel.sh/policy": "major"}),
                plain,
                "Keel",
            ),
            (
                json!({"kustomize.toolkit.fluxcd.io/name": "oms"}),
                json!({"kustomize.toolkit.fluxcd.io/reconcile": "enabled"}),
                plain,
                "Flux",
            ),
            (
                none.clone(),
                json!({"kustomize.toolkit.fluxcd.io/reconcile": ""}),
                "kustomize-controller",
                "Flux",
            ),
            (
                json!({"helm.toolkit.fluxcd.io/name": "oms"}),
                none.clone(),
                plain,
                "a Flux HelmRelease",
            ),
            (
                json!({"fluxcd.io/sync-gc-mark": "s"}),
                none.clone(),
                plain,
                "Flux (the first)",
            ),
        ] {
            let found = find_owner(&object(labels, annotations, manager)).unwrap();
            assert!(found.tool.starts_with(tool), "{}: {tool}", found.tool);
            assert!(found.switch.len() > 20);
        }
    }

    #[test]
    fn who_writes_only_when_asked_is_no_owner() {
        let helm =
            json!({"app.kubernetes.io/instance": "oms", "app.kubernetes.io/managed-by": "Helm"});
        let release = json!({"meta.helm.sh/release-name": "oms"});
        assert_eq!(find_owner(&object(helm, release, "helm")), None);
        let plain = object(json!({}), json!({}), "kubectl-client-side-apply");
        assert_eq!(find_owner(&plain), None);
        assert_eq!(find_owner(&json!({})), None);
    }

    #[test]
    fn a_tool_that_is_switched_off_is_no_owner() {
        for (labels, off) in [
            (
                json!({"kustomize.toolkit.fluxcd.io/name": "oms"}),
                json!({"kustomize.toolkit.fluxcd.io/reconcile": "disabled"}),
            ),
            (
                json!({}),
                json!({"configmanagement.gke.io/managed": "disabled"}),
            ),
            (json!({"keel.sh/policy": "never"}), json!({})),
            (
                json!({"fluxcd.io/sync-gc-mark": "s"}),
                json!({"fluxcd.io/ignore": "true"}),
            ),
        ] {
            let object = object(labels, off, "kubectl-annotate");
            assert_eq!(find_owner(&object), None, "{object}");
        }
    }

    /// Whoever switched a tool off switches it on again: what it is kept from matters at the end all the same.
    #[test]
    fn what_a_deployment_is_kept_from_is_known_also_while_it_is_switched_off() {
        let flux = json!({"kustomize.toolkit.fluxcd.io/name": "oms"});
        let off = json!({"kustomize.toolkit.fluxcd.io/reconcile": "disabled"});
        for (labels, annotations, keeper) in [
            (flux.clone(), off, Some("Flux")),
            (flux, json!({}), Some("Flux")),
            // It takes images from a registry, by itself.
            (json!({"keel.sh/policy": "major"}), json!({}), None),
            (
                json!({"keel.sh/policy": "never", "projectsveltos.io/reference-name": "x"}),
                json!({}),
                Some("Sveltos"),
            ),
        ] {
            let object = object(labels, annotations, "kubectl-create");
            assert_eq!(find_keeper(&object).map(|owner| owner.tool), keeper);
        }
    }

    /// The operator sets the annotation with its first write, where nobody has said anything.
    #[test]
    fn a_kustomization_is_no_finding_and_hides_none() {
        let flux = json!({"kustomize.toolkit.fluxcd.io/name": "oms"});
        let alone = object(flux, json!({}), "kubectl-create");
        assert!(can_pause_flux(&alone) && find_owner(&alone).is_none());
        let keel = json!({"kustomize.toolkit.fluxcd.io/name": "oms", "keel.sh/policy": "major"});
        let both = object(keel, json!({}), "kubectl-create");
        assert!(find_owner(&both).unwrap().tool.starts_with("Keel"));
        let helm = object(
            json!({"helm.toolkit.fluxcd.io/name": "oms"}),
            json!({}),
            "helm-controller",
        );
        assert!(!can_pause_flux(&helm));
    }

    #[test]
    fn an_autoscaler_shows_by_the_subresource() {
        let by = |manager: &str, part: Value| json!({"metadata": {"managedFields": [{"manager": manager, "subresource": part}]}});
        let scaler = by("kube-controller-manager", json!("scale"));
        assert_eq!(find_scaler(&scaler), Some("kube-controller-manager"));
        // The Deployment controller writes the status, and people scale with kubectl.
        for (manager, part) in [
            ("kube-controller-manager", json!("status")),
            ("kubectl", json!("scale")),
        ] {
            assert_eq!(find_scaler(&by(manager, part)), None, "{manager}");
        }
    }
}
