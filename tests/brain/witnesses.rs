//! Status, record and schema: each can be lost or go back to an older state by itself, and none decides alone.
use super::world::Schema;
use super::*;
use oms_operator::metadb::record::RecordFact;
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
    assert_eq!(
        names(&world.record)[5..],
        ["RestoreBegun", "Swapped", "Verdict"]
    );
}

#[test]
fn a_cluster_restored_after_success_starts_nothing_old_on_the_new_schema() {
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
        assert_eq!(world.dump, dump, "{step:?}: dumped again");
        // Before anything was recorded there is nothing to stop a target with, nor to rebuild a status from.
        if step == Step::Locking {
            let stall = world.status.stall.clone().unwrap();
            assert_eq!(stall.reason, "StatusOlder", "{step:?}: {stall:?}");
            assert_eq!(stall.accept.len(), 1, "no way on is offered: {stall:?}");
            continue;
        }
        // The old version was stopped, and the new one runs on what it had made of the databases.
        run_for_a_while(&mut world);
        expect(&world, Phase::Succeeded);
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

/// Deletes the object with the annotation that lets go of it, as the messages say.
fn let_go(world: &mut World) {
    (world.deleting, world.release) = (true, true);
    run_for_a_while(world);
}

/// What the record tells is no reason to keep an object that its owner gives up: nothing is done for it any more.
#[test]
fn an_object_that_is_older_than_the_record_can_be_let_go() {
    for step in [
        Step::DisablingHa,
        Step::BackingUp,
        Step::Initializing,
        Step::Recovering,
        Step::Settling,
    ] {
        let mut world = World::new(1, true, Trouble::default());
        run_until(&mut world, step);
        let before = world.clone();
        run_until(&mut world, Step::Settling);
        run_for_a_while(&mut world);
        world.ask(Action::RollBack);
        run_for_a_while(&mut world);
        run_for_a_while(&mut world);
        expect(&world, Phase::RolledBack);
        let nodes = world.nodes.clone();
        restore_cluster(&mut world, &before);
        world.nodes = nodes.clone();
        // Beside the rows of another upgrade nothing is rebuilt from the record.
        let mut newer = world.record.last().unwrap().clone();
        newer.uid = "99999999-2222-3333-4444-555555555555".into();
        newer.ordinal += 10;
        world.record.push(newer);
        run_for_a_while(&mut world);
        let stall = world.status.stall.clone().unwrap();
        assert_eq!(stall.reason, "StatusOlder", "{step:?}: {stall:?}");
        let_go(&mut world);
        assert!(!world.finalizer, "{step:?}: {:?}", world.status.stall);
        assert_eq!(world.nodes[0].object, nodes[0].object, "{step:?}");
        assert!(world.lock.is_none(), "{step:?}");
    }
}

/// The same where the MetaDB is the older one.
#[test]
fn an_object_that_is_newer_than_the_record_can_be_let_go() {
    for step in [Step::BackingUp, Step::Initializing, Step::Recovering] {
        let mut world = World::new(1, true, Trouble::default());
        run_until(&mut world, step);
        world.record.clear();
        run_for_a_while(&mut world);
        let stall = world.status.stall.clone().unwrap();
        assert_eq!(stall.reason, "RecordBehind", "{step:?}: {stall:?}");
        let object = world.nodes[0].object.clone();
        let_go(&mut world);
        assert!(!world.finalizer, "{step:?}: {:?}", world.status.stall);
        assert_eq!(world.nodes[0].object, object, "{step:?}");
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

/// The old version may make tables of its own once it runs: what it needed was known before it was started.
#[test]
fn a_version_that_runs_again_may_alter_its_schema() {
    let mut world = World::new(1, true, Trouble::default());
    run_until(&mut world, Step::VerifyingBackup);
    world.ask(Action::Abort);
    run_until(&mut world, Step::StartingOld);
    while world.nodes[0].pod.is_none() {
        assert!(world.run_pass() | world.run_cluster());
    }
    world.own_table = true;
    run_for_a_while(&mut world);
    expect(&world, Phase::Aborted);
}

/// A row of this upgrade that a status which is gone has left.
#[test]
fn what_is_accepted_where_an_upgrade_begins_leads_on() {
    let mut world = World::new(1, true, Trouble::default());
    run_until(&mut world, Step::Locking);
    world.record.push(RecordRow {
        uid: world.uid.clone(),
        seq: 1,
        ordinal: 1,
        epoch: 1,
        fact: RecordFact::RestoreBegun { attempt: 1 },
        written: 0,
    });
    run_for_a_while(&mut world);
    assert_eq!(world.status.stall.clone().unwrap().reason, "StatusOlder");
    accept(&mut world);
    run_for_a_while(&mut world);
    run_for_a_while(&mut world);
    expect(&world, Phase::Succeeded);
}

/// The cluster was restored to before a way back that the lock row knows of.
#[test]
fn a_lock_row_that_is_ahead_stalls_a_way_back_too() {
    for step in [Step::DisablingHa, Step::StoppingOld, Step::VerifyingBackup] {
        let mut world = World::new(1, true, Trouble::default());
        run_until(&mut world, step);
        let (holder, epoch) = world.lock.clone().unwrap();
        world.lock = Some((holder, epoch + 5));
        world.ask(Action::Abort);
        let (record, ha) = (world.record.clone(), world.ha.clone());
        run_for_a_while(&mut world);
        let stall = world.status.stall.clone().unwrap();
        assert_eq!(stall.reason, "StatusOlder", "{step:?}: {stall:?}");
        assert_eq!((&world.record, &world.ha), (&record, &ha), "{step:?}");
    }
}

/// What is asked after OMS was stopped is asked before: a schema that cannot be read is no reason to stop it.
#[test]
fn a_schema_that_cannot_be_read_stops_nothing() {
    let mut world = World::new(1, true, Trouble::default());
    world.schema_unseen = true;
    run_for_a_while(&mut world);
    assert!(world.status.started_time.is_none());
    assert!(world.nodes[0].pod.is_some() && world.ha_enabled());
}
