//! One event per transition. Pure.
use crate::api::condition_types::*;
use crate::api::{Direction, OmsUpgradeStatus, Phase, Reason, Step, find_condition};
use crate::objects::event::Note;
use crate::upgrade::context::Context;
use crate::upgrade::effect::IntentKind;
use crate::upgrade::status::words::find_stall;

/// What became of the safety copies.
fn describe_cleanup(cx: &Context<'_>, draft: &OmsUpgradeStatus) -> Option<Note> {
    let failures = |status: &OmsUpgradeStatus| {
        let cleanup = status.internal.copy_cleanup.as_ref();
        cleanup.map_or(0, |cleanup| cleanup.failures)
    };
    let list_copies = |status: &OmsUpgradeStatus| -> Vec<String> {
        let copies = status.leftovers.iter().filter(|one| one.is_kept_copy());
        copies.map(|copy| copy.name.clone()).collect()
    };
    let (before, now) = (list_copies(cx.status), list_copies(draft));
    if failures(draft) > failures(cx.status) {
        let mut copies = draft.leftovers.iter().filter(|one| one.is_kept_copy());
        let problem = copies.find_map(|copy| copy.problem.clone());
        return Some(Note {
            reason: Reason::SafetyCopiesNotDropped.into(),
            message: format!(
                "{} could not be dropped, and that is tried again; OMS and its databases are not touched by it: {}",
                now.join(", "),
                problem.unwrap_or_default()
            ),
            warning: true,
        });
    }
    let gone: Vec<String> = before
        .into_iter()
        .filter(|name| !now.contains(name))
        .collect();
    (!gone.is_empty()).then(|| Note {
        reason: Reason::SafetyCopiesDropped.into(),
        message: format!(
            "their time is over (spec.cleanup.safetyCopies), and they are gone: {}",
            gone.join(", ")
        ),
        warning: false,
    })
}

/// The status was older than the record in the MetaDB, and is what the record tells from now on.
fn describe_rebuilding(cx: &Context<'_>, draft: &OmsUpgradeStatus) -> Option<Note> {
    let (before, now) = (&cx.status.internal, &draft.internal);
    let rebuilt = before.record_ahead.is_some() && now.record_ahead.is_none();
    if !rebuilt || now.epoch <= before.epoch {
        return None;
    }
    let record = cx.observed.metadb.record.known();
    let last = record.and_then(|record| record.rows.last());
    Some(Note {
        reason: Reason::StatusRebuilt.into(),
        message: format!(
            "the status was older than the record of upgrades in the MetaDB ({} of {} rows known, the last is {}), as after a restore of the cluster; it was \
             rebuilt from the record, and goes on with {} ({})",
            before.record_seq.unwrap_or_default(),
            now.record_seq.unwrap_or_default(),
            last.map_or("none", |row| row.fact.name()),
            draft.step.unwrap_or(Step::Pending),
            draft.direction.unwrap_or_default(),
        ),
        warning: true,
    })
}

/// The upgrade of an object that is gone is this one's from now on.
fn describe_taking(cx: &Context<'_>, draft: &OmsUpgradeStatus) -> Option<Note> {
    let taken = draft.internal.find_taken()?;
    if cx.status.internal.find_taken().is_some() {
        return None;
    }
    Some(Note {
        reason: Reason::TakenOver.into(),
        message: format!(
            "lock and record of the upgrade of the object with uid {}, which is gone, are this object's now (spec.takeOver); how far it was is read from the record",
            taken.from
        ),
        warning: true,
    })
}

/// Nothing was changed, so nothing is put back. Once, at its end.
fn describe_withdrawal(before: &OmsUpgradeStatus, draft: &OmsUpgradeStatus) -> Option<Note> {
    let is_final = |status: &OmsUpgradeStatus| status.phase.is_some_and(Phase::is_final);
    (is_final(draft) && !is_final(before)).then(|| Note {
        reason: Phase::Aborted.to_string(),
        message: "it had not begun: OMS and its databases were not touched, and what the plan made is removed".into(),
        warning: false,
    })
}

/// A forbidden image stands in a Deployment, which it did not when somebody last looked.
fn describe_reverted(cx: &Context<'_>, draft: &OmsUpgradeStatus) -> Option<Note> {
    let known = &cx.status.internal.sources;
    let mut now = draft.internal.sources.iter();
    let is_new = now.any(|source| {
        let before = known.iter().find(|one| one.target == source.target);
        source.reverted.is_some() && before.is_none_or(|one| one.reverted != source.reverted)
    });
    let told = find_condition(&draft.conditions, SOURCE_CONVERGED).filter(|_| is_new)?;
    Some(Note {
        reason: told.reason.clone(),
        message: told.message.clone(),
        warning: true,
    })
}

/// With the object goes what it forbids, and what it holds.
fn describe_lifting(cx: &Context<'_>, draft: &OmsUpgradeStatus) -> Option<Note> {
    let lets_go = |status: &OmsUpgradeStatus| {
        let intent = status.internal.intent.as_ref();
        intent.and_then(IntentKind::read) == Some(IntentKind::RemoveFinalizer)
    };
    if !cx.object.deleting || lets_go(cx.status) || !lets_go(draft) {
        return None;
    }
    let mut forbidden = draft.forbidden_images.iter();
    let one = forbidden.find(|one| one.has_substitute())?;
    Some(Note {
        reason: Reason::ForbiddenImagesLifted.into(),
        message: format!(
            "the object is deleted: from now on nothing refuses image {} in Deployment {}, and nothing is held; the databases are those of {}, so what the \
             Deployment is made from (git) must name that before the next sync",
            one.image, one.target, one.use_image
        ),
        warning: true,
    })
}

/// Events of a transition: one when the step or the verdict changes, one when it stalls.
pub(crate) fn describe_transition(cx: &Context<'_>, draft: &OmsUpgradeStatus) -> Vec<Note> {
    let mut notes = Vec::new();
    let moved = draft.step != cx.status.step || draft.direction != cx.status.direction;
    let ready = find_condition(&draft.conditions, READY)
        .map(|condition| condition.message.clone())
        .unwrap_or_default();
    // An abort of what had not begun goes its way as well, with nothing to do on it.
    let not_begun = draft.direction == Some(Direction::Abort) && draft.started_time.is_none();
    if moved && not_begun {
        notes.extend(describe_withdrawal(cx.status, draft));
    } else if moved {
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
    notes.extend(describe_taking(cx, draft));
    notes.extend(describe_rebuilding(cx, draft));
    if let Some(stall) = find_stall(cx.object, draft)
        && find_stall(cx.object, cx.status).as_ref() != Some(&stall)
    {
        notes.push(Note {
            reason: format!("Stalled{}", stall.reason),
            message: stall.message,
            warning: true,
        });
    }
    notes.extend(describe_reverted(cx, draft));
    notes.extend(describe_lifting(cx, draft));
    notes.extend(describe_cleanup(cx, draft));
    if draft.settled && !cx.status.settled {
        let kept = draft.leftovers.iter().any(|one| one.is_kept_copy());
        notes.push(Note {
            reason: Reason::Settled.into(),
            message: if kept {
                "nothing is left to clean up but the safety copies (see status.leftovers)".into()
            } else {
                "nothing is left to clean up".into()
            },
            warning: false,
        });
    }
    notes
}
