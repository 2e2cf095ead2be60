//! Writes the status, then tells people: one event per note. What was stored is held against what was written.
use super::calls::{CallError, CallSite};
use super::ports::Ports;
use super::subject::Subject;
use crate::api::{OmsUpgrade, OmsUpgradeStatus};
use crate::objects::event::Note;
use crate::objects::event::build_event;
use crate::objects::labels::Owner;
use crate::upgrade::{describe_cut, list_cut_fields, says_cut};
use k8s_openapi::api::core::v1::Event;
use kube::ResourceExt;
use kube::api::{Api, PostParams};

/// How often a status that was cut is taken back when somebody else is faster.
const TRIES_TO_TAKE_BACK: u32 = 3;

/// Replaces the status that was read, and comes back with the object as it is stored then. `None` is a conflict:
/// somebody was faster, and the next reconcile sees.
///
/// # Errors
/// [`CallError::StatusCut`] where less was stored than was written. Then the object is as it was before, and says so;
/// from then on it is first tried, without storing anything, whether the status can be stored whole.
pub(super) async fn record(
    ports: &Ports,
    subject: &Subject<'_>,
    status: OmsUpgradeStatus,
    notes: &[Note],
) -> Result<Option<OmsUpgrade>, CallError> {
    let owner = subject.owner;
    if says_cut(subject.status) {
        let Some(tried) = replace(ports, owner, subject.upgrade, &status, Mode::Try).await? else {
            return Ok(None);
        };
        require_whole(&status, &tried)?;
    }
    let Some(written) = replace(ports, owner, subject.upgrade, &status, Mode::Store).await? else {
        return Ok(None);
    };
    if let Err(error) = require_whole(&status, &written) {
        take_back(ports, subject, written, &error).await;
        return Err(error);
    }
    let version = written.resource_version().unwrap_or_default();
    for note in notes {
        tracing::info!(reason = note.reason, message = note.message, "transition");
        publish(ports, owner, &version, note).await;
    }
    Ok(Some(written))
}

fn require_whole(written: &OmsUpgradeStatus, stored: &OmsUpgrade) -> Result<(), CallError> {
    let fields = list_cut_fields(written, stored.status.as_ref());
    if fields.is_empty() {
        Ok(())
    } else {
        Err(CallError::StatusCut { fields })
    }
}

/// Whether a write is stored, or only goes through all that a write goes through.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Store,
    Try,
}

