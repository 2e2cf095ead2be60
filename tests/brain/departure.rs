//! The files of OMS name another MetaDB than the upgrade was begun on: nothing is started there, and nothing restored
//! here.
use super::world::{Trouble, World};
use super::*;

fn moves(world: &mut World) {
    world.departure = Some("config.yaml names the MetaDB other:2881".into());
}

/// The old version reads today's config.yaml: what is restored on the former MetaDB helps nobody there.
#[test]
fn a_rollback_of_an_oms_that_has_moved_leaves_it_running() {
    let mut world = World::new(1, true, Trouble::default());
    run(&mut world);
    expect(&world, Phase::Succeeded);
    moves(&mut world);
    world.ask(Action::RollBack);
    run(&mut world);
    let stall = world.status.stall.clone().unwrap();
    assert_eq!(stall.reason, "MetaDbMoved", "{stall:?}");
    assert!(world.nodes[0].pod.as_ref().unwrap().up, "OMS was stopped");
    assert!(world.ha_enabled(), "HA was switched off");
    world.departure = None;
    retry(&mut world);
    run(&mut world);
    expect(&world, Phase::RolledBack);
}

/// Of what is there nobody has a backup: the new version is never started on it.
#[test]
fn an_upgrade_of_an_oms_that_has_moved_starts_nothing_new() {
    let mut world = World::new(1, true, Trouble::default());
    run_until(&mut world, Step::VerifyingBackup);
    moves(&mut world);
    run(&mut world);
    expect(&world, Phase::Aborted);
    let cause = world.status.cause.as_ref().unwrap();
    assert_eq!(cause.reason, "MetaDbMoved", "{cause:?}");
    assert!(cause.message.contains("never started"), "{}", cause.message);
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
    run(&mut world);
    let stall = world.status.stall.clone().unwrap();
    assert_eq!(stall.reason, "MetaDbMoved", "{stall:?}");
    assert!(world.nodes.iter().all(|node| node.pod.is_none()));
    world.departure = None;
    retry(&mut world);
    run(&mut world);
    expect(&world, Phase::RolledBack);
}
