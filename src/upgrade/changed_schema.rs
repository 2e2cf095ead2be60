//! An abort that finds another schema than the one that OMS was stopped with. Pure.
//!
//! Somebody has altered the databases, whoever it was. Where a verified backup tells how they were, the way back is
//! that of a rollback; where there is none, the step asks a person.
use crate::api::{Cause, Direction, OmsUpgradeStatus, Step};
use crate::upgrade::context::Context;
use crate::upgrade::parts::other_image::is_backup_verified;
use crate::upgrade::parts::targets::{read_targets, was_left_alone};
use crate::upgrade::transition::turn_back;

/// Turns such an abort to a rollback. True when the draft must be recorded before anything else.
pub(crate) fn note_changed_schema(cx: &Context<'_>, draft: &mut OmsUpgradeStatus) -> bool {
    // Later on our own writes of the targets hide whether the old version was started, which may alter its schema
    // itself: nothing of that is in the backup.
    let begins =
        (draft.direction, draft.step) == (Some(Direction::Abort), Some(Step::StoppingJobs));
    let Some(cause) = draft.cause.clone().filter(|_| begins) else {
        return false;
    };
    let left_alone = read_targets(cx)
        .is_ok_and(|targets| targets.iter().all(|target| was_left_alone(cx, target)));
    if draft.stall.is_some() || !is_backup_verified(draft) || !left_alone || !is_changed(cx) {
        return false;
    }
    let cause = Cause {
        message: format!(
            "{}; the schema of the databases is not what it was when OMS was stopped, so they are compared with \
             the backup",
            cause.message
        ),
        ..cause
    };
    turn_back(cx, draft, Direction::RollBack, cause);
    true
}

fn is_changed(cx: &Context<'_>) -> bool {
    let known = cx.status.internal.fingerprint.as_ref();
    let found = cx.observed.metadb.fingerprint.known();
    known
        .zip(found)
        .is_some_and(|(known, found)| *known != String::from(found.clone()))
}
