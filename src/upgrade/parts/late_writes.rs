//! Whether a write that was decided on before may still reach a target. Pure.
use crate::api::{ORIGINALS_ANNOTATION, PhaseRecord, Step};
use crate::facts::{Fact, TargetFacts};
use crate::objects::deployment::read_annotation;
use crate::upgrade::context::Context;
use crate::upgrade::target_record::read_target_record;

/// Whether a target was written, or a write of one may be under way when a way back begins. A status that was rebuilt
/// has no history: there our record on the targets tells.
pub(crate) fn may_write_late(cx: &Context<'_>) -> bool {
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
