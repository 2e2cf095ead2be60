//! The API server: verbs on the objects of a world, with the semantics that matter here. No I/O.
//!
//! What is told apart by the operator is modelled: resourceVersion conflicts, generations, the
//! status subresource, JSON patches with their tests, finalizers, preconditions, field managers.
use super::cluster::MIRROR;
use super::ownership::{raise_generation, record_manager};
use super::world::{NAMESPACE, Place, World, place, token};
use oms_operator::api::IMAGE_PROBE_ANNOTATION;
use serde_json::{Value, json};
use std::sync::Arc;

/// A request as it arrives.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ask {
    pub method: String,
    pub path: String,
    pub query: Vec<(String, String)>,
    pub body: Value,
}

/// An answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    pub code: u16,
    pub body: Value,
}

/// Where a path leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    pub resource: &'static str,
    pub name: Option<String>,
    pub sub: Option<String>,
}

const RESOURCES: [(&str, &str, &str); 11] = [
    ("omsupgrades", "OmsUpgrade", "oms.oceanbase.com/v1alpha1"),
    ("deployments", "Deployment", "apps/v1"),
    ("replicasets", "ReplicaSet", "apps/v1"),
    ("pods", "Pod", "v1"),
    ("jobs", "Job", "batch/v1"),
    ("secrets", "Secret", "v1"),
    ("configmaps", "ConfigMap", "v1"),
    ("persistentvolumeclaims", "PersistentVolumeClaim", "v1"),
    ("namespaces", "Namespace", "v1"),
    ("events", "Event", "v1"),
    ("leases", "Lease", "coordination.k8s.io/v1"),
];

/// Reads `/api/v1/namespaces/oms/pods/x/log` and its like.
pub fn find_route(path: &str) -> Option<Route> {
    let mut parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let head = if parts.first() == Some(&"api") { 2 } else { 3 };
    parts.drain(..head.min(parts.len()));
    if parts.first() == Some(&"namespaces") && parts.len() > 2 {
        parts.drain(..2);
    }
    let wanted = *parts.first()?;
    let (resource, _, _) = RESOURCES.iter().find(|(name, _, _)| *name == wanted)?;
    Some(Route {
        resource,
        name: parts.get(1).map(|name| (*name).to_owned()),
        sub: parts.get(2).map(|sub| (*sub).to_owned()),
    })
}

pub fn fail(code: u16, reason: &str, message: impl Into<String>) -> Reply {
    Reply {
        code,
        body: json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": message.into(), "reason": reason, "code": code}),
    }
}

fn not_found(route: &Route) -> Reply {
    let name = route.name.as_deref().unwrap_or_default();
    fail(
        404,
        "NotFound",
        format!("{} \"{name}\" not found", route.resource),
    )
}

fn conflict(route: &Route) -> Reply {
    fail(
        409,
        "Conflict",
        format!(
            "Operation cannot be fulfilled on {} {:?}: the object has been modified",
            route.resource, route.name
        ),
    )
}

/// Answers a request.
pub fn handle(world: &mut World, ask: &Ask) -> Reply {
    if ask.query.iter().any(|(name, _)| name == "dryRun") {
        return rehearse(world, ask);
    }
    let Some(route) = find_route(&ask.path) else {
        return fail(
            404,
            "NotFound",
            format!("the server could not find {}", ask.path),
        );
    };
    match (
        ask.method.as_str(),
        route.name.is_some(),
        route.sub.as_deref(),
    ) {
        ("GET", true, None) => read(world, &route),
        ("GET", true, Some("log")) => Reply {
            code: 200,
            body: Value::String(world.read_log(&route.name.unwrap_or_default())),
        },
        ("GET", false, None) => list(world, &route, ask),
        ("POST", false, None) => create(world, &route, ask),
        ("PUT", true, sub) => replace(world, &route, ask, sub == Some("status")),
        ("PATCH", true, sub) => patch(world, &route, ask, sub == Some("status")),
        ("DELETE", true, None) => delete(world, &route, ask),
        _ => fail(
            405,
            "MethodNotAllowed",
            "the server does not allow this method on the requested resource",
        ),
    }
}

