//! `decide`: the one function that matters. Turns what a step wants into a record or an effect.
use super::confirming_init::INIT_UNCONFIRMED;
use super::deadline::{
    EFFECT_REFUSED, hold_at_deadline, is_tried_anew, is_wanted_again, says_the_same,
};
use super::{Context, Effect, Failure, Next, needs, requests, summary};
use super::{
    adopt, disabling_ha, enabling_ha, fencing, initializing, jobs, locking, pausing, preflight,
    recovering, settling, starting, stopping, stopping_jobs,
};
use crate::api::{
    Cause, Direction, OmsUpgradeStatus, PhaseRecord, RollbackPolicy, Stall, Step, Waiting,
};
use crate::objects::event::Note;

/// What one pass does.
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
    /// Nothing will ever be left to do, unless the object changes.
    Rest,
}

/// What a stalled upgrade does: it looks again, for what it waits for may come true without a change of the object.
const STALLED: Decision = Decision::Wait { poll: 10 };

/// Passes kept in `status.history`.
const HISTORY: usize = 40;

/// Decides what this pass does. Total and deterministic.
pub fn decide(cx: &Context<'_>) -> Decision {
    let mut draft = cx.status.clone();
    if let Some(rebuilt) = adopt::rebuild_status(cx) {
        return record(cx, rebuilt);
    }
    if draft.step.is_none() {
        begin(cx, &mut draft);
        return record(cx, draft);
    }
    if let Some(cause) = requests::find_abandonment(cx, &draft) {
        draft.cause = Some(cause);
        draft.stall = None;
        enter(cx, &mut draft, Step::Settling);
        return record(cx, draft);
    }
    if requests::latch_requests(cx, &mut draft) {
        return record(cx, draft);
    }
    // What was looked at speaks of the spec as it was: until something is touched, an edit begins preflight anew.
    if is_preparing(&draft) && cx.status.observed_generation != Some(cx.object.generation) {
        draft.observed_generation = Some(cx.object.generation);
        enter(cx, &mut draft, Step::Preflight);
        return record(cx, draft);
    }
    draft.observed_generation = Some(cx.object.generation);
    let next = pausing::hold_before_the_line(cx, decide_step(cx, &mut draft));
    let next = if pausing::restart_time(cx, &mut draft, &next) {
        next
    } else {
        hold_at_deadline(cx, &mut draft, next)
    };
    apply(cx, draft, pausing::mention_pause(cx, next))
}

