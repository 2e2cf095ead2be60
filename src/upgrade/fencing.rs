//! A rollback begins: the targets and the lock are fenced against writes decided before. Pure.
//!
//! A correct resourceVersion alone does not stop a deposed actor: when nothing wrote the Deployment
//! since, its "start the new image" would still be valid, in the middle of the restore.
use super::targets::read_targets;
use super::{Context, Effect, Fact, Failure, Next, OwnKind, TargetChange};
use crate::api::{FENCE_ANNOTATION, Step};
use crate::objects::deployment::{read_annotation, read_generation};

/// One write per target, one to the lock row.
pub(super) fn decide_fencing(cx: &Context<'_>) -> Next {
    if let Some(next) = ensure_account(cx) {
        return next;
    }
    let targets = match read_targets(cx) {
        Ok(targets) => targets,
        Err(next) => return next,
    };
    let epoch = cx.status.epoch.to_string();
    for target in &targets {
        let object = &target.deployment.object;
        if read_annotation(object, FENCE_ANNOTATION) != Some(epoch.as_str()) {
            return Next::Do(Effect::PatchTarget {
                target: target.original.name.clone(),
                change: TargetChange::Fence,
                generation: read_generation(object),
            });
        }
    }
    let wanted = u64::try_from(cx.status.epoch).unwrap_or(0);
    match &cx.observed.metadb.lock {
        Fact::Unknown(reason) => Next::trouble(2, "MetaDbUnseen", reason.clone()),
        Fact::Known(None) => Next::Do(Effect::AcquireLock),
        Fact::Known(Some(row)) if row.holder != cx.object.uid => Next::Fail(Failure::new(
            "MetaDbLocked",
            format!(
                "the MetaDB is locked by another upgrade ({}); finish that one first",
                row.note
            ),
        )),
        Fact::Known(Some(row)) if row.epoch < wanted => Next::Do(Effect::RaiseLock),
        Fact::Known(Some(_)) => Next::Go(Step::DisablingHaForRollback),
    }
}

/// A rollback after success finds the account that was read from the container deleted: it is read
/// again while a container still runs.
fn ensure_account(cx: &Context<'_>) -> Option<Next> {
    cx.spec.metadb.from_container.as_ref()?;
    match &cx.observed.leftovers {
        Fact::Unknown(reason) => Some(Next::trouble(2, "OwnObjectsUnseen", reason.clone())),
        Fact::Known(own) if own.iter().all(|own| own.kind != OwnKind::Secret) => {
            Some(Next::Do(Effect::CreateCredentialsSecret))
        }
        Fact::Known(_) => None,
    }
}
