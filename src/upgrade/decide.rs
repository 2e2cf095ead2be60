//! `decide`: the one function that matters. Turns what a step wants into a record or an effect.
use crate::api::{OmsUpgradeStatus, Reason, Stall, Step, Waiting};
use crate::objects::event::Note;
use crate::upgrade::changed_schema::note_changed_schema;
use crate::upgrade::context::Context;
use crate::upgrade::deadline::{
    hold_at_deadline, is_over_by_itself, is_wanted_again, restart_time, says_the_same,
};
use crate::upgrade::effect::Effect;
use crate::upgrade::lost_status::{Recovery, recover};
use crate::upgrade::next::Next;
use crate::upgrade::other_image::note_other_image;
use crate::upgrade::parts::forbidden_images::note_forbidden_images;
use crate::upgrade::parts::gates::hold_at_the_line;
use crate::upgrade::parts::pausing::{hold_before_the_line, mention_pause};
use crate::upgrade::parts::replanning::note_plan_wanted;
use crate::upgrade::parts::targets::name_lost_target;
use crate::upgrade::requests::{find_abandonment, is_held_between_phases, latch_requests};
use crate::upgrade::status::conditions::derive_conditions;
use crate::upgrade::status::events::describe_transition;
use crate::upgrade::steps::find_def;
use crate::upgrade::take_over::{TakeOver, take_over};
use crate::upgrade::transition::{begin, enter, fail};
use crate::upgrade::witness::{Agreement, compare_record, hold_for_record, tells_more};

/// What one reconcile does.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// Write the status, then look again.
    Record {
        /// The new status.
        status: Box<OmsUpgradeStatus>,
        /// What changed, for events and logs.
        notes: Vec<Note>,
    },
    /// Carry out an effect. Its intent is the recorded one.
    Perform(Effect),
    /// Look again when something changes, or after so many seconds.
    Wait {
        /// Seconds.
        poll: u64,
    },
    /// Nothing is left to do for so many seconds, unless the object changes.
    Sleep {
        /// Until the next thing is due, or a clock that was set meanwhile has to be looked at.
        seconds: u64,
    },
    /// Nothing will ever be left to do, unless the object changes.
    Rest,
}

/// What a stalled upgrade does: it looks again, for what it waits for may come true without a change of the object.
const LOOK_AGAIN: Decision = Decision::Wait { poll: 10 };

/// Decides what this reconcile does. Total and deterministic.
pub fn decide(cx: &Context<'_>) -> Decision {
    let mut draft = cx.status.clone();
    if let Some(recovery) = recover(cx) {
        return follow(cx, recovery);
    }
    let Some(step) = draft.step else {
        begin(cx, &mut draft);
        return record(cx, draft);
    };
    match take_over(cx) {
        Some(TakeOver::Tells(status)) => return record(cx, *status),
        Some(TakeOver::Next(next)) => return apply(cx, draft, next),
        None => {}
    }
    if let Some(cause) = find_abandonment(cx, &draft) {
        draft.cause = Some(cause);
        // Also where it was lost.
        draft.internal.epoch = draft.internal.epoch.max(1);
        draft.stall = None;
        enter(cx, &mut draft, Step::Settling);
        return record(cx, draft);
    }
    // What is seen of the targets is no news to a record that tells more than the status.
    let ahead = tells_more(cx);
    if latch_requests(cx, &mut draft)
        || !ahead && note_other_image(cx, &mut draft)
        || !ahead && note_changed_schema(cx, &mut draft)
    {
        return record(cx, draft);
    }
    // What was looked at speaks of the spec as it was: until something is touched, an edit begins preflight anew.
    if is_preparing(&draft) && note_plan_wanted(cx, &mut draft) {
        draft.observed_generation = Some(cx.object.generation);
        enter(cx, &mut draft, Step::Preflight);
        return record(cx, draft);
    }
    draft.observed_generation = Some(cx.object.generation);
    let agreement = match compare_record(cx, &mut draft) {
        Ok(Agreement::Tells(status)) => return record(cx, *status),
        Ok(agreement) => agreement,
        Err(next) => return apply(cx, draft, next),
    };
    if draft.stall != cx.status.stall {
        return record(cx, draft);
    }
    let wanted =
        (find_def(step).decide)(cx, &mut draft).and_then(|step| hold_before_the_line(cx, step));
    let wanted = wanted.and_then(|step| hold_at_the_line(cx, &mut draft, step));
    let wanted = wanted.map_err(|next| name_lost_target(cx, next));
    let wanted = wanted.map_err(|next| hold_for_record(cx, agreement, next));
    let restarted = restart_time(cx, &mut draft, wanted.as_ref().err());
    let next = match wanted {
        Ok(step) => return go_on(cx, draft, step),
        Err(next) if restarted => next,
        Err(next) => hold_at_deadline(cx, &mut draft, next),
    };
    apply(cx, draft, mention_pause(cx, next))
}

/// What becomes of an upgrade whose status was lost.
fn follow(cx: &Context<'_>, recovery: Recovery) -> Decision {
    let mut draft = cx.status.clone();
    match recovery {
        Recovery::Rebuilt(rebuilt) => return record(cx, *rebuilt),
        Recovery::Unseen(waiting) => draft.waiting = Some(waiting),
        Recovery::Asks(stall) => {
            draft.waiting = None;
            draft.stall = Some(stall);
        }
        Recovery::Rests => return Decision::Rest,
    }
    finish(cx, draft, LOOK_AGAIN)
}

