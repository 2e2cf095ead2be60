//! The double against the real thing: one list of semantics, asserted of the double always, and of
//! the API server of `$KUBECONFIG` when there is one.
use super::http::{read_ask, send};
use super::store::handle;
use super::world::{Setup, World};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Client;
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams, Preconditions};
use oms_operator::objects::deployment::{find_pauser, read_replicas_owned_time};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::fmt::Debug;
use std::sync::{Arc, Mutex};

/// A client of the double's store alone: no gate, no rules.
pub fn build_client() -> Client {
    let world = Arc::new(Mutex::new(World::new(1, Setup::default())));
    let service = tower::service_fn(move |request: http::Request<kube::client::Body>| {
        let world = world.clone();
        async move {
            let ask = read_ask(request).await?;
            send(handle(&mut world.lock().unwrap(), &ask))
        }
    });
    Client::new(service, "default")
}

/// HTTP status of an answer.
fn code<T>(answer: &Result<T, kube::Error>) -> u16 {
    match answer {
        Ok(_) => 200,
        Err(kube::Error::Api(status)) => status.code,
        Err(error) => panic!("no answer of an API server: {error}"),
    }
}

fn reason<T>(answer: &Result<T, kube::Error>) -> String {
    match answer {
        Err(kube::Error::Api(status)) => status.reason.clone(),
        _ => String::new(),
    }
}

fn build<T: DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

fn operations(value: Value) -> Patch<()> {
    Patch::Json(build(value))
}

/// Asserts the semantics that the explorer rests on.
pub async fn check(client: Client, namespace: &str) {
    check_conditions(Api::namespaced(client.clone(), namespace)).await;
    check_patches(Api::namespaced(client.clone(), namespace)).await;
    check_finalizers(Api::namespaced(client.clone(), namespace)).await;
    check_generations(Api::namespaced(client, namespace)).await;
}

async fn make<T>(api: &Api<T>, value: Value) -> T
where
    T: kube::Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + serde::Serialize,
{
    let name = value["metadata"]["name"].as_str().unwrap().to_owned();
    let _ = api.delete(&name, &DeleteParams::background()).await;
    api.create(&PostParams::default(), &build(value))
        .await
        .unwrap()
}

/// Versions, uids, names: who comes second is told so.
async fn check_conditions(api: Api<ConfigMap>) {
    let params = PostParams::default();
    assert_eq!(code(&api.get("conformance-none").await), 404);
    let first = make(
        &api,
        json!({"metadata": {"name": "conformance-a"}, "data": {"k": "1"}}),
    )
    .await;
    let again = api
        .create(
            &params,
            &build(json!({"metadata": {"name": "conformance-a"}})),
        )
        .await;
    assert_eq!(
        (code(&again), reason(&again).as_str()),
        (409, "AlreadyExists")
    );
    let mut changed = first.clone();
    changed.data = Some([("k".to_owned(), "2".to_owned())].into());
    let second = api
        .replace("conformance-a", &params, &changed)
        .await
        .unwrap();
    assert_ne!(
        first.metadata.resource_version,
        second.metadata.resource_version
    );
    assert_eq!(first.metadata.uid, second.metadata.uid);
    let stale = api.replace("conformance-a", &params, &changed).await;
    assert_eq!((code(&stale), reason(&stale).as_str()), (409, "Conflict"));
    let other = DeleteParams::background().preconditions(Preconditions {
        uid: Some("another".into()),
        resource_version: None,
    });
    assert_eq!(code(&api.delete("conformance-a", &other).await), 409);
    let right = DeleteParams::background().preconditions(Preconditions {
        uid: first.metadata.uid.clone(),
        resource_version: None,
    });
    assert_eq!(code(&api.delete("conformance-a", &right).await), 200);
    assert_eq!(code(&api.delete("conformance-a", &right).await), 404);
}

/// JSON patches: a failed test changes nothing, a write that changes nothing keeps its version.
async fn check_patches(api: Api<ConfigMap>) {
    let params = PatchParams::default();
    let first = make(
        &api,
        json!({"metadata": {"name": "conformance-b"}, "data": {"k": "1"}}),
    )
    .await;
    let failed = operations(
        json!([{"op": "test", "path": "/data/k", "value": "0"}, {"op": "replace", "path": "/data/k", "value": "9"}]),
    );
    let answer = api.patch("conformance-b", &params, &failed).await;
    assert_eq!((code(&answer), reason(&answer).as_str()), (422, "Invalid"));
    let missing = operations(json!([{"op": "remove", "path": "/data/none"}]));
    assert_eq!(
        code(&api.patch("conformance-b", &params, &missing).await),
        422
    );
    let version = first.metadata.resource_version.clone().unwrap();
    let good = operations(
        json!([{"op": "test", "path": "/metadata/resourceVersion", "value": version}, {"op": "replace", "path": "/data/k", "value": "2"}]),
    );
    let second = api.patch("conformance-b", &params, &good).await.unwrap();
    assert_eq!(second.data.as_ref().unwrap()["k"], "2");
    assert_eq!(
        code(&api.patch("conformance-b", &params, &good).await),
        422,
        "the version moved on"
    );
    let nothing = operations(json!([{"op": "replace", "path": "/data/k", "value": "2"}]));
    let third = api.patch("conformance-b", &params, &nothing).await.unwrap();
    assert_eq!(
        second.metadata.resource_version,
        third.metadata.resource_version
    );
    api.delete("conformance-b", &DeleteParams::background())
        .await
        .unwrap();
}

