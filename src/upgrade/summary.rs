//! The status for people: phase, conditions, events. Derived from the rest, in one place. Pure.
use super::Context;
use super::pausing::is_held;
use super::promises::{break_promises, derive_promises};
use super::recovery_keys::{describe_unwatched, judge_recovery};
use crate::api::condition_types::*;
use crate::api::{Direction, OmsUpgradeStatus, Phase, Stall, Step, find_condition, set_condition};
use crate::objects::event::Note;
use crate::oms::version::parse_image_version;

/// Fills in what follows from the rest of the status.
pub(super) fn derive_conditions(cx: &Context<'_>, draft: &mut OmsUpgradeStatus) {
    let direction = draft.direction.unwrap_or_default();
    let step = draft.step.unwrap_or(Step::Pending);
    let failed = draft.cause.is_some();
    let phase = if is_released(draft) {
        Phase::Failed
    } else {
        step.phase(direction, failed && direction == Direction::Forward)
    };
    draft.phase = Some(phase);
    // A settled object is not written for the sake of a newer operator alone.
    if !cx.status.settled || !draft.settled {
        draft.operator_version = Some(env!("CARGO_PKG_VERSION").into());
    }
    draft.target_version = parse_image_version(&cx.spec.image).map(|version| version.to_string());
    if draft.source_version.is_none() {
        draft.source_version = super::preflight_checks::read_source_images(cx)
            .first()
            .and_then(|image| parse_image_version(image))
            .map(|v| v.to_string());
    }
    let over = step == Step::Settling;
    let planned = step == Step::Planned;
    let message = describe_state(draft, phase);
    let mut conditions = std::mem::take(&mut draft.conditions);
    let mut set = |type_: &str, status: bool, reason: &str, message: &str| {
        set_condition(
            &mut conditions,
            type_,
            status,
            reason,
            message,
            cx.object.generation,
            &cx.now,
        );
    };
    let reason = format!("{phase:?}");
    let stall = find_stall(draft);
    let stalled = stall.is_some() || (over && phase != Phase::Succeeded);
    let why = match (stall, &draft.cause) {
        (Some(stall), _) => stall.reason,
        (None, Some(cause)) if over => cause.reason.clone(),
        _ => reason.clone(),
    };
    set(READY, phase == Phase::Succeeded, &why, &message);
    // Each of the two tells the story while it is true; the whole of it is in Ready.
    if draft.settled || stalled || planned {
        let rest = if draft.settled {
            "nothing is left to do"
        } else {
            "waiting for a person"
        };
        set(RECONCILING, false, &reason, rest);
    } else {
        set(RECONCILING, true, &reason, &message);
    }
    if stalled {
        set(STALLED, true, &why, &message);
    } else {
        set(STALLED, false, &why, "nobody needs to act");
    }
    set(FINISHED, over || planned, &reason, &message);
    if is_released(draft) {
        break_promises(draft, &mut set);
    } else {
        derive_promises(cx, draft, &mut set);
        if let Some((status, reason, text)) = judge_recovery(draft) {
            set_condition(
                &mut conditions,
                REPLICATION_RECOVERED,
                status,
                reason,
                &text,
                cx.object.generation,
                &cx.now,
            );
        }
    }
    let contended = draft
        .stall
        .as_ref()
        .is_some_and(|stall| stall.reason == "TargetContended");
    if contended
        || conditions
            .iter()
            .any(|condition| condition.type_ == TARGET_CONTENDED)
    {
        let text = draft
            .stall
            .as_ref()
            .map_or("nobody else writes the Deployments", |stall| {
                stall.message.as_str()
            });
        set_condition(
            &mut conditions,
            TARGET_CONTENDED,
            contended,
            if contended {
                "TargetContended"
            } else {
                "Quiet"
            },
            text,
            cx.object.generation,
            &cx.now,
        );
    }
    let paused = cx.spec.paused && !over;
    if paused || conditions.iter().any(|condition| condition.type_ == PAUSED) {
        let text = if paused {
            "spec.paused: no further phase is begun; set it to false to go on"
        } else {
            "not paused"
        };
        set_condition(
            &mut conditions,
            PAUSED,
            paused,
            if paused { "Asked" } else { "NotAsked" },
            text,
            cx.object.generation,
            &cx.now,
        );
    }
    draft.conditions = conditions;
}

/// What a person has to do something about; what a pause holds goes on by itself after that.
fn find_stall(status: &OmsUpgradeStatus) -> Option<Stall> {
    let held = status.waiting.as_ref().filter(|waiting| is_held(waiting));
    status.stall.clone().or_else(|| {
        held.map(|waiting| Stall {
            reason: waiting.reason.clone(),
            message: waiting.message.clone(),
        })
    })
}

/// Whether it was given up as it stood.
fn is_released(status: &OmsUpgradeStatus) -> bool {
    let released = |cause: &crate::api::Cause| cause.reason == super::requests::RELEASED;
    status.step == Some(Step::Settling) && status.cause.as_ref().is_some_and(released)
}

/// The step in which an upgrade was given up.
fn find_last_step(status: &OmsUpgradeStatus) -> Step {
    status
        .history
        .last()
        .map_or(Step::Pending, |record| record.step)
}

