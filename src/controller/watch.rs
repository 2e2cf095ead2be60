//! Wires watches to reconciles: one controller per namespace, a few objects at a time.
use super::cached::{CachedUpgrade, read_claims};
use super::calls::CallError;
use super::claims::Claims;
use super::faults::{isolate, tell_fault, tell_unreadable};
use super::lanes::Lanes;
use super::pacing::Pacing;
use super::ports::Ports;
use super::reconcile::{Key, Outcome, find_rest, reconcile};
use super::sightings::SeenDeployment;
use super::subject::read_owner;
use crate::metrics::Metrics;
use crate::objects::labels::{UPGRADE_ANNOTATION, UPGRADE_UID_LABEL};
use futures::future::BoxFuture;
use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use kube::Resource;
use kube::api::{Api, PartialObjectMeta};
use kube::runtime::WatchStreamExt;
use kube::runtime::controller::{Action, Config, Controller};
use kube::runtime::reflector::{self, ObjectRef};
use kube::runtime::watcher::{self, watcher};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// No limit: that of the lanes holds.
const AT_ONCE: u16 = 0;
/// Events that come together are one reconcile.
const DEBOUNCE: Duration = Duration::from_millis(2);
/// Reconciles in a row before other objects get their turn.
const IN_A_ROW: u32 = 64;
/// Pause when an effect was carried out and is wanted again at once: it has not worked.
const PAUSE_AFTER_NO_EFFECT: Duration = Duration::from_millis(500);
/// Objects that a list brings at once: they are decoded together.
const PAGE: u32 = 100;

struct Shared {
    ports: Ports,
    metrics: Arc<Metrics>,
    pacing: Pacing,
    lanes: Lanes,
}

/// Runs one controller per namespace until `stop` is called; comes back when all have ended.
pub async fn run_controllers<F>(
    ports: Ports,
    metrics: Arc<Metrics>,
    namespaces: Vec<String>,
    stop: impl Fn() -> F,
) where
    F: Future<Output = ()> + Send + Sync + 'static,
{
    let controllers: Vec<BoxFuture<'_, ()>> = namespaces
        .iter()
        .map(|namespace| {
            let shared = Arc::new(Shared {
                ports: ports.clone(),
                metrics: metrics.clone(),
                pacing: Pacing::default(),
                lanes: Lanes::default(),
            });
            let run = run_controller(shared, namespace.clone(), stop());
            Box::pin(run) as BoxFuture<'_, ()>
        })
        .collect();
    futures::future::join_all(controllers).await;
}

async fn run_controller(
    shared: Arc<Shared>,
    namespace: String,
    stop: impl Future<Output = ()> + Send + Sync + 'static,
) {
    let client = shared.ports.client.clone();
    let upgrades: Api<CachedUpgrade> = Api::namespaced(client.clone(), &namespace);
    let jobs: Api<PartialObjectMeta<Job>> = Api::namespaced(client.clone(), &namespace);
    let pods: Api<PartialObjectMeta<Pod>> = Api::namespaced(client.clone(), &namespace);
    let deployments: Api<SeenDeployment> = Api::namespaced(client, &namespace);
    let (store, writer) = reflector::store::<CachedUpgrade>();
    let of_metrics = store.clone();
    shared.metrics.add_source(Box::new(move |take| {
        for cached in of_metrics.state() {
            take(cached.content.as_deref().map_err(|metadata| &**metadata));
        }
    }));
    let (claims, hearing) = (shared.ports.claims.clone(), shared.ports.hearing.clone());
    let (of_pods, of_deployments) = (claims.clone(), claims.clone());
    let sightings = shared.ports.sightings.clone();
    let (here, there, seen_in) = (namespace.clone(), namespace.clone(), namespace.clone());
    // The claims are told before the store, so that no reconcile knows less of the others than of its own object.
    let cached = watcher(upgrades, watcher::Config::default().page_size(PAGE))
        .inspect_ok(move |event| {
            claims.apply(&namespace, &read_claims(event));
            hearing.hear(event);
        })
        .reflect(writer)
        .applied_objects();
    Controller::for_stream(cached, store)
        .with_config(Config::default().debounce(DEBOUNCE).concurrency(AT_ONCE))
        .watches(
            jobs,
            watcher::Config::default().labels(UPGRADE_UID_LABEL),
            |job| find_maker(job.meta()),
        )
        // All pods of the namespace: those of targets carry no label of ours, and the moment at which
        // the last one is gone is downtime.
        .watches(pods, watcher::Config::default(), move |pod| {
            find_maker(pod.meta())
                .into_iter()
                .chain(find_interested(
                    &of_pods,
                    &here,
                    find_deployment(pod.meta()).as_deref(),
                ))
                .collect::<Vec<_>>()
        })
        // With their images, so that a settled upgrade learns of a forbidden one and calls nobody for all else.
        .watches_stream(
            watcher(deployments, watcher::Config::default())
                .inspect_ok(move |event| sightings.apply(&seen_in, event))
                .touched_objects(),
            move |deployment| {
                let name = deployment.meta().name.as_deref().unwrap_or_default();
                name_all(&there, of_deployments.find_watching(&there, name))
            },
        )
        .graceful_shutdown_on(stop)
        .run(work, on_error, shared)
        .for_each(|outcome| async move {
            if let Err(error) = outcome {
                tracing::debug!(%error, "controller");
            }
        })
        .await;
}

