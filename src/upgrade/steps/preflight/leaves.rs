//! What an upgrade will leave behind, told before it begins. Pure.
use crate::objects::names::backup_directory;
use crate::protocol::report::ProbeReport;
use crate::protocol::request::RestoreMethod;
use crate::upgrade::context::Context;
use crate::upgrade::parts::progress::format_bytes;

/// What is left at the end, where, about how large, and for how long.
pub(crate) fn describe_leaves(
    cx: &Context<'_>,
    probe: Option<&ProbeReport>,
    method: Option<RestoreMethod>,
) -> Vec<String> {
    let known = probe.filter(|probe| probe.estimated_bytes > 0);
    let size = known.map_or_else(
        || "of a size that the server does not tell".into(),
        |probe| {
            format!(
                "of databases of about {}",
                format_bytes(probe.estimated_bytes)
            )
        },
    );
    let directory = backup_directory(cx.marks(), &cx.object.name);
    let claim = &cx.spec.backup.claim_name;
    let mut leaves = vec![format!(
        "the backup, {size}, before compression: {directory} on claim {claim}; a person removes it (spec.cleanup.backup: {:?})",
        cx.spec.cleanup.backup
    )];
    let metadb = match cx.observed.installation.known() {
        Some(found) => format!("MetaDB {}", found.metadb),
        None => "the MetaDB".into(),
    };
    if method == Some(RestoreMethod::Swap) {
        leaves.push(format!(
            "only after a rollback that restores: the replaced tables, {size}: <database>__omsnew_<attempt> on {metadb}; dropped {} after its end (spec.cleanup.safetyCopies)",
            cx.spec.cleanup.safety_copies
        ));
    }
    leaves
}