/// `None`: somebody was faster.
async fn replace(
    ports: &Ports,
    owner: Owner<'_>,
    upgrade: &OmsUpgrade,
    status: &OmsUpgradeStatus,
    mode: Mode,
) -> Result<Option<OmsUpgrade>, CallError> {
    let api: Api<OmsUpgrade> = Api::namespaced(ports.client.clone(), owner.namespace);
    let mut next = upgrade.clone();
    next.metadata.managed_fields = None;
    next.status = Some(status.clone());
    let params = PostParams {
        dry_run: mode == Mode::Try,
        ..PostParams::default()
    };
    match ports
        .kube(
            CallSite::ReplaceStatus,
            api.replace_status(owner.name, &params, &next),
        )
        .await
    {
        Ok(written) => Ok(Some(written)),
        Err(error) if error.is_conflict() || error.is_not_found() => {
            tracing::debug!(%error, "somebody was faster; looking again");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Puts the status of before in the place of one that was cut, with what people have to know.
async fn take_back(ports: &Ports, subject: &Subject<'_>, mut cut: OmsUpgrade, error: &CallError) {
    let CallError::StatusCut { fields } = error else {
        return;
    };
    let owner = subject.owner;
    let generation = subject.upgrade.metadata.generation.unwrap_or_default();
    let (told, note) = describe_cut(subject.status, generation, fields, &ports.now());
    let api: Api<OmsUpgrade> = Api::namespaced(ports.client.clone(), owner.namespace);
    for _ in 0..TRIES_TO_TAKE_BACK {
        match replace(ports, owner, &cut, &told, Mode::Store).await {
            Ok(Some(stored)) => {
                let version = stored.resource_version().unwrap_or_default();
                publish(ports, owner, &version, &note).await;
                return;
            }
            Ok(None) => match ports.kube(CallSite::GetUpgrade, api.get(owner.name)).await {
                Ok(now) if now.metadata.uid.as_deref() == Some(owner.uid) => cut = now,
                _ => break,
            },
            Err(error) => tracing::warn!(%error, "a status that was cut is not taken back yet"),
        }
    }
    tracing::error!(
        message = note.message,
        "a status that was cut could not be taken back"
    );
}

/// An event that cannot be written never holds up an upgrade.
pub(super) async fn publish(ports: &Ports, owner: Owner<'_>, version: &str, note: &Note) {
    let event = build_event(owner, version, note, &ports.settings.reporter, &ports.now());
    let api: Api<Event> = Api::namespaced(ports.client.clone(), owner.namespace);
    let params = PostParams::default();
    match ports
        .kube(CallSite::CreateEvent, api.create(&params, &event))
        .await
    {
        Ok(_) => {}
        Err(error) if error.is_already_exists() => {}
        Err(error) => tracing::warn!(%error, reason = note.reason, "the event was not written"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controller::double::{Server, build_ports};
    use crate::controller::ports::SystemClock;
    use crate::controller::reconcile::{Key, Outcome, reconcile};
    use serde_json::{Value, json};
    use std::sync::Arc;

    fn serve(unknown: &[&'static str]) -> Arc<Server> {
        let server = Server::with(&[json!({
            "apiVersion": "oms.oceanbase.com/v1alpha1", "kind": "OmsUpgrade",
            "metadata": {"name": "up", "namespace": "oms", "uid": "u", "generation": 1, "resourceVersion": "5"},
            "spec": {"targets": [{"name": "oms"}], "image": "oms:4.0.0-ce", "backup": {"claimName": "c"}},
            "status": {"observedGeneration": -1},
        })]);
        *server.unknown.lock().unwrap() = unknown.to_vec();
        server
    }

    async fn work(server: &Arc<Server>) -> Result<Outcome, CallError> {
        let key = Key {
            namespace: "oms".into(),
            name: "up".into(),
        };
        reconcile(&build_ports(server, Arc::new(SystemClock)), &key).await
    }

    fn count(server: &Server, method: &str) -> usize {
        let asked = server.asked.lock().unwrap();
        asked.iter().filter(|call| call.starts_with(method)).count()
    }

    fn find_ready(server: &Server) -> Value {
        server.get("up")["status"]["conditions"][0].clone()
    }

    #[tokio::test]
    async fn a_status_that_is_cut_is_taken_back_told_once_and_not_written_for_ever() {
        let server = serve(&["/status/stepStartedTime"]);
        for _ in 0..5 {
            let worked = work(&server).await;
            let Err(CallError::StatusCut { fields }) = worked else {
                panic!("{worked:?}");
            };
            assert_eq!(fields, ["status.stepStartedTime"]);
        }
        // One that was cut, one that took it back; after that it is only tried.
        assert_eq!((count(&server, "PUT"), count(&server, "TRY")), (2, 4));
        let status = server.get("up")["status"].clone();
        assert_eq!(status.get("step"), None);
        assert_eq!(find_ready(&server)["reason"], "StatusCut");
        let message = find_ready(&server)["message"].to_string();
        assert!(message.contains("status.stepStartedTime"), "{message}");
        let events = server.events.lock().unwrap().clone();
        let reasons: Vec<&Value> = events.iter().map(|event| &event["reason"]).collect();
        assert_eq!(reasons, ["StatusCut"]);
        assert_eq!(events[0]["type"], "Warning");
    }

    #[tokio::test]
    async fn with_a_fitting_definition_it_goes_on_by_itself() {
        let server = serve(&["/status/stepStartedTime"]);
        assert!(work(&server).await.is_err());
        server.unknown.lock().unwrap().clear();
        assert_eq!(work(&server).await.unwrap(), Outcome::Recorded);
        assert_eq!(server.get("up")["status"]["step"], "Pending");
        assert_ne!(find_ready(&server)["reason"], "StatusCut");
    }

    #[tokio::test]
    async fn what_cannot_be_recorded_is_not_carried_out() {
        let server = serve(&[]);
        // So far that the finalizer is wanted next.
        while count(&server, "PUT") < 2 {
            work(&server).await.unwrap();
        }
        assert_eq!(
            server.get("up")["status"]["internal"]["intent"]["effect"],
            "AddFinalizer"
        );
        let server = serve(&["/status/internal/intent"]);
        for _ in 0..6 {
            let _ = work(&server).await;
        }
        assert_eq!(server.get("up")["status"]["step"], "Pending");
        assert_eq!(find_ready(&server)["reason"], "StatusCut");
        assert_eq!((count(&server, "PATCH"), count(&server, "POST")), (0, 2));
    }
}