/// The upgrade that made an object.
fn find_maker(
    metadata: &k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta,
) -> Option<ObjectRef<CachedUpgrade>> {
    let name = metadata.annotations.as_ref()?.get(UPGRADE_ANNOTATION)?;
    metadata.labels.as_ref()?.get(UPGRADE_UID_LABEL)?;
    Some(ObjectRef::new(name).within(metadata.namespace.as_deref()?))
}

/// Name of the Deployment that a pod comes from: its ReplicaSet is named after it.
fn find_deployment(
    metadata: &k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta,
) -> Option<String> {
    let owner = metadata
        .owner_references
        .iter()
        .flatten()
        .find(|owner| owner.kind == "ReplicaSet")?;
    owner
        .name
        .rsplit_once('-')
        .map(|(deployment, _)| deployment.to_owned())
}

/// Unsettled upgrades with this target.
fn find_interested(
    claims: &Claims,
    namespace: &str,
    deployment: Option<&str>,
) -> Vec<ObjectRef<CachedUpgrade>> {
    let unsettled = deployment.map(|deployment| claims.find_unsettled(namespace, deployment));
    name_all(namespace, unsettled.unwrap_or_default())
}

fn name_all(namespace: &str, upgrades: Vec<String>) -> Vec<ObjectRef<CachedUpgrade>> {
    let upgrades = upgrades.iter();
    upgrades
        .map(|name| ObjectRef::new(name).within(namespace))
        .collect()
}

/// Reconciles one object until there is nothing to do at once. Nothing that goes wrong in it ends the work on others.
async fn work(cached: Arc<CachedUpgrade>, shared: Arc<Shared>) -> Result<Action, CallError> {
    let key = name_object(&cached)?;
    let worked = isolate(reconcile_cached(&cached, &shared, &key)).await;
    match &worked {
        Ok(action) if *action == Action::await_change() => {
            shared.pacing.forget(&key);
            shared.lanes.forget(&key);
        }
        Ok(_) => {}
        Err(CallError::Panicked) => {
            shared.metrics.count_reconcile(Duration::ZERO, "panic");
            tell_fault(&shared.ports, &key).await;
        }
        Err(_) => {}
    }
    worked
}

async fn reconcile_cached(
    cached: &CachedUpgrade,
    shared: &Shared,
    key: &Key,
) -> Result<Action, CallError> {
    let Ok(upgrade) = &cached.content else {
        shared.metrics.count_reconcile(Duration::ZERO, "unreadable");
        tell_unreadable(&shared.ports, key).await?;
        return Ok(Action::await_change());
    };
    if shared.ports.sightings.contradict(upgrade) {
        return shared.lanes.run(key, reconcile_in_a_row(shared, key)).await;
    }
    match find_rest(&shared.ports, upgrade) {
        Some(Outcome::Within(time)) => Ok(Action::requeue(time)),
        Some(_) => Ok(Action::await_change()),
        None => shared.lanes.run(key, reconcile_in_a_row(shared, key)).await,
    }
}

