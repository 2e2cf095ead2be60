//! The second copy of the originals. Reads only.
use super::targets::TargetView;
use crate::controller::calls::{CallError, CallSite};
use crate::controller::ports::Ports;
use crate::controller::subject::{Subject, read_uid};
use crate::facts::{CopyNeed, Needs, OriginalsCopy};
use crate::objects::labels::is_ours;
use crate::objects::names::originals_name;
use crate::upgrade::lacks_record;
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use kube::api::Api;

/// Whether the step wants to see it.
pub(super) fn is_wanted(subject: &Subject<'_>, needs: Needs, targets: &[TargetView]) -> bool {
    match needs.originals {
        CopyNeed::Never => false,
        CopyNeed::Always => true,
        CopyNeed::WhereMissing => {
            let facts = targets.iter().map(|view| &view.facts);
            lacks_record(subject.marks.uid, subject.status, facts)
        }
    }
}

/// Reads it by its name; one that is not ours is none.
pub(super) async fn read_copy(
    ports: &Ports,
    subject: &Subject<'_>,
) -> Result<Option<OriginalsCopy>, CallError> {
    let api: Api<Secret> = Api::namespaced(ports.client.clone(), subject.owner.namespace);
    let name = originals_name(subject.marks.uid);
    let secret = match ports.kube(CallSite::GetOriginalsCopy, api.get(&name)).await {
        Ok(secret) if is_ours(&secret.metadata, subject.marks.uid) => secret,
        Ok(_) => return Ok(None),
        Err(error) if error.is_not_found() => return Ok(None),
        Err(error) => return Err(error),
    };
    let data = secret.data.iter().flatten();
    let records = data.filter_map(|(key, value)| {
        let text = std::str::from_utf8(&value.0).ok()?;
        Some((key.clone(), text.to_owned()))
    });
    let mut owners = secret.owner_references().iter();
    Ok(Some(OriginalsCopy {
        uid: read_uid(&secret.metadata)?,
        resource_version: secret.resource_version().unwrap_or_default(),
        owned: owners.any(|owner| owner.uid == subject.owner.uid),
        records: records.collect(),
        name,
    }))
}
