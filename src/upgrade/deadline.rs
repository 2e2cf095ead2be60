//! The deadline of a step: waiting, and an effect that does not take, come to an end. Pure.
//!
//! Time alone fails nothing. Past the limit a step fails on what several looks saw wanting (`src/upgrade/lateness.rs`);
//! what was not seen is no failure, and time in which nobody looked does not count.
use crate::api::{Direction, OmsUpgradeStatus, Reason, Step, Waiting};
use crate::objects::deployment::is_paused;
use crate::upgrade::context::{Context, seconds_between};
use crate::upgrade::effect::{Effect, IntentKind};
use crate::upgrade::lateness::{Look, is_blind, is_late, was_nobody_there};
use crate::upgrade::next::{Failure, Next};
use crate::upgrade::parts::gates::is_gate_closed;
use crate::upgrade::parts::init::{
    ask_about_the_end, blame_unconfirmed_init, is_end_awaited, is_end_met, is_init_running,
    is_seen_down,
};
use crate::upgrade::parts::init_log::describe_running;
use crate::upgrade::parts::job::find_lag;
use crate::upgrade::parts::pausing::{is_held, is_patient, list_deployments, may_last};
use crate::upgrade::parts::start::PULL_PATIENCE;
use crate::upgrade::steps::def::OnFailure;
use crate::upgrade::steps::find_def;

/// Turns waiting beyond the step's deadline into a failure that says what was waited for, or into a question to a
/// person where it could not be seen.
pub(crate) fn hold_at_deadline(cx: &Context<'_>, draft: &mut OmsUpgradeStatus, next: Next) -> Next {
    if cx.status.stall.is_some() || bounds_itself(cx, &next) {
        return next;
    }
    let look = match &next {
        Next::Wait { problem, .. } => Look::of_wait(problem.as_ref()),
        // Done again and again it would never end. One that is new says that the step has gone on.
        Next::Do(effect) if is_wanted_again(cx, effect) || is_console_stop(effect) => {
            Look::Wants(effect.kind().as_str())
        }
        _ => return next,
    };
    let (Some(step), Some(since)) = (cx.status.step, &cx.status.step_started_time) else {
        return next;
    };
    let Some(limit) = find_limit(cx, step, &next) else {
        return next;
    };
    if let Some(failure) = judge_lag(cx, draft, &next, &look) {
        return failure;
    }
    let lasted = seconds_between(since, &cx.now);
    if lasted < limit {
        draft.internal.overdue = None;
        return next;
    }
    if was_nobody_there(draft, lasted - limit) || is_init_over(cx, &next) {
        draft.step_started_time = Some(cx.now.clone());
        draft.internal.overdue = None;
        return next;
    }
    let blind = matches!(look, Look::Blind(_));
    let patience = match blind && turns_back_unproven(cx, step) {
        true => limit,
        false => 0,
    };
    if !is_late(cx, draft, &look, patience) {
        return next;
    }
    match &next {
        Next::Wait {
            problem: Some(waiting),
            ..
        } if step == Step::StartingFinal && is_end_awaited(waiting) => {
            ask_about_the_end(cx, waiting, limit)
        }
        Next::Wait {
            problem: Some(waiting),
            ..
        } if blind && asks_when_blind(cx, step) => ask_about_the_unseen(cx, step, waiting),
        _ => Next::Fail(describe_lateness(cx, step, limit, &next)),
    }
}

/// A Job that does not begin is not waited for as long as for one that works: OMS is stopped meanwhile. Its time counts
/// from when it was made, which was seen, and several looks have to see it.
fn judge_lag(
    cx: &Context<'_>,
    draft: &mut OmsUpgradeStatus,
    next: &Next,
    look: &Look<'_>,
) -> Option<Next> {
    let waiting = find_problem(next)?;
    let lasted = find_lag(cx, waiting)?;
    if !is_late(cx, draft, look, 0) {
        return Some(next.clone());
    }
    let minutes = lasted / 60;
    Some(Next::Fail(Failure::new(
        Reason::JobPodNotRunning,
        format!(
            "{} ({minutes} minutes after it was asked for)",
            waiting.message
        ),
    )))
}

