//! A way back begins: the targets are fenced against writes decided before, in a rollback the lock too. Pure.
//!
//! A correct resourceVersion alone does not stop a request that arrives late: when nothing wrote the Deployment since, a
//! "start the new image" would still be valid in the middle of the restore, and a "stop" after the abort has ended.
use super::adopt::read_target_record;
use super::targets::read_targets;
use super::{Context, Effect, Failure, Next};
use crate::api::{Direction, FENCE_ANNOTATION, ORIGINALS_ANNOTATION, PhaseRecord, Step};
use crate::facts::{Fact, OwnKind, TargetFacts};
use crate::objects::deployment::{read_annotation, read_generation};
use crate::objects::target_change::TargetChange;

/// Whether a target was written, or a write of one may be under way when a way back begins. A status that was rebuilt has no
/// history: there our record on the targets tells.
pub(super) fn may_write_late(cx: &Context<'_>) -> bool {
    let stopping = |record: &PhaseRecord| record.step == Step::StoppingOld;
    let carries_record = |facts: &TargetFacts| match &facts.deployment {
        Fact::Known(Some(deployment)) => match read_target_record(&deployment.object) {
            // Another upgrade may work on the same Deployment.
            Some(record) => record.uid == cx.object.uid,
            None => {
                cx.originals().is_some()
                    && read_annotation(&deployment.object, ORIGINALS_ANNOTATION).is_some()
            }
        },
        Fact::Known(None) => false,
        // To fence in vain costs a write.
        Fact::Unknown(_) => true,
    };
    cx.status.old_stopped_time.is_some()
        || cx.status.history.iter().any(stopping)
        || cx.observed.targets.iter().any(carries_record)
}

/// One write per target, in a rollback one to the lock row. An abort leaves the lock: whatever Job comes late under it finds
/// OMS at work and refuses.
pub(super) fn decide_fencing(cx: &Context<'_>) -> Next {
    let abort = cx.status.direction == Some(Direction::Abort);
    if !abort && let Some(next) = ensure_backup(cx).or_else(|| ensure_account(cx)) {
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
    if abort {
        return Next::Go(Step::StartingOld);
    }
    let wanted = cx.status.epoch;
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

/// A rollback stops what runs only when there is something to go back to: weeks after a success the claim may be gone.
fn ensure_backup(cx: &Context<'_>) -> Option<Next> {
    let claim = &cx.spec.backup.claim_name;
    match &cx.observed.claim {
        Fact::Unknown(reason) => Some(Next::trouble(
            2,
            "ClaimUnseen",
            format!("PersistentVolumeClaim {claim} cannot be read: {reason}"),
        )),
        Fact::Known(facts) if facts.exists => None,
        Fact::Known(_) => Some(Next::Fail(Failure::new(
            "BackupMissing",
            format!(
                "PersistentVolumeClaim {claim} with the backup is gone or being deleted, so there is nothing to go back to; OMS was not stopped for this rollback; \
                 bring the claim back under its name, then raise spec.retries"
            ),
        ))),
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