/// A dry run: everything but the storing.
fn rehearse(world: &World, ask: &Ask) -> Reply {
    let mut tried = world.clone();
    let mut sent = ask.clone();
    sent.query.retain(|(name, _)| name != "dryRun");
    if let Some(prefix) = sent.body["metadata"]["generateName"].as_str() {
        sent.body["metadata"]["name"] = json!(format!("{prefix}tried"));
    }
    let reply = handle(&mut tried, &sent);
    refuse_forbidden(world, &reply.body).unwrap_or(reply)
}

/// The chart's policy: it judges the operator where that asks for it.
fn refuse_forbidden(world: &World, sent: &Value) -> Option<Reply> {
    let mark = &sent["metadata"]["annotations"][IMAGE_PROBE_ANNOTATION];
    let forbidden = world.upgrade()?["status"]["forbiddenImages"].as_array()?;
    let containers = sent["spec"]["template"]["spec"]["containers"].as_array()?;
    let one = forbidden.iter().find(|one| {
        let is_there = |container: &Value| {
            container["name"] == one["container"] && container["image"] == one["image"]
        };
        one["target"] == sent["metadata"]["name"] && containers.iter().any(is_there)
    })?;
    let text = |name: &str| one[name].as_str().unwrap_or_default();
    let words = format!(
        "OmsUpgrade oms/up forbids image {} in container {} of Deployment {}, because",
        text("image"),
        text("container"),
        text("target")
    );
    mark.is_string().then(|| fail(403, "Forbidden", words))
}

fn key(route: &Route) -> Place {
    place(route.resource, route.name.as_deref().unwrap_or_default())
}

fn read(world: &World, route: &Route) -> Reply {
    match world.objects.get(&key(route)) {
        Some(object) => Reply {
            code: 200,
            body: (**object).clone(),
        },
        None => not_found(route),
    }
}

fn list(world: &World, route: &Route, ask: &Ask) -> Reply {
    let selector = ask
        .query
        .iter()
        .find(|(name, _)| name == "labelSelector")
        .map(|(_, value)| value.clone())
        .unwrap_or_default();
    let items: Vec<Value> = world
        .objects
        .iter()
        .filter(|(place, object)| place.resource == route.resource && matches(object, &selector))
        .filter(|(_, object)| is_about(object, ask))
        .map(|(_, object)| (**object).clone())
        .collect();
    let (_, kind, version) = RESOURCES
        .iter()
        .find(|(name, _, _)| *name == route.resource)
        .copied()
        .unwrap_or_default();
    Reply {
        code: 200,
        body: json!({"kind": format!("{kind}List"), "apiVersion": version, "metadata": {"resourceVersion": world.versions.to_string()}, "items": items}),
    }
}

/// The one field that the operator selects by: which object an event is about.
fn is_about(object: &Value, ask: &Ask) -> bool {
    let mut fields = ask.query.iter().filter(|(name, _)| name == "fieldSelector");
    fields.all(|(_, term)| {
        let uid = term.strip_prefix("involvedObject.uid=");
        uid.is_some_and(|uid| object["involvedObject"]["uid"] == uid)
    })
}

/// Equality terms only, as far as the operator and its users write them.
fn matches(object: &Value, selector: &str) -> bool {
    selector
        .split(',')
        .filter(|term| !term.is_empty())
        .all(|term| match term.split_once('=') {
            Some((key, value)) => {
                object
                    .pointer("/metadata/labels")
                    .and_then(|labels| labels.get(key))
                    == Some(&json!(value.trim_start_matches('=')))
            }
            None => object
                .pointer("/metadata/labels")
                .and_then(|labels| labels.get(term))
                .is_some(),
        })
}

