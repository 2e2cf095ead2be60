//! Safety copies: kept until their time is over, then dropped, and whatever stands in the way harms nothing.
use crate::world::{JobEnd, Trouble, World};
use crate::{expect, run};
use oms_operator::api::{FENCE_ANNOTATION, ORIGINALS_ANNOTATION};
use oms_operator::api::{JobRole, Leftover, LeftoverKind, OmsUpgradeStatus, Phase, Step};
use oms_operator::protocol::report::Reason;
use oms_operator::upgrade::{Decision, decide};
use serde_json::json;

const WEEK: i64 = 168 * 3600;

/// An upgrade that was rolled back by a restore.
fn roll_back() -> World {
    let mut world = World::new(
        1,
        true,
        Trouble {
            init_fails: true,
            ..Trouble::default()
        },
    );
    run(&mut world);
    expect(&world, Phase::RolledBack);
    assert_eq!(world.copies, ["oms_rm__omsnew_1"]);
    world
}

fn find_copy(status: &OmsUpgradeStatus) -> &Leftover {
    let mut all = status.leftovers.iter();
    all.find(|one| one.kind == LeftoverKind::SafetyCopy)
        .unwrap()
}

/// Goes on until the upgrade is settled again.
fn drop_copies(world: &mut World) {
    assert!(world.run_pass(), "nothing is due");
    assert!(!world.status.settled);
    run(world);
}

fn message(world: &World) -> &str {
    let mut all = world.status.conditions.iter();
    &all.find(|one| one.type_ == "Ready").unwrap().message
}

#[test]
fn copies_are_told_kept_and_dropped_when_their_time_is_over() {
    let mut world = roll_back();
    let copy = find_copy(&world.status).clone();
    assert_eq!(
        (copy.name.as_str(), copy.place.as_str(), copy.bytes),
        ("oms_rm__omsnew_1", "MetaDB metadb:2881", Some(2048))
    );
    let end = world.status.finished_time.clone().unwrap().0.as_second() + WEEK;
    assert_eq!(copy.kept_until_time.unwrap().0.as_second(), end);
    let text = message(&world);
    assert!(
        text.contains("DROP DATABASE `oms_rm__omsnew_1`") && text.contains("MetaDB metadb:2881"),
        "{text}"
    );
    let backup = world.status.leftovers.iter();
    let backup = backup.clone().find(|one| one.kind == LeftoverKind::Backup);
    let backup = backup.unwrap();
    assert_eq!(
        (backup.name.as_str(), backup.place.as_str()),
        ("/backup/x/attempt-1", "claim oms-backup")
    );
    assert_eq!(
        (&backup.kept_until_time, backup.bytes),
        (&None, None),
        "a person removes it, and its size is not told"
    );

    let ended = world.clock;
    world.clock = ended + WEEK / 2;
    let observed = world.observe();
    let decision = world.ask_brain(&observed, decide);
    assert_eq!(decision, Decision::Sleep { seconds: 3600 });
    let before = world.status.clone();
    assert!(!world.run_pass() && world.status == before);

    world.clock = ended + WEEK;
    let conditions: Vec<(String, String)> = list_conditions(&world);
    drop_copies(&mut world);
    expect(&world, Phase::RolledBack);
    assert_eq!(world.copies, Vec::<String>::new());
    assert_eq!(list_conditions(&world), conditions, "nothing else changes");
    assert!(find_copy(&world.status).dropped_time.is_some());
    assert!(!message(&world).contains("DROP"), "{}", message(&world));
    world.clock += 10 * WEEK;
    let observed = world.observe();
    assert_eq!(world.ask_brain(&observed, decide), Decision::Rest);
}

fn list_conditions(world: &World) -> Vec<(String, String)> {
    let all = world.status.conditions.iter();
    all.map(|one| (one.type_.clone(), one.status.clone()))
        .collect()
}

