//! The cluster that moves by itself: Deployment controller (with `Recreate`), Job controller,
//! kubelet. Each function is one move; between any two of them the operator may act.
use super::world::{NAMESPACE, NEW_IMAGE, OLD_IMAGE, Version, World, place, token};
use serde_json::{Value, json};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

/// What a webhook puts before the images of pods.
pub const MIRROR: &str = "mirror.test/";

/// Name of the ReplicaSet of a Deployment's present template.
fn name_replica_set(deployment: &Value) -> String {
    let mut hasher = DefaultHasher::new();
    deployment["spec"]["template"].to_string().hash(&mut hasher);
    let name = deployment["metadata"]["name"].as_str().unwrap_or_default();
    format!("{name}-{:012}", hasher.finish() % 1_000_000_000_000)
}

/// What a pod is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PodKind {
    /// Runs OMS for this target.
    Target(String),
    /// Runs the agent for this Job.
    Job(String),
    /// Pulls an image.
    PrePull,
}

impl World {
    pub fn kind_of(&self, pod: &str) -> PodKind {
        let object = self.get("pods", pod).cloned().unwrap_or_default();
        if let Some(app) = object
            .pointer("/metadata/labels/app")
            .and_then(Value::as_str)
        {
            return PodKind::Target(app.into());
        }
        match object
            .pointer("/metadata/labels")
            .and_then(|labels| labels.get("batch.kubernetes.io/job-name"))
            .and_then(Value::as_str)
        {
            Some(job) => PodKind::Job(job.into()),
            None => PodKind::PrePull,
        }
    }

    /// Pods of a target, terminating ones included.
    pub fn find_pods(&self, target: &str) -> Vec<String> {
        self.list("pods")
            .into_iter()
            .filter(|pod| self.kind_of(pod) == PodKind::Target(target.into()))
            .collect()
    }

    pub fn find_job_pods(&self, job: &str) -> Vec<String> {
        self.list("pods")
            .into_iter()
            .filter(|pod| self.kind_of(pod) == PodKind::Job(job.into()))
            .collect()
    }

    pub fn is_terminating(&self, pod: &str) -> bool {
        self.get("pods", pod).is_some_and(|pod| {
            pod.pointer("/metadata/deletionTimestamp")
                .is_some_and(Value::is_string)
        })
    }

