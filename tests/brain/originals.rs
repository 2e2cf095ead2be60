//! Where the originals lie: in the status their hashes, their texts in two places that mend each other.
use super::*;
use oms_operator::api::{Cause, Internal, ORIGINALS_ANNOTATION};
use oms_operator::objects::deployment::{TemplateKind, read_replicas};

/// From the first write of a target to the end.
fn list_forward() -> Vec<Step> {
    let mut steps = list_steps(Step::StoppingOld, Step::Recovering);
    steps.push(Step::Settling);
    steps
}

fn list_back() -> Vec<Step> {
    let mut steps = list_steps(Step::StoppingJobs, Step::StartingOld);
    steps.extend([Step::EnablingHa, Step::Settling]);
    steps
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Loss {
    Record,
    BrokenRecord,
    Copy,
}

const LOSSES: [Loss; 3] = [Loss::Record, Loss::BrokenRecord, Loss::Copy];

fn lose(world: &mut World, loss: Loss) {
    match loss {
        Loss::Record => (0..world.nodes.len()).for_each(|node| world.write_record(node, None)),
        Loss::BrokenRecord => {
            for node in 0..world.nodes.len() {
                let record = world.read_record(node);
                let broken = record.map(|text| text.replace("livenessProbe", "deadlinessProbe"));
                world.write_record(node, broken);
            }
        }
        Loss::Copy => world.copy = None,
    }
}

fn failing_init() -> Trouble {
    Trouble {
        init_fails: true,
        ..Trouble::default()
    }
}

/// Walks until a step of the way back.
fn walk_back(world: &mut World, step: Step) {
    run_until(world, Step::StoppingJobs);
    run_until(world, step);
}

fn stall(world: &World) -> (&str, &str) {
    let stall = world.status.stall.as_ref();
    stall.map_or(("", ""), |stall| (&stall.reason, &stall.message))
}

#[test]
fn nothing_is_stopped_before_both_copies_are_there() {
    let mut world = World::new(3, true, Trouble::default());
    run_until(&mut world, Step::StoppingOld);
    for _ in 0..40 {
        let stopped = world
            .nodes
            .iter()
            .filter(|node| read_replicas(&node.object) == 0);
        let stopped = stopped.count();
        if stopped > 0 {
            let copy = world
                .copy
                .as_ref()
                .expect("a target is stopped without a second copy");
            assert_eq!(copy.records.len(), 3);
            assert!(!copy.owned);
        }
        for node in 0..3 {
            let stopped = read_replicas(&world.nodes[node].object) == 0;
            assert_eq!(world.read_record(node).is_some(), stopped);
        }
        world.run_pass();
    }
    assert!(
        world
            .nodes
            .iter()
            .all(|node| read_replicas(&node.object) == 0)
    );
}

#[test]
fn one_place_is_enough_at_every_step_forward() {
    for step in list_forward() {
        for loss in LOSSES {
            let mut world = World::new(2, true, Trouble::default());
            run_until(&mut world, step);
            lose(&mut world, loss);
            run(&mut world);
            assert_eq!(
                world.status.phase,
                Some(Phase::Succeeded),
                "{step:?} {loss:?} {:?}",
                stall(&world)
            );
            if step == Step::Settling && loss == Loss::Copy {
                // Also after the records were taken off: then the live template tells.
                continue;
            }
            expect(&world, Phase::Succeeded);
        }
    }
}

#[test]
fn one_place_is_enough_at_every_step_back() {
    for step in list_back() {
        for loss in LOSSES {
            let mut world = World::new(2, true, failing_init());
            walk_back(&mut world, step);
            lose(&mut world, loss);
            run(&mut world);
            if world.status.stall.is_some() {
                // The generation was raised by a stranger after the stop: what was compared is not trusted.
                assert_eq!(stall(&world).0, "TargetContended", "{step:?} {loss:?}");
                assert_ne!(loss, Loss::Copy);
                retry(&mut world);
                run(&mut world);
            }
            expect(&world, Phase::RolledBack);
        }
    }
}

#[test]
fn a_way_back_mends_either_place_before_it_stops_anything() {
    for loss in LOSSES {
        let mut world = World::new(2, true, failing_init());
        walk_back(&mut world, Step::Fencing);
        lose(&mut world, loss);
        run_until(&mut world, Step::StoppingNew);
        assert!(world.copy.is_some(), "{loss:?}");
        for node in 0..2 {
            let record = world
                .read_record(node)
                .expect("the record was not written again");
            assert!(!record.contains("deadlinessProbe"), "{loss:?}");
        }
    }
}

/// Probes were taken out of the template, so that it cannot tell what it was.
#[test]
fn where_both_are_lost_nothing_is_made_up() {
    for step in [Step::StoppingJobs, Step::Fencing] {
        for broken in [false, true] {
            let mut world = World::new(1, true, failing_init());
            walk_back(&mut world, step);
            world.copy = None;
            lose(
                &mut world,
                if broken {
                    Loss::BrokenRecord
                } else {
                    Loss::Record
                },
            );
            run(&mut world);
            let (reason, message) = stall(&world);
            assert_eq!(reason, "OriginalsLost", "{step:?}");
            for word in [
                ORIGINALS_ANNOTATION,
                "Secret oms-",
                "retryRequest",
                "backup.md",
            ] {
                assert!(message.contains(word), "{word}: {message}");
            }
            assert_eq!(
                world.template(0),
                TemplateKind::Upgrade,
                "something was written"
            );
        }
    }
    // After a normal start the template tells, by the image alone.
    let mut world = World::new(1, true, Trouble::default());
    run_until(&mut world, Step::Recovering);
    world.copy = None;
    lose(&mut world, Loss::Record);
    world.ask(Action::RollBack);
    run(&mut world);
    expect(&world, Phase::RolledBack);
}

#[test]
fn a_copy_that_cannot_be_read_is_waited_for() {
    let mut world = World::new(1, true, failing_init());
    walk_back(&mut world, Step::Fencing);
    lose(&mut world, Loss::Record);
    world.copy_unseen = true;
    for _ in 0..20 {
        world.run_pass();
        world.run_cluster();
    }
    assert_eq!(world.status.step, Some(Step::Fencing));
    assert!(world.status.stall.is_none() && world.read_record(0).is_none());
    let waiting = world.status.waiting.clone().unwrap();
    assert_eq!(waiting.reason, "OwnObjectsUnseen");
    assert!(
        waiting.message.contains("secrets is forbidden"),
        "{waiting:?}"
    );
    world.copy_unseen = false;
    run(&mut world);
    expect(&world, Phase::RolledBack);
}

#[test]
fn a_copy_with_another_text_is_never_overwritten_and_nothing_is_stopped() {
    let mut world = World::new(1, true, Trouble::default());
    run_until(&mut world, Step::StoppingOld);
    while world.copy.is_none() {
        world.run_pass();
    }
    for record in world.copy.as_mut().unwrap().records.values_mut() {
        *record = record.replace("livenessProbe", "deadlinessProbe");
    }
    let foreign = world.copy.clone();
    run(&mut world);
    let (reason, message) = stall(&world);
    assert_eq!(reason, "OriginalsLost");
    assert!(message.contains("delete it"), "{message}");
    assert_eq!(world.copy, foreign);
    assert_eq!(read_replicas(&world.nodes[0].object), 1);
    // Somebody deletes it: the right one follows.
    world.copy = None;
    retry(&mut world);
    run(&mut world);
    expect(&world, Phase::Succeeded);
}

/// Between the record of the hashes and the stop its owner changes a Deployment: it is left alone.
#[test]
fn a_template_that_changed_before_the_stop_is_left_as_its_owner_wants_it() {
    let mut world = World::new(1, true, Trouble::default());
    run_until(&mut world, Step::StoppingOld);
    world.write_template(0);
    let wanted = world.nodes[0].object["spec"].clone();
    run(&mut world);
    assert_eq!(world.status.phase, Some(Phase::Aborted));
    assert_eq!(
        world.status.cause.as_ref().unwrap().reason,
        "TargetContended"
    );
    assert_eq!(world.nodes[0].object["spec"], wanted);
    assert!(world.status.settled && world.copy.is_none());
}

#[test]
fn a_rollback_after_success_goes_by_the_copy_and_without_it_by_the_image() {
    for (copy, foreign) in [(true, false), (true, true), (false, false), (false, true)] {
        let mut world = World::new(1, true, Trouble::default());
        run(&mut world);
        expect(&world, Phase::Succeeded);
        if !copy {
            world.copy = None;
        }
        if foreign {
            // Somebody restarted it weeks after.
            world.write_template(0);
        }
        world.ask(Action::RollBack);
        run(&mut world);
        if copy || !foreign {
            expect(&world, Phase::RolledBack);
        } else {
            assert_eq!(stall(&world).0, "OriginalsLost");
            assert_eq!(read_replicas(&world.nodes[0].object), 1, "OMS was stopped");
        }
    }
}

#[test]
fn a_rollback_after_success_holds_the_copy_against_a_deletion() {
    let mut world = World::new(1, true, Trouble::default());
    run(&mut world);
    assert!(world.copy.as_ref().unwrap().owned);
    world.ask(Action::RollBack);
    run_until(&mut world, Step::StoppingNew);
    assert!(!world.copy.as_ref().unwrap().owned);
}

/// The whole status is lost, and the records on the targets are gone as well.
#[test]
fn a_status_is_rebuilt_from_the_copy_where_no_record_is_left() {
    for step in [Step::BackingUp, Step::VerifyingBackup] {
        let mut world = World::new(2, true, Trouble::default());
        run_until(&mut world, step);
        lose(&mut world, Loss::Record);
        world.status = Default::default();
        run(&mut world);
        assert_eq!(world.status.cause.as_ref().unwrap().reason, "StatusLost");
        expect(&world, Phase::Aborted);
    }
    // Which backup to go back to stood in what was lost.
    let mut world = World::new(2, true, Trouble::default());
    run_until(&mut world, Step::Initializing);
    lose(&mut world, Loss::Record);
    world.status = Default::default();
    run(&mut world);
    assert_eq!(stall(&world).0, "StatusLost");
    assert_eq!(world.status.step, None);
}

#[test]
fn a_status_is_rebuilt_only_when_every_place_was_seen() {
    let mut world = World::new(1, true, Trouble::default());
    run_until(&mut world, Step::BackingUp);
    lose(&mut world, Loss::Record);
    world.status = Default::default();
    world.copy_unseen = true;
    for _ in 0..10 {
        world.run_pass();
    }
    assert_eq!(
        world.status.step, None,
        "it begins anew on an OMS that is stopped"
    );
    assert_eq!(
        world.status.waiting.as_ref().unwrap().reason,
        "OwnObjectsUnseen"
    );
    world.copy_unseen = false;
    run(&mut world);
    expect(&world, Phase::Aborted);
}

#[test]
fn places_that_contradict_each_other_are_not_believed() {
    let mut world = World::new(1, true, Trouble::default());
    run_until(&mut world, Step::BackingUp);
    let other = World::new(1, true, Trouble::default());
    let mut other = World {
        spec: world.spec.clone(),
        ..other
    };
    // Its owner has another template, and no tool keeps it.
    let template = &mut other.nodes[0].object["spec"]["template"];
    template["spec"]["terminationGracePeriodSeconds"] = 7.into();
    other.nodes[0].before = template.to_string();
    run_until(&mut other, Step::BackingUp);
    world.copy = other.copy;
    world.status = Default::default();
    run(&mut world);
    let (reason, message) = stall(&world);
    assert_eq!(reason, "StatusLost");
    assert!(message.contains("different originals"), "{message}");
    assert_eq!(
        read_replicas(&world.nodes[0].object),
        0,
        "something was started"
    );
}

/// What the probe found out about the server is known on the way back.
#[test]
fn a_rebuilt_status_restores_as_the_server_can() {
    let mut world = World::new(1, true, Trouble::default());
    world.probe.rename_across_databases =
        oms_operator::protocol::report::Trial::Unsupported("no".into());
    run_until(&mut world, Step::Initializing);
    world.status = oms_operator::api::OmsUpgradeStatus::default();
    run_until(&mut world, Step::Comparing);
    let plan = world.status.plan.as_ref().unwrap();
    assert_eq!(plan.restore_method.as_deref(), Some("DropAndLoad"));
}

/// An older definition cuts what it does not know.
#[test]
fn a_status_without_its_memory_never_goes_on_with_defaults() {
    for step in list_forward() {
        let mut world = World::new(1, true, Trouble::default());
        run_until(&mut world, step);
        world.status.internal = Internal::default();
        let before = world.nodes.clone();
        world.run_pass();
        assert_eq!(world.nodes, before);
        run(&mut world);
        let phase = match step {
            Step::Settling => {
                assert_eq!(stall(&world).0, "StatusLost");
                continue;
            }
            // The new version is up and healthy: nobody asked for a way back.
            Step::EnablingHa | Step::Recovering => {
                assert_eq!(stall(&world).0, "StatusLost");
                assert_eq!(world.nodes, before, "{step:?}");
                assert!(!world.jobs.contains_key(&JobRole::Restore));
                continue;
            }
            Step::StoppingOld => {
                // No record is written yet.
                assert_eq!(stall(&world).0, "StatusLost");
                assert_eq!(world.nodes, before);
                continue;
            }
            Step::BackingUp | Step::VerifyingBackup => Phase::Aborted,
            _ => Phase::RolledBack,
        };
        assert_eq!(world.status.cause.as_ref().unwrap().reason, "StatusLost");
        expect(&world, phase);
    }
}

/// It cuts it at every write: nothing is written again and again, and nothing is done.
#[test]
fn a_definition_that_cuts_the_memory_brings_everything_to_rest() {
    for step in [
        Step::Pending,
        Step::BackingUp,
        Step::Initializing,
        Step::Settling,
    ] {
        let mut world = World::new(1, true, Trouble::default());
        run_until(&mut world, step);
        let before = world.nodes.clone();
        let mut moved = 0;
        for _ in 0..20 {
            world.status.internal = Internal::default();
            moved += usize::from(world.run_pass());
            world.clock += 1;
        }
        assert!(moved <= 3, "{step:?}: {moved} writes");
        assert_eq!(world.nodes, before, "{step:?}");
        assert_eq!(stall(&world).0, "StatusLost", "{step:?}");
        assert!(stall(&world).1.contains("apply the definition"), "{step:?}");
    }
}

#[test]
fn a_settled_upgrade_without_its_memory_rests_and_is_not_rolled_back() {
    let mut world = World::new(1, true, Trouble::default());
    run(&mut world);
    expect(&world, Phase::Succeeded);
    world.status.internal = Internal::default();
    assert!(!world.run_pass());
    world.ask(Action::RollBack);
    run(&mut world);
    assert_eq!(stall(&world).0, "StatusLost");
    assert_eq!(
        world.template(0),
        TemplateKind::Old,
        "without originals the world calls everything old"
    );
    assert_eq!(world.status.direction, Some(Direction::Forward));
    assert!(
        world
            .status
            .cause
            .is_none_or(|cause: Cause| cause.reason != "RollBackRequested")
    );
}
