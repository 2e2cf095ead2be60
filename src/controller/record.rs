//! Writes the status, then tells people: one event per note.
use super::calls::{CallError, CallSite};
use super::ports::Ports;
use super::subject::Subject;
use crate::api::{OmsUpgrade, OmsUpgradeStatus};
use crate::objects::event::Note;
use crate::objects::event::build_event;
use crate::objects::labels::Owner;
use k8s_openapi::api::core::v1::Event;
use kube::ResourceExt;
use kube::api::{Api, PostParams};

/// Replaces the status that was read, and comes back with the object as it is stored then. `None` is a conflict:
/// somebody was faster, and the next reconcile sees.
pub(super) async fn record(
    ports: &Ports,
    subject: &Subject<'_>,
    status: OmsUpgradeStatus,
    notes: &[Note],
) -> Result<Option<OmsUpgrade>, CallError> {
    let owner = subject.owner;
    let api: Api<OmsUpgrade> = Api::namespaced(ports.client.clone(), owner.namespace);
    let mut next = subject.upgrade.clone();
    next.metadata.managed_fields = None;
    next.status = Some(status);
    let params = PostParams::default();
    let written = match ports
        .kube(
            CallSite::ReplaceStatus,
            api.replace_status(owner.name, &params, &next),
        )
        .await
    {
        Ok(written) => written,
        Err(error) if error.is_conflict() || error.is_not_found() => {
            tracing::debug!(%error, "somebody was faster; looking again");
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    let version = written.resource_version().unwrap_or_default();
    for note in notes {
        tracing::info!(reason = note.reason, message = note.message, "transition");
        publish(ports, owner, &version, note).await;
    }
    Ok(Some(written))
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
