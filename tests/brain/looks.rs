//! Time without a look is no failure: the operator was away for longer than a step may last, and the first look after
//! that is an unlucky one. A success counts, however late it is seen; what was not seen fails nothing; and what is
//! wanting comes to an end all the same.
use super::*;
use oms_operator::facts::{Fact, Observed, TargetFacts};
use std::collections::HashSet;

/// Longer than any step may last.
const LONG: i64 = 100_000;

/// Takes an answer out of what was seen.
type Hide = fn(&mut Observed);

/// Calls that get no answer in one look.
const BLIND: [(&str, Hide); 9] = [
    ("Deployments", |seen| {
        hide(seen, |target| target.deployment = lose())
    }),
    ("pods", |seen| hide(seen, |target| target.pods = lose())),
    ("programs", |seen| {
        hide(seen, |target| target.programs = lose())
    }),
    ("the record of docker_init.sh", |seen| {
        hide(seen, |target| target.init = lose())
    }),
    ("templates", |seen| {
        hide(seen, |target| {
            if let Fact::Known(pods) = &mut target.pods {
                pods.iter_mut().for_each(|pod| pod.template = lose());
            }
        })
    }),
    ("the MetaDB", |seen| {
        seen.metadb.ha = lose();
        seen.metadb.lock = lose();
        seen.metadb.hosts = lose();
        seen.metadb.heart_beats = lose();
        seen.metadb.sessions = lose();
        seen.metadb.query_timeout = lose();
        seen.metadb.kept_keys = lose();
    }),
    ("the Job", |seen| seen.job = lose()),
    ("projects", |seen| seen.progress = lose()),
    ("own objects, claim and others", |seen| {
        seen.leftovers = lose();
        seen.claim = lose();
        seen.rivals = lose();
    }),
];

/// Takes the same answer away of every target.
fn hide(seen: &mut Observed, change: impl FnMut(&mut TargetFacts)) {
    seen.targets.iter_mut().for_each(change);
}

fn lose<T>() -> Fact<T> {
    Fact::Unknown("no answer within 10 s".into())
}

fn look_blindly(world: &mut World, hide: Hide) -> bool {
    let mut observed = world.observe();
    hide(&mut observed);
    world.run_pass_on(&observed)
}

/// The worlds of a step, from its first moment to its last.
fn list_moments(mut world: World, step: Step) -> Vec<World> {
    run_until(&mut world, step);
    let mut moments = vec![];
    while world.status.step == Some(step) && moments.len() < 40 {
        moments.push(world.clone());
        if !world.run_pass() & !world.run_cluster() {
            world.clock += 10;
        }
    }
    moments
}

/// Every world in which a look after an absence leaves one: what the cluster does without the operator was done
/// meanwhile, or begins only now.
fn list_returns(start: World, steps: &[Step]) -> Vec<(String, World)> {
    let (mut seen, mut returns) = (HashSet::new(), vec![]);
    for step in steps {
        for moment in list_moments(start.clone(), *step) {
            for done in [true, false] {
                let mut back = moment.clone();
                while done && back.run_cluster() {}
                back.clock += LONG;
                for (what, hide) in BLIND {
                    let mut world = back.clone();
                    while look_blindly(&mut world, hide) {}
                    if seen.insert(world.fingerprint()) {
                        returns.push((format!("{step:?}, {what} unseen, done: {done}"), world));
                    }
                }
            }
        }
    }
    returns
}

/// The cluster was restored to before a rollback of which the databases know.
#[test]
fn a_status_that_is_older_than_the_lock_row_starts_nothing() {
    for step in [Step::BackingUp, Step::VerifyingBackup] {
        let mut world = World::new(1, true, Trouble::default());
        run_until(&mut world, step);
        let (holder, epoch) = world.lock.clone().unwrap();
        world.lock = Some((holder, epoch + 1));
        let jobs = world.jobs.clone();
        for _ in 0..50 {
            world.run_pass();
            world.run_cluster();
            world.clock += 60;
        }
        let stall = world.status.stall.clone().unwrap();
        assert_eq!(stall.reason, "StatusOlder", "{stall:?}");
        assert!(world.status.point_of_no_return_time.is_none());
        assert_eq!(world.jobs.len(), jobs.len());
        assert!(world.nodes[0].pod.is_none(), "an image was started");
    }
}

#[test]
fn an_absence_and_one_unlucky_look_turn_nothing_back() {
    for (name, mut world) in list_returns(
        World::new(1, true, Trouble::default()),
        &list_steps(Step::Locking, Step::Recovering),
    ) {
        assert_eq!(world.status.stall, None, "{name}");
        run(&mut world);
        let cause = &world.status.cause;
        assert_eq!(
            world.status.phase,
            Some(Phase::Succeeded),
            "{name}: {cause:?}"
        );
    }
}

