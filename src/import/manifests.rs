//! The manifests of one OMS node: volumes over the directories that docker mounted, their claims, the Deployment.
use crate::import::choices::Choices;
use crate::import::container::{
    CERTIFICATES, CONFIG, Container, HOST_ADDRESS, KEPT, Mount, holds, is_open,
};
use crate::import::document::Document;
use crate::import::names::{Names, name_host_volume, name_mount};
use crate::import::run_line::values::{write_bytes, write_cpus};
use serde_json::{Value, json};
use std::net::IpAddr;

/// Capacity of the volumes, which nothing enforces on a directory: what OMS's documents want the disk to have.
const CAPACITY: &str = "200Gi";
/// What OMS's documents ask without projects: 1 CPU and 1 GiB for the base, 4 and 7 for the management.
const LEAST: (&str, &str) = ("5", "8Gi");
/// Seconds that OMS gets to stop; docker gives 10 and kills what is left then.
const GRACE: i64 = 60;
const UNKNOWN_NODE: &str = "change-me";
/// Variables whose value is no secret, whatever it is.
const PLAIN: [&str; 5] = [HOST_ADDRESS, "TZ", "LANG", "LC_ALL", "LANGUAGE"];
/// Registries that hold OMS inside OceanBase, and in no other place.
const VENDORS: [&str; 2] = ["reg.docker.alibaba-inc.com", "work.oceanbase-dev.com"];

/// What the builders look at.
pub(crate) struct Source<'c> {
    pub container: &'c Container,
    pub choices: &'c Choices,
    pub names: Names,
}

/// A mount of the container, with the volume that it becomes.
enum Kind {
    /// A volume of its own over the same directory, with a claim.
    Kept,
    /// The Secret of config.yaml, or of the certificates.
    Config,
    Certificate(&'static str),
    /// Something else of the host, as it is.
    Host,
}

/// Volumes, claims, Deployment, in this order.
pub(crate) fn build_manifests(source: &Source<'_>) -> Vec<Document> {
    let kept: Vec<&Mount> = list_kept(source.container);
    let mut all: Vec<Document> = kept
        .iter()
        .flat_map(|mount| [build_volume(source, mount), build_claim(source, mount)])
        .collect();
    all.push(build_deployment(source));
    all
}

fn list_kept(container: &Container) -> Vec<&Mount> {
    let kept = |mount: &&Mount| matches!(judge_mount(mount), Kind::Kept);
    container.mounts.iter().filter(kept).collect()
}

/// Paths of OMS that docker did not mount.
pub(crate) fn list_missing(container: &Container) -> Vec<&'static str> {
    let has = |path: &str| {
        container
            .mounts
            .iter()
            .any(|mount| holds(&mount.target, path))
    };
    KEPT.into_iter()
        .map(|(_, path)| path)
        .filter(|path| !has(path))
        .collect()
}

fn judge_mount(mount: &Mount) -> Kind {
    if mount.target == CONFIG {
        return Kind::Config;
    }
    if let Some((key, _)) = CERTIFICATES.iter().find(|(_, path)| *path == mount.target) {
        return Kind::Certificate(key);
    }
    if KEPT.iter().any(|(_, path)| holds(&mount.target, path)) {
        return Kind::Kept;
    }
    Kind::Host
}

/// The labels of everything but the `OmsUpgrade`, by which `kubectl apply -l` takes these and leaves that one.
fn write_labels(source: &Source<'_>) -> Value {
    json!({"app": "oms", "oms-node": source.names.deployment})
}

fn find_node(source: &Source<'_>) -> (String, Option<&'static str>) {
    let told = source
        .container
        .host_name
        .as_deref()
        .filter(|name| !is_open(name));
    match (&source.choices.node, told) {
        (Some(node), _) => (node.clone(), None),
        (None, Some(host)) => (
            host.to_ascii_lowercase(),
            Some("what docker's host calls itself; the label kubernetes.io/hostname of that node"),
        ),
        (None, None) => (
            UNKNOWN_NODE.to_owned(),
            Some("the label kubernetes.io/hostname of the node on which docker runs OMS"),
        ),
    }
}

