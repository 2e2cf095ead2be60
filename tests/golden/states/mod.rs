//! Every list of steps comes from the steps themselves: docs/states.md, the phases in docs/what-happens.md, and what
//! the end-to-end tests read.
mod list;
mod page;
mod phases;

use super::definition::{list_words, read_schema};
use oms_operator::api::{OmsUpgradeStatus, Step};
use oms_operator::facts::{CopyNeed, Needs};
use oms_operator::upgrade::{OnFailure, StepDef, find_def, list_defs};
use serde_json::json;
use std::collections::BTreeSet;

const MEANING: &str = "It is made from the steps (`DEF` at the head of each file of src/upgrade/steps), so that documents and tests tell \
    of the procedure that runs. A step or a way that comes or goes: an upgrade that is under way while the operator is replaced goes on \
    from wherever it stands, so the step where it stands must still be there.";

/// The step with which the point of no return is passed: entering it dates `pointOfNoReturnTime`.
const LINE: Step = Step::StartingNew;

/// Steps that are reached from one, in the order of the procedure.
fn list_reached(from: Step) -> Vec<&'static StepDef> {
    let mut reached = BTreeSet::from([from]);
    let mut open = vec![from];
    while let Some(step) = open.pop() {
        open.extend(
            find_def(step)
                .leads_to
                .iter()
                .filter(|next| reached.insert(**next)),
        );
    }
    list_defs()
        .filter(|def| reached.contains(&def.step))
        .collect()
}

fn list_forward() -> Vec<&'static StepDef> {
    list_reached(Step::Pending)
}

/// Those of the ways back alone first: what both ways have comes at their end.
fn list_back() -> Vec<&'static StepDef> {
    let forward: BTreeSet<Step> = list_forward().iter().map(|def| def.step).collect();
    let mut back = list_reached(Step::StoppingJobs);
    back.sort_by_key(|def| forward.contains(&def.step));
    back
}

/// Whether a step of the way forward comes before the point of no return.
fn is_before_line(step: Step) -> bool {
    let place = |step| list_defs().position(|def| def.step == step);
    place(step) < place(LINE)
}