fn create(world: &mut World, route: &Route, ask: &Ask) -> Reply {
    let mut object = ask.body.clone();
    let Some(name) = object["metadata"]["name"].as_str().map(str::to_owned) else {
        return fail(422, "Invalid", "metadata.name: Required value");
    };
    if world.objects.contains_key(&place(route.resource, &name)) {
        return fail(
            409,
            "AlreadyExists",
            format!("{} \"{name}\" already exists", route.resource),
        );
    }
    let id = world.take_id();
    object["metadata"]["uid"] = json!(format!("00000000-0000-4000-8000-{}", token(id)));
    object["metadata"]["creationTimestamp"] = json!(world.now());
    object["metadata"]["namespace"] = json!(NAMESPACE);
    object["metadata"]["generation"] = json!(1);
    object["metadata"]["resourceVersion"] = json!(world.take_version());
    let (_, kind, version) = RESOURCES
        .iter()
        .find(|(name, _, _)| *name == route.resource)
        .copied()
        .unwrap_or_default();
    object["kind"] = json!(kind);
    object["apiVersion"] = json!(version);
    if route.resource == "omsupgrades" {
        object["status"] = json!({"observedGeneration": -1});
    }
    world
        .objects
        .insert(place(route.resource, &name), Arc::new(object.clone()));
    world.touched = true;
    Reply {
        code: 201,
        body: object,
    }
}

/// Stores a changed object: a write that changes nothing keeps its version, as on the real server.
fn store(world: &mut World, route: &Route, before: &Value, mut object: Value) -> Reply {
    if route.resource == "omsupgrades" {
        world.prune(&mut object["status"]);
    }
    if *before == object {
        world.break_rule(format!(
            "a write of {} {:?} changes nothing",
            route.resource, route.name
        ));
        return Reply {
            code: 200,
            body: object,
        };
    }
    if route.resource == "omsupgrades" {
        world.check_transition(&before["status"], &object["status"]);
    }
    object["metadata"]["resourceVersion"] = json!(world.take_version());
    raise_generation(route.resource, before, &mut object);
    let deleting = object["metadata"]["deletionTimestamp"].is_string();
    let held = object["metadata"]["finalizers"]
        .as_array()
        .is_some_and(|all| !all.is_empty());
    if deleting && !held && route.resource != "pods" {
        world.objects.remove(&key(route));
    } else {
        world.objects.insert(key(route), Arc::new(object.clone()));
    }
    world.touched = true;
    Reply {
        code: 200,
        body: object,
    }
}

fn replace(world: &mut World, route: &Route, ask: &Ask, status_only: bool) -> Reply {
    let Some(before) = world.objects.get(&key(route)).cloned() else {
        return not_found(route);
    };
    if let Some(uid) = ask.body["metadata"]["uid"].as_str()
        && before["metadata"]["uid"] != uid
    {
        return conflict(route);
    }
    match ask.body["metadata"]["resourceVersion"].as_str() {
        Some(version) if before["metadata"]["resourceVersion"] != version => {
            return conflict(route);
        }
        Some(_) => {}
        None => world.break_rule(format!(
            "a write of {} without resourceVersion",
            route.resource
        )),
    }
    let mut object = (*before).clone();
    if status_only {
        object["status"] = ask.body["status"].clone();
    } else {
        object = ask.body.clone();
        object["status"] = before["status"].clone();
    }
    store(world, route, &before, object)
}