/// The path on the host, and what to do where it is not known.
fn find_path(container: &Container, mount: &Mount) -> (String, Option<String>) {
    match mount.source.as_deref() {
        Some(path) if path.starts_with('/') && !is_open(path) => (path.to_owned(), None),
        Some(volume) if mount.is_volume => {
            let tool = container.tool;
            let words = format!(
                "what this prints: {tool} volume inspect -f '{{{{.Mountpoint}}}}' {volume}"
            );
            (
                format!("/var/lib/docker/volumes/{volume}/_data"),
                Some(words),
            )
        }
        Some(text) => {
            let words = format!("the whole path on the host; the line says {text}");
            ("/change-me".to_owned(), Some(words))
        }
        None => {
            let tool = container.tool;
            let name = container.name.as_deref().unwrap_or("NAME");
            let words = format!("its path on the host; {tool} inspect {name} says it under Mounts");
            ("/change-me".to_owned(), Some(words))
        }
    }
}

fn build_volume(source: &Source<'_>, mount: &Mount) -> Document {
    let what = name_mount(&mount.target);
    let (path, unknown_path) = find_path(source.container, mount);
    let (node, unknown_node) = find_node(source);
    let mut document = Document::new(json!({
        "apiVersion": "v1", "kind": "PersistentVolume",
        "metadata": {"name": source.names.volume(&what), "labels": write_labels(source)},
        "spec": {
            "accessModes": ["ReadWriteOnce"], "capacity": {"storage": CAPACITY},
            "claimRef": {"name": source.names.of(&what), "namespace": source.names.namespace},
            "local": {"path": path},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [
                {"key": "kubernetes.io/hostname", "operator": "In", "values": [node]}]}]}},
            "persistentVolumeReclaimPolicy": "Retain"
        }
    }));
    if let Some(words) = unknown_path {
        document.mark("/spec/local/path", words);
    }
    if let Some(words) = unknown_node {
        let place = "/spec/nodeAffinity/required/nodeSelectorTerms/0/matchExpressions/0/values/0";
        document.mark(place, words);
    }
    document
}

fn build_claim(source: &Source<'_>, mount: &Mount) -> Document {
    let what = name_mount(&mount.target);
    let names = &source.names;
    Document::new(json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": {"name": names.of(&what), "namespace": names.namespace, "labels": write_labels(source)},
        "spec": {
            "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": CAPACITY}},
            "storageClassName": "", "volumeName": names.volume(&what)
        }
    }))
}