/// A finalizer holds an object until it is taken away.
async fn check_finalizers(api: Api<ConfigMap>) {
    make(
        &api,
        json!({"metadata": {"name": "conformance-c", "finalizers": ["example.com/hold"]}}),
    )
    .await;
    api.delete("conformance-c", &DeleteParams::background())
        .await
        .unwrap();
    let held = api.get("conformance-c").await.unwrap();
    assert!(held.metadata.deletion_timestamp.is_some());
    let release = operations(json!([{"op": "remove", "path": "/metadata/finalizers"}]));
    api.patch("conformance-c", &PatchParams::default(), &release)
        .await
        .unwrap();
    assert_eq!(code(&api.get("conformance-c").await), 404);
}

/// The generation of a Deployment counts changes of its spec and of its annotations, and of nothing else.
async fn check_generations(api: Api<Deployment>) {
    let first = make(
        &api,
        json!({"metadata": {"name": "conformance-d"}, "spec": {"replicas": 0, "selector": {"matchLabels": {"app": "conformance"}},
            "template": {"metadata": {"labels": {"app": "conformance"}}, "spec": {"containers": [{"name": "c", "image": "none"}]}}}}),
    )
    .await;
    let begin = first.metadata.generation.unwrap();
    let params = PatchParams {
        field_manager: Some("conformance".into()),
        ..PatchParams::default()
    };
    let note =
        operations(json!([{"op": "add", "path": "/metadata/annotations", "value": {"a": "b"}}]));
    let noted = api.patch("conformance-d", &params, &note).await.unwrap();
    assert_eq!(noted.metadata.generation, Some(begin + 1));
    let label = operations(json!([{"op": "add", "path": "/metadata/labels", "value": {"a": "b"}}]));
    let labelled = api.patch("conformance-d", &params, &label).await.unwrap();
    assert_eq!(labelled.metadata.generation, Some(begin + 1));
    // Not compared: to replace what is absent. API servers add it, the double refuses; the operator replaces only what
    // it read.
    let pause = operations(json!([{"op": "add", "path": "/spec/paused", "value": true}]));
    let paused = api.patch("conformance-d", &params, &pause).await.unwrap();
    assert_eq!(paused.metadata.generation, Some(begin + 2));
    let object = serde_json::to_value(&paused).unwrap();
    assert_eq!(find_pauser(&object), Some("conformance"));
    let managers: Vec<String> = paused
        .metadata
        .managed_fields
        .unwrap_or_default()
        .into_iter()
        .filter_map(|entry| entry.manager)
        .collect();
    assert!(
        managers.iter().any(|manager| manager == "conformance"),
        "{managers:?}"
    );
    // So does the Deployment controller write its revision: generations are left alone by it.
    let revision = operations(
        json!([{"op": "add", "path": "/metadata/annotations/deployment.kubernetes.io~1revision", "value": "7"}]),
    );
    let counted = api
        .patch_status("conformance-d", &params, &revision)
        .await
        .unwrap();
    assert_eq!(counted.metadata.generation, Some(begin + 2));
    check_ownership(&api).await;
    api.delete("conformance-d", &DeleteParams::background())
        .await
        .unwrap();
}

/// Who changes the replicas takes them from their owner, and does not give them back by changing them back; an
/// annotation takes nothing.
async fn check_ownership(api: &Api<Deployment>) {
    let write = async |manager: &str, change: Value| {
        let params = PatchParams {
            field_manager: Some(manager.into()),
            ..PatchParams::default()
        };
        let written = api
            .patch("conformance-d", &params, &operations(json!([change])))
            .await
            .unwrap();
        read_replicas_owned_time(&serde_json::to_value(written).unwrap())
    };
    let scale = |replicas| json!({"op": "replace", "path": "/spec/replicas", "value": replicas});
    let note = json!({"op": "add", "path": "/metadata/annotations/note", "value": "seen"});
    let owned = write("oms-operator", scale(1)).await;
    assert!(owned.is_some());
    assert_eq!(write("other", note).await, owned);
    assert_eq!(write("other", scale(0)).await, None);
    assert_eq!(write("other", scale(1)).await, None);
    assert_eq!(write("other", scale(0)).await, None);
}