/// What has a time of its own.
fn bounds_itself(cx: &Context<'_>, next: &Next) -> bool {
    let by_reason = |waiting: &Waiting| {
        is_gate_closed(waiting)
            || matches!(
                Reason::parse(&waiting.reason),
                Some(Reason::ReplicationNotYetRecovered | Reason::FactsUnseen)
            )
    };
    is_patient(cx, next)
        || matches!(next, Next::Wait { problem: Some(waiting), .. } if by_reason(waiting))
}

/// Seconds that a step has for what it wants now.
fn find_limit(cx: &Context<'_>, step: Step, next: &Next) -> Option<i64> {
    let limit = find_def(step).limit?.read_seconds(cx.spec);
    let seen = find_problem(next);
    if seen.is_some_and(|waiting| waiting.reason == Reason::ImageNotPulled) {
        return Some(PULL_PATIENCE);
    }
    let end = seen.is_some_and(is_end_awaited) || is_init_running(cx, None);
    Some(match step == Step::StartingFinal && end {
        true => limit + i64::from(cx.spec.timeouts.init.as_seconds()),
        false => limit,
    })
}

fn find_problem(next: &Next) -> Option<&Waiting> {
    match next {
        Next::Wait { problem, .. } => problem.as_ref(),
        _ => None,
    }
}

/// Whether the time of the step went into a script that has ended now.
fn is_init_over(cx: &Context<'_>, next: &Next) -> bool {
    cx.status.step == Some(Step::StartingFinal)
        && matches!(next, Next::Wait { .. })
        && !find_problem(next).is_some_and(is_end_awaited)
        && is_end_met(cx, find_problem(next))
}

/// Whether a failure of this step would turn the upgrade back.
fn turns_back(cx: &Context<'_>, step: Step) -> bool {
    cx.status.direction == Some(Direction::Forward)
        && find_def(step).failure == OnFailure::TurnsBack
}

/// Before the line an abort is the only end that there is for what stays unseen: it has the step's time once more.
fn turns_back_unproven(cx: &Context<'_>, step: Step) -> bool {
    turns_back(cx, step) && cx.status.point_of_no_return_time.is_none()
}

/// Past the line nothing is rolled back for what could not be seen, and nothing given up on a way back.
fn asks_when_blind(cx: &Context<'_>, step: Step) -> bool {
    cx.status.started_time.is_some() && !turns_back_unproven(cx, step)
}

fn ask_about_the_unseen(cx: &Context<'_>, step: Step, waiting: &Waiting) -> Next {
    let way_back = match cx.status.direction {
        Some(Direction::Forward) => format!(
            "; action: RollBack brings back the old version and its data, from the verified backup on claim {}",
            cx.spec.backup.claim_name
        ),
        _ => String::new(),
    };
    Next::Stall(Failure::with_advice(
        Reason::parse(&waiting.reason).unwrap_or(Reason::Timeout),
        format!(
            "{}: {}; whether it is done cannot be seen, so nothing is given up and nothing is changed; make it readable, and the upgrade goes \
             on by itself{way_back}",
            find_def(step).words,
            waiting.message,
        ),
    ))
}

fn describe_lateness(cx: &Context<'_>, step: Step, limit: i64, next: &Next) -> Failure {
    let known = cx.status.waiting.as_ref();
    let refused = known.filter(|waiting| waiting.reason == Reason::EffectRefused);
    let seen = find_problem(next);
    let told = match next {
        Next::Do(effect) => refused
            .map(|waiting| waiting.message.as_str())
            .or_else(|| describe_unheeded(effect)),
        _ => seen.map(|waiting| waiting.message.as_str()),
    };
    let what = told
        .or(known.map(|waiting| waiting.message.as_str()))
        .unwrap_or_else(|| find_def(step).words);
    if seen.is_some_and(|waiting| waiting.reason == Reason::ImageNotPulled) {
        return Failure::new(Reason::ImageNotPulled, what);
    }
    let reason = match (next, refused) {
        (Next::Do(_), Some(_)) => Reason::EffectRefused,
        _ => Reason::Timeout,
    };
    let script = describe_running(cx).map_or_else(String::new, |text| format!("; {text}"));
    let failure = Failure::new(
        reason,
        format!(
            "{}: not done within {limit} s; last seen: {what}{script}",
            find_def(step).words
        ),
    );
    match seen.is_some_and(is_seen_down) {
        true => blame_unconfirmed_init(cx, failure),
        false => failure,
    }
}

