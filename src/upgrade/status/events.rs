//! One event per transition. Pure.
use crate::api::condition_types::*;
use crate::api::{Direction, OmsUpgradeStatus, Phase, Reason, Step, find_condition};
use crate::objects::event::Note;
use crate::upgrade::context::Context;
use crate::upgrade::status::words::find_stall;

/// Events of a transition: one when the step or the verdict changes, one when it stalls.
pub(crate) fn describe_transition(cx: &Context<'_>, draft: &OmsUpgradeStatus) -> Vec<Note> {
    let mut notes = Vec::new();
    let ready = find_condition(&draft.conditions, READY)
        .map(|condition| condition.message.clone())
        .unwrap_or_default();
    if draft.step != cx.status.step || draft.direction != cx.status.direction {
        let step = draft.step.unwrap_or(Step::Pending);
        let phase = draft.phase.unwrap_or(Phase::Pending);
        let back = draft.direction != Some(Direction::Forward) && !phase.is_final();
        let reason = match (phase.is_final(), back) {
            (true, _) => phase.to_string(),
            (false, true) => format!("{phase}{step}"),
            (false, false) => step.to_string(),
        };
        let warning = matches!(
            phase,
            Phase::Failed
                | Phase::Aborting
                | Phase::RollingBack
                | Phase::Aborted
                | Phase::RolledBack
        );
        notes.push(Note {
            reason,
            message: ready.clone(),
            warning,
        });
    }
    if let Some(stall) = find_stall(cx.object, draft)
        && find_stall(cx.object, cx.status).as_ref() != Some(&stall)
    {
        notes.push(Note {
            reason: format!("Stalled{}", stall.reason),
            message: stall.message,
            warning: true,
        });
    }
    if draft.settled && !cx.status.settled {
        notes.push(Note {
            reason: Reason::Settled.into(),
            message: "nothing is left to clean up".into(),
            warning: false,
        });
    }
    notes
}