fn name_object(cached: &CachedUpgrade) -> Result<Key, CallError> {
    let owner = read_owner(cached.meta())?;
    Ok(Key {
        namespace: owner.namespace.into(),
        name: owner.name.into(),
    })
}

async fn reconcile_in_a_row(shared: &Shared, key: &Key) -> Result<Action, CallError> {
    let mut last = None;
    for _ in 0..IN_A_ROW {
        let began = Instant::now();
        let outcome = reconcile(&shared.ports, key).await;
        let word = match &outcome {
            Ok(_) => "ok",
            Err(CallError::StatusCut { .. }) => "status_cut",
            Err(_) => "error",
        };
        shared.metrics.count_reconcile(began.elapsed(), word);
        match outcome? {
            Outcome::Recorded => shared.pacing.note_progress(key),
            Outcome::Performed(effect) => {
                shared.pacing.note_progress(key);
                if last.replace(effect.clone()).as_ref() == Some(&effect) {
                    return Ok(Action::requeue(PAUSE_AFTER_NO_EFFECT));
                }
            }
            Outcome::Within(time) => {
                let pause = shared.pacing.pause_in_wait(key, time, Instant::now());
                return Ok(Action::requeue(pause));
            }
            Outcome::AwaitChange => return Ok(Action::await_change()),
        }
    }
    Ok(Action::requeue(Duration::ZERO))
}

