//! What follows where the definition of `OmsUpgrade` in the cluster is known to lack fields.
//!
//! Where a field of the status is lacking, nothing of an upgrade may be written, not even what people should know:
//! what was stored by a definition that has the field is hidden when it is read, and a write would end it for good.
//! So an event tells it.
use super::calls::CallError;
use super::ports::Ports;
use super::record::publish;
use super::subject::Subject;
use crate::api::is_memory;
use crate::upgrade::note_cut;
use kube::ResourceExt;

/// An object is taken up only where the definition knows every field of its status.
///
/// # Errors
/// [`CallError::StatusCut`] where it does not. An event says so, once for each version of the object.
pub(super) async fn require_fitting(ports: &Ports, subject: &Subject<'_>) -> Result<(), CallError> {
    let mut fields = ports.definition.list_lacking();
    fields.retain(|field| is_memory(field));
    if fields.is_empty() {
        return Ok(());
    }
    let note = note_cut(subject.status, &fields);
    let version = subject.upgrade.resource_version().unwrap_or_default();
    publish(ports, subject.owner, &version, &note).await;
    Err(CallError::StatusCut { fields })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controller::double::{Server, build_ports};
    use crate::controller::ports::SystemClock;
    use crate::controller::reconcile::{Key, Outcome, reconcile};
    use serde_json::json;
    use std::sync::Arc;

    #[tokio::test]
    async fn what_an_older_definition_hides_is_not_overwritten() {
        let server = Server::with(&[json!({
            "apiVersion": "oms.oceanbase.com/v1alpha1", "kind": "OmsUpgrade",
            "metadata": {"name": "up", "namespace": "oms", "uid": "u", "generation": 1, "resourceVersion": "5"},
            "spec": {"targets": [{"name": "oms"}], "image": "oms:4.0.0-ce", "backup": {"claimName": "c"}},
            "status": {"observedGeneration": -1},
        })]);
        let ports = build_ports(&server, Arc::new(SystemClock));
        let key = Key {
            namespace: "oms".into(),
            name: "up".into(),
        };
        let before = server.get("up");
        // A field of the spec holds up nothing: who wrote it was told.
        let lacking = ["spec.accept", "status.internal.intent"].map(str::to_owned);
        ports.definition.tell(lacking.to_vec());
        for _ in 0..2 {
            let Err(CallError::StatusCut { fields }) = reconcile(&ports, &key).await else {
                panic!("it is worked on");
            };
            assert_eq!(fields, lacking[1..]);
        }
        assert_eq!(server.get("up"), before);
        let asked = server.asked.lock().unwrap().clone();
        let writes: Vec<&String> = asked.iter().filter(|one| !one.starts_with("GET")).collect();
        assert!(
            writes.iter().all(|one| one.ends_with("/events")),
            "{writes:?}"
        );
        let event = server.events.lock().unwrap()[0].clone();
        let message = event["message"].as_str().unwrap();
        assert_eq!(event["reason"], "StatusCut");
        assert!(
            message.contains("status.internal.intent") && message.contains("kubectl apply"),
            "{message}"
        );
        assert!(!message.contains("spec.accept"), "{message}");
        // With the definition that fits it goes on by itself.
        ports.definition.tell(vec!["spec.accept".into()]);
        assert_eq!(reconcile(&ports, &key).await.unwrap(), Outcome::Recorded);
    }
}