    pub fn phase_of(&self, pod: &str) -> &str {
        self.get("pods", pod)
            .and_then(|pod| pod.pointer("/status/phase"))
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    /// One round of the Deployment controller for a target. A paused Deployment is scaled, and nothing else.
    pub fn run_deployment_controller(&mut self, target: &str) {
        let Some(deployment) = self.get("deployments", target).cloned() else {
            return;
        };
        let wanted = deployment["spec"]["replicas"].as_i64().unwrap_or(1);
        let paused = deployment["spec"]["paused"] == true;
        let present = name_replica_set(&deployment);
        if !paused && self.get("replicasets", &present).is_none() {
            self.make_replica_set(&deployment, &present);
        }
        let pods = self.find_pods(target);
        let mut active = 0;
        // With RollingUpdate at one replica the former pod stays until the new one is up (`maxSurge` 1,
        // `maxUnavailable` 0).
        let rolling = deployment["spec"]["strategy"]["type"] == "RollingUpdate";
        let is_up = |pod: &String| self.oms.get(pod).is_some_and(|oms| oms.up);
        let came = pods
            .iter()
            .any(|pod| self.owner_of(pod) == present && is_up(pod));
        let surges = rolling && wanted > 0 && !paused;
        for pod in &pods {
            let same = paused || self.owner_of(pod) == present;
            if self.is_terminating(pod) || surges && !same && !came {
                continue;
            }
            if wanted == 0 || !same {
                self.delete_object("pods", pod, None);
            } else {
                active += 1;
            }
        }
        // Recreate: no new pod beside an old one.
        if wanted > 0
            && (self.find_pods(target).is_empty() || surges && active == 0 && !came)
            && let Some(scaled) = self.find_scaled(target, &present)
        {
            let pod = self.make_pod(target, &scaled);
            let upgrades = deployment["spec"]["template"]
                .to_string()
                .contains(NEW_IMAGE);
            self.spoilt |= upgrades && self.version_of(&pod) == Version::Old;
            active = 1;
        }
        if wanted == 0 {
            self.spoilt = false;
        }
        self.edit("deployments", target, |object| {
            object["status"] = json!({"observedGeneration": deployment["metadata"]["generation"], "replicas": active});
        });
    }

    fn make_replica_set(&mut self, deployment: &Value, name: &str) {
        let hash = name.rsplit('-').next().unwrap_or_default();
        let mut template = deployment["spec"]["template"].clone();
        template["metadata"]["labels"]["pod-template-hash"] = json!(hash);
        let metadata = &deployment["metadata"];
        let target = metadata["name"].as_str().unwrap_or_default();
        let number = self.list_replica_sets(target).len() + 1;
        let object = json!({
            "kind": "ReplicaSet", "apiVersion": "apps/v1",
            "metadata": {"name": name, "namespace": NAMESPACE, "uid": format!("00000000-0000-4000-9000-{hash}"),
                "labels": template["metadata"]["labels"], "creationTimestamp": self.now(), "resourceVersion": self.take_version(),
                "annotations": {"deployment.kubernetes.io/revision": number.to_string()},
                "ownerReferences": [{"kind": "Deployment", "apiVersion": "apps/v1", "name": target, "uid": metadata["uid"], "controller": true}]},
            "spec": {"template": template}
        });
        self.objects
            .insert(place("replicasets", name), Arc::new(object));
        self.touched = true;
    }

    /// ReplicaSets of a target, in the order in which they were made.
    fn list_replica_sets(&self, target: &str) -> Vec<String> {
        let number = |name: &String| {
            self.get("replicasets", name)
                .and_then(|one| {
                    one["metadata"]["annotations"]["deployment.kubernetes.io/revision"].as_str()
                })
                .and_then(|number| number.parse::<u32>().ok())
        };
        let mut names = self.list("replicasets");
        names.retain(|name| {
            self.get("replicasets", name)
                .is_some_and(|one| one["metadata"]["ownerReferences"][0]["name"] == target)
        });
        names.sort_by_key(number);
        names
    }

    /// The ReplicaSet that is scaled up where none has pods: that of the present template, else the newest.
    fn find_scaled(&self, target: &str, present: &str) -> Option<String> {
        let all = self.list_replica_sets(target);
        let current = all.iter().find(|name| *name == present);
        current.or(all.last()).cloned()
    }

    fn owner_of(&self, pod: &str) -> &str {
        self.get("pods", pod)
            .and_then(|pod| pod.pointer("/metadata/ownerReferences/0/name"))
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    fn make_pod(&mut self, target: &str, owner: &str) -> String {
        let id = self.take_id();
        let name = format!("{target}-{}", token(id));
        let replica_set = self.get("replicasets", owner).cloned().unwrap_or_default();
        let template = &replica_set["spec"]["template"];
        let mut containers = template["spec"]["containers"].clone();
        if self.trouble.mirror
            && let Some(image) = template["spec"]["containers"][0]["image"].as_str()
        {
            containers[0]["image"] = json!(format!("{MIRROR}{image}"));
        }
        let pod = json!({
            "kind": "Pod", "apiVersion": "v1",
            "metadata": {"name": name, "namespace": NAMESPACE, "uid": format!("00000000-0000-4000-8000-{}", token(id)),
                "labels": template["metadata"]["labels"], "creationTimestamp": self.now(), "resourceVersion": self.take_version(),
                "ownerReferences": [{"kind": "ReplicaSet", "apiVersion": "apps/v1", "name": owner, "uid": replica_set["metadata"]["uid"], "controller": true}]},
            "spec": {"nodeName": "node-1", "containers": containers, "hostNetwork": true},
            "status": {"phase": "Pending", "podIP": "10.0.0.1", "containerStatuses": [
                {"name": "oms", "ready": false, "restartCount": 0, "image": "", "imageID": "", "state": {"waiting": {"reason": "ContainerCreating"}}}]}
        });
        self.objects.insert(place("pods", &name), Arc::new(pod));
        self.touched = true;
        if self.image_of(&name) == NEW_IMAGE {
            self.check_new_start();
        }
        name
    }

    /// The image that was asked for, whatever a webhook made of it.
    pub fn image_of(&self, pod: &str) -> String {
        self.get("pods", pod)
            .and_then(|pod| pod.pointer("/spec/containers/0/image"))
            .and_then(Value::as_str)
            .unwrap_or_default()
            .trim_start_matches(MIRROR)
            .into()
    }

    /// Whether a pod has a next move of its own.
    pub fn can_step(&self, pod: &str) -> bool {
        if self.is_terminating(pod) {
            return true;
        }
        match self.kind_of(pod) {
            PodKind::Target(_) => match self.oms.get(pod) {
                None => !(self.is_unpullable(pod) && self.is_waiting_for_image(pod)),
                Some(oms) => !oms.up && self.can_come_up(pod),
            },
            PodKind::Job(_) => matches!(self.phase_of(pod), "Pending" | "Running" | ""),
            PodKind::PrePull if self.is_unpullable(pod) && self.is_waiting_for_image(pod) => false,
            PodKind::PrePull => !matches!(self.phase_of(pod), "Succeeded" | "Failed"),
        }
    }

    fn is_unpullable(&self, pod: &str) -> bool {
        let image = self.image_of(pod);
        self.trouble.unpullable && image == NEW_IMAGE
            || self.trouble.old_image_gone && image == OLD_IMAGE
    }

    fn is_waiting_for_image(&self, pod: &str) -> bool {
        self.get("pods", pod)
            .and_then(|pod| pod.pointer("/status/containerStatuses/0/state/waiting/reason"))
            == Some(&json!("ImagePullBackOff"))
    }

    /// The next move of a pod: gone when it terminates, else one step further in its life.
    pub fn step_pod(&mut self, pod: &str) {
        if self.is_terminating(pod) {
            self.end_pod(pod);
            return;
        }
        match self.kind_of(pod) {
            PodKind::Target(_) if !self.oms.contains_key(pod) => {
                if self.is_unpullable(pod) {
                    self.edit("pods", pod, |pod| {
                        pod["status"]["containerStatuses"][0]["state"] =
                            json!({"waiting": {"reason": "ImagePullBackOff"}});
                    });
                } else {
                    self.start_container(pod, 0);
                }
            }
            PodKind::Target(_) => self.bring_up(pod),
            PodKind::Job(job) => self.step_job_pod(pod, &job),
            // That of the new image is there before: `unpullable` means afterwards.
            PodKind::PrePull if self.trouble.old_image_gone && self.image_of(pod) == OLD_IMAGE => {
                self.edit("pods", pod, |pod| {
                    pod["status"] = json!({"phase": "Pending", "containerStatuses": [{"name": "pull", "ready": false, "restartCount": 0, "image": "", "imageID": "",
                        "state": {"waiting": {"reason": "ImagePullBackOff"}}}]});
                });
            }
            PodKind::PrePull => {
                self.edit("pods", pod, |pod| {
                    pod["status"] = json!({"phase": "Succeeded", "containerStatuses": [{"name": "pull", "ready": false, "restartCount": 0, "image": "", "imageID": "x",
                        "containerID": "containerd://pull", "state": {"terminated": {"exitCode": 0}}}]});
                });
            }
        }
    }

    /// A container starts in a pod, for the first time or again.
    pub fn start_container(&mut self, pod: &str, restarts: i64) {
        let id = self.take_id();
        let image = self.image_of(pod);
        self.edit("pods", pod, |pod| {
            pod["status"]["phase"] = json!("Running");
            pod["status"]["containerStatuses"] = json!([{"name": "oms", "ready": false, "restartCount": restarts, "image": image,
                "imageID": format!("{image}@sha256:0"), "containerID": format!("containerd://{}", token(id)), "state": {"running": {}}}]);
        });
        self.begin_oms(pod);
    }

    fn end_pod(&mut self, pod: &str) {
        match self.kind_of(pod) {
            PodKind::Target(_) => self.end_oms(pod),
            PodKind::Job(job) => self.end_agent(&job),
            PodKind::PrePull => {}
        }
        self.objects.remove(&place("pods", pod));
        self.touched = true;
    }

    /// One round of the Job controller.
    pub fn run_job_controller(&mut self, job: &str) {
        let pods = self.find_job_pods(job);
        match pods.first() {
            None => {
                let Some(object) = self.get("jobs", job).cloned() else {
                    return;
                };
                let id = self.take_id();
                let name = format!("{job}-{}", token(id));
                let mut labels = object["spec"]["template"]["metadata"]["labels"].clone();
                labels["batch.kubernetes.io/job-name"] = json!(job);
                labels["batch.kubernetes.io/controller-uid"] = object["metadata"]["uid"].clone();
                let pod = json!({
                    "kind": "Pod", "apiVersion": "v1",
                    "metadata": {"name": name, "namespace": NAMESPACE, "uid": format!("00000000-0000-4000-8000-{}", token(id)), "labels": labels,
                        "annotations": object["spec"]["template"]["metadata"]["annotations"], "creationTimestamp": self.now(), "resourceVersion": self.take_version(),
                        "ownerReferences": [{"kind": "Job", "apiVersion": "batch/v1", "name": job, "uid": object["metadata"]["uid"], "controller": true}]},
                    "spec": object["spec"]["template"]["spec"], "status": {"phase": "Pending", "podIP": "10.1.0.9"}
                });
                let mut pod = pod;
                pod["spec"]["nodeName"] = json!("node-1");
                self.objects.insert(place("pods", &name), Arc::new(pod));
                self.touched = true;
                // With one attempt and `podReplacementPolicy: Failed` there is never a second pod.
                self.edit("jobs", job, |job| job["status"]["active"] = json!(1));
            }
            Some(pod) => {
                let (type_, reason) = match self.phase_of(pod) {
                    "Succeeded" => ("Complete", "CompletionsReached"),
                    _ => ("Failed", "BackoffLimitExceeded"),
                };
                self.finish_job(job, type_, reason);
            }
        }
    }

    pub fn finish_job(&mut self, job: &str, type_: &str, reason: &str) {
        self.edit("jobs", job, |job| {
            job["status"] = json!({"conditions": [{"type": type_, "status": "True", "reason": reason, "message": ""}]});
        });
    }

    pub fn is_job_over(&self, job: &str) -> bool {
        self.get("jobs", job)
            .is_some_and(|job| job.pointer("/status/conditions/0").is_some())
    }

    /// Whether the Job controller has something to do.
    pub fn can_run_job(&self, job: &str) -> bool {
        if self.is_job_over(job) {
            return false;
        }
        let made = self
            .get("jobs", job)
            .is_some_and(|job| job.pointer("/status/active").is_some());
        match self.find_job_pods(job).first() {
            None => true,
            Some(pod) => made && matches!(self.phase_of(pod), "Succeeded" | "Failed"),
        }
    }

    /// The pod of a Job vanished before it ended: the Job fails.
    pub fn has_lost_pod(&self, job: &str) -> bool {
        let made = self
            .get("jobs", job)
            .is_some_and(|job| job.pointer("/status/active").is_some());
        made && !self.is_job_over(job) && self.find_job_pods(job).is_empty()
    }

    /// Versions of OMS whose containers run, ghosts included.
    pub fn running_versions(&self) -> Vec<Version> {
        let mut all: Vec<Version> = self.oms.values().map(|oms| oms.version).collect();
        all.extend(&self.ghosts);
        all
    }

    pub fn version_of(&self, pod: &str) -> Version {
        if self.image_of(pod) == OLD_IMAGE {
            Version::Old
        } else {
            Version::New
        }
    }
}
