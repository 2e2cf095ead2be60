//! What the records on the targets and their second copy know beyond a status that was rebuilt. Pure.
use crate::api::{OmsUpgradeStatus, Reason};
use crate::upgrade::context::Context;
use crate::upgrade::next::{Next, require_known};
use crate::upgrade::parts::guard::RAISED_QUERY_TIMEOUT;
use crate::upgrade::target_record::{TargetRecord, find_record, read_copied_record};

/// A status of before the copy was made, or of before the owners were looked at again, knows them from now on; and what
/// `ob_query_timeout` was, where it is raised.
pub(crate) fn adopt_records(cx: &Context<'_>, draft: &mut OmsUpgradeStatus) -> Result<(), Next> {
    let live = require_known(&cx.observed.metadb.query_timeout, 2, Reason::MetaDbUnseen)?;
    let raised = live.is_some_and(|limit| limit >= RAISED_QUERY_TIMEOUT);
    let known = list_records(cx);
    let Some(originals) = draft.internal.originals.as_mut() else {
        return Ok(());
    };
    // One that is not raised was given back, and may have been changed since, or is looked at when it is raised.
    originals.ob_query_timeout = match (raised, originals.ob_query_timeout) {
        (false, _) => None,
        (true, Some(limit)) => Some(limit),
        (true, None) => {
            let told = known.iter().find_map(|record| record.ob_query_timeout);
            if told.is_none() {
                return Err(Next::fail(
                    Reason::StatusOlder,
                    "ob_query_timeout of the MetaDB is raised, and what it was before is not known any more",
                ));
            }
            told
        }
    };
    for original in &mut originals.targets {
        let same = |record: &&TargetRecord| {
            let copied = &record.original;
            (&copied.uid, &copied.template_hash) == (&original.uid, &original.template_hash)
        };
        if let Some(record) = known.iter().filter(|record| record.is_whole()).find(same) {
            original.managed_fields_hash = record.original.managed_fields_hash.clone();
        }
    }
    let copy = cx.observed.originals_copy.known().and_then(Option::as_ref);
    originals.copy_uid = copy.map(|copy| copy.uid.clone());
    Ok(())
}

/// Those on the targets first: they are written with every change.
fn list_records(cx: &Context<'_>) -> Vec<TargetRecord> {
    let uid = cx.marks();
    let on_targets = cx.observed.targets.iter().filter_map(|facts| {
        let deployment = facts.deployment.known()?.as_ref()?;
        find_record(&deployment.object, uid)
    });
    let copy = cx.observed.originals_copy.known().and_then(Option::as_ref);
    let copied = cx
        .observed
        .targets
        .iter()
        .filter_map(|facts| read_copied_record(copy?, uid, &facts.name));
    on_targets.chain(copied).collect()
}
