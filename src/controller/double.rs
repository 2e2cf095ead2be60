//! An API server for tests: holds `OmsUpgrade`s, takes statuses and events, knows nothing else.
use super::exec::KubeExec;
use super::ports::{AlwaysPermitted, Clock, Ports, Settings};
use crate::objects::pod_settings::PodSettings;
use crate::oms::http::HttpOpener;
use crate::oms::mysql::MySqlOpener;
use http_body_util::BodyExt;
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// What the server holds and what was asked.
#[derive(Default)]
pub(super) struct Server {
    pub upgrades: Mutex<BTreeMap<String, Value>>,
    pub asked: Mutex<Vec<String>>,
    pub events: Mutex<Vec<Value>>,
    /// Pointers to fields that its definition does not have.
    pub unknown: Mutex<Vec<&'static str>>,
    /// Other objects, by the path under which they are read.
    pub others: Mutex<BTreeMap<String, Value>>,
    /// A webhook that takes no dry run.
    pub takes_no_try: AtomicBool,
}

impl Server {
    /// A server with these objects.
    pub fn with(objects: &[Value]) -> Arc<Self> {
        let server = Self::default();
        for object in objects {
            let name = object["metadata"]["name"].as_str().unwrap().to_owned();
            server.upgrades.lock().unwrap().insert(name, object.clone());
        }
        Arc::new(server)
    }

    /// A stored object.
    pub fn get(&self, name: &str) -> Value {
        self.upgrades.lock().unwrap()[name].clone()
    }

    fn answer(&self, method: &str, uri: &http::Uri, body: Value) -> (u16, Value) {
        let path = uri.path();
        let is_tried = uri.query().is_some_and(|query| query.contains("dryRun"));
        let asked = if is_tried { "TRY" } else { method };
        self.asked.lock().unwrap().push(format!("{asked} {path}"));
        let mut upgrades = self.upgrades.lock().unwrap();
        let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        match (method, parts.as_slice()) {
            ("GET", [.., "omsupgrades", name]) if upgrades.contains_key(*name) => {
                (200, upgrades[*name].clone())
            }
            ("PUT", [.., "status"]) if is_tried && self.takes_no_try.load(Ordering::Relaxed) => (
                400,
                json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "BadRequest", "message": "admission webhook does not support dry run", "code": 400}),
            ),
            ("PUT", [.., "omsupgrades", name, "status"]) => {
                let stored = upgrades.get_mut(*name).unwrap();
                let mut next = stored.clone();
                next["status"] = body["status"].clone();
                for field in self.unknown.lock().unwrap().iter() {
                    let (parent, name) = field.rsplit_once('/').unwrap();
                    if let Some(parent) = next.pointer_mut(parent).and_then(Value::as_object_mut) {
                        parent.remove(name);
                    }
                }
                if !is_tried {
                    *stored = next.clone();
                }
                (200, next)
            }
            ("PATCH", [.., "omsupgrades", name]) => {
                let stored = upgrades.get_mut(*name).unwrap();
                stored["metadata"]["finalizers"] = json!([crate::api::FINALIZER]);
                (200, stored.clone())
            }
            ("POST", [.., "events"]) => {
                self.events.lock().unwrap().push(body.clone());
                (201, body)
            }
            ("GET", _) if self.others.lock().unwrap().contains_key(path) => {
                (200, self.others.lock().unwrap()[path].clone())
            }
            _ => (
                404,
                json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "message": path, "code": 404}),
            ),
        }
    }
}

/// The outside, with this server in it.
pub(super) fn build_ports(server: &Arc<Server>, clock: Arc<dyn Clock>) -> Ports {
    let server = server.clone();
    let service = tower::service_fn(move |request: http::Request<Body>| {
        let server = server.clone();
        async move {
            let (parts, body) = request.into_parts();
            let bytes = body.collect().await.unwrap().to_bytes();
            let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
            let (code, body) = server.answer(parts.method.as_str(), &parts.uri, body);
            let body = Body::from(serde_json::to_vec(&body).unwrap());
            http::Response::builder().status(code).body(body)
        }
    });
    let client = Client::new(service, "oms");
    Ports {
        metadb: Arc::new(MySqlOpener::default()),
        console: Arc::new(HttpOpener),
        exec: Arc::new(KubeExec(client.clone())),
        clock,
        permit: Arc::new(AlwaysPermitted),
        settings: Arc::new(Settings {
            tools_image: "tools".into(),
            pods: PodSettings::default(),
            applications: Vec::new(),
            reporter: "test".into(),
        }),
        claims: Arc::default(),
        sightings: Arc::default(),
        hearing: Arc::default(),
        definition: Arc::default(),
        client,
    }
}