/// What follows from an effect that was refused: people are told, once, what stands in the way.
pub fn decide_refusal(cx: &Context<'_>, effect: &str, error: &str) -> Decision {
    let waiting = Waiting {
        reason: Reason::EffectRefused.into(),
        message: format!("{effect} is refused and tried again: {error}"),
    };
    let known = cx.status.waiting.as_ref();
    if known.is_some_and(|known| says_the_same(known, &waiting)) {
        return Decision::Rest;
    }
    let mut draft = cx.status.clone();
    draft.waiting = Some(waiting);
    record(cx, draft)
}

/// Nothing but our own objects and the lock has been touched.
fn is_preparing(status: &OmsUpgradeStatus) -> bool {
    let early = matches!(
        status.step,
        Some(Step::Preflight | Step::Planned | Step::Locking)
    );
    early && status.started_time.is_none()
}

/// A retry for one stall must not answer another one: what a retry accepts is asked when no other stall stands.
fn may_end_stall(stall: &Stall, next: &Next) -> bool {
    match next {
        Next::Stall(asked) => {
            asked.reason != Reason::InitUnconfirmed || stall.reason == asked.reason
        }
        _ => false,
    }
}

/// The step is done: the next one begins, unless a person holds the upgrade between the two.
fn go_on(cx: &Context<'_>, mut draft: OmsUpgradeStatus, step: Step) -> Decision {
    draft.stall = None;
    if is_held_between_phases(cx, &draft, step) {
        return finish(cx, draft, Decision::Wait { poll: 60 });
    }
    enter(cx, &mut draft, step);
    record(cx, draft)
}

/// What a stalled upgrade does in place of what its step wants: it only looks, and goes on by itself when what it
/// waited for has come true. `None` where something else is wanted than what was refused.
fn find_stalled_decision(cx: &Context<'_>, stall: &Stall, next: &Next) -> Option<Decision> {
    let refused = stall.reason == Reason::EffectRefused;
    match next {
        _ if is_over_by_itself(&stall.reason, next) => None,
        // Whoever refused it may have changed its mind: only trying tells.
        Next::Do(effect) if refused && is_wanted_again(cx, effect) => {
            Some(Decision::Perform(effect.clone()))
        }
        Next::Do(_) if refused => None,
        _ => Some(LOOK_AGAIN),
    }
}

/// Nothing of the status changes but what is seen.
fn stay_stalled(cx: &Context<'_>, waiting: Option<Waiting>, decision: Decision) -> Decision {
    let mut still = cx.status.clone();
    still.waiting = waiting;
    still.observed_generation = Some(cx.object.generation);
    if let Decision::Perform(effect) = &decision {
        still.internal.intent = Some(effect.describe_intent());
    }
    finish(cx, still, decision)
}

fn note_intent(draft: &mut OmsUpgradeStatus, effect: &Effect) {
    let intent = effect.describe_intent();
    if draft.internal.intent.as_ref() == Some(&intent) {
        return;
    }
    draft.internal.intent = Some(intent);
    draft.waiting = None;
}

fn apply(cx: &Context<'_>, mut draft: OmsUpgradeStatus, next: Next) -> Decision {
    if let Some(stall) = &draft.stall
        && !may_end_stall(stall, &next)
    {
        if let Some(decision) = find_stalled_decision(cx, stall, &next) {
            return stay_stalled(cx, draft.waiting, decision);
        }
        // It was let through, or is seen. What is left of the step has as much time as if it had not stalled.
        draft.stall = None;
        draft.step_started_time = Some(cx.now.clone());
    }
    let outcome = match next {
        Next::Do(effect) => {
            note_intent(&mut draft, &effect);
            Decision::Perform(effect)
        }
        Next::Wait { poll, problem } => {
            draft.waiting = problem;
            Decision::Wait { poll }
        }
        Next::Fail(failure) => {
            fail(cx, &mut draft, failure);
            Decision::Rest
        }
        Next::Stall(failure) => {
            draft.stall = Some(Stall {
                reason: failure.reason.into(),
                message: failure.message,
                accept: failure.accept,
            });
            draft.waiting = None;
            LOOK_AGAIN
        }
        Next::Settled { sleep } => {
            draft.settled = true;
            // Given back: whoever changes it from now on has changed his own.
            if let Some(originals) = &mut draft.internal.originals {
                originals.ob_query_timeout = None;
            }
            draft.internal.intent = None;
            draft.waiting = None;
            sleep.map_or(Decision::Rest, |seconds| Decision::Sleep { seconds })
        }
    };
    finish(cx, draft, outcome)
}

/// A changed status is recorded before anything else is done.
fn finish(cx: &Context<'_>, draft: OmsUpgradeStatus, otherwise: Decision) -> Decision {
    match record(cx, draft) {
        Decision::Rest => otherwise,
        recorded => recorded,
    }
}

pub(crate) fn record(cx: &Context<'_>, mut draft: OmsUpgradeStatus) -> Decision {
    note_forbidden_images(&cx.spec.image, &mut draft);
    derive_conditions(cx, &mut draft);
    if draft == *cx.status {
        return Decision::Rest;
    }
    let notes = describe_transition(cx, &draft);
    Decision::Record {
        status: Box::new(draft),
        notes,
    }
}
