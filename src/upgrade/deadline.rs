//! The deadline of a step: waiting, and an effect that does not take, come to an end. Pure.
use crate::api::{OmsUpgradeStatus, Reason, Step, Waiting};
use crate::objects::deployment::is_paused;
use crate::upgrade::context::{Context, seconds_between};
use crate::upgrade::effect::{Effect, IntentKind};
use crate::upgrade::next::{Failure, Next};
use crate::upgrade::parts::gates::is_gate_closed;
use crate::upgrade::parts::init::{
    ask_about_the_end, blame_unconfirmed_init, is_end_awaited, is_end_met, is_init_running,
    is_seen_down,
};
use crate::upgrade::parts::pausing::{is_held, is_patient, list_deployments, may_last};
use crate::upgrade::steps::find_def;

/// Turns waiting beyond the step's deadline into a failure that says what was waited for. For an effect of which it is
/// not known that it was refused the time begins anew once: the operator or the API server may have been away for
/// longer than the step may last.
pub(crate) fn hold_at_deadline(cx: &Context<'_>, draft: &mut OmsUpgradeStatus, next: Next) -> Next {
    if is_patient(cx, &next) || is_at_gate(&next) {
        return next;
    }
    let known = cx.status.waiting.as_ref();
    let refused = known.filter(|waiting| waiting.reason == Reason::EffectRefused);
    let seen = match &next {
        Next::Wait { problem, .. } => problem.as_ref(),
        _ => None,
    };
    let problem = match &next {
        Next::Wait { .. } => seen.map(|waiting| waiting.message.as_str()),
        // Done again and again it would never end.
        Next::Do(effect) if is_wanted_again(cx, effect) || is_console_stop(effect) => refused
            .map(|waiting| waiting.message.as_str())
            .or_else(|| describe_unheeded(effect)),
        _ => return next,
    };
    let Some(step) = cx.status.step else {
        return next;
    };
    let (Some(limit), Some(since)) = (
        find_def(step)
            .limit
            .map(|limit| limit.read_seconds(cx.spec)),
        &cx.status.step_started_time,
    ) else {
        return next;
    };
    let last = step == Step::StartingFinal;
    let end = seen.filter(|waiting| last && is_end_awaited(waiting));
    let limit = match last && (end.is_some() || is_init_running(cx, None)) {
        true => limit + i64::from(cx.spec.timeouts.init.as_seconds()),
        false => limit,
    };
    if cx.status.stall.is_some() || seconds_between(since, &cx.now) < limit {
        return next;
    }
    if let Some(waiting) = end {
        return ask_about_the_end(cx, waiting, limit);
    }
    if last && matches!(next, Next::Wait { .. }) && is_end_met(cx, seen) {
        draft.step_started_time = Some(cx.now.clone());
        return next;
    }
    if let Next::Do(effect) = &next
        && refused.is_none()
        && describe_unheeded(effect).is_none()
        && !is_tried_anew(cx.status)
    {
        draft.step_started_time = Some(cx.now.clone());
        draft.internal.tried_anew = true;
        draft.waiting = Some(Waiting {
            reason: Reason::TriedAnew.into(),
            message: format!(
                "the time of this step was over before {} had an effect; it begins anew, once",
                effect.kind()
            ),
        });
        return next;
    }
    let what = problem
        .or(known.map(|waiting| waiting.message.as_str()))
        .unwrap_or_else(|| find_def(step).words);
    let reason = match (&next, refused) {
        (Next::Do(_), Some(_)) => Reason::EffectRefused,
        _ => Reason::Timeout,
    };
    let failure = Failure::new(
        reason,
        format!(
            "{}: not done within {limit} s; last seen: {what}",
            find_def(step).words
        ),
    );
    Next::Fail(if seen.is_some_and(is_seen_down) {
        blame_unconfirmed_init(cx, failure)
    } else {
        failure
    })
}

/// A gate has a time of its own.
fn is_at_gate(next: &Next) -> bool {
    matches!(next, Next::Wait { problem: Some(waiting), .. } if is_gate_closed(waiting))
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

/// Whether the time of the step has begun anew. The word says so where the mark was dropped: by an API server whose
/// definition does not have it yet.
fn is_tried_anew(status: &OmsUpgradeStatus) -> bool {
    status.internal.tried_anew || says_tried_anew(status)
}

/// Whether that is what people were told last.
pub(crate) fn says_tried_anew(status: &OmsUpgradeStatus) -> bool {
    let told = status.waiting.as_ref();
    told.is_some_and(|told| told.reason == Reason::TriedAnew)
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
        draft.internal.tried_anew = false;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{Internal, OmsUpgradeSpec};
    use crate::facts::Observed;
    use crate::upgrade::context::ObjectFacts;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
    use serde_json::json;

    /// What becomes of an effect that is wanted again after the time of the step, and what is recorded.
    fn ask(waiting: Option<Reason>, tried_anew: bool) -> (Next, OmsUpgradeStatus, bool) {
        let spec: OmsUpgradeSpec = serde_json::from_value(json!({
            "targets": [{"name": "oms"}], "image": "oms:4.0.0-ce", "backup": {"claimName": "c"}}))
        .unwrap();
        let time = |text: &str| Time(text.parse().unwrap());
        let status = OmsUpgradeStatus {
            step: Some(Step::StoppingOld),
            step_started_time: Some(time("2026-01-01T00:00:00Z")),
            waiting: waiting.map(|reason| Waiting {
                reason: reason.into(),
                message: "seen".into(),
            }),
            internal: Internal {
                intent: Some(Effect::ReleaseLock.describe_intent()),
                tried_anew,
                ..Internal::default()
            },
            ..OmsUpgradeStatus::default()
        };
        let cx = Context {
            now: time("2026-01-03T00:00:00Z"),
            object: &ObjectFacts::default(),
            spec: &spec,
            status: &status,
            observed: &Observed::default(),
        };
        let mut draft = status.clone();
        let next = hold_at_deadline(&cx, &mut draft, Next::Do(Effect::ReleaseLock));
        let mut later = status.clone();
        let restarted = restart_time(&cx, &mut later, Some(&next));
        let kept = later.internal.tried_anew;
        (next, draft, restarted && kept)
    }

    #[test]
    fn the_time_of_a_step_begins_anew_once() {
        let (next, draft, _) = ask(None, false);
        assert_eq!(next, Next::Do(Effect::ReleaseLock));
        assert!(draft.internal.tried_anew);
        for (reason, mark) in [
            (Some(Reason::TriedAnew), true),
            // An API server whose definition is older has dropped the mark; so has an older operator never written it.
            (Some(Reason::TriedAnew), false),
        ] {
            let (next, _, _) = ask(reason, mark);
            assert!(
                matches!(&next, Next::Fail(failure) if failure.reason == Reason::Timeout),
                "{next:?}"
            );
        }
    }

    #[test]
    fn after_a_fault_of_the_operator_it_may_begin_anew_again() {
        let (_, _, kept) = ask(Some(Reason::OperatorFault), true);
        assert!(!kept);
    }
}
