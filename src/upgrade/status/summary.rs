//! How far an upgrade is, and what HA is at, in a word or a line for people. Pure.
use crate::api::{ContentProof, Direction, HaState, OmsUpgradeStatus, Step};
use crate::oms::ha::HaConfig;
use crate::oms::metadb::HaRow;
use crate::upgrade::context::{Context, ObjectFacts};
use crate::upgrade::parts::abandonment::is_released;
use crate::upgrade::parts::convergence::is_held;
use crate::upgrade::parts::ha::find_goal;
use crate::upgrade::parts::init_log::describe_place;
use crate::upgrade::status::words::find_stall;
use crate::upgrade::steps::def::HaStage;
use crate::upgrade::steps::find_def;

/// Each way as people count it. A plan that waits, and what comes before the first look, is no step on it.
const FORWARD: &[Step] = &[
    Step::Preflight,
    Step::Locking,
    Step::DisablingHa,
    Step::StoppingOld,
    Step::BackingUp,
    Step::VerifyingBackup,
    Step::StartingNew,
    Step::Initializing,
    Step::StoppingForRestart,
    Step::StartingFinal,
    Step::EnablingHa,
    Step::Recovering,
    Step::Settling,
];
const ABORT: &[Step] = &[
    Step::StoppingJobs,
    Step::Fencing,
    Step::StartingOld,
    Step::EnablingHa,
    Step::Recovering,
    Step::Settling,
];
const ROLL_BACK: &[Step] = &[
    Step::StoppingJobs,
    Step::Fencing,
    Step::FindingBackup,
    Step::DisablingHaForRollback,
    Step::StoppingNew,
    Step::Comparing,
    Step::Restoring,
    Step::StartingOld,
    Step::EnablingHa,
    Step::Recovering,
    Step::Settling,
];

/// `5 of 13: dumping the databases`. A way back is counted for itself; where it is not known yet which of its steps are
/// needed, the number in all is an upper bound and says so.
pub(crate) fn summarize_step(object: &ObjectFacts, draft: &OmsUpgradeStatus) -> Option<String> {
    let step = draft.step?;
    let words = if draft.settled {
        "done"
    } else if is_held(draft) {
        "done, but held until git names the image that runs"
    } else {
        find_def(step).words
    };
    let stalled = if find_stall(object, draft).is_some() {
        ", stalled"
    } else {
        ""
    };
    let place = count_steps(draft, step).map(|(number, all, is_known)| {
        let bound = if is_known { "" } else { "up to " };
        format!("{number} of {bound}{all}")
    });
    let at = describe_place(draft);
    Some(match place {
        Some(place) => format!("{place}{stalled}: {words}{at}"),
        None => format!("{words}{at}{stalled}"),
    })
}

/// The number of a step on its way, the steps in all, and whether all of them are known to be needed.
fn count_steps(draft: &OmsUpgradeStatus, step: Step) -> Option<(usize, usize, bool)> {
    let direction = draft.direction.unwrap_or_default();
    // The way was cut short: it has no end that could be counted to.
    let cut_short = direction == Direction::Forward && draft.cause.is_some();
    if is_released(draft) || cut_short {
        return None;
    }
    let (way, asked_at) = match direction {
        Direction::Forward => (FORWARD, None),
        Direction::Abort => (ABORT, Some(Step::StoppingJobs)),
        Direction::RollBack => (ROLL_BACK, Some(Step::Comparing)),
    };
    let position = |wanted: Step| way.iter().position(|one| *one == wanted);
    let here = position(step)?;
    let is_known = asked_at.and_then(position).is_none_or(|asked| here > asked);
    let needed: Vec<Step> = way
        .iter()
        .enumerate()
        .filter(|(place, one)| *place == here || is_needed(draft, direction, **one, *place < here))
        .map(|(_, one)| *one)
        .collect();
    let number = needed.iter().position(|one| *one == step)?;
    Some((number + 1, needed.len(), is_known))
}

