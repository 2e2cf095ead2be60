//! Writes the status, then tells people: one event per note. What is stored is held against what was written, before
//! where it can be tried, and after.
use super::calls::{CallError, CallSite};
use super::ports::Ports;
use super::subject::Subject;
use crate::api::{OmsUpgrade, OmsUpgradeStatus, read_upgrade};
use crate::objects::event::Note;
use crate::objects::event::build_event;
use crate::objects::labels::Owner;
use crate::upgrade::{brings_new_fields, describe_cut, list_cut_fields, says_cut};
use k8s_openapi::api::core::v1::Event;
use kube::ResourceExt;
use kube::api::{Api, ApiResource, DynamicObject, PostParams};
use serde::Deserialize;

/// How often it is told that a status was cut when somebody else is faster.
const TRIES_TO_TELL: u32 = 3;

/// Replaces the status that was read, and comes back with the object as it is stored then. `None` is a conflict:
/// somebody was faster, and the next reconcile sees.
///
/// # Errors
/// [`CallError::StatusCut`] where less would be stored than is written. Then the object is as it was before, and says
/// so.
pub(super) async fn record(
    ports: &Ports,
    subject: &Subject<'_>,
    status: OmsUpgradeStatus,
    notes: &[Note],
) -> Result<Option<OmsUpgrade>, CallError> {
    let owner = subject.owner;
    let read = open(subject.upgrade)?;
    if !try_first(ports, subject, &read, &status).await? {
        return Ok(None);
    }
    let Some(written) = replace(ports, owner, &read, &status, Mode::Store).await? else {
        return Ok(None);
    };
    if let Err(error) = require_whole(&status, &written) {
        tell_cut(ports, subject, written, &error).await;
        return Err(error);
    }
    let version = written.resource_version().unwrap_or_default();
    for note in notes {
        tracing::info!(reason = note.reason, message = note.message, "transition");
        publish(ports, owner, &version, note).await;
    }
    let written = serde_json::to_value(written).map_err(|error| error.to_string());
    written
        .and_then(read_upgrade)
        .map(Some)
        .map_err(|error| CallError::Bug(format!("what was written cannot be read ({error})")))
}

/// An object as plain JSON: what is stored of it may not read as one of ours.
fn open(upgrade: &OmsUpgrade) -> Result<DynamicObject, CallError> {
    let opened = serde_json::to_value(upgrade).and_then(serde_json::from_value);
    opened.map_err(|error| CallError::Bug(format!("an object cannot be written ({error})")))
}

/// Tries, without storing anything, whether a status with a field that is not there yet can be stored whole: of a
/// memory with holes that was stored nobody would know when the operator dies, or the answer is lost, before it is
/// taken back. Not where the definition was just seen to have every field: should it have been made older since, the
/// answer to the write tells. `false`: somebody was faster.
async fn try_first(
    ports: &Ports,
    subject: &Subject<'_>,
    read: &DynamicObject,
    status: &OmsUpgradeStatus,
) -> Result<bool, CallError> {
    let told = says_cut(subject.status);
    let is_safe = ports.definition.fits() || !brings_new_fields(subject.status, status);
    if !told && is_safe {
        return Ok(true);
    }
    let tried = match replace(ports, subject.owner, read, status, Mode::Try).await {
        // 400: a webhook that takes no dry run. Then the answer to the write itself has to do, but for what was cut
        // before.
        Err(error) if error.is_bad_request() && !told => {
            tracing::debug!(%error, "whether the status can be stored whole cannot be tried");
            return Ok(true);
        }
        tried => tried?,
    };
    let Some(tried) = tried else {
        return Ok(false);
    };
    match require_whole(status, &tried) {
        Err(error) if !told => {
            tell_cut(ports, subject, read.clone(), &error).await;
            Err(error)
        }
        whole => whole.map(|()| true),
    }
}