#[test]
fn an_absence_on_a_way_back_asks_nobody() {
    let trouble = Trouble {
        init_fails: true,
        ..Trouble::default()
    };
    let back = [
        Step::StoppingJobs,
        Step::Fencing,
        Step::FindingBackup,
        Step::DisablingHaForRollback,
        Step::StoppingNew,
        Step::Comparing,
        Step::Restoring,
        Step::StartingOld,
    ];
    for (name, mut world) in list_returns(World::new(1, true, trouble), &back) {
        assert_eq!(world.status.stall, None, "{name}");
        run(&mut world);
        expect(&world, Phase::RolledBack);
    }
}

/// Somebody looks all the time, and the one look right after the limit is the unlucky one.
#[test]
fn an_unlucky_look_at_the_limit_turns_nothing_back() {
    for step in list_steps(Step::Locking, Step::Recovering) {
        for (what, hide) in BLIND {
            let mut world = World::new(1, true, Trouble::default());
            run_until(&mut world, step);
            let since = world.status.step_started_time.clone().unwrap();
            let lasted = world.now().0.as_second() - since.0.as_second();
            let limit = find_limit_seconds(&world, step);
            world.clock += limit - lasted + 1;
            for _ in 0..20 {
                look_blindly(&mut world, hide);
                world.clock += 1;
            }
            run(&mut world);
            assert_eq!(
                world.status.phase,
                Some(Phase::Succeeded),
                "{step:?}, {what} unseen: {:?}",
                world.status.cause
            );
        }
    }
}

fn find_limit_seconds(world: &World, step: Step) -> i64 {
    let limit = oms_operator::upgrade::find_def(step).limit.unwrap();
    limit.read_seconds(&world.spec)
}

/// What stays unseen comes to an end: a person is asked past the line, and nothing is rolled back; before it the step
/// has its time once more, and then the old version starts again.
#[test]
fn what_stays_unseen_is_no_rollback() {
    let hide = |seen: &mut Observed| {
        for target in &mut seen.targets {
            target.deployment = lose();
        }
    };
    for step in [
        Step::StoppingOld,
        Step::BackingUp,
        Step::StartingNew,
        Step::Initializing,
        Step::StoppingForRestart,
        Step::StartingFinal,
    ] {
        let mut world = World::new(1, true, Trouble::default());
        run_until(&mut world, step);
        let limit = find_limit_seconds(&world, step);
        let past = world.status.point_of_no_return_time.is_some();
        let begun = world.clock;
        while world.status.direction == Some(Direction::Forward) && world.status.stall.is_none() {
            assert!(world.clock < begun + 3 * limit + 3600, "no end in {step:?}");
            look_blindly(&mut world, hide);
            world.clock += 5;
        }
        let lasted = world.clock - begun;
        assert_eq!(world.status.stall.is_some(), past, "{step:?}");
        if !past {
            assert!(lasted >= 2 * limit, "{step:?}: {lasted} s");
            run(&mut world);
            expect(&world, Phase::Aborted);
            continue;
        }
        let stall = world.status.stall.clone().unwrap();
        assert_eq!(stall.reason, "TargetUnseen");
        for words in ["no answer within 10 s", "by itself", "action: RollBack"] {
            assert!(stall.message.contains(words), "{stall:?}");
        }
        // Seen again, it goes on.
        for _ in 0..3 {
            world.run_pass();
        }
        run(&mut world);
        expect(&world, Phase::Succeeded);
    }
}

/// What several looks saw wanting fails the step, and costs a handful of writes.
#[test]
fn what_is_seen_wanting_in_several_looks_fails() {
    let mut world = World::new(1, true, Trouble::default());
    run_until(&mut world, Step::StartingFinal);
    // Neither RUNNING nor given up.
    world.trouble.without_program = Some("oms_console");
    let limit = find_limit_seconds(&world, Step::StartingFinal);
    // An operator that attends.
    let begun = world.clock;
    let mut writes = 0;
    while world.status.direction == Some(Direction::Forward) {
        let before = world.status.clone();
        world.run_pass();
        world.run_cluster();
        let late = world.clock - begun > limit + 2;
        writes += i32::from(late && before != world.status);
        world.clock += 1;
        assert!(world.clock - begun < 3 * limit + 4000, "no end");
    }
    let lasted = world.clock - begun;
    assert!(lasted >= limit + 60, "{lasted} s");
    assert!(writes <= 5, "{writes} writes past the limit");
    let cause = world.status.cause.clone().unwrap();
    assert!(
        cause.message.contains("oms_console is not RUNNING"),
        "{cause:?}"
    );
}

/// A second region's script has its own time.
#[test]
fn a_script_of_another_region_has_its_own_time() {
    let mut world = World::new(3, true, Trouble::default());
    world.init_targets = 2;
    run_until(&mut world, Step::Initializing);
    while world.nodes[0].init != oms_operator::facts::InitState::Running {
        world.run_pass();
    }
    world.run_cluster();
    // It was long, within its limit; so is the next one.
    world.clock += 1700;
    while world.nodes[1].init != oms_operator::facts::InitState::Running {
        assert!(world.run_pass(), "{:?}", world.status.waiting);
    }
    for _ in 0..170 {
        world.clock += 10;
        world.run_pass();
        assert_eq!(world.status.step, Some(Step::Initializing));
    }
    run(&mut world);
    expect(&world, Phase::Succeeded);
}

