//! What others do between two looks of the operator, before it has touched anything.
use super::world::{NEW, Trouble, World};
use super::*;
use oms_operator::api::{CheckOutcome, HaDriver};
use serde_json::json;

/// Goes on until the checks have passed and nothing is recorded yet.
fn walk_to_locking(targets: usize) -> World {
    let mut world = World::new(targets, true, Trouble::default());
    run_until(&mut world, Step::Locking);
    assert!(world.status.internal.originals.is_none());
    world
}

/// What was checked is what is recorded: a stranger's image would be taken for the one to go back to.
#[test]
fn an_image_that_comes_after_the_checks_is_no_original() {
    for passes in 0..3 {
        let mut world = walk_to_locking(2);
        for _ in 0..passes {
            world.run_pass();
        }
        if world.status.internal.originals.is_some() {
            continue;
        }
        world.set_image(1, NEW);
        run(&mut world);
        assert_eq!(world.status.step, Some(Step::Planned), "{passes}");
        assert_eq!(world.status.internal.originals, None, "{passes}");
        let checks = world.status.plan.as_ref().unwrap().checks.iter();
        let failed: Vec<_> = checks
            .filter(|check| check.outcome == CheckOutcome::Failed && check.name == "Targets")
            .collect();
        assert!(
            failed[0].evidence.contains("nothing to upgrade"),
            "{failed:?}"
        );
        assert_eq!(world.lock, None, "the lock is given back");
    }
}

/// Replicas, too: with those of a stranger OMS would stay down at the end.
#[test]
fn a_target_that_is_scaled_or_paused_after_the_checks_is_checked_again() {
    let changes: [fn(&mut World); 2] = [|world| world.scale(0, 0), |world| world.pause(0, true)];
    for change in changes {
        let mut world = walk_to_locking(1);
        change(&mut world);
        run(&mut world);
        assert_eq!(world.status.step, Some(Step::Planned));
        assert_eq!(world.status.internal.originals, None);
    }
}

/// What says nothing of how OMS runs is no reason to check again.
#[test]
fn a_note_on_a_target_is_no_change() {
    let mut world = walk_to_locking(1);
    world.annotate(0, "seen");
    run(&mut world);
    expect(&world, Phase::Succeeded);
    assert_eq!(world.status.internal.checked_targets, None);
}

/// One console holds HA off, the other one on, and each writes back what it holds when it is stopped.
#[test]
fn consoles_that_disagree_are_all_stopped_before_one_starts() {
    let trouble = Trouble {
        write_back: true,
        ..Trouble::default()
    };
    for first in [0, 1] {
        let mut world = World::new(2, true, trouble);
        run_until(&mut world, Step::DisablingHa);
        let off = world.ha.replace("true", "false");
        world.nodes[first].pod.as_mut().unwrap().console_text = Some(off);
        run(&mut world);
        expect(&world, Phase::Succeeded);
    }
}

/// The account is read from every container: where one does not run, that is waited for, and told.
#[test]
fn an_account_is_waited_for_while_a_container_does_not_run() {
    let mut world = World::new(2, true, Trouble::default());
    world.spec.metadb = serde_json::from_value(json!({"source": "Container"})).unwrap();
    run(&mut world);
    expect(&world, Phase::Succeeded);
    world.nodes[1].pod.as_mut().unwrap().running = false;
    world.ask(Action::RollBack);
    for _ in 0..10 {
        world.run_pass();
    }
    assert!(!world.secret);
    let waiting = world.status.waiting.clone().unwrap();
    assert_eq!(waiting.reason, "ContainerWaiting");
    assert!(
        waiting.message.contains("the account of the MetaDB"),
        "{waiting:?}"
    );
    world.nodes[1].pod.as_mut().unwrap().running = true;
    run(&mut world);
    expect(&world, Phase::RolledBack);
}

/// HA is switched through a console: where none runs, that is waited for, and told.
#[test]
fn a_console_that_does_not_run_is_not_asked_to_switch_ha() {
    let mut world = World::new(1, true, Trouble::default());
    world.spec.ha.driver = HaDriver::OmsApi;
    run_until(&mut world, Step::DisablingHa);
    world.nodes[0].pod.as_mut().unwrap().running = false;
    for _ in 0..5 {
        world.run_pass();
        let intent = world.status.internal.intent.as_ref();
        assert!(
            intent.is_none_or(|intent| intent.effect != "SetHa"),
            "{intent:?}"
        );
    }
    let waiting = world.status.waiting.clone().unwrap();
    assert_eq!(waiting.reason, "ConsoleUnseen");
}

/// Whoever deletes an object that stands still is not left alone.
#[test]
fn a_deletion_that_stands_still_says_how_to_go_on() {
    let mut world = World::new(1, true, Trouble::default());
    run_until(&mut world, Step::BackingUp);
    world.clock += 1;
    world.set_image(0, NEW);
    world.scale(0, 1);
    world.deleting = true;
    run(&mut world);
    assert_eq!(world.status.stall.clone().unwrap().reason, "OtherImageSeen");
    let actions = world.status.next_actions.iter();
    let names: Vec<&str> = actions.map(|one| one.name.as_str()).collect();
    assert_eq!(names, ["Accept", "Retry", "Release"]);
}