fn is_needed(draft: &OmsUpgradeStatus, direction: Direction, step: Step, is_over: bool) -> bool {
    let passed = |record: &crate::api::PhaseRecord| {
        record.step == step && record.direction.unwrap_or_default() == direction
    };
    match (direction, step) {
        (Direction::Forward, _) => true,
        (_, Step::EnablingHa | Step::Recovering) => draft.internal.originals.is_some(),
        (Direction::Abort, Step::Fencing) | (Direction::RollBack, Step::Restoring) => {
            !is_over || draft.history.iter().any(passed)
        }
        _ => true,
    }
}

/// What HA is at, from what is promised in the step and what was seen; what nobody saw anew stays as it was last seen.
pub(crate) fn find_ha(cx: &Context<'_>, draft: &OmsUpgradeStatus) -> Option<HaState> {
    if is_released(draft) {
        return None;
    }
    let step = draft.step?;
    let seen = read_seen(cx);
    let last = draft.ha.filter(|last| *last != HaState::Switching);
    let is_off = seen == Some(HaState::Off);
    match (find_def(step).ha, step) {
        (_, Step::DisablingHa | Step::DisablingHaForRollback) if is_off => Some(HaState::Off),
        (_, Step::DisablingHa | Step::DisablingHaForRollback) => Some(HaState::Switching),
        (HaStage::OnItsWay, _) if is_off && !find_goal(cx) => Some(HaState::Off),
        (HaStage::OnItsWay, _) => Some(HaState::Switching),
        (HaStage::Off, _) => seen.or(Some(HaState::Off)),
        (HaStage::AtGoal, _) if draft.internal.originals.is_some() => {
            seen.or(last).or(Some(match find_goal(cx) {
                true => HaState::On,
                false => HaState::Off,
            }))
        }
        // The databases were replaced since it was seen.
        (HaStage::TakenBack, _) if draft.internal.content_proof == Some(ContentProof::Restored) => {
            seen
        }
        (HaStage::AsFound | HaStage::AtGoal | HaStage::TakenBack, _) => seen.or(last),
    }
}