/// An API server that restarts: some of the answers are lost, for longer than a moment.
#[test]
fn preflight_waits_for_a_lost_answer() {
    // None falls behind while time passes.
    let caught_up = Trouble {
        no_project: true,
        ..Trouble::default()
    };
    for (what, hide) in BLIND {
        for (at, long) in [(30, 40), (180, 40), (180, 1)] {
            let mut world = World::new(1, true, caught_up);
            run_until(&mut world, Step::Preflight);
            world.clock += at;
            for _ in 0..long {
                look_blindly(&mut world, hide);
                world.clock += 1;
            }
            run(&mut world);
            assert_eq!(
                world.status.phase,
                Some(Phase::Succeeded),
                "{what} unseen at {at} s for {long} s: {:?}",
                world.status.plan
            );
        }
    }
    // What only the API server tells is waited for as long as preflight may last.
    let mut world = World::new(1, true, caught_up);
    run_until(&mut world, Step::Preflight);
    for _ in 0..500 {
        look_blindly(&mut world, |seen| seen.claim = lose());
        world.clock += 1;
        assert_eq!(world.status.step, Some(Step::Preflight));
    }
    run(&mut world);
    expect(&world, Phase::Succeeded);
}

/// Between dump and start an OMS that was cut off comes back, writes, and is gone again.
#[test]
fn an_oms_that_wrote_after_the_dump_is_dumped_again() {
    for paused in [false, true] {
        let mut world = World::new(1, true, Trouble::default());
        world.spec.paused = paused;
        if paused {
            run_until_held(&mut world);
        } else {
            run_until(&mut world, Step::VerifyingBackup);
        }
        world.writes += 1;
        let dumped = world.dump;
        world.spec.paused = false;
        run(&mut world);
        expect(&world, Phase::Succeeded);
        assert_ne!(world.dump, dumped, "it was not dumped again");
        let dumps = world.status.history.iter();
        let dumps = dumps.filter(|record| record.step == Step::BackingUp);
        assert_eq!(dumps.count(), 2);
    }
}

/// Held before the line for days, with a backup that is proven.
fn run_until_held(world: &mut World) {
    world.spec.paused = false;
    run_until(world, Step::VerifyingBackup);
    world.spec.paused = true;
    for _ in 0..30 {
        world.run_pass();
        world.run_cluster();
        world.clock += 10_000;
    }
    assert_eq!(world.status.step, Some(Step::VerifyingBackup));
}

/// It does not go on for ever.
#[test]
fn an_oms_that_keeps_writing_ends_in_an_abort() {
    let mut world = World::new(1, true, Trouble::default());
    for _ in 0..3 {
        run_until(&mut world, Step::VerifyingBackup);
        world.writes += 1;
        while world.status.step == Some(Step::VerifyingBackup) {
            if !world.run_pass() & !world.run_cluster() {
                world.clock += 10;
            }
        }
    }
    assert_eq!(world.status.direction, Some(Direction::Abort));
    let cause = world.status.cause.clone().unwrap();
    assert_eq!(cause.reason, "BackupStale");
    run(&mut world);
    expect(&world, Phase::Aborted);
}

/// Somebody is connected at the line: the new version is not started beside it, and what it wrote is dumped.
#[test]
fn a_session_at_the_line_is_waited_for_and_its_writes_are_dumped() {
    let mut world = World::new(1, true, Trouble::default());
    run_until(&mut world, Step::VerifyingBackup);
    world.strangers = vec![world::session("10.0.0.1", Some("oms_rm"))];
    for _ in 0..20 {
        world.run_pass();
        world.run_cluster();
    }
    assert_eq!(world.status.step, Some(Step::VerifyingBackup));
    assert_eq!(
        world.status.waiting.as_ref().unwrap().reason,
        "SessionsLeft"
    );
    world.strangers.clear();
    world.run_pass();
    assert_eq!(world.status.step, Some(Step::BackingUp));
    run(&mut world);
    expect(&world, Phase::Succeeded);
}

/// The control plane was away too: what starts only now has the step's time.
#[test]
fn a_start_that_begins_after_an_absence_has_its_time() {
    let mut world = World::new(1, true, Trouble::default());
    run_until(&mut world, Step::StartingFinal);
    while world.run_pass() {}
    world.clock += LONG;
    for _ in 0..20 {
        world.run_pass();
        world.clock += 40;
    }
    assert_eq!(world.status.direction, Some(Direction::Forward));
    run(&mut world);
    expect(&world, Phase::Succeeded);
}
