//! Status, record and schema: each can be lost or go back to an older state by itself, and none decides alone.
use super::world::Schema;
use super::*;
use oms_operator::oms::metadb::RecordRow;

/// The API server goes back to what it was at a step; the MetaDB does not.
fn restore_cluster(world: &mut World, before: &World) {
    world.status = before.status.clone();
    world.nodes = before.nodes.clone();
    world.finalizer = before.finalizer;
    world.generation = before.generation;
    world.jobs = before.jobs.clone();
    world.copy = before.copy.clone();
}

fn run_for_a_while(world: &mut World) {
    for _ in 0..60 {
        world.run_pass();
        world.run_cluster();
        world.clock += 30;
    }
}

fn names(rows: &[RecordRow]) -> Vec<&'static str> {
    rows.iter().map(|row| row.fact.name()).collect()
}

#[test]
fn the_record_tells_the_way() {
    let mut world = World::new(1, true, Trouble::default());
    run_until(&mut world, Step::Settling);
    run_for_a_while(&mut world);
    expect(&world, Phase::Succeeded);
    assert_eq!(
        names(&world.record),
        ["Locked", "Stopped", "BackupVerified", "Line", "Verdict"]
    );
    world.ask(Action::RollBack);
    run_for_a_while(&mut world);
    run_for_a_while(&mut world);
    expect(&world, Phase::RolledBack);
    assert_eq!(names(&world.record)[5..], ["RestoreBegun", "Verdict"]);
}

#[test]
fn a_cluster_restored_after_success_starts_nothing_on_the_new_schema() {
    for step in [
        Step::Locking,
        Step::DisablingHa,
        Step::StoppingOld,
        Step::BackingUp,
        Step::VerifyingBackup,
    ] {
        let mut world = World::new(1, true, Trouble::default());
        run_until(&mut world, step);
        let before = world.clone();
        run_until(&mut world, Step::Settling);
        run_for_a_while(&mut world);
        expect(&world, Phase::Succeeded);
        assert!(world.lock.is_none());
        restore_cluster(&mut world, &before);
        let dump = world.dump;
        run_for_a_while(&mut world);
        let stall = world.status.stall.clone().unwrap();
        assert_eq!(stall.reason, "StatusOlder", "{step:?}: {stall:?}");
        assert_eq!(world.dump, dump, "{step:?}: dumped again");
        // Before anything was recorded there is nothing to stop a target with.
        if step != Step::Locking {
            assert!(world.nodes[0].pod.is_none(), "{step:?}: OMS runs");
        }
        let values = stall.accept.clone();
        assert_eq!(values.len(), 1, "no way on is offered: {stall:?}");
    }
}

#[test]
fn a_metadb_that_was_restored_is_written_to_by_nobody() {
    for step in [Step::BackingUp, Step::Initializing, Step::Recovering] {
        let mut world = World::new(1, true, Trouble::default());
        run_until(&mut world, step);
        world.record.clear();
        let (dump, ha) = (world.dump, world.ha.clone());
        run_for_a_while(&mut world);
        let stall = world.status.stall.clone().unwrap();
        assert_eq!(stall.reason, "RecordBehind", "{step:?}: {stall:?}");
        assert_eq!((world.dump, &world.ha), (dump, &ha), "{step:?}");
        accept(&mut world);
        run_for_a_while(&mut world);
        run_for_a_while(&mut world);
        expect(&world, Phase::Succeeded);
    }
}

#[test]
fn an_old_version_is_not_started_on_a_schema_that_somebody_has_altered() {
    let mut world = World::new(1, true, Trouble::default());
    run_until(&mut world, Step::VerifyingBackup);
    world.schema = Schema::Half;
    world.ask(Action::Abort);
    run_for_a_while(&mut world);
    let stall = world.status.stall.clone().unwrap();
    assert_eq!(stall.reason, "SchemaChanged", "{stall:?}");
    assert!(world.nodes[0].pod.is_none());
}