/// Whether a stall is over by itself: what was unseen is seen, HA reads as it should, or a Job that had not begun works
/// or has ended.
pub(crate) fn is_over_by_itself(reason: &str, next: &Next) -> bool {
    if reason == Reason::JobPodNotRunning.as_str() {
        return matches!(next, Next::Wait { problem: None, .. });
    }
    // Whatever stood in the way of a take-over is looked at each time.
    if reason == Reason::TakeOverRefused.as_str() {
        return !matches!(next, Next::Stall(_));
    }
    let set_back = Reason::parse(reason) == Some(Reason::HaChanged)
        && matches!(next, Next::Do(_) | Next::Wait { .. });
    let sees = !find_problem(next).is_some_and(|waiting| is_blind(&waiting.reason));
    sees && (is_blind(reason) || set_back)
}

/// Whether an effect is what was last begun in this step: carried out or refused, it has not had its effect.
pub(crate) fn is_wanted_again(cx: &Context<'_>, effect: &Effect) -> bool {
    let wanted = effect.describe_intent();
    // What is written to ha.config may change with the time: the pull-back counts minutes.
    let any_subject = matches!(effect, Effect::SetHa { .. });
    cx.status.internal.intent.as_ref().is_some_and(|intent| {
        IntentKind::read(intent) == Some(effect.kind())
            && (any_subject || intent.subject == wanted.subject)
    })
}

/// Whether two refusals say the same, numbers apart: ports and times in the words of a server change with every try.
pub(crate) fn says_the_same(one: &Waiting, other: &Waiting) -> bool {
    let words = |waiting: &Waiting| -> String {
        let kept = waiting.message.chars().filter(|c| !c.is_ascii_digit());
        kept.collect()
    };
    one.reason == other.reason && words(one) == words(other)
}

/// A console is stopped where `ha.config` was written already and does not read so.
fn is_console_stop(effect: &Effect) -> bool {
    matches!(effect, Effect::StopConsole { .. })
}

fn describe_unheeded(effect: &Effect) -> Option<&'static str> {
    matches!(effect, Effect::SetHa { .. } | Effect::StopConsole { .. }).then_some(
        "ha.config was written and does not read so: the call stored nothing, or a console or somebody else wrote it again",
    )
}

/// Begins the time of the step anew when a pause or a fault is over: what is left could not be done before, nor be
/// looked at. Where a pause may last, so may a moment in which it cannot be seen.
pub(crate) fn restart_time(
    cx: &Context<'_>,
    draft: &mut OmsUpgradeStatus,
    next: Option<&Next>,
) -> bool {
    let seen_over = || {
        list_deployments(cx).count() == cx.observed.targets.len()
            && !list_deployments(cx).any(is_paused)
    };
    let resumed = cx.status.waiting.as_ref().is_some_and(is_held)
        && !next.is_some_and(|next| is_patient(cx, next))
        && (may_last(cx) || seen_over());
    let over = resumed || is_fault_over(cx);
    if over {
        draft.step_started_time = Some(cx.now.clone());
        draft.waiting = None;
        draft.internal.overdue = None;
    }
    over
}

/// Whether nobody could work on the object before this time.
fn is_fault_over(cx: &Context<'_>) -> bool {
    let told = cx.status.waiting.as_ref();
    told.is_some_and(|told| {
        matches!(
            Reason::parse(&told.reason),
            Some(Reason::OperatorFault | Reason::Unreadable | Reason::StatusCut)
        )
    })
}
