//! A status that went back to an older state beside a record that tells more: what the rows say for certain is put
//! back, and for the rest a person is asked.
use super::world::Schema;
use super::*;
use oms_operator::api::{Direction, RollbackPolicy};
use oms_operator::metadb::record::{RecordFact, RecordedOutcome};

/// What of the cluster goes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Restored {
    /// Only the object with its status.
    Status,
    /// All that the API server holds.
    Cluster,
}

fn restore(world: &mut World, before: &World, what: Restored) {
    world.status = before.status.clone();
    world.finalizer = before.finalizer;
    if what == Restored::Cluster {
        world.nodes = before.nodes.clone();
        world.generation = before.generation;
        world.jobs = before.jobs.clone();
        world.copy = before.copy.clone();
        // Programs are not restored: they start anew, and read what is there.
        let pods = world.nodes.iter_mut().filter_map(|node| node.pod.as_mut());
        for pod in pods.filter(|pod| pod.console_text.is_some()) {
            pod.console_text = Some(world.ha.clone());
        }
    }
}

/// As `run`, for what may end with a question.
fn run_to_rest(world: &mut World, name: &str) {
    for _ in 0..3000 {
        if take_turn(world) {
            return;
        }
    }
    panic!(
        "{name}: no end: step {:?}, {:?}",
        world.status.step, world.status.waiting
    );
}

/// The world each time that a step of an upgrade, and of a rollback after it, was entered, and at the end of each.
fn list_moments(roll_back: bool) -> Vec<World> {
    let mut world = World::new(1, true, Trouble::default());
    let mut moments: Vec<World> = Vec::new();
    for way in 0..2 {
        for _ in 0..3000 {
            let last = moments.last().map(|last| {
                let status = &last.status;
                (status.step, status.direction, status.settled)
            });
            let status = &world.status;
            if last != Some((status.step, status.direction, status.settled)) {
                moments.push(world.clone());
            }
            if take_turn(&mut world) {
                break;
            }
        }
        if way == 0 && !roll_back {
            return moments;
        }
        world.ask(Action::RollBack);
    }
    moments
}

/// What stands in a status may be in the record without being known to be.
fn asserts(before: &World, fact: &RecordFact) -> bool {
    let status = &before.status;
    match fact {
        RecordFact::Locked { .. } => true,
        RecordFact::Stopped { .. } => status.internal.fingerprint.is_some(),
        RecordFact::BackupVerified { .. } => {
            status.backup.as_ref().is_some_and(|backup| backup.verified)
        }
        RecordFact::Line {} => status.point_of_no_return_time.is_some(),
        RecordFact::RestoreBegun { .. } => {
            let mut jobs = status.internal.jobs.iter();
            jobs.any(|job| job.role == JobRole::Restore)
        }
        RecordFact::Swapped { .. } => status.internal.content_proof.is_some(),
        _ => false,
    }
}

fn tells_more(now: &World, before: &World) -> bool {
    let Some(known) = before.status.internal.record_seq else {
        return false;
    };
    let mut unknown = now.record.iter().skip(usize::try_from(known).unwrap());
    !before.status.settled && unknown.any(|row| !asserts(before, &row.fact))
}

/// What must be true of it wherever it ends. That the old image never runs on a new schema, and that no Job is made
/// beside another, the world says itself.
fn judge_end(world: &World, dump: Option<(Schema, u32)>, name: &str) -> Result<(), String> {
    let status = &world.status;
    if status.settled {
        world.check_settled();
        return Ok(());
    }
    let stall = status.stall.as_ref().unwrap();
    let asked = stall.reason == "StatusOlder" && stall.message.contains("rebuilt");
    match asked && world.dump == dump {
        true => Ok(()),
        false => Err(format!("{name}: {stall:?}, backup {:?}", world.dump)),
    }
}

/// What runs may have written since, and nothing asks for a rollback of it any more.
fn is_over(world: &World) -> bool {
    let success = RecordFact::Verdict {
        outcome: RecordedOutcome::Succeeded,
        fingerprint: None,
    };
    match world.record.last().map(|row| &row.fact) {
        Some(RecordFact::Swapped { .. }) => true,
        Some(fact) if *fact == success => world.spec.action == Action::Run,
        Some(RecordFact::Verdict { .. }) => true,
        _ => false,
    }
}

