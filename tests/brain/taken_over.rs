//! The object of an upgrade is gone for good and comes back under another uid: with `spec.takeOver` it continues the
//! upgrade, without it nothing is touched.
use super::*;
use oms_operator::api::{RollbackPolicy, TakeOverOutcome};
use oms_operator::facts::Fact;
use oms_operator::metadb::record::RecordFact;
use std::collections::BTreeMap;

const OLD_UID: &str = "11111111-2222-3333-4444-555555555555";
const NEW_UID: &str = "22222222-2222-3333-4444-555555555555";
const THIRD_UID: &str = "33333333-2222-3333-4444-555555555555";

/// The world each time that the status of an upgrade, or of a rollback after it, has changed its step or intent.
fn list_moments() -> Vec<World> {
    let mut world = World::new(1, true, Trouble::default());
    let mut moments: Vec<World> = Vec::new();
    for action in [Action::Run, Action::RollBack] {
        world.ask(action);
        for _ in 0..3000 {
            let tell = |world: &World| {
                let status = &world.status;
                let intent = status.internal.intent.as_ref();
                let intent = intent.map(|intent| (intent.effect.clone(), intent.subject.clone()));
                (
                    (status.step, status.direction, status.settled, intent),
                    (world.record.len(), world.lock.clone()),
                )
            };
            if moments.last().map(tell) != Some(tell(&world)) {
                moments.push(world.clone());
            }
            if take_turn(&mut world) {
                break;
            }
        }
        assert!(world.status.settled);
    }
    moments
}

fn name_moment(world: &World) -> String {
    let status = &world.status;
    format!(
        "{:?} {:?} {:?} (lock {:?}, {} rows)",
        status.direction,
        status.step,
        status.internal.intent.as_ref().map(|intent| &intent.effect),
        world.lock.as_ref().map(|(_, epoch)| epoch),
        world.record.len()
    )
}

/// The object is gone, and is back with nothing but its spec.
fn come_back(world: &World, uid: &str, take_over: Option<&str>) -> World {
    let mut world = world.clone();
    world.lose_object(uid);
    world.spec.take_over = take_over.map(str::to_owned);
    world
}

fn run_to_rest(world: &mut World, name: &str) {
    for _ in 0..4000 {
        if take_turn(world) {
            return;
        }
    }
    panic!(
        "{name}: no end: step {:?}, {:?}, {:?}",
        world.status.step, world.status.waiting, world.status.internal.taken_over
    );
}

fn has_fact(world: &World, name: &str) -> bool {
    world.record.iter().any(|row| row.fact.name() == name)
}

fn has_succeeded(world: &World) -> bool {
    world.status.phase == Some(Phase::Succeeded)
}

fn is_taken(world: &World) -> bool {
    let taken = world.status.internal.taken_over.as_ref();
    taken.is_some_and(|taken| taken.outcome == Some(TakeOverOutcome::Taken))
}

/// Where it ends; `Err` for an end that must not be. That the old image never runs on a new schema, that no Job is made
/// beside another or without the lock, and that nothing is taken from the living, the world says itself.
fn judge_end(before: &World, world: &World) -> Result<String, String> {
    let status = &world.status;
    let begun = before.lock.is_some() && !before.record.is_empty();
    if status.settled {
        if begun != is_taken(world) {
            return Err(format!("taken over: {}", is_taken(world)));
        }
        // One that begins after a success, and is asked for a rollback, has nothing to bring back.
        if begun || has_succeeded(world) {
            world.check_settled();
        }
        return Ok(format!("{:?}", status.phase.unwrap()));
    }
    if status.step == Some(Step::Planned) {
        return match before.lock {
            None => Ok("Planned".into()),
            Some(_) => Err(format!("it waits with a plan: {:?}", status.conditions)),
        };
    }
    let stall = status.stall.as_ref().unwrap();
    let told = match stall.reason.as_str() {
        "TakeOverRefused" => stall.message.contains("is not taken over"),
        "StatusOlder" => stall.message.contains("cannot be rebuilt"),
        _ => false,
    };
    match told {
        true => Ok(stall.reason.clone()),
        false => Err(format!("{stall:?}")),
    }
}

