//! The lock in the MetaDB: whether it may be ours, and how it is held at the present epoch. Pure.
use crate::api::{OmsUpgradeStatus, RELEASE_ANNOTATION, RELEASE_VALUE, Reason, Step};
use crate::oms::metadb::LockRow;
use crate::upgrade::context::Context;
use crate::upgrade::effect::Effect;
use crate::upgrade::next::{Failure, Next, require_known};
use crate::upgrade::orders::build_lock_claim;

/// Whether the lock in the MetaDB may have been taken: from the step on that takes it.
pub(crate) fn may_hold_lock(status: &OmsUpgradeStatus) -> bool {
    status.started_time.is_some()
        || status
            .history
            .iter()
            .any(|record| record.step == Step::Locking)
}

/// Who holds the lock, for people.
pub(crate) fn describe_holder(row: &LockRow) -> String {
    format!("{}, uid {}", row.note, row.holder)
}

/// What a person does about a lock that another upgrade holds, for the end of a message.
pub(crate) fn describe_ways_out(row: &LockRow) -> String {
    format!(
        "wait until that one is finished; where its object exists, give it up with the annotation {RELEASE_ANNOTATION}={RELEASE_VALUE} and delete it, as it stands; \
         where the object is gone for good, let this one continue its upgrade: spec.takeOver: {}",
        row.holder
    )
}

/// Why a step cannot have the lock, and what a person does about it.
pub(crate) fn refuse_holder(row: &LockRow) -> Next {
    Next::fail(
        Reason::MetaDbLocked,
        format!(
            "the MetaDB is locked by another upgrade ({}); {}",
            describe_holder(row),
            describe_ways_out(row)
        ),
    )
}

/// The lock is ours at the present epoch. What another one that holds it means differs from place to place.
pub(crate) fn secure_lock(
    cx: &Context<'_>,
    tell_other: impl FnOnce(&LockRow) -> Next,
) -> Result<(), Next> {
    match require_known(&cx.observed.metadb.lock, 2, Reason::MetaDbUnseen)? {
        None => Err(Next::Do(Effect::AcquireLock(build_lock_claim(cx)))),
        Some(row) if row.holder != cx.object.uid => Err(tell_other(row)),
        Some(row) if row.epoch < cx.status.internal.epoch => {
            Err(Next::Do(Effect::RaiseLock(build_lock_claim(cx))))
        }
        Some(row) => refuse_newer_epoch(cx, row),
    }
}

/// The epoch is recorded before it is written there: a row that is ahead says that the status went back in time.
pub(crate) fn refuse_newer_epoch(cx: &Context<'_>, row: &LockRow) -> Result<(), Next> {
    let epoch = cx.status.internal.epoch;
    if row.epoch <= epoch {
        return Ok(());
    }
    Err(Next::Stall(Failure::with_advice(
        Reason::StatusOlder,
        format!(
            "the lock row in the MetaDB has epoch {} and the status of this object epoch {epoch}: the status is older than what was done to the \
             databases, as after a restore of the cluster from a backup; nothing is started or written any more; find out what was restored and how \
             far the upgrade was (docs/backup.md, restore by hand), bring OMS to a version that runs by hand, then let go of this object",
            row.epoch
        ),
    )))
}