/// What the brain can ask to see, and whether it does. Without `..`: whoever adds a need gives it a name for people.
fn name_needs(needs: Needs) -> [(bool, &'static str); 29] {
    let Needs {
        claim,
        prepulls,
        old_pulls,
        job: _,
        leftovers,
        originals,
        installation,
        identity,
        ha,
        kept_keys,
        store_limit,
        sessions,
        projects,
        progress,
        health,
        templates,
        programs,
        init,
        query_timeout,
        lock,
        record,
        fingerprint,
        cgroup,
        time_zones,
        rivals,
        rehearsal,
        image_guard,
        forerunner,
        applications,
    } = needs;
    [
        (claim, "claim"),
        (prepulls, "pre-pull pods"),
        (old_pulls.is_some(), "pods that pull the old image"),
        (leftovers, "own objects"),
        (
            originals == CopyNeed::Always,
            "second copy of the originals",
        ),
        (
            originals == CopyNeed::WhereMissing,
            "second copy of the originals where a record is missing",
        ),
        (installation, "`config.yaml`"),
        (identity, "identity of the MetaDB"),
        (ha, "`ha.config`"),
        (kept_keys, "recovery keys that were kept"),
        (store_limit, "limit of Stores"),
        (sessions, "sessions on the MetaDB"),
        (projects, "projects"),
        (progress, "progress of projects"),
        (health, "hosts and heart beats"),
        (templates, "templates of the pods"),
        (programs, "programs"),
        (init, "run of `docker_init.sh`"),
        (query_timeout, "`ob_query_timeout`"),
        (lock, "lock"),
        (record, "record of upgrades"),
        (fingerprint, "schema"),
        (cgroup, "cgroup version of the nodes"),
        (time_zones, "time zones of the containers"),
        (rivals, "other upgrades"),
        (rehearsal, "dry runs of its writes"),
        (image_guard, "whether a forbidden image is refused"),
        (forerunner, "the object whose upgrade is taken over"),
        (applications, "Applications of Argo CD"),
    ]
}

/// What a step looks at: its name for people, and whether it does in every situation.
fn list_looks(def: &StepDef) -> Vec<(&'static str, bool)> {
    let situations = list_situations();
    let names = name_needs(Needs::default());
    let mut looks = Vec::new();
    for (number, (_, name)) in names.into_iter().enumerate() {
        let wants = |status: &&OmsUpgradeStatus| name_needs((def.looks)(status))[number].0;
        let count = situations.iter().filter(wants).count();
        if count > 0 {
            looks.push((name, count == situations.len()));
        }
    }
    looks
}

/// Statuses on which it depends what a step looks at.
fn list_situations() -> Vec<OmsUpgradeStatus> {
    let mut all = Vec::new();
    for direction in ["Forward", "Abort", "RollBack"] {
        for (settled, begun) in [(false, false), (false, true), (true, false), (true, true)] {
            let mut status = json!({"direction": direction, "settled": settled});
            if begun {
                status["startedTime"] = json!("2026-01-02T03:04:05Z");
                status["oldStoppedTime"] = json!("2026-01-02T03:04:05Z");
                status["internal"]["originals"] = json!({"obQueryTimeout": 1});
                status["forbiddenImages"] =
                    json!([{"target": "oms", "container": "oms", "image": "a", "useImage": "b"}]);
            }
            all.push(serde_json::from_value(status).unwrap());
        }
    }
    all
}

#[test]
fn each_step_is_listed_once_under_its_name() {
    let status = read_schema("status");
    let named: Vec<&str> = list_words(&status["properties"]["step"]);
    let listed: Vec<String> = list_defs().map(|def| format!("{:?}", def.step)).collect();
    assert_eq!(listed, named, "STEPS in src/upgrade/steps/mod.rs");
    for def in list_defs() {
        let step = def.step;
        assert_eq!(find_def(step).step, step, "find_def({step:?})");
    }
}

#[test]
fn each_step_has_words_of_its_own_and_is_reached() {
    let words: BTreeSet<&str> = list_defs().map(|def| def.words).collect();
    let doubled = list_defs().count() - words.len();
    // HA is switched off on both ways.
    assert_eq!(doubled, 1, "{words:?}");
    let reached: BTreeSet<Step> = [list_forward(), list_back()]
        .iter()
        .flatten()
        .map(|def| def.step)
        .collect();
    for def in list_defs() {
        assert!(
            reached.contains(&def.step),
            "nothing leads to {:?}",
            def.step
        );
    }
}

#[test]
fn each_need_is_some_steps_need() {
    // A take-over is looked at before the step is.
    let mut wanted = BTreeSet::from(["the object whose upgrade is taken over"]);
    for def in list_defs() {
        wanted.extend(list_looks(def).into_iter().map(|(name, _)| name));
        // Which Job is looked at is said once, in `job`.
        for status in list_situations() {
            assert_eq!((def.looks)(&status).job, None, "{:?}", def.step);
        }
    }
    assert_eq!(
        wanted.len(),
        name_needs(Needs::default()).len(),
        "what no step needs is looked at by nobody: {wanted:?}"
    );
}

/// What the texts say of failures, retries and the line.
#[test]
fn failures_and_retries_are_as_the_texts_say() {
    for def in list_forward() {
        let waits = def.failure == OnFailure::Waits;
        let touched = !is_before_line(def.step) || def.step >= Step::DisablingHa;
        assert_ne!(waits, touched, "{:?}", def.step);
    }
    let back: Vec<Step> = list_back().iter().map(|def| def.step).collect();
    for def in list_defs() {
        for (reason, step) in def.retries {
            assert!(
                back.contains(&def.step) && back.contains(step),
                "{:?}: {reason} leads to {step:?}",
                def.step
            );
        }
    }
}
