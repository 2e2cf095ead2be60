//! From step to step and from direction to direction: the only places that write `status.step` and `status.direction`.
//! Pure.
use crate::api::{Cause, Direction, OmsUpgradeStatus, PhaseRecord, RollbackPolicy, Stall, Step};
use crate::upgrade::context::Context;
use crate::upgrade::next::Failure;
use crate::upgrade::parts::job::begin_anew;
use crate::upgrade::parts::other_image::needs_rollback;
use crate::upgrade::parts::replanning::note_plan_wanted;
use crate::upgrade::status::words::add_way_on;
use crate::upgrade::steps::def::OnFailure;
use crate::upgrade::steps::find_def;
use crate::upgrade::steps::preflight::tell_failure;

/// Steps kept in `status.history`.
const HISTORY: usize = 40;

pub(crate) fn begin(cx: &Context<'_>, draft: &mut OmsUpgradeStatus) {
    draft.observed_generation = Some(cx.object.generation);
    draft.direction = Some(Direction::Forward);
    // What an object is made with asks for nothing: nothing was there to be tried again.
    let requests = &mut draft.internal.requests;
    requests.honour_retry(cx.spec.retry_request.as_deref());
    draft.internal.epoch = 1;
    note_plan_wanted(cx, draft);
    draft.step = Some(Step::Pending);
    draft.step_started_time = Some(cx.now.clone());
    if cx.object.deleting {
        draft.step = Some(Step::Settling);
        draft.direction = Some(Direction::Abort);
    }
}

/// Enters a step: closes the record of the former one and clears what belonged to it.
pub(crate) fn enter(cx: &Context<'_>, draft: &mut OmsUpgradeStatus, step: Step) {
    if let (Some(from), Some(since)) = (draft.step, draft.step_started_time.clone()) {
        let before = draft.history.last().map(|record| &record.finished_time);
        let started_time = (before != Some(&since)).then_some(since);
        draft.history.push(PhaseRecord {
            step: from,
            direction: draft.direction.filter(|way| *way != Direction::Forward),
            started_time,
            finished_time: cx.now.clone(),
        });
        let surplus = draft.history.len().saturating_sub(HISTORY);
        draft.history.drain(..surplus);
    }
    draft.step = Some(step);
    draft.step_started_time = Some(cx.now.clone());
    draft.internal.intent = None;
    draft.waiting = None;
    draft.internal.overdue = None;
    draft.progress = None;
    if let Some(role) = find_def(step).job {
        begin_anew(draft, role);
    }
    match step {
        Step::StartingNew if draft.point_of_no_return_time.is_none() => {
            draft.point_of_no_return_time = Some(cx.now.clone())
        }
        Step::Settling => draft.finished_time = Some(cx.now.clone()),
        _ => {}
    }
}

/// Where a failure leads depends on what has been done so far.
pub(crate) fn fail(cx: &Context<'_>, draft: &mut OmsUpgradeStatus, failure: Failure) {
    let step = draft.step.unwrap_or(Step::Pending);
    let forward = draft.direction.unwrap_or_default() == Direction::Forward;
    let way = find_def(step).failure;
    if forward && way == OnFailure::Waits {
        tell_failure(cx, draft, failure);
        enter(cx, draft, Step::Planned);
        return;
    }
    let cause = Cause {
        reason: failure.reason.into(),
        message: failure.message.clone(),
    };
    let stall = Stall {
        reason: failure.reason.into(),
        accept: failure.accept.clone(),
        message: add_way_on(cx, draft, failure),
    };
    if !forward {
        draft.stall = Some(stall);
        return;
    }
    match way {
        OnFailure::Waits | OnFailure::Stalls => draft.stall = Some(stall),
        // What it has written since is in no backup.
        OnFailure::TurnsBack if draft.internal.ran_before_time.is_some() => {
            draft.stall = Some(stall);
        }
        OnFailure::TurnsBack if !needs_rollback(draft) => {
            turn_back(cx, draft, Direction::Abort, cause);
        }
        OnFailure::TurnsBack if cx.spec.rollback.policy == RollbackPolicy::Automatic => {
            turn_back(cx, draft, Direction::RollBack, cause);
        }
        OnFailure::TurnsBack => draft.stall = Some(stall),
    }
}

/// Changes the direction: a new epoch fences off whatever was decided before.
pub(crate) fn turn_back(
    cx: &Context<'_>,
    draft: &mut OmsUpgradeStatus,
    direction: Direction,
    cause: Cause,
) {
    draft.cause = Some(cause);
    draft.internal.epoch += 1;
    draft.internal.content_proof = None;
    draft.internal.ran_before_time = None;
    draft.stall = None;
    draft.settled = false;
    draft.finished_time = None;
    draft.open_projects.clear();
    // What is held, and by whom, is looked at anew at the next end.
    draft.internal.sources.clear();
    for project in &mut draft.internal.projects {
        project.resumed_at = None;
        project.recovered = false;
    }
    // The step that ends here belongs to the former direction.
    enter(cx, draft, Step::StoppingJobs);
    draft.direction = Some(direction);
}