fn require_whole(written: &OmsUpgradeStatus, stored: &DynamicObject) -> Result<(), CallError> {
    let fields = list_cut_fields(written, stored.data.get("status"));
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

fn reach(ports: &Ports, owner: Owner<'_>) -> Api<DynamicObject> {
    let resource = ApiResource::erase::<OmsUpgrade>(&());
    Api::namespaced_with(ports.client.clone(), owner.namespace, &resource)
}

/// `None`: somebody was faster.
async fn replace(
    ports: &Ports,
    owner: Owner<'_>,
    stored: &DynamicObject,
    status: &OmsUpgradeStatus,
    mode: Mode,
) -> Result<Option<DynamicObject>, CallError> {
    let mut next = stored.clone();
    next.metadata.managed_fields = None;
    let status = serde_json::to_value(status)
        .map_err(|error| CallError::Bug(format!("a status cannot be written ({error})")))?;
    if let Some(data) = next.data.as_object_mut() {
        data.insert("status".into(), status);
    }
    let (site, dry_run) = match mode {
        Mode::Store => (CallSite::ReplaceStatus, false),
        Mode::Try => (CallSite::TryStatus, true),
    };
    let params = PostParams {
        dry_run,
        ..PostParams::default()
    };
    let api = reach(ports, owner);
    match ports
        .kube(site, api.replace_status(owner.name, &params, &next))
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

/// Puts the status of before, with what people have to know, in the place of what is stored: the same, or one that
/// was cut.
async fn tell_cut(
    ports: &Ports,
    subject: &Subject<'_>,
    mut stored: DynamicObject,
    error: &CallError,
) {
    let CallError::StatusCut { fields } = error else {
        return;
    };
    let owner = subject.owner;
    let generation = subject.upgrade.metadata.generation.unwrap_or_default();
    let (mut told, note) = describe_cut(subject.status, generation, fields, &ports.now());
    if told.waiting != subject.status.waiting {
        // Conditions are in every definition, this is in most: a part of it would be no object of ours any more.
        let tried = replace(ports, owner, &stored, &told, Mode::Try).await;
        let whole = matches!(tried, Ok(Some(tried)) if require_whole(&told, &tried).is_ok());
        if !whole {
            told.waiting.clone_from(&subject.status.waiting);
        }
    }
    let api = reach(ports, owner);
    for _ in 0..TRIES_TO_TELL {
        match replace(ports, owner, &stored, &told, Mode::Store).await {
            Ok(Some(written)) => {
                let version = written.resource_version().unwrap_or_default();
                publish(ports, owner, &version, &note).await;
                return;
            }
            Ok(None) => match ports.kube(CallSite::GetUpgrade, api.get(owner.name)).await {
                // Our own write, of which the answer was lost.
                Ok(now) if reads_as(&told, &now) => return,
                Ok(now) if now.metadata.uid.as_deref() == Some(owner.uid) => stored = now,
                _ => break,
            },
            Err(error) => tracing::warn!(%error, "that the status is cut is not told yet"),
        }
    }
    tracing::error!(
        message = note.message,
        "that the status is cut could not be told, and one that was cut not be taken back"
    );
}

fn reads_as(told: &OmsUpgradeStatus, stored: &DynamicObject) -> bool {
    let stored = stored.data.get("status");
    stored.is_some_and(|stored| {
        OmsUpgradeStatus::deserialize(stored).is_ok_and(|stored| stored == *told)
    })
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
    use std::sync::atomic::Ordering;

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
        // One that tells it; all else is only tried.
        assert_eq!((count(&server, "PUT"), count(&server, "TRY")), (1, 5));
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

    /// What cannot be tried is written, and taken back where it was cut.
    #[tokio::test]
    async fn without_dry_runs_a_status_that_is_cut_is_taken_back() {
        let server = serve(&[]);
        server.takes_no_try.store(true, Ordering::Relaxed);
        assert_eq!(work(&server).await.unwrap(), Outcome::Recorded);
        let server = serve(&["/status/stepStartedTime"]);
        server.takes_no_try.store(true, Ordering::Relaxed);
        for _ in 0..3 {
            assert!(work(&server).await.is_err());
        }
        assert_eq!((count(&server, "PUT"), count(&server, "TRY")), (2, 3));
        assert_eq!(server.get("up")["status"].get("step"), None);
        assert_eq!(find_ready(&server)["reason"], "StatusCut");
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
