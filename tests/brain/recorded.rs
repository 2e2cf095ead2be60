//! An upgrade in every state that tools of GitOps judge: `tests/gitops/states/recorded.json`. What Argo CD and Flux
//! make of each stands beside it, and is tried with their own code.
use super::world::{Trouble, World};
use super::*;
use oms_operator::api::RollbackPolicy;
use oms_operator::upgrade::{Unreadable, describe_unreadable};
use serde_json::{Value, json};

const MEANING: &str = "These are the states in which Argo CD and Flux are asked what they think of an upgrade. A new one wants a row in \
    tests/gitops/states/expected.yaml; then scripts/argocd.py writes what follows from it.";

/// Parts that no tool of GitOps looks at, and that would make the file long.
const LEFT_OUT: &[&str] = &["history", "internal", "installation", "backup", "leftovers"];
const LEFT_OUT_OF_SPEC: &[&str] = &[
    "checks", "cleanup", "console", "ha", "init", "metadb", "projects", "timeouts",
];

/// The states, in the order in which they were recorded.
#[derive(Default)]
struct States(Vec<Value>);

impl States {
    fn add(&mut self, name: &str, world: &World) {
        let status = serde_json::to_value(&world.status).unwrap();
        self.add_object(name, world, &write_spec(world), &status);
    }

    /// As the API server would show it.
    fn add_object(&mut self, name: &str, world: &World, spec: &Value, status: &Value) {
        let mut status = status.clone();
        for part in LEFT_OUT {
            status.as_object_mut().unwrap().remove(*part);
        }
        if let Some(plan) = status.get_mut("plan") {
            *plan = json!({"hash": plan["hash"]});
        }
        let mut metadata = json!({"name": name, "namespace": "oms", "generation": world.generation,
            "resourceVersion": format!("{}", 1_000 + world.clock)});
        if world.deleting {
            metadata["deletionTimestamp"] = "2027-01-15T08:00:00Z".into();
        }
        self.0.push(json!({
            "apiVersion": "oms.oceanbase.com/v1alpha1", "kind": "OmsUpgrade",
            "metadata": metadata, "spec": spec, "status": status,
        }));
    }
}

fn write_spec(world: &World) -> Value {
    let mut spec = serde_json::to_value(&world.spec).unwrap();
    for part in LEFT_OUT_OF_SPEC {
        spec.as_object_mut().unwrap().remove(*part);
    }
    spec
}

/// A world that lies where `stop` wants it, seen a second at a time.
fn walk(mut world: World, mut stop: impl FnMut(&mut World) -> bool) -> World {
    for _ in 0..4_000 {
        if stop(&mut world) {
            return world;
        }
        world.run_pass();
        world.run_cluster();
        world.clock += 1;
    }
    panic!("no end: {:?}", world.status.step);
}

fn start(trouble: Trouble) -> World {
    World::new(1, true, trouble)
}

fn fine() -> World {
    start(Trouble::default())
}

fn at(step: Step) -> impl FnMut(&mut World) -> bool {
    move |world| world.status.step == Some(step)
}

fn stalled(world: &mut World) -> bool {
    world.status.stall.is_some()
}

fn waiting(world: &mut World) -> bool {
    world.status.step == Some(Step::Planned) && world.status.waiting.is_some()
}

fn settled(world: &mut World) -> bool {
    world.status.settled
}

/// Somebody edits the spec, and the operator sees it.
fn edit(mut world: World, change: impl FnOnce(&mut World)) -> World {
    change(&mut world);
    world.generation += 1;
    world.run_pass();
    world
}

fn write_kebab(step: Step) -> String {
    let letters = step.as_str().chars().enumerate();
    let parts = letters.map(|(number, letter)| match letter {
        'A'..='Z' if number > 0 => format!("-{}", letter.to_ascii_lowercase()),
        _ => letter.to_ascii_lowercase().to_string(),
    });
    parts.collect()
}

/// Every step of a way, each when it was entered.
fn add_way(states: &mut States, prefix: &str, world: World) {
    let mut seen = Vec::new();
    walk(world, |world| {
        let step = world.status.step;
        if let Some(step) = step.filter(|step| *step != Step::Settling && !seen.contains(step)) {
            seen.push(step);
            states.add(&format!("{prefix}{}", write_kebab(step)), world);
        }
        world.status.settled
    });
}

fn add_plans(states: &mut States) {
    let mut world = fine();
    world.ask(Action::Plan);
    states.add("planned", &walk(world, at(Step::Planned)));
    let mut world = fine();
    world.ask(Action::Plan);
    (world.claim_gone, world.account_gone) = (true, true);
    states.add("planned-with-findings", &walk(world, at(Step::Planned)));
    let mut world = fine();
    world.spec.approval = Some(serde_json::from_value(json!({"by": "board"})).unwrap());
    states.add("waiting-for-approval", &walk(world, waiting));
    let mut world = fine();
    world.spec.window =
        Some(serde_json::from_value(json!({"start": "22:00", "duration": "6h"})).unwrap());
    states.add("waiting-for-the-window", &walk(world, waiting));
}

