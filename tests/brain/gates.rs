//! Gates and the maintenance window: an upgrade waits where it was told to, and nowhere else.
use crate::world::{Trouble, World};
use crate::{expect, run, run_until};
use oms_operator::api::{
    Action, JobRole, Phase, Reason, Step, condition_types as types, find_condition,
};
use serde_json::json;

/// Runs operator and cluster until nothing moves any more; no time passes.
fn rest(world: &mut World) {
    for _ in 0..300 {
        if world.run_pass() | world.run_cluster() {
            continue;
        }
        // Health is looked at twice, some time apart.
        if world.status.step != Some(Step::Preflight) {
            return;
        }
        world.clock += 20;
    }
    panic!("no rest: step {:?}", world.status.step);
}

/// Time passes, and the projects keep up with it.
fn wait(world: &mut World, seconds: i64) {
    world.clock += seconds;
    world.checkpoint += seconds;
}

fn approve(world: &mut World, approval: serde_json::Value) {
    world.spec.approval = Some(serde_json::from_value(approval).unwrap());
    world.generation += 1;
}

fn read_hash(world: &World) -> String {
    world.status.plan.as_ref().unwrap().hash.clone().unwrap()
}

/// A plan waits, and nothing was touched.
fn expect_planned(world: &World) {
    assert_eq!(world.status.phase, Some(Phase::Planned));
    assert!(world.status.started_time.is_none() && world.lock.is_none() && world.ha_enabled());
}

fn waits_for(world: &World, reason: Reason) {
    let waiting = world.status.waiting.as_ref().unwrap();
    assert_eq!(waiting.reason, reason.as_str(), "{waiting:?}");
    let ready = find_condition(&world.status.conditions, types::READY).unwrap();
    assert!(ready.message.contains(&waiting.message), "{ready:?}");
}

#[test]
fn nothing_begins_before_the_plan_is_approved() {
    let mut world = World::new(1, true, Trouble::default());
    approve(&mut world, json!({"by": "board"}));
    rest(&mut world);
    expect_planned(&world);
    waits_for(&world, Reason::ApprovalNeeded);
    let hash = read_hash(&world);
    let waiting = world.status.waiting.clone().unwrap();
    assert!(waiting.message.contains(&hash), "{waiting:?}");
    // Whatever time passes.
    wait(&mut world, 1_000_000);
    rest(&mut world);
    expect_planned(&world);
    // Another plan than this one is not this one.
    approve(&mut world, json!({"planHash": "sha256:other"}));
    rest(&mut world);
    expect_planned(&world);
    approve(&mut world, json!({"planHash": hash, "by": "board"}));
    run(&mut world);
    expect(&world, Phase::Succeeded);
}

#[test]
fn a_plan_that_changed_after_its_approval_waits_again() {
    let mut world = World::new(1, true, Trouble::default());
    approve(&mut world, json!({}));
    rest(&mut world);
    let hash = read_hash(&world);
    world.spec.backup.claim_name = "another-claim".into();
    approve(&mut world, json!({"planHash": hash}));
    world.nodes[0].object["metadata"]["uid"] = json!("made-anew");
    rest(&mut world);
    expect_planned(&world);
    assert_ne!(read_hash(&world), hash);
    waits_for(&world, Reason::ApprovalNeeded);
}

#[test]
fn the_gate_before_the_new_version_holds_with_oms_stopped_and_opens() {
    let mut world = World::new(2, true, Trouble::default());
    approve(
        &mut world,
        json!({"gates": ["PointOfNoReturn"], "timeout": "2h"}),
    );
    run_until(&mut world, Step::VerifyingBackup);
    rest(&mut world);
    assert_eq!(world.status.step, Some(Step::VerifyingBackup));
    waits_for(&world, Reason::ApprovalNeeded);
    assert!(world.status.point_of_no_return_time.is_none());
    let stalled = find_condition(&world.status.conditions, types::STALLED).unwrap();
    assert_eq!(
        stalled.status, "True",
        "OMS is stopped and a person is needed"
    );
    // The Job that proved the backup goes with its node: what it proved stands.
    world.jobs.remove(&JobRole::Verify);
    wait(&mut world, 3_000);
    rest(&mut world);
    waits_for(&world, Reason::ApprovalNeeded);
    let hash = read_hash(&world);
    approve(
        &mut world,
        json!({"planHash": hash, "gates": ["PointOfNoReturn"], "timeout": "2h"}),
    );
    run(&mut world);
    expect(&world, Phase::Succeeded);
}

#[test]
fn a_gate_that_nobody_opens_brings_the_old_version_back() {
    let mut world = World::new(1, true, Trouble::default());
    approve(&mut world, json!({"gates": ["PointOfNoReturn"]}));
    run_until(&mut world, Step::VerifyingBackup);
    rest(&mut world);
    wait(&mut world, 3_599);
    rest(&mut world);
    assert_eq!(world.status.step, Some(Step::VerifyingBackup));
    wait(&mut world, 1);
    run(&mut world);
    expect(&world, Phase::Aborted);
    let cause = world.status.cause.clone().unwrap();
    assert_eq!(cause.reason, Reason::ApprovalTimeout.as_str(), "{cause:?}");
    assert!(world.ha_enabled());
}

#[test]
fn an_approval_can_be_taken_back_until_the_line() {
    let mut world = World::new(1, true, Trouble::default());
    let gates = json!(["Start", "PointOfNoReturn"]);
    approve(&mut world, json!({"gates": gates}));
    rest(&mut world);
    let hash = read_hash(&world);
    approve(&mut world, json!({"planHash": hash, "gates": gates}));
    run_until(&mut world, Step::BackingUp);
    approve(&mut world, json!({"gates": gates}));
    rest(&mut world);
    assert_eq!(world.status.step, Some(Step::VerifyingBackup));
    world.ask(Action::Abort);
    run(&mut world);
    expect(&world, Phase::Aborted);
}

#[test]
fn an_upgrade_begins_in_its_window_and_is_not_interrupted_by_its_end() {
    let mut world = World::new(1, true, Trouble::default());
    let opens = jiff::Timestamp::from_second(world.now().0.as_second() + 7_200).unwrap();
    let start = opens.strftime("%H:%M").to_string();
    world.spec.window =
        Some(serde_json::from_value(json!({"start": start, "duration": "1h"})).unwrap());
    rest(&mut world);
    expect_planned(&world);
    waits_for(&world, Reason::WindowClosed);
    wait(&mut world, 7_000);
    rest(&mut world);
    expect_planned(&world);
    wait(&mut world, 230);
    run_until(&mut world, Step::BackingUp);
    // The window has closed long since.
    wait(&mut world, 7_000);
    run(&mut world);
    expect(&world, Phase::Succeeded);
}

#[test]
fn a_window_that_is_too_short_says_how_long_it_would_have_to_be() {
    let mut world = World::new(1, true, Trouble::default());
    let start = world.now().0.strftime("%H:%M").to_string();
    world.spec.window =
        Some(serde_json::from_value(json!({"start": start, "duration": "10m"})).unwrap());
    rest(&mut world);
    expect_planned(&world);
    let waiting = world.status.waiting.clone().unwrap();
    assert_eq!(waiting.reason, Reason::WindowClosed.as_str());
    assert!(
        waiting.message.contains("spec.window.duration"),
        "{waiting:?}"
    );
    world.spec.window = None;
    world.generation += 1;
    run(&mut world);
    expect(&world, Phase::Succeeded);
}