fn build_deployment(source: &Source<'_>) -> Document {
    let (container, names) = (source.container, &source.names);
    let labels = write_labels(source);
    let (node, unknown_node) = find_node(source);
    let (image, unknown_image) = find_image(source);
    let (mounts, volumes, unknown_paths) = build_mounts(source);
    let (environment, unknown_variables) = build_environment(source);
    let (resources, unknown_resources) = build_resources(container);
    let mut oms = json!({
        "name": "oms", "image": image, "imagePullPolicy": "IfNotPresent", "env": environment, "ports": build_ports(container),
        "resources": resources, "securityContext": {"privileged": container.privileged}, "volumeMounts": mounts
    });
    for (field, is_set) in [("stdin", container.stdin), ("tty", container.tty)] {
        if is_set {
            oms[field] = json!(true);
        }
    }
    if !container.capabilities.is_empty() {
        oms["securityContext"]["capabilities"] = json!({"add": container.capabilities});
    }
    let mut pod = json!({
        "automountServiceAccountToken": false, "enableServiceLinks": false, "containers": [oms],
        "nodeSelector": {"kubernetes.io/hostname": node},
        "terminationGracePeriodSeconds": container.stop_timeout.unwrap_or(GRACE), "volumes": volumes
    });
    if container.is_on_host_network() {
        pod["hostNetwork"] = json!(true);
        pod["dnsPolicy"] = json!("ClusterFirstWithHostNet");
    }
    if !container.hosts.is_empty() {
        let hosts = container.hosts.iter();
        pod["hostAliases"] = hosts
            .map(|(name, address)| json!({"ip": address, "hostnames": [name]}))
            .collect();
    }
    let mut document = Document::new(json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": names.deployment, "namespace": names.namespace, "labels": labels},
        "spec": {
            "replicas": 1, "strategy": {"type": "Recreate"}, "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod}
        }
    }));
    let at = "/spec/template/spec";
    let node = unknown_node.map(|words| {
        (
            "nodeSelector/kubernetes.io~1hostname".to_owned(),
            words.to_owned(),
        )
    });
    let image = unknown_image.map(|words| ("containers/0/image".to_owned(), words));
    let marks = node
        .into_iter()
        .chain(image)
        .chain(unknown_paths)
        .chain(unknown_variables)
        .chain(unknown_resources);
    for (place, words) in marks {
        document.mark(&format!("{at}/{place}"), words);
    }
    document
}

/// What is to be put in where.
type Marks = Vec<(String, String)>;

/// Whether the nodes of a cluster can have an image: one that was only loaded into docker is on its host alone.
pub(crate) fn find_image(source: &Source<'_>) -> (String, Option<String>) {
    if let Some(image) = &source.choices.image {
        return (image.clone(), None);
    }
    let told = source.container.image.as_deref().unwrap_or_default();
    let registry = told.split_once('/').map_or("", |(first, _)| first);
    let is_registry = registry.contains(['.', ':']) || registry == "localhost";
    if is_open(told) || told.starts_with("sha256:") {
        let words =
            "the image that runs now, its version in the tag, from your registry".to_owned();
        return ("registry.example.com/oms:change-me".to_owned(), Some(words));
    }
    if is_registry && !VENDORS.contains(&registry) {
        return (told.to_owned(), None);
    }
    let words = "the same image in a registry that the node can pull from; docker's was loaded from an archive";
    (told.to_owned(), Some(words.to_owned()))
}

fn build_environment(source: &Source<'_>) -> (Vec<Value>, Marks) {
    let container = source.container;
    let mut all = Vec::new();
    let mut marks = Marks::new();
    let has_address = container
        .variables
        .iter()
        .any(|one| one.name == HOST_ADDRESS);
    if !has_address {
        marks.push((
            "containers/0/env/0/value".into(),
            "the address of the host as OMS knows it (cm_nodes in config.yaml)".into(),
        ));
        all.push(json!({"name": HOST_ADDRESS, "value": ""}));
    }
    for variable in &container.variables {
        let place = format!("containers/0/env/{}/value", all.len());
        let name = variable.name.as_str();
        if !PLAIN.contains(&name) {
            let secret = json!({"secretKeyRef": {"name": source.names.of("env"), "key": name}});
            all.push(json!({"name": name, "valueFrom": secret}));
            continue;
        }
        let value = variable.value.as_deref().unwrap_or_default();
        all.push(json!({"name": name, "value": value}));
        if name == HOST_ADDRESS && value.parse::<IpAddr>().is_err() {
            marks.push((
                place,
                "the address of the host as OMS knows it (cm_nodes in config.yaml)".into(),
            ));
        } else if is_open(value) {
            marks.push((place, format!("the value of {name}")));
        }
    }
    (all, marks)
}

/// Names of the variables whose values come from the Secret of the environment.
pub(crate) fn list_secret_variables(container: &Container) -> Vec<&str> {
    let names = container
        .variables
        .iter()
        .map(|variable| variable.name.as_str());
    names.filter(|name| !PLAIN.contains(name)).collect()
}

