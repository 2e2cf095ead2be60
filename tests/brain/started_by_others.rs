//! Somebody starts another image while the operator has OMS stopped for the backup: what a way back makes of it.
use super::world::NEW;
use super::world::Schema;
use super::*;
use oms_operator::api::{RollbackPolicy, find_condition};

/// OMS is stopped, the backup is verified, and the step is held before the line.
fn hold_at_a_verified_backup() -> World {
    let mut world = World::new(1, true, Trouble::default());
    run_until(&mut world, Step::VerifyingBackup);
    world.spec.paused = true;
    while world
        .status
        .backup
        .as_ref()
        .is_none_or(|backup| !backup.verified)
    {
        world.run_pass();
        world.run_cluster();
    }
    world.clock += 1;
    world
}

/// The new image is up before the operator looks.
fn start_new_image(world: &mut World) {
    world.set_image(0, NEW);
    world.scale(0, 1);
    world.run_cluster();
    world.run_cluster();
}

fn list_rows(world: &World) -> Vec<&'static str> {
    world.record.iter().map(|row| row.fact.name()).collect()
}

/// With a verified backup the way back is that of a rollback: stopped, looked at, compared, restored.
#[test]
fn the_new_image_of_a_stranger_before_the_line_is_rolled_back() {
    for (step, paused) in [
        (Step::VerifyingBackup, false),
        (Step::VerifyingBackup, true),
        (Step::StartingNew, false),
    ] {
        let mut world = World::new(1, true, Trouble::default());
        run_until(&mut world, step);
        world.spec.paused = paused;
        while world
            .status
            .backup
            .as_ref()
            .is_none_or(|backup| !backup.verified)
        {
            world.run_pass();
            world.run_cluster();
        }
        world.clock += 1;
        world.set_image(0, NEW);
        world.scale(0, 1);
        // It is up before the operator looks.
        world.run_cluster();
        world.run_cluster();
        run(&mut world);
        expect(&world, Phase::RolledBack);
        let cause = world.status.cause.clone().unwrap();
        assert!(
            cause.message.contains("kubectl-set") || cause.message.contains("argocd"),
            "{cause:?}"
        );
        assert!(
            world.jobs.contains_key(&JobRole::Restore),
            "{step:?}: the content was not looked at"
        );
    }
}

/// Without one nothing is started and a person is asked: what the other image made of the databases is not known.
#[test]
fn without_a_verified_backup_a_person_is_asked() {
    for step in [Step::StoppingOld, Step::BackingUp] {
        for asked in [false, true] {
            let mut world = World::new(1, true, Trouble::default());
            run_until(&mut world, step);
            if step == Step::StoppingOld {
                // The second copy stands: a stop may be under way.
                while world
                    .status
                    .internal
                    .originals
                    .as_ref()
                    .is_none_or(|all| all.copy_uid.is_none())
                {
                    world.run_pass();
                }
            }
            world.clock += 1;
            world.set_image(0, NEW);
            if oms_operator::objects::deployment::read_replicas(&world.nodes[0].object) == 0 {
                world.scale(0, 1);
            }
            if asked {
                world.ask(Action::Abort);
            }
            run(&mut world);
            let told = find_condition(&world.status.conditions, types::READY).unwrap();
            let stall = world
                .status
                .stall
                .clone()
                .unwrap_or_else(|| panic!("{step:?}: {}", told.message));
            assert_eq!(stall.reason, "OtherImageSeen", "{step:?}");
            for word in ["oms-1", "docs/backup.md", "oms.oceanbase.com/release"] {
                assert!(stall.message.contains(word), "{word}: {}", stall.message);
            }
            let actions = world.status.next_actions.iter();
            let names: Vec<&str> = actions.map(|one| one.name.as_str()).collect();
            assert!(names.contains(&"Accept"), "{names:?}");
            assert!(list_rows(&world).contains(&"NewImageSeen"), "{step:?}");
            // What runs is left as it is, also after another try.
            let image =
                world.nodes[0].object["spec"]["template"]["spec"]["containers"][0]["image"].clone();
            assert_eq!(image, NEW);
            retry(&mut world);
            run(&mut world);
            assert_eq!(world.status.stall.clone().unwrap().reason, "OtherImageSeen");
            // A person vouches for the databases. What that image did to their schema is seen all the same.
            if step == Step::StoppingOld {
                // Nobody had seen it before.
                world.schema = Schema::Old;
            }
            let altered = world.schema != Schema::Old;
            accept(&mut world);
            run(&mut world);
            if altered {
                assert_eq!(world.status.stall.clone().unwrap().reason, "SchemaChanged");
                world.schema = Schema::Old;
                retry(&mut world);
                run(&mut world);
            }
            expect(&world, Phase::Aborted);
            assert!(!world.jobs.contains_key(&JobRole::Restore));
        }
    }
}