fn on_error(cached: Arc<CachedUpgrade>, error: &CallError, shared: Arc<Shared>) -> Action {
    let Ok(key) = name_object(&cached) else {
        tracing::warn!(%error, "an object of nobody; it is left alone");
        return Action::await_change();
    };
    let pause = shared.pacing.pause_after_failure(&key);
    tracing::warn!(
        namespace = key.namespace,
        name = key.name,
        %error,
        pause_ms = pause.as_millis(),
        "a reconcile failed; it is repeated"
    );
    Action::requeue(pause)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controller::double::{Server, build_ports};
    use crate::controller::ports::{Clock, SystemClock};
    use k8s_openapi::jiff::Timestamp;
    use serde_json::{Value, json};
    use std::sync::atomic::{AtomicBool, Ordering};

    fn object(name: &str, timeouts: Value) -> Value {
        json!({
            "apiVersion": "oms.oceanbase.com/v1alpha1", "kind": "OmsUpgrade",
            "metadata": {"name": name, "namespace": "oms", "uid": name, "generation": 1, "resourceVersion": "5"},
            "spec": {"targets": [{"name": "oms"}], "image": "oms:4.0.0-ce", "backup": {"claimName": "c"}, "timeouts": timeouts},
            "status": {"observedGeneration": -1},
        })
    }

    fn share(server: &Arc<Server>, clock: Arc<dyn Clock>) -> Arc<Shared> {
        Arc::new(Shared {
            ports: build_ports(server, clock),
            metrics: Arc::new(Metrics::new()),
            pacing: Pacing::default(),
            lanes: Lanes::default(),
        })
    }

    async fn work_on(
        shared: &Arc<Shared>,
        server: &Server,
        name: &str,
    ) -> Result<Action, CallError> {
        let cached = serde_json::from_value(server.get(name)).unwrap();
        work(Arc::new(cached), shared.clone()).await
    }

    /// A clock that panics once: a fault in the middle of a reconcile.
    struct BrokenOnce(AtomicBool);

    impl Clock for BrokenOnce {
        fn now(&self) -> Timestamp {
            assert!(
                !self.0.swap(false, Ordering::Relaxed),
                "a fault of the operator's own"
            );
            SystemClock.now()
        }
    }

    #[tokio::test]
    async fn a_panic_in_one_reconcile_is_told_and_ends_nothing() {
        let server = Server::with(&[object("faulty", json!({})), object("healthy", json!({}))]);
        let shared = share(&server, Arc::new(BrokenOnce(AtomicBool::new(true))));
        let worked = work_on(&shared, &server, "faulty").await;
        assert!(matches!(worked, Err(CallError::Panicked)));
        let status = server.get("faulty")["status"].clone();
        assert_eq!(status["waiting"]["reason"], "OperatorFault");
        assert!(!status.to_string().contains("a fault of the operator's own"));
        assert_eq!(server.events.lock().unwrap()[0]["reason"], "OperatorFault");
        let counted = shared.metrics.render();
        assert!(
            counted.contains("passes_total{outcome=\"panic\"} 1"),
            "{counted}"
        );
        work_on(&shared, &server, "healthy").await.unwrap();
        assert_eq!(server.get("healthy")["status"]["step"], "Preflight");
    }

    #[tokio::test]
    async fn an_object_that_cannot_be_read_is_told_so_and_others_go_on() {
        let absurd = json!({"backup": "9999999999999999h"});
        let server = Server::with(&[object("absurd", absurd), object("healthy", json!({}))]);
        let shared = share(&server, Arc::new(SystemClock));
        for _ in 0..2 {
            work_on(&shared, &server, "absurd").await.unwrap();
        }
        let stored = server.get("absurd");
        let ready = &stored["status"]["conditions"][0];
        assert_eq!(
            (&ready["type"], &ready["status"], &ready["reason"]),
            (&json!("Ready"), &json!("False"), &json!("Unreadable"))
        );
        let message = ready["message"].as_str().unwrap();
        assert!(
            message.contains("spec.timeouts.backup") && message.contains("720h"),
            "{message}"
        );
        // Nothing of the object is lost, and it is told once.
        assert_eq!(stored["spec"]["timeouts"]["backup"], "9999999999999999h");
        let writes = server
            .asked
            .lock()
            .unwrap()
            .iter()
            .filter(|call| call.starts_with("PUT"))
            .count();
        assert_eq!((writes, server.events.lock().unwrap().len()), (1, 1));
        work_on(&shared, &server, "healthy").await.unwrap();
        assert_eq!(server.get("healthy")["status"]["step"], "Preflight");
    }

    #[tokio::test]
    async fn an_operator_that_starts_wakes_a_settled_object_when_its_copies_are_due() {
        struct At(i64);
        impl Clock for At {
            fn now(&self) -> Timestamp {
                Timestamp::from_second(self.0).unwrap()
            }
        }
        let mut object = object("up", json!({}));
        object["status"] = json!({
            "observedGeneration": 1, "step": "Settling", "direction": "RollBack", "settled": true, "internal": {"epoch": 2},
            "finishedTime": "1970-01-01T00:10:00Z", "stepStartedTime": "1970-01-01T00:10:00Z",
            "leftovers": [{"kind": "SafetyCopy", "place": "MetaDB db:2881", "name": "oms_rm__omsnew_1"}],
        });
        let server = Server::with(&[object]);
        let due = 600 + 168 * 3600;
        // The first look completes the status, as the operator that went would have done.
        let first = share(&server, Arc::new(At(due - 9)));
        work_on(&first, &server, "up").await.unwrap();
        server.asked.lock().unwrap().clear();
        let second = share(&server, Arc::new(At(due - 9)));
        let action = work_on(&second, &server, "up").await.unwrap();
        assert_eq!(action, Action::requeue(Duration::from_secs(9)));
        assert_eq!(*server.asked.lock().unwrap(), Vec::<String>::new());
        let third = share(&server, Arc::new(At(due)));
        work_on(&third, &server, "up").await.ok();
        assert_eq!(server.get("up")["status"]["settled"], false);
    }

    /// A sync of a git that still names the old image, long after the end: told at once, once, and nobody is called
    /// where nothing changed.
    #[tokio::test]
    async fn a_forbidden_image_after_the_end_is_told_at_once() {
        let mut over = object("up", json!({}));
        over["status"] = json!({
            "observedGeneration": 1, "step": "Settling", "direction": "Forward", "settled": true, "internal": {"epoch": 1,
                "originals": {"targets": [{"name": "oms", "uid": "d", "container": "oms", "replicas": 1, "image": "oms:3.3.1-ce",
                    "templateHash": "a", "managedFieldsHash": "b"}]},
                "sources": [{"target": "oms"}]},
            "pointOfNoReturnTime": "1970-01-01T00:05:00Z",
            "forbiddenImages": [{"target": "oms", "container": "oms", "image": "oms:3.3.1-ce", "useImage": "oms:4.0.0-ce"}],
            "finishedTime": "1970-01-01T00:10:00Z", "stepStartedTime": "1970-01-01T00:10:00Z",
        });
        let deployment = |image: &str| {
            json!({"apiVersion": "apps/v1", "kind": "Deployment",
                "metadata": {"name": "oms", "namespace": "oms", "uid": "d", "resourceVersion": "9", "managedFields": [
                    {"manager": "a-sync", "operation": "Update", "fieldsV1": {"f:spec": {"f:template": {}}}}]},
                "spec": {"replicas": 1, "selector": {"matchLabels": {"app": "oms"}}, "template": {"spec": {"containers": [
                    {"name": "oms", "image": image}]}}}})
        };
        let server = Server::with(&[over]);
        let shared = share(&server, Arc::new(SystemClock));
        let sync = |image: &str| {
            let path = "/apis/apps/v1/namespaces/oms/deployments/oms".to_owned();
            let live = deployment(image);
            server.others.lock().unwrap().insert(path, live.clone());
            let seen: SeenDeployment = serde_json::from_value(live).unwrap();
            shared
                .ports
                .sightings
                .apply("oms", &watcher::Event::Apply(seen));
        };
        shared.ports.sightings.apply("oms", &watcher::Event::Init);
        shared
            .ports
            .sightings
            .apply("oms", &watcher::Event::InitDone);
        sync("oms:4.0.0-ce");
        // The first look completes the status, as the operator before would have done.
        work_on(&shared, &server, "up").await.unwrap();
        server.asked.lock().unwrap().clear();
        server.events.lock().unwrap().clear();
        work_on(&shared, &server, "up").await.unwrap();
        assert_eq!(*server.asked.lock().unwrap(), Vec::<String>::new());
        let read = || {
            let status = server.get("up")["status"].clone();
            let all = status["conditions"].as_array().unwrap().clone();
            let mut all = all.into_iter();
            all.find(|one| one["type"] == "SourceConverged").unwrap()
        };
        assert_eq!(read()["status"], "True");
        sync("oms:3.3.1-ce");
        work_on(&shared, &server, "up").await.unwrap();
        let told = read();
        assert_eq!(
            (&told["status"], &told["reason"]),
            (&json!("False"), &json!("SourceReverted"))
        );
        for words in [
            "a-sync",
            "oms:3.3.1-ce",
            "image: oms:4.0.0-ce",
            "--replicas=0",
        ] {
            assert!(told["message"].as_str().unwrap().contains(words), "{told}");
        }
        assert_eq!(server.events.lock().unwrap().len(), 1);
        assert_eq!(server.events.lock().unwrap()[0]["reason"], "SourceReverted");
        server.asked.lock().unwrap().clear();
        work_on(&shared, &server, "up").await.unwrap();
        assert_eq!(*server.asked.lock().unwrap(), Vec::<String>::new());
        sync("oms:4.0.0-ce");
        work_on(&shared, &server, "up").await.unwrap();
        assert_eq!(read()["status"], "True");
    }

    #[test]
    fn a_pod_leads_to_its_deployment() {
        let pod = |kind: &str| {
            serde_json::from_value(json!({"name": "x", "ownerReferences": [
                {"apiVersion": "apps/v1", "kind": kind, "name": "oms-node-7c9d", "uid": "u"}]}))
            .unwrap()
        };
        assert_eq!(
            find_deployment(&pod("ReplicaSet")).as_deref(),
            Some("oms-node")
        );
        assert_eq!(find_deployment(&pod("StatefulSet")), None);
    }
}