fn build_ports(container: &Container) -> Vec<Value> {
    if container.is_on_host_network() {
        // Said, so that no second OMS is put on the node: on its network these are ports of the node.
        return vec![
            json!({"name": "console", "containerPort": 8089}),
            json!({"name": "cm", "containerPort": 8088}),
        ];
    }
    let write = |port: &crate::import::container::Port| {
        let mut one = json!({"containerPort": port.container});
        if let Some(host) = port.host {
            one["hostPort"] = json!(host);
        }
        if port.is_udp {
            one["protocol"] = json!("UDP");
        }
        one
    };
    container.ports.iter().map(write).collect()
}

fn build_resources(container: &Container) -> (Value, Marks) {
    let cpus = container.cpu_limit.map(write_cpus);
    let memory = container.memory_limit.map(write_bytes);
    let mut resources = json!({"requests": {}});
    let mut marks = Marks::new();
    match &cpus {
        Some(cpus) => resources["limits"]["cpu"] = json!(cpus),
        None => {
            resources["requests"]["cpu"] = json!(LEAST.0);
            marks.push((
                "containers/0/resources/requests/cpu".into(),
                "what OMS's documents ask without projects, 8 more per link from MySQL".into(),
            ));
        }
    }
    match (&memory, container.memory_request.map(write_bytes)) {
        (None, None) => {
            resources["requests"]["memory"] = json!(LEAST.1);
            marks.push((
                "containers/0/resources/requests/memory".into(),
                "what OMS's documents ask without projects, 20 GiB more per link from MySQL".into(),
            ));
        }
        (limit, request) => {
            if let Some(limit) = limit {
                resources["limits"]["memory"] = json!(limit);
            }
            if let Some(request) = request.or_else(|| limit.clone()) {
                resources["requests"]["memory"] = json!(request);
            }
        }
    }
    if let Some(cpus) = cpus {
        resources["requests"]["cpu"] = json!(cpus);
    }
    (resources, marks)
}

fn build_mounts(source: &Source<'_>) -> (Vec<Value>, Vec<Value>, Marks) {
    let (container, names) = (source.container, &source.names);
    let (mut mounts, mut volumes, mut marks) = (Vec::new(), Vec::new(), Marks::new());
    for mount in &container.mounts {
        let name = name_mount(&mount.target);
        match judge_mount(mount) {
            Kind::Kept => {
                mounts.push(json!({"name": name, "mountPath": mount.target}));
                volumes.push(
                    json!({"name": name, "persistentVolumeClaim": {"claimName": names.of(&name)}}),
                );
            }
            Kind::Config => {}
            Kind::Certificate(key) => {
                mounts.push(json!({"name": "https", "mountPath": mount.target, "subPath": key, "readOnly": true}));
            }
            Kind::Host => {
                let is_taken =
                    |name: &str| volumes.iter().any(|volume: &Value| volume["name"] == name);
                let name = name_host_volume(&mount.target, is_taken, volumes.len());
                let (path, unknown) = find_path(container, mount);
                if let Some(words) = unknown {
                    marks.push((format!("volumes/{}/hostPath/path", volumes.len()), words));
                }
                let mut one = json!({"name": name, "mountPath": mount.target});
                if mount.read_only {
                    one["readOnly"] = json!(true);
                }
                mounts.push(one);
                volumes.push(json!({"name": name, "hostPath": {"path": path}}));
            }
        }
    }
    mounts.push(
        json!({"name": "config", "mountPath": CONFIG, "subPath": "config.yaml", "readOnly": true}),
    );
    volumes.push(json!({"name": "config", "secret": {"secretName": names.of("config")}}));
    if mounts.iter().any(|mount| mount["name"] == "https") {
        volumes.push(json!({"name": "https", "secret": {"secretName": names.of("https"), "defaultMode": 0o400}}));
    }
    (mounts, volumes, marks)
}