/// What the row says, where it was looked at. A missing row or key means off.
fn read_seen(cx: &Context<'_>) -> Option<HaState> {
    let enabled = match cx.observed.metadb.ha.known()? {
        HaRow::NoTable | HaRow::NoRow => false,
        HaRow::Text(text) => HaConfig::parse(text).ok()?.read_setting().enable,
    };
    Some(if enabled { HaState::On } else { HaState::Off })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::OmsUpgradeSpec;
    use crate::facts::{Fact, Observed};
    use crate::upgrade::ObjectFacts;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
    use serde_json::{Value, json};

    fn read(status: Value) -> OmsUpgradeStatus {
        serde_json::from_value(status).unwrap()
    }

    fn summarize(status: Value) -> String {
        summarize_step(&ObjectFacts::default(), &read(status)).unwrap()
    }

    fn passed(step: &str, direction: &str) -> Value {
        let time = "2026-01-01T00:00:00Z";
        json!({"step": step, "direction": direction, "startedTime": time, "finishedTime": time})
    }

    #[test]
    fn each_way_is_one_that_the_steps_lead() {
        for way in [FORWARD, ABORT, ROLL_BACK] {
            for pair in way.windows(2) {
                let leads = find_def(pair[0]).leads_to;
                assert!(leads.contains(&pair[1]), "{pair:?}");
            }
        }
        let counted = FORWARD.len() + ROLL_BACK.len() - 3;
        // Those that both count are the last three; Pending and Planned are not counted.
        assert_eq!(counted, Step::ALL.len() - 2);
    }

    #[test]
    fn a_step_is_counted_along_the_way_that_is_gone() {
        for (status, line) in [
            (json!({"step": "Pending"}), "waiting to begin"),
            (json!({"step": "Planned"}), "planned"),
            (
                json!({"step": "BackingUp"}),
                "5 of 13: dumping the databases",
            ),
            (
                json!({"step": "Settling", "settled": true}),
                "13 of 13: done",
            ),
            (
                json!({"step": "EnablingHa", "stall": {"reason": "Timeout", "message": "m"}}),
                "11 of 13, stalled: bringing HA to its goal",
            ),
            (
                json!({"step": "Settling", "cause": {"reason": "CheckFailed", "message": "m"}}),
                "cleaning up",
            ),
        ] {
            assert_eq!(summarize(status), line);
        }
    }

    #[test]
    fn a_way_back_counts_what_it_needs_and_says_where_that_is_not_known_yet() {
        let originals = json!({"originals": {}});
        let at = |direction: &str, step: &str, history: &[Value], internal: &Value| {
            summarize(
                json!({"step": step, "direction": direction, "history": history, "internal": internal,
                "cause": {"reason": "AbortRequested", "message": "m"}}),
            )
        };
        let place = |text: String| text.split(':').next().unwrap().to_owned();
        for (direction, step, passed_step, internal, wanted) in [
            ("Abort", "StoppingJobs", None, &originals, "1 of up to 6"),
            ("Abort", "StoppingJobs", None, &json!({}), "1 of up to 4"),
            ("Abort", "StartingOld", None, &originals, "2 of 5"),
            (
                "Abort",
                "StartingOld",
                Some("Fencing"),
                &originals,
                "3 of 6",
            ),
            ("Abort", "Settling", None, &json!({}), "3 of 3"),
            ("RollBack", "Comparing", None, &originals, "6 of up to 11"),
            ("RollBack", "Restoring", None, &originals, "7 of 11"),
            ("RollBack", "StartingOld", None, &originals, "7 of 10"),
            (
                "RollBack",
                "StartingOld",
                Some("Restoring"),
                &originals,
                "8 of 11",
            ),
        ] {
            let history: Vec<Value> = passed_step
                .map(|step| passed(step, direction))
                .into_iter()
                .collect();
            let line = place(at(direction, step, &history, internal));
            assert_eq!(line, wanted, "{direction} {step} {passed_step:?}");
        }
    }

    /// What is said of HA in a step, by the row that was seen and by what was said before.
    fn ask(step: &str, row: Option<&str>, last: Option<&str>, internal: Value) -> Option<HaState> {
        let spec: OmsUpgradeSpec = serde_json::from_value(json!({
            "targets": [{"name": "oms"}], "image": "oms:4.0.0-ce", "backup": {"claimName": "c"}}))
        .unwrap();
        let status = read(json!({"step": step, "ha": last, "internal": internal}));
        let mut observed = Observed::default();
        if let Some(row) = row {
            observed.metadb.ha = Fact::Known(HaRow::Text(row.into()));
        }
        let cx = Context {
            now: Time("2026-01-01T00:00:00Z".parse().unwrap()),
            object: &ObjectFacts::default(),
            spec: &spec,
            status: &status,
            observed: &observed,
        };
        find_ha(&cx, &status)
    }

    #[test]
    fn ha_is_what_was_seen_and_absent_where_nobody_looked() {
        let (on, off) = (Some("{\"enable\":true}"), Some("{\"enable\":false}"));
        let originals = || json!({"originals": {}});
        for (step, row, last, wanted) in [
            ("Pending", None, None, None),
            ("Preflight", on, None, Some(HaState::On)),
            ("Planned", None, Some("On"), Some(HaState::On)),
            ("DisablingHa", on, Some("On"), Some(HaState::Switching)),
            ("DisablingHa", off, Some("Switching"), Some(HaState::Off)),
            ("BackingUp", None, Some("Off"), Some(HaState::Off)),
            // Somebody switched it on again: that is what people have to see.
            ("StoppingOld", on, Some("Off"), Some(HaState::On)),
            ("EnablingHa", off, Some("Off"), Some(HaState::Switching)),
            ("Recovering", None, Some("Switching"), Some(HaState::On)),
            ("Recovering", on, Some("Switching"), Some(HaState::On)),
            // Nobody has looked since it was on its way.
            ("StoppingJobs", None, Some("Switching"), None),
            ("StoppingJobs", None, Some("Off"), Some(HaState::Off)),
        ] {
            assert_eq!(
                ask(step, row, last, originals()),
                wanted,
                "{step} {row:?} {last:?}"
            );
        }
        let restored = json!({"originals": {}, "contentProof": "Restored"});
        assert_eq!(ask("StartingOld", None, Some("On"), restored), None);
    }
}
