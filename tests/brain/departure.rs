//! The files of OMS name another MetaDB than the upgrade was begun on: nothing is started there, and nothing restored
//! here.
use super::world::{Trouble, World};
use super::*;
use oms_operator::oms::installation::Departure;

fn moves(world: &mut World) {
    world.departure = Departure::Moved("config.yaml names the MetaDB other:2881".into());
}

/// It rests, and says why, in words that are given back.
fn stalls(world: &mut World) -> String {
    run(world);
    let stall = world.status.stall.clone().unwrap();
    assert_eq!(stall.reason, "MetaDbMoved", "{stall:?}");
    stall.message
}

/// The files name the former one again, a person says so, and it comes to its end.
fn returns(world: &mut World, end: Phase) {
    world.departure = Departure::None;
    retry(world);
    run(world);
    expect(world, end);
}

/// The old version reads today's config.yaml: what is restored on the former MetaDB helps nobody there.
#[test]
fn a_rollback_of_an_oms_that_has_moved_leaves_it_running() {
    let mut world = World::new(1, true, Trouble::default());
    run(&mut world);
    expect(&world, Phase::Succeeded);
    moves(&mut world);
    world.ask(Action::RollBack);
    stalls(&mut world);
    assert!(world.nodes[0].pod.as_ref().unwrap().up, "OMS was stopped");
    assert!(world.ha_enabled(), "HA was switched off");
    returns(&mut world, Phase::RolledBack);
}

/// Of what is there nobody has a backup: the new version is not started on it, nor is the old one when it is given up.
#[test]
fn an_upgrade_of_an_oms_that_has_moved_starts_nothing() {
    for aborts in [false, true] {
        let mut world = World::new(1, true, Trouble::default());
        run_until(&mut world, Step::VerifyingBackup);
        moves(&mut world);
        let told = stalls(&mut world);
        assert_eq!(world.status.step, Some(Step::VerifyingBackup));
        assert!(told.contains("never started"), "{told}");
        if aborts {
            world.ask(Action::Abort);
            stalls(&mut world);
        }
        assert!(world.nodes.iter().all(|node| node.pod.is_none()));
        let end = if aborts {
            Phase::Aborted
        } else {
            Phase::Succeeded
        };
        returns(&mut world, end);
    }
}

/// Files are edited one after the other: until they agree nothing is started, and nothing is given up.
#[test]
fn files_that_contradict_each_other_are_waited_for() {
    let mut world = World::new(1, true, Trouble::default());
    run_until(&mut world, Step::VerifyingBackup);
    world.departure = Departure::Unread("the files of oms-1 and oms-2 differ".into());
    for _ in 0..20 {
        world.run_pass();
        world.run_cluster();
    }
    assert_eq!(world.status.step, Some(Step::VerifyingBackup));
    assert_eq!(world.status.stall, None);
    world.departure = Departure::None;
    run(&mut world);
    expect(&world, Phase::Succeeded);
}

/// It moves while the databases are restored: the old version stays down until a person has looked.
#[test]
fn a_rollback_starts_the_old_version_only_where_it_restored() {
    let mut world = World::new(
        1,
        true,
        Trouble {
            init_fails: true,
            ..Trouble::default()
        },
    );
    run_until(&mut world, Step::Restoring);
    moves(&mut world);
    stalls(&mut world);
    assert!(world.nodes.iter().all(|node| node.pod.is_none()));
    returns(&mut world, Phase::RolledBack);
}
