//! From step to step only as the steps themselves say (`leads_to`), or on one of the few ways that every step has.
use super::world::World;
use oms_operator::api::{Direction, OmsUpgradeStatus, Reason, Step};
use oms_operator::upgrade::{OnFailure, find_def, list_defs};
use serde_json::Value;

impl World {
    /// A status was recorded: whoever reads `leads_to` must know where an upgrade can go.
    pub fn check_transition(&mut self, before: &Value, after: &Value) {
        if before == after {
            return;
        }
        let read = |status: &Value| serde_json::from_value::<OmsUpgradeStatus>(status.clone());
        // An object that nobody has looked at yet has none.
        let before = read(before).unwrap_or_default();
        let Ok(after) = read(after) else {
            return self.break_rule("a status is recorded that cannot be read");
        };
        let honoured = &after.internal.requests.retries;
        if (1..honoured.len()).any(|at| honoured[..at].contains(&honoured[at])) {
            self.break_rule("a request counts twice");
        }
        if before.step != after.step && !is_told(&before, &after) {
            let [from, to] =
                [before.step, after.step].map(|step| step.map_or("nowhere".into(), name));
            self.break_rule(format!(
                "a way that no step tells: from {from} to {to}, {:?} to {:?}",
                before.direction, after.direction
            ));
        }
    }
}

fn name(step: Step) -> String {
    format!("{step:?}")
}

fn is_told(before: &OmsUpgradeStatus, after: &OmsUpgradeStatus) -> bool {
    let Some(to) = after.step else {
        return false;
    };
    let Some(from) = before.step else {
        return is_beginning(after, to);
    };
    if is_rebuilt(before, after) {
        return REBUILT.contains(&to);
    }
    let direction = before.direction.unwrap_or_default();
    if before.direction != after.direction {
        // A turn back; or an abort that cannot be sure of the databases.
        let turns = direction == Direction::Forward
            || (direction, after.direction) == (Direction::Abort, Some(Direction::RollBack));
        return turns && to == Step::StoppingJobs && after.internal.epoch > before.internal.epoch;
    }
    find_def(from).leads_to.contains(&to)
        || is_retry(before, after, from, to)
        || is_end(after, from, to)
        || is_begun_anew(before, after, from, to)
}

/// Where a status goes on that was older than the record in the MetaDB.
const REBUILT: [Step; 6] = [
    Step::DisablingHa,
    Step::StoppingOld,
    Step::StartingFinal,
    Step::StoppingJobs,
    Step::StartingOld,
    Step::Settling,
];

fn is_rebuilt(before: &OmsUpgradeStatus, after: &OmsUpgradeStatus) -> bool {
    let (before, after) = (&before.internal, &after.internal);
    before.record_ahead.is_some()
        && after.record_ahead.is_none()
        && after.epoch > before.epoch
        && after.record_seq > before.record_seq
}

/// The first record: of an upgrade that begins, that is deleted before it begins, or whose status was lost.
fn is_beginning(after: &OmsUpgradeStatus, to: Step) -> bool {
    let lost = after
        .cause
        .as_ref()
        .is_some_and(|cause| cause.reason == "StatusLost");
    match to {
        Step::Pending => after.direction == Some(Direction::Forward),
        Step::Settling => after.direction == Some(Direction::Abort),
        Step::StoppingJobs => lost,
        _ => false,
    }
}

fn is_retry(before: &OmsUpgradeStatus, after: &OmsUpgradeStatus, from: Step, to: Step) -> bool {
    let asked = after.internal.requests.retries != before.internal.requests.retries
        && after.stall.is_none();
    let rollback = before.direction == Some(Direction::RollBack);
    let stalled = |why: &Reason| {
        before
            .stall
            .as_ref()
            .is_some_and(|stall| stall.reason == *why)
    };
    let ways = find_def(from).retries.iter();
    asked && rollback && ways.clone().any(|(why, step)| stalled(why) && *step == to)
}

/// Given up as it stands; or it could not be done, nothing was touched, and the plan waits.
fn is_end(after: &OmsUpgradeStatus, from: Step, to: Step) -> bool {
    let waits =
        after.direction == Some(Direction::Forward) && find_def(from).failure == OnFailure::Waits;
    let released = after.cause.as_ref();
    let released = released.is_some_and(|cause| cause.reason == "Released");
    to == Step::Settling && released || to == Step::Planned && waits
}

/// What the plan depends on was edited or a new plan was asked for, and nothing was touched yet.
fn is_begun_anew(
    before: &OmsUpgradeStatus,
    after: &OmsUpgradeStatus,
    from: Step,
    to: Step,
) -> bool {
    to == Step::Preflight
        && matches!(from, Step::Planned | Step::Locking)
        && before.started_time.is_none()
        && (before.internal.planned_spec != after.internal.planned_spec
            || before.internal.requests.plans != after.internal.requests.plans)
}

#[test]
fn a_way_that_no_step_tells_is_noticed() {
    let status = |step: &str, direction: &str| {
        serde_json::json!({
            "observedGeneration": 1, "internal": {"epoch": 1}, "step": step, "direction": direction
        })
    };
    let judge = |before: &Value, after: &Value| {
        let mut world = World::new(1, super::Setup::default());
        world.check_transition(before, after);
        world.broken.is_empty()
    };
    let here = status("Comparing", "RollBack");
    assert!(judge(&here, &status("Restoring", "RollBack")));
    assert!(judge(&here, &here));
    assert!(!judge(&here, &status("Settling", "RollBack")));
    assert!(!judge(&here, &status("StoppingNew", "RollBack")));
    assert!(!judge(&here, &status("StoppingJobs", "Abort")));
    let abort = status("Fencing", "Abort");
    assert!(!judge(&abort, &status("StoppingJobs", "RollBack")));
    assert!(!judge(&Value::Null, &status("Locking", "Forward")));
    let mut stalled = here.clone();
    stalled["stall"] = serde_json::json!({"reason": "ContentUnproven", "message": ""});
    let mut again = status("StoppingNew", "RollBack");
    assert!(!judge(&stalled, &again));
    again["internal"] = serde_json::json!({"requests": {"retries": ["1"]}});
    assert!(judge(&stalled, &again));
    let mut turned = status("StoppingJobs", "RollBack");
    turned["internal"] = serde_json::json!({"epoch": 2});
    assert!(judge(&status("EnablingHa", "Forward"), &turned));
    assert!(!judge(
        &status("Planned", "Forward"),
        &status("Locking", "Forward")
    ));
}

/// The walks of this program go through the steps as they are.
#[test]
fn the_walks_know_every_step_of_the_way_forward() {
    let line = Step::StartingNew;
    let names = |after: bool| -> Vec<String> {
        list_defs()
            .map(|def| def.step)
            .filter(|step| *step < Step::StoppingJobs && (*step >= line) == after)
            .filter(|step| !matches!(step, Step::Pending | Step::Planned))
            .map(name)
            .collect()
    };
    assert_eq!(names(false), super::walk::BEFORE_THE_LINE);
    assert_eq!(names(true), super::walk::AFTER_THE_LINE);
}