fn add_waits(states: &mut States) {
    let mut world = fine();
    let approval = json!({"gates": ["PointOfNoReturn"], "timeout": "1h"});
    world.spec.approval = Some(serde_json::from_value(approval).unwrap());
    let waits = |world: &mut World| {
        world
            .status
            .waiting
            .as_ref()
            .is_some_and(|one| one.reason == "ApprovalNeeded")
    };
    states.add("waiting-at-the-line", &walk(world, waits));
    let pause = |world: &mut World| world.spec.paused = true;
    states.add("paused", &edit(walk(fine(), at(Step::BackingUp)), pause));
    let resumed = edit(edit(walk(fine(), at(Step::BackingUp)), pause), |world| {
        world.spec.paused = false
    });
    states.add("resumed", &resumed);
    let aborted = edit(edit(walk(fine(), at(Step::BackingUp)), pause), |world| {
        world.ask(Action::Abort)
    });
    states.add("aborting-while-paused", &aborted);
    let mut world = walk(fine(), at(Step::StartingNew));
    world.pause(0, true);
    let waits = |world: &mut World| condition_is_true(&world.status.conditions, types::STALLED);
    states.add("deployment-paused", &walk(world, waits));
    let mut world = walk(fine(), at(Step::BackingUp));
    world.generation += 1;
    states.add("edited-and-not-seen", &world);
    let mut world = walk(fine(), at(Step::StartingNew));
    world.deleting = true;
    world.run_pass();
    states.add("deleted-after-the-line", &world);
}

fn add_stalls(states: &mut States) {
    let trouble = |change: fn(&mut Trouble)| {
        let mut trouble = Trouble::default();
        change(&mut trouble);
        trouble
    };
    let world = start(trouble(|trouble| trouble.project_down = true));
    states.add("stalled-recovering", &walk(world, stalled));
    let world = start(trouble(|trouble| trouble.init_silent = true));
    states.add("stalled-unconfirmed", &walk(world, stalled));
    let mut world = start(trouble(|trouble| trouble.init_fails = true));
    world.spec.rollback.policy = RollbackPolicy::OnRequest;
    states.add("stalled-after-the-line", &walk(world, stalled));
    let mut world = walk(fine(), settled);
    world.claim_gone = true;
    world.ask(Action::RollBack);
    world.generation += 1;
    states.add("stalled-rolling-back", &walk(world, stalled));
}

fn add_ends(states: &mut States) {
    let before = walk(fine(), at(Step::BackingUp));
    let aborting = edit(before.clone(), |world| world.ask(Action::Abort));
    add_way(states, "aborting-", aborting.clone());
    states.add("aborted", &walk(aborting, settled));
    let succeeded = walk(fine(), |world| world.status.step == Some(Step::Settling));
    states.add("settling", &succeeded);
    let succeeded = walk(succeeded, settled);
    states.add("succeeded", &succeeded);
    let asked = |world: &mut World| world.ask(Action::RollBack);
    let rolling_back = edit(succeeded, asked);
    add_way(states, "rolling-back-", rolling_back.clone());
    states.add("rolled-back", &walk(rolling_back, settled));
    let mut world = before;
    (world.deleting, world.release) = (true, true);
    let over = |world: &mut World| world.status.settled || !world.finalizer;
    states.add("released", &walk(world, over));
}

/// Before the operator saw it: what the definition gives, and a spec that it cannot read.
fn add_unseen(states: &mut States) {
    let world = fine();
    let spec = write_spec(&world);
    let definition = serde_json::to_value(oms_operator::api::build_crd()).unwrap();
    let schema = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
    let unseen = &schema["properties"]["status"]["default"];
    states.add_object("not-seen", &world, &spec, unseen);
    let mut wrong = spec;
    wrong["timeouts"] = json!({"backup": "9999999999999999h"});
    let object = Unreadable {
        namespace: "oms",
        name: "unreadable",
        generation: world.generation,
        status: Some(unseen),
        error: "spec.timeouts.backup: 9999999999999999h is too long",
    };
    let (status, _) = describe_unreadable(&object, &world.now()).unwrap();
    states.add_object("unreadable", &world, &wrong, &status);
    let world = walk(world, at(Step::BackingUp));
    let stored = serde_json::to_value(&world.status).unwrap();
    let object = Unreadable {
        name: "unreadable-under-way",
        status: Some(&stored),
        ..object
    };
    let (status, _) = describe_unreadable(&object, &world.now()).unwrap();
    states.add_object("unreadable-under-way", &world, &wrong, &status);
}

#[test]
fn the_states_that_tools_of_gitops_judge() {
    let mut states = States::default();
    add_unseen(&mut states);
    add_way(&mut states, "", fine());
    add_plans(&mut states);
    add_waits(&mut states);
    add_stalls(&mut states);
    add_ends(&mut states);
    let names: Vec<&Value> = states
        .0
        .iter()
        .map(|one| &one["metadata"]["name"])
        .collect();
    let different: std::collections::BTreeSet<&str> =
        names.iter().filter_map(|name| name.as_str()).collect();
    assert_eq!(
        different.len(),
        names.len(),
        "a name is there twice: {names:?}"
    );
    let phases: std::collections::BTreeSet<&str> = states
        .0
        .iter()
        .filter_map(|one| one["status"]["phase"].as_str())
        .collect();
    let missing: Vec<&Phase> = Phase::ALL
        .iter()
        .filter(|phase| !phases.contains(phase.as_str()))
        .collect();
    assert!(missing.is_empty(), "no state is recorded of {missing:?}");
    let text = serde_json::to_string_pretty(&states.0).unwrap();
    pin::check(
        "tests/gitops/states/recorded.json",
        &format!("{text}\n"),
        MEANING,
    );
}
