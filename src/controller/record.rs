//! Writes the status, then tells people: one event per note.
use super::calls::{CallError, CallSite};
use super::observe::namespace_of;
use super::ports::Ports;
use crate::api::{OmsUpgrade, OmsUpgradeStatus};
use crate::objects::event::Note;
use crate::objects::event::build_event;
use crate::objects::labels::Owner;
use k8s_openapi::api::core::v1::Event;
use kube::ResourceExt;
use kube::api::{Api, PostParams};

/// Replaces the status that was read, and comes back with the object as it is stored then. `None` is a conflict: somebody was
/// faster, and the next pass sees.
pub(super) async fn record(
    ports: &Ports,
    upgrade: &OmsUpgrade,
    status: OmsUpgradeStatus,
    notes: &[Note],
) -> Result<Option<OmsUpgrade>, CallError> {
    let namespace = namespace_of(upgrade);
    let name = upgrade.name_any();
    let api: Api<OmsUpgrade> = Api::namespaced(ports.client.clone(), &namespace);
    let mut next = upgrade.clone();
    next.metadata.managed_fields = None;
    next.status = Some(status);
    let params = PostParams::default();
    let written = match ports
        .kube(
            CallSite::ReplaceStatus,
            api.replace_status(&name, &params, &next),
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
    let uid = upgrade.uid().unwrap_or_default();
    let owner = Owner {
        namespace: &namespace,
        name: &name,
        uid: &uid,
    };
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
