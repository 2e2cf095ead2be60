//! Whether a write that was decided on before may still reach a target. Pure.
use crate::api::{ORIGINALS_ANNOTATION, Reason};
use crate::facts::{Fact, TargetFacts};
use crate::objects::deployment::read_annotation;
use crate::upgrade::context::Context;
use crate::upgrade::target_record::read_target_record;

/// Whether a target was written, or a write of one may be under way when a way back begins. A status that was rebuilt
/// has no history: there our record on the targets tells.
pub(crate) fn may_write_late(cx: &Context<'_>) -> bool {
    // No stop is decided on before the second copy of the originals was seen.
    let copied = cx
        .originals()
        .is_some_and(|originals| originals.copy_uid.is_some());
    let rebuilt = cx.status.cause.as_ref();
    let rebuilt = rebuilt.is_some_and(|cause| {
        cause.reason == Reason::StatusLost || cause.reason == Reason::TakenOver
    });
    let carries_record = |facts: &TargetFacts| match &facts.deployment {
        Fact::Known(Some(deployment)) => match read_target_record(&deployment.object) {
            // Another upgrade may work on the same Deployment.
            Some(record) => record.uid == cx.marks(),
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
        || copied
        || rebuilt
        || cx.observed.targets.iter().any(carries_record)
}
