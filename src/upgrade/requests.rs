//! Requests of the user: seen once, remembered; and what a deletion means. Pure.
use crate::api::{
    Action, Cause, Direction, OmsUpgradeStatus, RELEASE_ANNOTATION, RELEASE_VALUE, Reason, Stall,
    Step,
};
use crate::upgrade::context::{Context, HeardRequests};
use crate::upgrade::lost_status::is_lost;
use crate::upgrade::parts::abandonment::is_every_target_gone;
use crate::upgrade::parts::init::is_init_running;
use crate::upgrade::parts::other_image::needs_rollback;
use crate::upgrade::steps::{find_def, find_phase};
use crate::upgrade::take_over::is_pending;
use crate::upgrade::transition::{enter, turn_back};

/// Whether nobody looks at requests for now: the status was lost, or is being taken over. What was heard is kept until
/// then.
pub fn defers_requests(status: &OmsUpgradeStatus) -> bool {
    is_lost(status) || is_pending(status)
}

/// Whether the release annotation of an object asks to let go of everything.
pub fn is_release_requested(
    annotations: Option<&std::collections::BTreeMap<String, String>>,
) -> bool {
    annotations
        .and_then(|all| all.get(RELEASE_ANNOTATION))
        .is_some_and(|value| value == RELEASE_VALUE)
}

/// Why an unfinished upgrade is given up as it stands: the namespace goes, or the object is deleted
/// and either its targets are gone or the user lets go of everything.
pub(crate) fn find_abandonment(cx: &Context<'_>, draft: &OmsUpgradeStatus) -> Option<Cause> {
    if is_over(draft) {
        return None;
    }
    let message = if cx.observed.namespace_terminating {
        "the namespace is being deleted: nothing can be undone there any more"
    } else if !cx.object.deleting {
        return None;
    } else if cx.object.release {
        "released by annotation: everything stays as it stands, also half-done work"
    } else if is_every_target_gone(cx) {
        "the object is being deleted and its Deployments are gone: there is nothing to bring back"
    } else {
        return None;
    };
    Some(Cause {
        reason: Reason::Released.into(),
        message: message.into(),
    })
}

/// Latches requests into the draft and turns back where they ask for it. True when the draft must be
/// recorded before anything else.
pub(crate) fn latch_requests(cx: &Context<'_>, draft: &mut OmsUpgradeStatus) -> bool {
    let before = draft.internal.requests.clone();
    // Also what stood in the spec for moments only: a sync from git takes it back.
    let asked = cx.object.heard.and(HeardRequests {
        abort: cx.spec.action == Action::Abort,
        roll_back: cx.spec.action == Action::RollBack,
    });
    if asked.abort && draft.internal.requests.abort.is_none() && !has_ended(draft) {
        draft.internal.requests.abort = Some(cx.now.clone());
    }
    if asked.roll_back && draft.internal.requests.roll_back.is_none() && may_roll_back(draft) {
        draft.internal.requests.roll_back = Some(cx.now.clone());
    }
    if cx.object.deleting
        && draft.internal.requests.abort.is_none()
        && !is_over(draft)
        && draft.point_of_no_return_time.is_none()
    {
        draft.internal.requests.abort = Some(cx.now.clone());
    }
    if draft
        .internal
        .requests
        .honour_retry(cx.spec.retry_request.as_deref())
        && let Some(stall) = draft.stall.take()
    {
        forget_failed_init(cx, draft, &stall);
        let step = find_retry_step(draft, &stall);
        enter(cx, draft, step);
    }
    turn_as_requested(cx, draft);
    draft.internal.requests != before
        || draft.direction != cx.status.direction
        || draft.step != cx.status.step
}

/// A run of `docker_init.sh` that failed is followed by another one, in whatever container runs then, also where an
/// earlier one was complete: the guide calls the script repeatable.
fn forget_failed_init(cx: &Context<'_>, draft: &mut OmsUpgradeStatus, stall: &Stall) {
    if draft.direction != Some(Direction::Forward)
        || !matches!(
            Reason::parse(&stall.reason),
            Some(Reason::InitFailed | Reason::InitInterrupted)
        )
    {
        return;
    }
    // One that is at work elsewhere has not failed, and its end is waited for.
    let runs = draft.internal.init_runs.iter_mut();
    for run in runs.filter(|run| !is_init_running(cx, Some(&run.target))) {
        run.pod_uid.clear();
        run.container_id.clear();
    }
}

/// Where a retry begins: here, save where a rollback has to look at the content of the databases anew (see each step's
/// `retries`).
fn find_retry_step(draft: &OmsUpgradeStatus, stall: &Stall) -> Step {
    let here = draft.step.unwrap_or(Step::Pending);
    // What runs may have written since the status was rebuilt, or before: nothing is compared and restored any more.
    let ran_before = draft.internal.ran_before_time.is_some();
    if draft.direction != Some(Direction::RollBack) || ran_before {
        return here;
    }
    let ways = find_def(here).retries.iter();
    ways.clone()
        .find(|(reason, _)| stall.reason == *reason)
        .map_or(here, |(_, step)| *step)
}

/// An abort before the line, a rollback after it.
fn turn_as_requested(cx: &Context<'_>, draft: &mut OmsUpgradeStatus) {
    if draft.direction != Some(Direction::Forward) {
        return;
    }
    let wanted = draft.internal.requests.roll_back.is_some()
        || (draft.internal.requests.abort.is_some() && !has_ended(draft));
    if !wanted {
        return;
    }
    let who = if draft.internal.requests.roll_back.is_some() {
        "a rollback was asked for"
    } else if cx.object.deleting {
        "the object is being deleted"
    } else {
        "an abort was asked for"
    };
    if needs_rollback(draft) {
        let cause = Cause {
            reason: Reason::RollBackRequested.into(),
            message: format!("{who}: image and data go back to the backup"),
        };
        turn_back(cx, draft, Direction::RollBack, cause);
    } else if !is_over(draft) {
        let cause = Cause {
            reason: Reason::AbortRequested.into(),
            message: format!("{who}: everything goes back as it was"),
        };
        turn_back(cx, draft, Direction::Abort, cause);
    }
}

/// A verdict has fallen.
fn is_over(status: &OmsUpgradeStatus) -> bool {
    status.step == Some(Step::Settling)
}

/// A verdict has fallen, or had fallen before the status went back: an abort asks for nothing any more.
fn has_ended(status: &OmsUpgradeStatus) -> bool {
    is_over(status) || status.internal.ran_before_time.is_some()
}

/// A rollback makes sense while the upgrade goes forward, and after it succeeded.
fn may_roll_back(status: &OmsUpgradeStatus) -> bool {
    let failed = status.cause.is_some();
    status.direction == Some(Direction::Forward) && !(is_over(status) && failed)
}

/// `spec.paused` holds the way forward at the boundary between two phases; a way back is never held.
pub(crate) fn is_held_between_phases(
    cx: &Context<'_>,
    draft: &OmsUpgradeStatus,
    next: Step,
) -> bool {
    let direction = draft.direction.unwrap_or_default();
    let here = draft.step.unwrap_or(Step::Pending);
    cx.spec.paused
        && direction == Direction::Forward
        // A plan that waits begins nothing.
        && !matches!(next, Step::Planned | Step::Settling)
        && find_phase(here, direction) != find_phase(next, direction)
}