/// The one sentence of `Ready`: what, why, what to do.
fn describe_state(status: &OmsUpgradeStatus, phase: Phase) -> String {
    let step = status.step.unwrap_or(Step::Pending);
    let cause = status
        .cause
        .as_ref()
        .map(|cause| cause.message.as_str())
        .unwrap_or_default();
    if let Some(stall) = find_stall(status) {
        return format!("ACTION REQUIRED: {}", stall.message);
    }
    match phase {
        Phase::Succeeded => format!(
            "the new version runs; clear the browser cache before you log in to the console; write the new image into the source of the Deployment; \
             action: RollBack brings the old version and its data back{}",
            describe_unwatched(status)
        ),
        Phase::Aborted => format!(
            "{} as before: {cause}; to try again delete this object and create it anew{}",
            if status.kept_keys.is_empty() {
                "everything is"
            } else {
                "everything but ha.config is"
            },
            describe_unwatched(status)
        ),
        Phase::RolledBack => format!(
            "the old version runs on the data of before the upgrade; the three mounts were not rolled back: {cause}{}",
            describe_unwatched(status)
        ),
        Phase::Failed if is_released(status) => format!(
            "given up while {}; nothing was put back: {cause}",
            describe_step(find_last_step(status))
        ),
        Phase::Failed => format!(
            "preflight failed: {cause}; mend that, then delete this object and create it anew"
        ),
        Phase::Planned => "the plan is in status.plan; set action: Run to begin".into(),
        Phase::Aborting | Phase::RollingBack => match &status.waiting {
            Some(waiting) => format!(
                "{}: {}; because: {cause}",
                describe_step(step),
                waiting.message
            ),
            None => format!("{}; because: {cause}", describe_step(step)),
        },
        _ => match &status.waiting {
            Some(waiting) => format!("{}: {}", describe_step(step), waiting.message),
            None => describe_step(step).into(),
        },
    }
}

/// Adds what a person can do to a failure that does not say so itself.
pub(super) fn add_way_on(cx: &Context<'_>, status: &OmsUpgradeStatus, message: String) -> String {
    if message.contains("spec.retries") || message.contains("action: RollBack") {
        return message;
    }
    let claim = &cx.spec.backup.claim_name;
    match status.direction.unwrap_or_default() {
        Direction::Forward => format!(
            "{message}; the verified backup lies on claim {claim}: action: RollBack brings back the old version and its data, or mend the cause and raise spec.retries"
        ),
        Direction::Abort => format!(
            "{message}; the new version was never started; mend the cause, then raise spec.retries"
        ),
        Direction::RollBack => format!(
            "{message}; the backup on claim {claim} is kept; mend the cause, then raise spec.retries"
        ),
    }
}

/// A step in words.
pub(super) fn describe_step(step: Step) -> &'static str {
    match step {
        Step::Pending => "waiting to begin",
        Step::Preflight => "checking; OMS and its databases are not changed",
        Step::Planned => "planned",
        Step::Locking => "taking the lock and recording the originals",
        Step::DisablingHa | Step::DisablingHaForRollback => "switching HA off",
        Step::StoppingOld => "stopping the old version",
        Step::BackingUp => "dumping the databases",
        Step::VerifyingBackup => "proving the backup",
        Step::StartingNew => "starting the new version for its initialisation",
        Step::Initializing => "running docker_init.sh",
        Step::StoppingForRestart => "stopping the new version for a normal start",
        Step::StartingFinal => "starting the new version",
        Step::EnablingHa => "bringing HA to its goal",
        Step::Recovering => "waiting until every project advances again",
        Step::StoppingJobs => "stopping our own Jobs",
        Step::Fencing => "fencing off earlier writes",
        Step::StoppingNew => "stopping whatever runs",
        Step::Comparing => "comparing the databases with the backup",
        Step::Restoring => "restoring the backup",
        Step::StartingOld => "starting the old version",
        Step::Settling => "cleaning up",
    }
}

/// The steps of the plan in words.
pub(super) fn describe_plan(cx: &Context<'_>) -> Vec<String> {
    let names: Vec<&str> = cx
        .spec
        .targets
        .iter()
        .map(|target| target.name.as_str())
        .collect();
    let names = names.join(", ");
    vec![
        format!("switch HA off ({:?})", cx.spec.ha.driver),
        format!("stop {names}"),
        format!(
            "dump the databases to claim {} and prove the dump",
            cx.spec.backup.claim_name
        ),
        format!(
            "start {} with IS_UPGRADE=true (from here on the way back is a rollback)",
            cx.spec.image
        ),
        "run docker_init.sh".into(),
        format!("restart {names} normally"),
        format!(
            "bring HA to its goal ({:?}) and wait until every project advances",
            cx.spec.ha.goal
        ),
    ]
}

/// Events of a transition: one when the step or the verdict changes, one when it stalls.
pub(super) fn describe_transition(cx: &Context<'_>, draft: &OmsUpgradeStatus) -> Vec<Note> {
    let mut notes = Vec::new();
    let ready = find_condition(&draft.conditions, READY)
        .map(|condition| condition.message.clone())
        .unwrap_or_default();
    if draft.step != cx.status.step || draft.direction != cx.status.direction {
        let step = draft.step.unwrap_or(Step::Pending);
        let phase = draft.phase.unwrap_or(Phase::Pending);
        let back = draft.direction != Some(Direction::Forward) && !phase.is_final();
        let reason = match (phase.is_final(), back) {
            (true, _) => format!("{phase:?}"),
            (false, true) => format!("{phase:?}{step:?}"),
            (false, false) => format!("{step:?}"),
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
    if let Some(stall) = find_stall(draft)
        && find_stall(cx.status).as_ref() != Some(&stall)
    {
        notes.push(Note {
            reason: format!("Stalled{}", stall.reason),
            message: stall.message,
            warning: true,
        });
    }
    if draft.settled && !cx.status.settled {
        notes.push(Note {
            reason: "Settled".into(),
            message: "nothing is left to clean up".into(),
            warning: false,
        });
    }
    notes
}