#[test]
fn another_upgrade_that_holds_the_lock_is_waited_for() {
    let mut world = roll_back();
    world.clock += WEEK;
    world.lock = Some(("another".into(), 3));
    for _ in 0..20 {
        world.run_pass();
        world.run_cluster();
        world.clock += 60;
    }
    let waiting = world.status.waiting.clone().unwrap();
    assert_eq!(waiting.reason, "MetaDbLocked");
    assert_eq!(world.lock, Some(("another".into(), 3)));
    assert_eq!(world.copies.len(), 1);
    assert!(!world.jobs.contains_key(&JobRole::DropCopies));
    world.lock = None;
    run(&mut world);
    expect(&world, Phase::RolledBack);
    assert_eq!(world.copies, Vec::<String>::new());
}

/// A second try on the same Deployment is under way when the copies of the first one are due, and the first one goes.
#[test]
fn what_another_upgrade_has_begun_on_is_not_given_back() {
    let mut world = roll_back();
    world.clock += WEEK;
    world.lock = Some(("another".into(), 3));
    world.query_timeout = 36_000_000_000;
    let record = json!({"upgrade": "again", "uid": "another", "epoch": 3, "pastNoReturn": false,
        "ha": {"enabled": true}, "original": {"name": "oms-1", "uid": "uid-oms-1", "container": "oms", "replicas": 1,
        "image": "oms:3.3.1-ce", "templateHash": "t", "managedFieldsHash": "m"}, "texts": {"template": "{}", "managedFields": "[]"}});
    let annotations = json!({ORIGINALS_ANNOTATION: record.to_string(), FENCE_ANNOTATION: "3"});
    world.nodes[0].object["metadata"]["annotations"] = annotations.clone();
    world.run_pass();
    world.deleting = true;
    for _ in 0..40 {
        world.run_pass();
        world.run_cluster();
        world.clock += 60;
    }
    assert!(!world.finalizer, "it never goes");
    assert_eq!(
        world.query_timeout, 36_000_000_000,
        "the limit is the other one's"
    );
    assert_eq!(
        world.nodes[0].object["metadata"]["annotations"],
        annotations
    );
    assert_eq!(world.lock, Some(("another".into(), 3)));
}

#[test]
fn a_drop_that_fails_is_told_and_tried_again_ever_later() {
    let mut world = roll_back();
    world.clock += WEEK;
    let conditions = list_conditions(&world);
    for pause in [300, 600, 1200] {
        assert!(world.run_pass());
        while !world.status.settled {
            if let Some((_, end)) = world.jobs.get_mut(&JobRole::DropCopies)
                && *end == JobEnd::Running
            {
                *end = JobEnd::Bad(Reason::PrivilegeMissing);
            }
            world.run_pass();
        }
        expect(&world, Phase::RolledBack);
        assert_eq!(world.status.stall, None);
        assert_eq!(world.status.step, Some(Step::Settling));
        assert_eq!(list_conditions(&world), conditions);
        assert_eq!(
            find_copy(&world.status).problem.as_deref(),
            Some("as asked")
        );
        assert_eq!(world.copies.len(), 1);
        let observed = world.observe();
        let decision = world.ask_brain(&observed, decide);
        assert_eq!(decision, Decision::Sleep { seconds: pause });
        world.clock += i64::try_from(pause).unwrap();
    }
    drop_copies(&mut world);
    expect(&world, Phase::RolledBack);
    assert_eq!(find_copy(&world.status).problem, None);
    assert_eq!(world.copies, Vec::<String>::new());
    let attempts = world.jobs[&JobRole::DropCopies].0;
    assert_eq!(attempts, 4, "a name of a Job is used twice");
}