#[test]
fn at_every_step_the_upgrade_of_an_object_that_is_gone_is_continued() {
    let mut ends: BTreeMap<String, u32> = BTreeMap::new();
    let mut wrong = Vec::new();
    for before in list_moments() {
        let name = name_moment(&before);
        let mut world = come_back(&before, NEW_UID, Some(OLD_UID));
        run_to_rest(&mut world, &name);
        match judge_end(&before, &world) {
            Ok(end) => *ends.entry(end).or_default() += 1,
            Err(what) => wrong.push(format!("{name}: {what}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    println!("{ends:?}");
    let count = |end: &str| ends.get(end).copied().unwrap_or_default();
    assert!(count("Aborted") > 10, "{ends:?}");
    assert!(count("RolledBack") > 10, "{ends:?}");
    assert!(count("Succeeded") > 0, "{ends:?}");
}

/// Without the field nothing of it is touched: it waits with its findings, which name the holder and both ways out.
#[test]
fn without_the_field_nothing_is_taken_over() {
    for before in list_moments() {
        if before.lock.is_none() || before.record.is_empty() {
            continue;
        }
        let name = name_moment(&before);
        for wanted in [None, Some(NEW_UID), Some(THIRD_UID)] {
            let mut world = come_back(&before, NEW_UID, wanted);
            // A rollback would have nothing to bring back, and end at once.
            world.ask(Action::Run);
            run_to_rest(&mut world, &name);
            assert_eq!(
                (&world.lock, &world.record),
                (&before.lock, &before.record),
                "{name}"
            );
            assert_eq!(world.nodes[0].object, before.nodes[0].object, "{name}");
            if wanted == Some(THIRD_UID) {
                let stall = world.status.stall.as_ref().unwrap();
                assert_eq!(stall.reason, "TakeOverRefused", "{name}");
                assert!(stall.message.contains(OLD_UID), "{name}: {stall:?}");
                continue;
            }
            assert_eq!(world.status.step, Some(Step::Planned), "{name}");
            let planned = find_condition(&world.status.conditions, types::STALLED).unwrap();
            assert!(
                planned.message.contains("spec.takeOver") && planned.message.contains(OLD_UID),
                "{name}: {planned:?}"
            );
        }
    }
}

fn find_moment(moments: &[World], direction: Direction, step: Step) -> &World {
    let mut found = moments.iter().filter(|world| {
        let status = &world.status;
        let here = (status.direction, status.step) == (Some(direction), Some(step));
        here && world.lock.is_some() && !world.record.is_empty()
    });
    found.next().unwrap()
}

fn look_often(world: &mut World) {
    for _ in 0..20 {
        world.run_pass();
        world.clock += 10;
    }
}

/// From one that is there, or may be, nothing is taken; once it is gone it goes on by itself.
#[test]
fn from_the_living_nothing_is_taken() {
    let moments = list_moments();
    let before = find_moment(&moments, Direction::Forward, Step::Initializing);
    for there in [
        Fact::Known(Some(
            "OmsUpgrade oms/up is being deleted, and there until it is gone".to_owned(),
        )),
        Fact::Unknown("forbidden".to_owned()),
    ] {
        let mut world = come_back(before, NEW_UID, Some(OLD_UID));
        world.forerunner = there.clone();
        look_often(&mut world);
        assert_eq!((&world.lock, &world.record), (&before.lock, &before.record));
        let status = &world.status;
        let stall = status.stall.as_ref().map(|one| (&one.reason, &one.message));
        let waiting = status
            .waiting
            .as_ref()
            .map(|one| (&one.reason, &one.message));
        let (reason, message) = stall.or(waiting).unwrap();
        assert_eq!(reason, "TakeOverRefused", "{there:?}");
        let words = ["is being deleted", "forbidden"];
        assert!(words.iter().any(|word| message.contains(word)), "{message}");
        world.forerunner = Fact::Known(None);
        run_to_rest(&mut world, "gone");
        expect(&world, Phase::RolledBack);
    }
}

/// The object that takes over dies as well, at any moment of that; a third one names whoever holds the lock then.
#[test]
fn whoever_takes_over_may_be_gone_as_well() {
    let moments = list_moments();
    for (direction, step, phase) in [
        (Direction::Forward, Step::DisablingHa, Phase::Aborted),
        (Direction::Forward, Step::BackingUp, Phase::Aborted),
        (Direction::Forward, Step::Initializing, Phase::RolledBack),
        (Direction::RollBack, Step::Restoring, Phase::RolledBack),
    ] {
        let before = find_moment(&moments, direction, step);
        let begun = |one: &&World| has_fact(one, "RestoreBegun") && one.status.step == Some(step);
        // Before the row of the restore only the epoch of the lock tells of the rollback, and that is asked about.
        let before = match step {
            Step::Restoring => moments.iter().find(begun).unwrap(),
            _ => before,
        };
        let mut second = come_back(before, NEW_UID, Some(OLD_UID));
        for turn in 0..400 {
            let holder = second.lock.as_ref().map(|(holder, _)| holder.clone());
            if second.status.settled || holder.is_none() {
                break;
            }
            let mut third = come_back(&second, THIRD_UID, holder.as_deref());
            let name = format!("{step:?}, turn {turn}");
            run_to_rest(&mut third, &name);
            let asked = third.status.stall.as_ref();
            // What the second one had begun no row tells.
            if asked.is_none_or(|stall| stall.reason != "StatusOlder") {
                expect(&third, phase);
                assert!(is_taken(&third), "{name}");
            }
            take_turn(&mut second);
        }
        run_to_rest(&mut second, "second");
        expect(&second, phase);
    }
}

/// The status of the one that takes over goes back to where it was before, or the object of before comes back after
/// all: only one of them has the lock.
#[test]
fn an_object_that_comes_back_after_all_stops() {
    let moments = list_moments();
    for step in [Step::BackingUp, Step::Initializing, Step::StartingFinal] {
        let before = find_moment(&moments, Direction::Forward, step);
        let mut second = come_back(before, NEW_UID, Some(OLD_UID));
        for _ in 0..60 {
            take_turn(&mut second);
            if !is_taken(&second) {
                continue;
            }
            let mut first = second.clone();
            (first.uid, first.status) = (OLD_UID.into(), before.status.clone());
            first.gone = None;
            first.finalizer = true;
            first.spec.take_over = None;
            let held = first.lock.clone();
            look_often(&mut first);
            assert_eq!(first.lock, held);
            assert_eq!(first.nodes[0].object, second.nodes[0].object, "{step:?}");
            let stall = first.status.stall.as_ref().unwrap();
            assert_eq!(stall.reason, "RecordBehind", "{step:?}");
        }
        run_to_rest(&mut second, "second");
        let phase = match step {
            Step::BackingUp => Phase::Aborted,
            _ => Phase::RolledBack,
        };
        expect(&second, phase);
    }
}

/// What is only looked at can be taken back, and the object let go.
#[test]
fn a_take_over_that_is_only_looked_at_is_taken_back() {
    let moments = list_moments();
    let before = find_moment(&moments, Direction::Forward, Step::Initializing);
    for deleted in [false, true] {
        let mut world = come_back(before, NEW_UID, Some(OLD_UID));
        world.forerunner = Fact::Known(Some("OmsUpgrade oms/up is there".into()));
        look_often(&mut world);
        match deleted {
            true => world.deleting = true,
            false => world.spec.take_over = None,
        }
        look_often(&mut world);
        assert_eq!(world.status.internal.taken_over, None);
        assert_eq!((&world.lock, &world.record), (&before.lock, &before.record));
        match deleted {
            true => assert!(!world.finalizer && world.status.settled),
            false => assert_eq!(world.status.step, Some(Step::Planned)),
        }
    }
}

/// A rollback that begins on request only is asked for here as well, before anything is taken.
#[test]
fn a_rollback_on_request_is_asked_for_before_it_is_taken_over() {
    let moments = list_moments();
    let before = find_moment(&moments, Direction::Forward, Step::Initializing);
    let mut world = come_back(before, NEW_UID, Some(OLD_UID));
    world.spec.rollback.policy = RollbackPolicy::OnRequest;
    run_to_rest(&mut world, "on request");
    let stall = world.status.stall.clone().unwrap();
    assert!(stall.message.contains("action: RollBack"), "{stall:?}");
    assert_eq!(world.lock, before.lock);
    world.ask(Action::RollBack);
    look_often(&mut world);
    run_to_rest(&mut world, "asked");
    expect(&world, Phase::RolledBack);
}

/// Where the records are gone nothing is taken, and what is missing is named.
#[test]
fn what_is_missing_is_named_before_anything_is_taken() {
    let moments = list_moments();
    let before = find_moment(&moments, Direction::Forward, Step::Initializing);
    let mut world = come_back(before, NEW_UID, Some(OLD_UID));
    world.copy = None;
    world.nodes[0].object["metadata"]["annotations"] = serde_json::json!({});
    let object = world.nodes[0].object.clone();
    run_to_rest(&mut world, "no record");
    let stall = world.status.stall.clone().unwrap();
    assert_eq!(stall.reason, "TakeOverRefused");
    assert!(stall.message.contains("carry a record"), "{stall:?}");
    assert_eq!((&world.lock, &world.record), (&before.lock, &before.record));
    assert_eq!(world.nodes[0].object, object);
    // Another name than that of before.
    let mut world = come_back(before, NEW_UID, Some(OLD_UID));
    world.name = "another";
    run_to_rest(&mut world, "another name");
    let stall = world.status.stall.clone().unwrap();
    assert!(stall.message.contains("of the name up"), "{stall:?}");
}

/// A backup tool that brings the status back as well, of whatever time.
#[test]
fn a_status_that_comes_back_under_another_uid_is_none_of_its_own() {
    let moments = list_moments();
    let now = find_moment(&moments, Direction::Forward, Step::StoppingForRestart);
    let mut ends = BTreeMap::new();
    for older in &moments {
        let mut world = come_back(now, NEW_UID, Some(OLD_UID));
        world.status = older.status.clone();
        world.finalizer = true;
        let name = name_moment(older);
        run_to_rest(&mut world, &name);
        if older.status.settled {
            continue;
        }
        let end = match world.status.stall.as_ref() {
            Some(stall) => stall.reason.clone(),
            None => format!("{:?}", world.status.phase.unwrap()),
        };
        assert!(
            ["RolledBack", "StatusOlder", "TakeOverRefused"].contains(&end.as_str()),
            "{name}: {end}"
        );
        *ends.entry(end).or_insert(0) += 1;
    }
    println!("{ends:?}");
    assert!(ends["RolledBack"] > 10, "{ends:?}");
}

/// The record tells of it, once for each time.
#[test]
fn the_record_says_who_was_taken_over() {
    let moments = list_moments();
    let before = find_moment(&moments, Direction::Forward, Step::Initializing);
    let mut world = come_back(before, NEW_UID, Some(OLD_UID));
    run_to_rest(&mut world, "told");
    let told: Vec<&RecordFact> = world.record.iter().map(|row| &row.fact).collect();
    let fact = RecordFact::TakenOver {
        from: OLD_UID.into(),
        marks: OLD_UID.into(),
    };
    assert_eq!(told.iter().filter(|one| ***one == fact).count(), 1);
    assert!(world.record.iter().all(|row| row.uid == NEW_UID));
    assert!(has_fact(&world, "Verdict"));
    let cause = world.status.cause.as_ref().unwrap();
    assert_eq!(cause.reason, "TakenOver");
}