/// What follows from an effect that was refused: people are told, once, what stands in the way.
pub fn decide_refusal(cx: &Context<'_>, effect: &str, error: &str) -> Decision {
    let waiting = Waiting {
        reason: EFFECT_REFUSED.into(),
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

fn decide_step(cx: &Context<'_>, draft: &mut OmsUpgradeStatus) -> Next {
    match cx.status.step.unwrap_or(Step::Pending) {
        // Before preflight, which looks at everything anew in each pass.
        Step::Pending if !cx.object.finalizer => Next::Do(Effect::AddFinalizer),
        Step::Pending => Next::Go(Step::Preflight),
        Step::Preflight => preflight::decide_preflight(cx, draft),
        Step::Planned => preflight::decide_planned(cx),
        Step::Locking => locking::decide_locking(cx, draft),
        Step::DisablingHa => disabling_ha::decide_disabling_ha(cx),
        Step::StoppingOld => stopping::decide_stopping_old(cx, draft),
        Step::BackingUp => jobs::decide_backing_up(cx, draft),
        Step::VerifyingBackup => jobs::decide_verifying(cx, draft),
        Step::StartingNew => starting::decide_starting_new(cx),
        Step::Initializing => initializing::decide_initializing(cx, draft),
        Step::StoppingForRestart => stopping::decide_stopping_for_restart(cx),
        Step::StartingFinal => starting::decide_starting_final(cx, draft),
        Step::EnablingHa => enabling_ha::decide_enabling_ha(cx, draft),
        Step::Recovering => recovering::decide_recovering(cx, draft),
        Step::StoppingJobs => stopping_jobs::decide_stopping_jobs(cx),
        Step::Fencing => fencing::decide_fencing(cx),
        Step::DisablingHaForRollback => disabling_ha::decide_disabling_ha_for_rollback(cx),
        Step::StoppingNew => stopping::decide_stopping_new(cx, draft),
        Step::Comparing => jobs::decide_comparing(cx, draft),
        Step::Restoring => jobs::decide_restoring(cx, draft),
        Step::StartingOld => starting::decide_starting_old(cx),
        Step::Settling => settling::decide_settling(cx),
    }
}

/// A retry for one stall must not answer another one: what a retry accepts is asked when no other stall stands.
fn may_end_stall(stall: &Stall, next: &Next) -> bool {
    match next {
        Next::Go(_) => true,
        Next::Stall(asked) => asked.reason != INIT_UNCONFIRMED || stall.reason == asked.reason,
        _ => false,
    }
}

fn apply(cx: &Context<'_>, mut draft: OmsUpgradeStatus, next: Next) -> Decision {
    // A stalled upgrade only looks; it goes on by itself when what it waited for has come true, and says anew what is left.
    if let Some(stall) = &draft.stall
        && !may_end_stall(stall, &next)
    {
        let refused = stall.reason == EFFECT_REFUSED;
        let otherwise = match &next {
            // Whoever refused it may have changed its mind: only trying tells.
            Next::Do(effect) if refused && is_wanted_again(cx, effect) => {
                Some(Decision::Perform(effect.clone()))
            }
            Next::Do(_) if refused => None,
            _ => Some(STALLED),
        };
        if let Some(otherwise) = otherwise {
            let mut still = cx.status.clone();
            still.waiting = draft.waiting;
            still.observed_generation = Some(cx.object.generation);
            if let Decision::Perform(effect) = &otherwise {
                still.intent = Some(effect.describe_intent());
            }
            return finish(cx, still, otherwise);
        }
        // It was let through. What is left of the step has as much time as if it had not stalled.
        draft.stall = None;
        draft.step_started_time = Some(cx.now.clone());
    }
    let outcome = match next {
        Next::Go(step) => {
            draft.stall = None;
            if requests::is_held(cx, &draft, step) {
                Decision::Wait { poll: 60 }
            } else {
                enter(cx, &mut draft, step);
                Decision::Rest
            }
        }
        Next::Do(effect) => {
            let intent = effect.describe_intent();
            if draft.intent.as_ref() != Some(&intent) {
                draft.intent = Some(intent);
                // Time that began anew for one effect did not for the next one.
                if !is_tried_anew(draft.waiting.as_ref()) || !is_wanted_again(cx, &effect) {
                    draft.waiting = None;
                }
            }
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
                reason: failure.reason,
                message: failure.message,
            });
            draft.waiting = None;
            STALLED
        }
        Next::Settled => {
            draft.settled = true;
            draft.intent = None;
            draft.waiting = None;
            Decision::Rest
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

pub(super) fn record(cx: &Context<'_>, mut draft: OmsUpgradeStatus) -> Decision {
    summary::derive_conditions(cx, &mut draft);
    if draft == *cx.status {
        return Decision::Rest;
    }
    let notes = summary::describe_transition(cx, &draft);
    Decision::Record {
        status: Box::new(draft),
        notes,
    }
}

fn begin(cx: &Context<'_>, draft: &mut OmsUpgradeStatus) {
    draft.observed_generation = Some(cx.object.generation);
    draft.direction = Some(Direction::Forward);
    draft.requests.retries = cx.spec.retries;
    draft.epoch = 1;
    draft.step = Some(Step::Pending);
    draft.step_started_time = Some(cx.now.clone());
    if cx.object.deleting {
        draft.step = Some(Step::Settling);
        draft.direction = Some(Direction::Abort);
    }
}

/// Enters a step: closes the record of the former one and clears what belonged to it.
pub(super) fn enter(cx: &Context<'_>, draft: &mut OmsUpgradeStatus, step: Step) {
    if let (Some(from), Some(since)) = (draft.step, draft.step_started_time.clone()) {
        draft.history.push(PhaseRecord {
            step: from,
            direction: draft.direction.unwrap_or_default(),
            started_time: since,
            finished_time: cx.now.clone(),
        });
        let surplus = draft.history.len().saturating_sub(HISTORY);
        draft.history.drain(..surplus);
    }
    draft.step = Some(step);
    draft.step_started_time = Some(cx.now.clone());
    draft.intent = None;
    draft.waiting = None;
    draft.progress = None;
    if let Some(role) = needs::find_role(step)
        && let Some(job) = draft.jobs.iter_mut().find(|job| job.role == role)
    {
        // A former pass through this step left its Job behind: names are never used twice.
        job.attempt += 1;
        job.first_attempt = job.attempt;
        job.uid = None;
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
fn fail(cx: &Context<'_>, draft: &mut OmsUpgradeStatus, failure: Failure) {
    let cause = Cause {
        reason: failure.reason.clone(),
        message: failure.message.clone(),
    };
    let stall = Stall {
        message: summary::add_way_on(cx, draft, failure.message),
        reason: failure.reason,
    };
    match (
        draft.direction.unwrap_or_default(),
        draft.step.unwrap_or(Step::Pending),
    ) {
        (Direction::Forward, Step::Pending | Step::Preflight | Step::Planned | Step::Locking) => {
            draft.cause = Some(cause);
            enter(cx, draft, Step::Settling);
        }
        (Direction::Forward, Step::EnablingHa | Step::Recovering) => draft.stall = Some(stall),
        (Direction::Forward, _) if draft.point_of_no_return_time.is_none() => {
            turn_back(cx, draft, Direction::Abort, cause)
        }
        (Direction::Forward, _) if cx.spec.rollback.policy == RollbackPolicy::Automatic => {
            turn_back(cx, draft, Direction::RollBack, cause);
        }
        _ => draft.stall = Some(stall),
    }
}

/// Changes the direction: a new epoch fences off whatever was decided before.
pub(super) fn turn_back(
    cx: &Context<'_>,
    draft: &mut OmsUpgradeStatus,
    direction: Direction,
    cause: Cause,
) {
    draft.cause = Some(cause);
    draft.epoch += 1;
    draft.content_proof = None;
    draft.stall = None;
    draft.settled = false;
    draft.finished_time = None;
    draft.open_projects.clear();
    for project in &mut draft.projects {
        project.resumed_at = None;
        project.recovered = false;
    }
    // The step that ends here belongs to the former direction.
    enter(cx, draft, Step::StoppingJobs);
    draft.direction = Some(direction);
}