fn patch(world: &mut World, route: &Route, ask: &Ask, status_only: bool) -> Reply {
    let Some(before) = world.objects.get(&key(route)).cloned() else {
        return not_found(route);
    };
    let operations: json_patch::Patch = match serde_json::from_value(ask.body.clone()) {
        Ok(operations) => operations,
        Err(error) => return fail(400, "BadRequest", error.to_string()),
    };
    let mut object = (*before).clone();
    if let Err(error) = json_patch::patch(&mut object, &operations) {
        // The words of the real server for a failed test and for a missing path.
        let text = format!(
            "the server rejected our request due to an error in our request: {error}: test failed"
        );
        return fail(422, "Invalid", text);
    }
    if object["metadata"]["resourceVersion"] != before["metadata"]["resourceVersion"] {
        return conflict(route);
    }
    if status_only {
        let mut only = (*before).clone();
        only["status"] = object["status"].clone();
        object = only;
    } else {
        object["status"] = before["status"].clone();
    }
    if object == *before {
        return store(world, route, &before, object);
    }
    if route.resource == "deployments" && world.trouble.template_mirror {
        mirror_image(&mut object["spec"]["template"]);
    }
    let owns_fields = ask.body.as_array().is_some_and(|all| {
        all.iter().any(|one| {
            one["path"]
                .as_str()
                .is_some_and(|path| path.starts_with("/metadata/managedFields"))
        })
    });
    if let Some((_, manager)) = ask.query.iter().find(|(name, _)| name == "fieldManager")
        && !owns_fields
    {
        record_manager(&before, &mut object, manager, &world.now());
    }
    store(world, route, &before, object)
}

/// A webhook rewrites the images of templates whenever one is written.
fn mirror_image(template: &mut Value) {
    let image = &mut template["spec"]["containers"][0]["image"];
    if let Some(text) = image.as_str().filter(|text| !text.starts_with(MIRROR)) {
        *image = json!(format!("{MIRROR}{text}"));
    }
}

fn delete(world: &mut World, route: &Route, ask: &Ask) -> Reply {
    let Some(before) = world.objects.get(&key(route)).cloned() else {
        return not_found(route);
    };
    if let Some(uid) = ask
        .body
        .pointer("/preconditions/uid")
        .and_then(Value::as_str)
        && before["metadata"]["uid"] != uid
    {
        return fail(
            409,
            "Conflict",
            "Precondition failed: UID in precondition does not match",
        );
    }
    let policy = ask.body["propagationPolicy"].as_str().or_else(|| {
        ask.query
            .iter()
            .find(|(name, _)| name == "propagationPolicy")
            .map(|(_, value)| value.as_str())
    });
    world.delete_object(
        route.resource,
        route.name.as_deref().unwrap_or_default(),
        policy,
    );
    Reply {
        code: 200,
        body: json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": {"name": route.name, "kind": route.resource}}),
    }
}

impl World {
    /// Deletes an object as the API server and the garbage collector do.
    pub fn delete_object(&mut self, resource: &'static str, name: &str, policy: Option<&str>) {
        let Some(before) = self.objects.get(&place(resource, name)).cloned() else {
            return;
        };
        self.touched = true;
        let now = self.now();
        let held = before["metadata"]["finalizers"]
            .as_array()
            .is_some_and(|all| !all.is_empty());
        let phase = before
            .pointer("/status/phase")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let graceful = resource == "pods"
            && !matches!(phase, "Succeeded" | "Failed")
            && before.pointer("/spec/nodeName").is_some();
        if held || graceful {
            if before["metadata"]["deletionTimestamp"].is_null() {
                self.edit(resource, name, |object| {
                    object["metadata"]["deletionTimestamp"] = json!(now);
                    let generation = object["metadata"]["generation"].as_i64().unwrap_or(0);
                    object["metadata"]["generation"] = json!(generation + 1);
                });
            }
            return;
        }
        self.objects.remove(&place(resource, name));
        if resource != "jobs" {
            return;
        }
        let children: Vec<String> = self
            .list("pods")
            .into_iter()
            .filter(|pod| {
                self.get("pods", pod)
                    .and_then(|pod| pod.pointer("/metadata/ownerReferences/0/uid"))
                    == before.pointer("/metadata/uid")
            })
            .collect();
        for pod in children {
            match policy {
                Some("Orphan") | None => self.edit("pods", &pod, |pod| {
                    pod["metadata"]["ownerReferences"] = json!([]);
                }),
                Some(_) => self.delete_object("pods", &pod, None),
            }
        }
    }
}