/// An older status is put back at every step, beside every later record.
#[test]
fn wherever_a_status_goes_back_nothing_is_lost_and_it_comes_to_an_end() {
    let moments = list_moments(true);
    let (mut rebuilt, mut wrong) = (0, Vec::new());
    for (later, now) in moments.iter().enumerate() {
        for before in &moments[..later] {
            if !tells_more(now, before) {
                continue;
            }
            for what in [Restored::Status, Restored::Cluster] {
                let name = format!(
                    "{:?} {:?} put back at {:?} {:?} ({what:?})",
                    before.status.direction,
                    before.status.step,
                    now.status.direction,
                    now.status.step
                );
                let mut world = now.clone();
                restore(&mut world, before, what);
                run_to_rest(&mut world, &name);
                if is_over(now) {
                    assert!(
                        world.writes >= now.writes,
                        "{name}: what was written is lost"
                    );
                }
                wrong.extend(judge_end(&world, now.dump, &name).err());
                rebuilt += u32::from(world.status.settled);
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(rebuilt > 100, "only {rebuilt} were rebuilt");
}

fn take_moment(moments: &[World], direction: Direction, step: Step) -> &World {
    let found = moments
        .iter()
        .find(|world| (world.status.direction, world.status.step) == (Some(direction), Some(step)));
    found.unwrap()
}

const BEFORE_THE_LINE: [Step; 4] = [
    Step::DisablingHa,
    Step::StoppingOld,
    Step::BackingUp,
    Step::VerifyingBackup,
];

/// Nothing is done again where everything is as the verdict has left it.
#[test]
fn a_verdict_is_known_again() {
    let moments = list_moments(true);
    for step in BEFORE_THE_LINE {
        let before = take_moment(&moments, Direction::Forward, step);
        let settled: Vec<&World> = moments.iter().filter(|one| one.status.settled).collect();
        for (now, phase) in settled
            .into_iter()
            .zip([Phase::Succeeded, Phase::RolledBack])
        {
            let mut world = now.clone();
            restore(&mut world, before, Restored::Status);
            run_to_rest(&mut world, "verdict");
            expect(&world, phase);
            assert_eq!((&world.record, world.dump), (&now.record, now.dump));
            assert_eq!((&world.ha, world.schema), (&now.ha, now.schema));
            assert_eq!(
                world.nodes[0].pod, now.nodes[0].pod,
                "{step:?}: OMS was restarted"
            );
        }
    }
}

/// The old version that came back with the cluster is stopped, and the new one is started again, without a dump.
#[test]
fn a_cluster_that_goes_back_behind_a_success_runs_the_new_version_again() {
    let moments = list_moments(false);
    let now = moments.last().unwrap();
    for step in BEFORE_THE_LINE {
        let before = take_moment(&moments, Direction::Forward, step);
        let mut world = now.clone();
        restore(&mut world, before, Restored::Cluster);
        run_to_rest(&mut world, "success");
        expect(&world, Phase::Succeeded);
        assert_eq!(
            (world.dump, world.schema),
            (now.dump, Schema::New),
            "{step:?}"
        );
    }
}

/// What the new version has written since is not given away because it does not come up.
#[test]
fn a_success_that_is_known_again_is_not_rolled_back_by_itself() {
    let moments = list_moments(false);
    let before = take_moment(&moments, Direction::Forward, Step::BackingUp);
    let mut world = moments.last().unwrap().clone();
    restore(&mut world, before, Restored::Cluster);
    world.trouble.console_dead = true;
    wait_for_a_person(&mut world);
    assert_eq!(world.status.direction, Some(Direction::Forward));
    assert_eq!(world.schema, Schema::New);
    world.ask(Action::RollBack);
    run_to_rest(&mut world, "asked");
    expect(&world, Phase::RolledBack);
}

/// Whoever sees the older status may ask for an abort: after a success that asks for nothing.
#[test]
fn an_abort_that_the_older_status_was_asked_for_does_not_end_a_success() {
    let moments = list_moments(false);
    let before = take_moment(&moments, Direction::Forward, Step::BackingUp);
    for what in [Restored::Status, Restored::Cluster] {
        let mut world = moments.last().unwrap().clone();
        restore(&mut world, before, what);
        world.ask(Action::Abort);
        run_to_rest(&mut world, "abort");
        expect(&world, Phase::Succeeded);
    }
}

fn wait_for_a_person(world: &mut World) {
    for _ in 0..2000 {
        world.run_pass();
        world.run_cluster();
        world.clock += 60;
    }
    assert!(world.status.stall.is_some(), "{:?}", world.status.step);
}

/// The line was crossed and no verdict fell: how far the databases got is not known, so they are compared.
#[test]
fn a_line_that_was_crossed_leads_back() {
    let moments = list_moments(false);
    for step in BEFORE_THE_LINE {
        for later in [
            Step::Initializing,
            Step::StoppingForRestart,
            Step::StartingFinal,
        ] {
            let before = take_moment(&moments, Direction::Forward, step);
            let now = take_moment(&moments, Direction::Forward, later);
            let mut world = now.clone();
            restore(&mut world, before, Restored::Status);
            run_to_rest(&mut world, "line");
            expect(&world, Phase::RolledBack);
            assert_eq!(world.dump, now.dump, "{step:?}, {later:?}: dumped again");
            assert_eq!(world.status.cause.as_ref().unwrap().reason, "StatusRebuilt");
        }
    }
}

#[test]
fn a_rollback_on_request_is_asked_for() {
    let moments = list_moments(false);
    let before = take_moment(&moments, Direction::Forward, Step::BackingUp);
    let mut world = take_moment(&moments, Direction::Forward, Step::StoppingForRestart).clone();
    world.spec.rollback.policy = RollbackPolicy::OnRequest;
    restore(&mut world, before, Restored::Status);
    run_to_rest(&mut world, "on request");
    let stall = world.status.stall.clone().unwrap();
    assert_eq!(stall.reason, "StatusOlder");
    assert!(stall.message.contains("action: RollBack"), "{stall:?}");
    world.ask(Action::RollBack);
    run_to_rest(&mut world, "asked");
    expect(&world, Phase::RolledBack);
}

/// What an old version has written since a finished restore is in no backup, so nothing is restored once more.
#[test]
fn what_was_written_after_a_restore_stays() {
    let moments = list_moments(true);
    let now = take_moment(&moments, Direction::RollBack, Step::StartingOld);
    for before in &moments {
        if !tells_more(now, before) {
            continue;
        }
        let mut world = now.clone();
        while world.nodes[0].pod.as_ref().is_none_or(|pod| !pod.up) {
            assert!(world.run_pass() | world.run_cluster());
        }
        let written = world.writes;
        restore(&mut world, before, Restored::Status);
        run_to_rest(&mut world, "swapped");
        if world.status.settled {
            expect(&world, Phase::RolledBack);
        }
        assert_eq!(
            world.writes, written,
            "{:?}: restored again",
            before.status.step
        );
    }
}

/// Another upgrade has worked on these databases since.
#[test]
fn beside_a_newer_upgrade_nothing_is_rebuilt() {
    let moments = list_moments(false);
    let before = take_moment(&moments, Direction::Forward, Step::BackingUp);
    let mut world = moments.last().unwrap().clone();
    let mut newer = world.record.last().unwrap().clone();
    newer.uid = "99999999-2222-3333-4444-555555555555".into();
    newer.ordinal += 10;
    world.record.push(newer);
    restore(&mut world, before, Restored::Status);
    run_to_rest(&mut world, "newer");
    let stall = world.status.stall.clone().unwrap();
    assert_eq!(stall.reason, "StatusOlder");
    assert!(stall.message.contains("another upgrade"), "{stall:?}");
}

/// The databases were brought back by hand together with the cluster: the record is right about the past only.
#[test]
fn databases_that_went_back_as_well_are_asked_about() {
    let moments = list_moments(false);
    let before = take_moment(&moments, Direction::Forward, Step::VerifyingBackup);
    let mut world = moments.last().unwrap().clone();
    restore(&mut world, before, Restored::Cluster);
    world.schema = Schema::Old;
    run_to_rest(&mut world, "by hand");
    let stall = world.status.stall.clone().unwrap();
    assert_eq!(stall.reason, "StatusOlder");
    assert!(stall.message.contains("schema"), "{stall:?}");
}