/// It is no line: nothing says that the new version was started by the upgrade.
#[test]
fn the_record_tells_of_another_image_and_of_no_line() {
    let mut world = hold_at_a_verified_backup();
    start_new_image(&mut world);
    run(&mut world);
    expect(&world, Phase::RolledBack);
    assert!(world.status.point_of_no_return_time.is_none());
    let rows = list_rows(&world);
    assert!(
        rows.contains(&"NewImageSeen") && !rows.contains(&"Line"),
        "{rows:?}"
    );
}

/// The cluster goes back to before it was seen: the record still knows.
#[test]
fn a_status_that_forgot_the_other_image_is_told() {
    for (known, reason) in [(true, None), (false, Some("OtherImageSeen"))] {
        let mut world = World::new(1, true, Trouble::default());
        run_until(&mut world, Step::VerifyingBackup);
        let early = world.clone();
        let mut world = hold_at_a_verified_backup();
        let before = if known { world.clone() } else { early };
        start_new_image(&mut world);
        while !list_rows(&world).contains(&"NewImageSeen") {
            assert!(world.run_pass() | world.run_cluster());
        }
        world.status = before.status.clone();
        world.nodes = before.nodes.clone();
        world.jobs = before.jobs.clone();
        world.copy = before.copy.clone();
        world.lock.as_mut().unwrap().1 = world.status.internal.epoch;
        world.schema = Schema::Old;
        run(&mut world);
        assert_eq!(world.status.stall.clone().unwrap().reason, "StatusOlder");
        accept(&mut world);
        run(&mut world);
        match reason {
            None => expect(&world, Phase::RolledBack),
            Some(reason) => assert_eq!(world.status.stall.clone().unwrap().reason, reason),
        }
    }
}

/// It is lost with the status, and the record on the target remembers it.
#[test]
fn a_lost_status_does_not_forget_the_other_image() {
    let mut world = hold_at_a_verified_backup();
    start_new_image(&mut world);
    run_until(&mut world, Step::StoppingNew);
    world.status = Default::default();
    run(&mut world);
    assert_eq!(world.status.cause.as_ref().unwrap().reason, "StatusLost");
    expect(&world, Phase::RolledBack);
    assert!(world.jobs.contains_key(&JobRole::Compare));
}

/// Nothing is restored before a person asks for it, and nothing goes forward.
#[test]
fn with_rollbacks_on_request_a_person_is_asked() {
    let mut world = hold_at_a_verified_backup();
    world.spec.rollback.policy = RollbackPolicy::OnRequest;
    start_new_image(&mut world);
    for _ in 0..2 {
        world.spec.paused = false;
        run(&mut world);
        let stall = world.status.stall.clone().unwrap();
        assert_eq!(stall.reason, "TargetContended");
        assert!(stall.message.contains("action: RollBack"), "{stall:?}");
        let actions = world.status.next_actions.iter();
        let names: Vec<&str> = actions.map(|one| one.name.as_str()).collect();
        assert_eq!(names, ["Retry", "RollBack"]);
        retry(&mut world);
    }
    world.ask(Action::RollBack);
    run(&mut world);
    expect(&world, Phase::RolledBack);
}

/// Nobody was seen on a target, and yet somebody has altered the schema: the backup tells how it was.
#[test]
fn an_abort_that_finds_another_schema_compares_with_the_backup() {
    let mut world = hold_at_a_verified_backup();
    world.schema = Schema::Half;
    world.writes += 1;
    world.ask(Action::Abort);
    run(&mut world);
    expect(&world, Phase::RolledBack);
    let cause = world.status.cause.clone().unwrap();
    assert_eq!(cause.reason, "AbortRequested");
    assert!(cause.message.contains("schema"), "{cause:?}");
    assert!(world.jobs.contains_key(&JobRole::Restore));
}

/// Between the initialisation and the normal start: what the old version made of the migrated databases is not known.
#[test]
fn an_image_of_a_stranger_before_the_normal_start_is_rolled_back() {
    let mut world = World::new(1, true, Trouble::default());
    run_until(&mut world, Step::StartingFinal);
    world.clock += 1;
    world.set_image(0, "registry.example.com/oms:feature_4.1.0-ce");
    world.scale(0, 1);
    run(&mut world);
    expect(&world, Phase::RolledBack);
    assert_eq!(
        world.status.cause.as_ref().unwrap().reason,
        "TargetContended"
    );
}

/// It is remembered where it was seen once, whatever stands there afterwards.
#[test]
fn what_was_seen_once_is_remembered() {
    let mut world = World::new(1, true, Trouble::default());
    run_until(&mut world, Step::BackingUp);
    let before = world.nodes[0].object["spec"]["template"].clone();
    world.clock += 1;
    world.set_image(0, NEW);
    world.scale(0, 1);
    world.run_pass();
    world.scale(0, 0);
    world.write_back(0, before);
    run(&mut world);
    assert_eq!(world.status.stall.clone().unwrap().reason, "OtherImageSeen");
    assert_eq!(world.nodes[0].object["spec"]["replicas"], 0);
}
