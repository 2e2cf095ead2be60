//! Looks whether the definition of `OmsUpgrade` in the cluster knows every field of this operator: at the start, and
//! again and again. Who may not look goes without: then each status is tried before it is written.
use crate::api::{DEFINITION_NAME, is_memory, list_lacking_fields};
use crate::controller::Definition;
use crate::metrics::Metrics;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Client;
use kube::api::Api;
use std::sync::Arc;
use std::time::Duration;

/// Time for one look.
const LOOK_LIMIT: Duration = Duration::from_secs(10);
/// Time between two looks.
const PAUSE: Duration = Duration::from_secs(60);
/// The same while something is lacking: somebody is about to mend it.
const PAUSE_WHILE_LACKING: Duration = Duration::from_secs(10);

/// What to do where it lacks something.
pub(super) const WAY_OUT: &str = "install the definition of this version: kubectl apply --server-side -f \
     crds/omsupgrades.oms.oceanbase.com.yaml";

/// Looks, and tells whom it concerns.
pub(super) struct Watcher {
    pub client: Client,
    pub definition: Arc<Definition>,
    pub metrics: Arc<Metrics>,
    /// What was seen last; `Err` where it could not be seen, and why.
    last: Option<Result<Vec<String>, String>>,
}

impl Watcher {
    pub fn new(client: Client, definition: Arc<Definition>, metrics: Arc<Metrics>) -> Self {
        Self {
            client,
            definition,
            metrics,
            last: None,
        }
    }

    /// Looks until the process ends.
    pub async fn watch(mut self) {
        loop {
            let lacks = !self.definition.list_lacking().is_empty();
            tokio::time::sleep(if lacks { PAUSE_WHILE_LACKING } else { PAUSE }).await;
            self.look().await;
        }
    }

    /// Looks once.
    pub async fn look(&mut self) {
        let seen = self.read().await;
        if self.last.as_ref() == Some(&seen) {
            return;
        }
        match &seen {
            Ok(lacking) => self.take_in(lacking),
            // What it lacked when it was seen last it may lack still.
            Err(reason) => {
                self.metrics.forget_lacking_fields();
                self.definition.tell_unseen();
                tracing::info!(
                    reason,
                    "whether the definition of OmsUpgrade fits this operator cannot be seen; each status is tried before it is written"
                );
            }
        }
        self.last = Some(seen);
    }

    async fn read(&self) -> Result<Vec<String>, String> {
        let api: Api<CustomResourceDefinition> = Api::all(self.client.clone());
        match tokio::time::timeout(LOOK_LIMIT, api.get(DEFINITION_NAME)).await {
            Ok(Ok(stored)) => Ok(list_lacking_fields(&stored)),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!("no answer within {} s", LOOK_LIMIT.as_secs())),
        }
    }

    fn take_in(&self, lacking: &[String]) {
        let memory = lacking.iter().filter(|field| is_memory(field)).count();
        self.metrics
            .set_lacking_fields(memory, lacking.len() - memory);
        self.definition.tell(lacking.to_vec());
        if lacking.is_empty() {
            tracing::info!("the definition of OmsUpgrade fits this operator");
        } else {
            tracing::error!(
                fields = lacking.join(", "),
                "the definition of OmsUpgrade in this cluster lacks fields of this operator; {}{WAY_OUT}",
                if memory > 0 {
                    "no upgrade is worked on, and nothing of one is written, until it has them; "
                } else {
                    "what somebody writes there is lost; "
                }
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::build_crd;
    use kube::client::Body;
    use serde_json::{Value, json};
    use std::sync::Mutex;

    /// An API server that answers what it is told to.
    fn build_watcher(answer: &Arc<Mutex<(u16, Value)>>) -> Watcher {
        let answer = answer.clone();
        let service = tower::service_fn(move |request: http::Request<Body>| {
            assert!(request.uri().path().ends_with(DEFINITION_NAME));
            let (code, body) = answer.lock().unwrap().clone();
            async move {
                let body = Body::from(serde_json::to_vec(&body).unwrap());
                http::Response::builder().status(code).body(body)
            }
        });
        let client = Client::new(service, "oms");
        Watcher::new(client, Arc::default(), Arc::default())
    }

    fn older() -> Value {
        let mut definition = serde_json::to_value(build_crd()).unwrap();
        let internal = "/spec/versions/0/schema/openAPIV3Schema/properties/status/properties/internal/properties";
        let fields = definition.pointer_mut(internal).unwrap();
        fields.as_object_mut().unwrap().remove("intent").unwrap();
        definition
    }

    #[tokio::test]
    async fn what_is_lacking_is_told_until_it_is_there() {
        let answer = Arc::new(Mutex::new((200, older())));
        let mut watcher = build_watcher(&answer);
        let shows = |watcher: &Watcher, line: &str| watcher.metrics.render().contains(line);
        watcher.look().await;
        assert_eq!(
            watcher.definition.list_lacking(),
            ["status.internal.intent"]
        );
        assert!(shows(
            &watcher,
            "oms_operator_definition_lacking_fields{part=\"status\"} 1"
        ));
        // What cannot be seen is not what fits.
        let refusal = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Forbidden", "message": "no", "code": 403});
        *answer.lock().unwrap() = (403, refusal);
        watcher.look().await;
        assert_eq!(
            watcher.definition.list_lacking(),
            ["status.internal.intent"]
        );
        assert!(!shows(&watcher, "lacking_fields{"));
        *answer.lock().unwrap() = (200, serde_json::to_value(build_crd()).unwrap());
        watcher.look().await;
        assert_eq!(watcher.definition.list_lacking(), [""; 0]);
        assert!(shows(
            &watcher,
            "oms_operator_definition_lacking_fields{part=\"status\"} 0"
        ));
    }

    #[tokio::test]
    async fn who_may_not_look_goes_without() {
        let refusal = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Forbidden", "message": "no", "code": 403});
        let mut watcher = build_watcher(&Arc::new(Mutex::new((403, refusal))));
        watcher.look().await;
        assert_eq!(watcher.definition.list_lacking(), [""; 0]);
        assert!(!watcher.metrics.render().contains("lacking_fields{"));
    }
}
