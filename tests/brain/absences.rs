//! Times in which nobody looked: the operator met a fault of its own, could not read the object, or was away.
use super::*;
use oms_operator::facts::Observed;
use oms_operator::upgrade::{Decision, Unreadable, decide_fault, describe_unreadable};
use serde_json::json;

const LONG: i64 = 100_000;

/// The operator meets a fault of its own for longer than the step may last.
fn fail_for_long(world: &mut World) {
    let told = world.ask_brain(&Observed::default(), decide_fault);
    let Decision::Record { status, .. } = told else {
        panic!("the fault is not told: {told:?}");
    };
    world.status = *status;
    world.clock += LONG;
}

/// The object cannot be read for longer than the step may last, and is corrected then.
fn misread_for_long(world: &mut World) {
    let stored = json!(world.status);
    let object = Unreadable {
        namespace: "oms",
        name: "up",
        generation: world.generation + 1,
        status: Some(&stored),
        error: "spec.timeouts.health: 9999999999999999h is too long",
    };
    let (status, _) = describe_unreadable(&object, &world.now()).unwrap();
    world.status = serde_json::from_value(status).unwrap();
    world.generation += 2;
    world.clock += LONG;
}

/// What cannot be seen at first, where nobody could look before, is waited for with all of the step's time, and no
/// longer.
#[test]
fn a_first_look_after_a_fault_or_a_correction_fails_nothing() {
    for away in [fail_for_long, misread_for_long] {
        for stalled in [false, true] {
            let mut world = World::new(1, true, Trouble::default());
            run_until(&mut world, Step::StartingFinal);
            while world.nodes[0].pod.is_none() {
                world.run_pass();
                world.run_cluster();
            }
            world.replica_sets_unseen = true;
            while world.run_pass() | world.run_cluster() {}
            if stalled {
                wait_for_a_stall(&mut world);
            }
            away(&mut world);
            while world.run_pass() {}
            assert_eq!(world.status.direction, Some(Direction::Forward));
            assert_eq!(world.status.step, Some(Step::StartingFinal));
            assert_eq!(world.status.stall.is_some(), stalled);
            let told = world.status.waiting.as_ref();
            assert!(
                told.is_none_or(|told| told.reason == "ReplicaSetUnseen"),
                "it is over: {told:?}"
            );
            if !stalled {
                wait_for_a_stall(&mut world);
            }
            world.replica_sets_unseen = false;
            run(&mut world);
            expect(&world, Phase::Succeeded);
        }
    }
}
