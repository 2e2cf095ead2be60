//! The status in words for people. Pure.
use crate::api::{Direction, OmsUpgradeStatus, Phase, Stall, Step, Waiting};
use crate::protocol::sentence::{drop_full_stop, join_clause};
use crate::upgrade::context::{Context, ObjectFacts};
use crate::upgrade::next::Failure;
use crate::upgrade::parts::findings::describe_findings;
use crate::upgrade::parts::gates::is_gate_closed;
use crate::upgrade::parts::leftovers::describe_copies;
use crate::upgrade::parts::pausing::is_held;
use crate::upgrade::parts::recovery_keys::describe_unwatched;
use crate::upgrade::steps::find_def;

/// What a person has to do something about; what a pause holds goes on by itself after that.
pub(crate) fn find_stall(object: &ObjectFacts, status: &OmsUpgradeStatus) -> Option<Stall> {
    let begun = status.started_time.is_some();
    let asks = |waiting: &&Waiting| is_held(waiting) || (begun && is_gate_closed(waiting));
    let held = status.waiting.as_ref().filter(asks).map(|waiting| Stall {
        reason: waiting.reason.clone(),
        message: waiting.message.clone(),
        accept: Vec::new(),
    });
    let own = status.stall.clone();
    own.or(held).or_else(|| describe_findings(object, status))
}

/// The step in which an upgrade was given up.
fn find_last_step(status: &OmsUpgradeStatus) -> Step {
    status
        .history
        .last()
        .map_or(Step::Pending, |record| record.step)
}

/// The one sentence of `Ready`: what, why, what to do.
pub(crate) fn describe_state(
    object: &ObjectFacts,
    status: &OmsUpgradeStatus,
    phase: Phase,
) -> String {
    let step = status.step.unwrap_or(Step::Pending);
    let cause = status
        .cause
        .as_ref()
        .map(|cause| drop_full_stop(&cause.message))
        .unwrap_or_default();
    if let Some(stall) = find_stall(object, status) {
        return format!("ACTION REQUIRED: {}", stall.message);
    }
    match phase {
        Phase::Succeeded => format!(
            "the new version runs; clear the browser cache before you log in to the console; write the new image into the source of the Deployment; \
             action: RollBack brings the old version and its data back{}",
            describe_unwatched(status)
        ),
        Phase::Aborted => format!(
            "{} as before: {}{}",
            if status.kept_keys.is_empty() {
                "everything is"
            } else {
                "everything but ha.config is"
            },
            join_clause(cause, "to try again delete this object and create it anew"),
            describe_unwatched(status)
        ),
        Phase::RolledBack => format!(
            "the old version runs on the data of before the upgrade; the three mounts were not rolled back: {cause}{}{}",
            describe_unwatched(status),
            describe_copies(status)
        ),
        Phase::Failed => format!(
            "given up while {}; nothing was put back: {cause}{}",
            find_def(find_last_step(status)).words,
            describe_copies(status)
        ),
        Phase::Planned => match &status.waiting {
            Some(waiting) => format!("planned, and nothing was changed: {}", waiting.message),
            None => "the plan is in status.plan; with action: Run it begins, where no gate or window holds it".into(),
        },
        Phase::Aborting | Phase::RollingBack => match &status.waiting {
            Some(waiting) => format!(
                "{}: {}",
                find_def(step).words,
                join_clause(&waiting.message, &format!("because: {cause}"))
            ),
            None => format!("{}; because: {cause}", find_def(step).words),
        },
        _ => match &status.waiting {
            Some(waiting) => format!("{}: {}", find_def(step).words, waiting.message),
            None => find_def(step).words.into(),
        },
    }
}

/// Adds what a person can do to a failure that does not say so itself.
pub(crate) fn add_way_on(cx: &Context<'_>, status: &OmsUpgradeStatus, failure: Failure) -> String {
    let message = failure.message;
    if failure.advises {
        return message;
    }
    let claim = &cx.spec.backup.claim_name;
    let way_on = match status.direction.unwrap_or_default() {
        Direction::Forward => format!(
            "the verified backup lies on claim {claim}: action: RollBack brings back the old version and its data, or fix the cause and write a new spec.retryRequest"
        ),
        Direction::Abort => {
            "the new version was never started; fix the cause, then write a new spec.retryRequest"
                .into()
        }
        Direction::RollBack => {
            format!(
                "the backup on claim {claim} is kept; fix the cause, then write a new spec.retryRequest"
            )
        }
    };
    join_clause(&message, &way_on)
}