#[test]
fn a_drop_that_is_killed_is_repeated_at_once() {
    let mut world = roll_back();
    world.clock += WEEK;
    assert!(world.run_pass());
    let mut killed = false;
    while !world.status.settled {
        match world.jobs.get_mut(&JobRole::DropCopies) {
            Some((_, end)) if *end == JobEnd::Running && !killed => {
                *end = JobEnd::Killed;
                killed = true;
            }
            _ => {
                world.run_cluster();
            }
        }
        world.run_pass();
    }
    expect(&world, Phase::RolledBack);
    assert_eq!(world.jobs[&JobRole::DropCopies].0, 2);
    assert_eq!(world.copies, Vec::<String>::new());
}

#[test]
fn the_spec_says_how_long_at_any_time() {
    let mut world = roll_back();
    world.spec.cleanup = serde_json::from_value(json!({"safetyCopies": "1h"})).unwrap();
    world.generation += 1;
    assert!(world.run_pass(), "the new time is not told");
    world.clock += 3600;
    assert!(world.run_pass());
    while !world.jobs.contains_key(&JobRole::DropCopies) {
        assert!(world.run_pass());
    }
    // Somebody wants them after all, while the Job runs.
    world.spec.cleanup = serde_json::from_value(json!({"safetyCopies": "100h"})).unwrap();
    world.generation += 1;
    while !world.status.settled {
        assert!(world.run_pass());
    }
    expect(&world, Phase::RolledBack);
    assert_eq!(world.copies.len(), 1);
    assert_eq!(find_copy(&world.status).dropped_time, None);
    world.spec.cleanup = serde_json::from_value(json!({"safetyCopies": "1s"})).unwrap();
    world.generation += 1;
    world.run_pass();
    run(&mut world);
    expect(&world, Phase::RolledBack);
    assert_eq!(world.copies, Vec::<String>::new());
}

#[test]
fn an_object_that_is_deleted_before_leaves_its_copies_to_people() {
    for begun in [false, true] {
        let mut world = roll_back();
        world.clock += if begun { WEEK } else { 0 };
        while begun && !world.jobs.contains_key(&JobRole::DropCopies) {
            assert!(world.run_pass());
        }
        assert_eq!(world.finalizer, begun, "nothing is held for a week");
        world.deleting = true;
        for _ in 0..30 {
            world.run_pass();
        }
        assert!(!world.finalizer, "the object is held");
        assert_eq!(world.lock, None);
        assert_eq!(world.copies.len(), 1);
        let text = message(&world);
        assert!(text.contains("until a person drops them"), "{text}");
    }
}

#[test]
fn an_account_that_was_deleted_is_read_again_and_deleted_again() {
    let mut world = World::new(
        1,
        true,
        Trouble {
            init_fails: true,
            ..Trouble::default()
        },
    );
    world.spec.metadb = serde_json::from_value(json!({"source": "Container"})).unwrap();
    run(&mut world);
    expect(&world, Phase::RolledBack);
    world.clock += WEEK;
    assert!(world.run_pass());
    let mut seen = false;
    for _ in 0..30 {
        world.run_pass();
        world.run_cluster();
        seen |= world.secret;
    }
    expect(&world, Phase::RolledBack);
    assert!(seen, "the account is not read again");
    assert_eq!(world.copies, Vec::<String>::new());
}

#[test]
fn copies_of_every_attempt_are_recorded_and_dropped() {
    let mut world = World::new(
        1,
        true,
        Trouble {
            init_fails: true,
            ..Trouble::default()
        },
    );
    // An attempt that failed has swapped already.
    world.copies.push("oms_rm__omsnew_7".into());
    run(&mut world);
    let names = |world: &World| -> Vec<String> {
        let kept = world
            .status
            .leftovers
            .iter()
            .filter(|one| one.is_kept_copy());
        kept.map(|one| one.name.clone()).collect()
    };
    assert_eq!(names(&world), ["oms_rm__omsnew_7", "oms_rm__omsnew_1"]);
    world.clock += WEEK;
    drop_copies(&mut world);
    assert_eq!(names(&world), Vec::<String>::new());
    assert_eq!(world.copies, Vec::<String>::new());
}
