//! `docker_init.sh` that ends without an error and without saying that it is complete: a person is asked, nothing is
//! rolled back by itself, and HA stays off until there is an answer.
use super::*;
use oms_operator::api::{InitRecord, RollbackPolicy, find_condition};
use oms_operator::facts::{Fact, InitState};
use oms_operator::upgrade::{Decision, decide};
use serde_json::json;

fn init_silent() -> Trouble {
    Trouble {
        init_silent: true,
        ..Trouble::default()
    }
}

/// In the step of a world, until it waits for a person.
fn run_until_stalled(world: &mut World, reason: &str) -> String {
    run_slowly(world, 30_000, |world| world.status.stall.is_some());
    let stall = world.status.stall.clone().unwrap();
    assert_eq!(stall.reason, reason, "{stall:?}");
    stall.message
}

fn describe_schema(world: &World) -> (String, String) {
    let found = find_condition(&world.status.conditions, types::SCHEMA_INITIALIZED).unwrap();
    (found.status.clone(), found.reason.clone())
}

#[test]
fn a_person_is_asked_and_what_a_person_accepts_goes_on() {
    for targets in [1, 3] {
        let mut world = World::new(targets, true, init_silent());
        let message = run_until_stalled(&mut world, "InitUnconfirmed");
        for words in [
            "oms-1",
            "资源标签和资源组 | bye",
            "oms-backup",
            "spec.accept",
            "action: RollBack",
            "HA stays off",
        ] {
            assert!(message.contains(words), "{words}: {message}");
        }
        assert_eq!(world.status.step, Some(Step::StartingFinal));
        assert!(!world.ha_enabled());
        assert!(world.nodes.iter().all(|node| node.pod.as_ref().unwrap().up));
        assert_eq!(
            describe_schema(&world),
            ("False".into(), "Unconfirmed".into())
        );
        // It stays so, whatever time passes, and costs nothing.
        let before = world.status.clone();
        for _ in 0..50 {
            world.run_pass();
            world.clock += 10_000;
        }
        assert_eq!(world.status, before);
        // Another try is none: it is asked again.
        retry(&mut world);
        run_until_stalled(&mut world, "InitUnconfirmed");
        accept(&mut world);
        run(&mut world);
        expect(&world, Phase::Succeeded);
        assert!(world.ha_enabled());
        assert_eq!(world.nodes[0].init_attempt, 1, "docker_init.sh ran again");
        assert_eq!(describe_schema(&world), ("True".into(), "Accepted".into()));
    }
}

#[test]
fn a_person_who_does_not_accept_it_goes_back() {
    let mut world = World::new(3, true, init_silent());
    run_until_stalled(&mut world, "InitUnconfirmed");
    world.ask(Action::RollBack);
    run_until(&mut world, Step::StoppingJobs);
    run(&mut world);
    expect(&world, Phase::RolledBack);
    assert!(world.ha_enabled() && world.jobs.contains_key(&JobRole::Restore));
}

/// Values that name another run answer no question.
#[test]
fn an_acceptance_of_another_run_accepts_nothing() {
    let mut world = World::new(1, true, init_silent());
    for value in ["oms-1", "oms-1/1/", "oms-1/2/other", ""] {
        let one = serde_json::json!({"reason": "InitUnconfirmed", "value": value});
        world.spec.accept.push(serde_json::from_value(one).unwrap());
    }
    run_until(&mut world, Step::StoppingForRestart);
    world.ask_retry();
    run_until_stalled(&mut world, "InitUnconfirmed");
    assert!(!world.ha_enabled());
}

#[test]
fn an_exit_status_that_lies_shows_in_what_does_not_come_up() {
    let lies = Trouble {
        init_lies: true,
        ..Trouble::default()
    };
    let mut world = World::new(1, true, lies);
    run(&mut world);
    expect(&world, Phase::RolledBack);
    let cause = world.status.cause.clone().unwrap();
    assert_eq!(cause.reason, "InitFailed", "{cause:?}");
    assert!(
        cause.message.contains("does not come up") && cause.message.contains("oms_console"),
        "{cause:?}"
    );
    // With a person to ask it is run again, and says then that it is complete.
    let mut world = World::new(1, true, lies);
    world.spec.rollback.policy = RollbackPolicy::OnRequest;
    run_until_stalled(&mut world, "InitFailed");
    world.trouble.init_lies = false;
    let attempt = world.nodes[0].init_attempt;
    retry(&mut world);
    run(&mut world);
    expect(&world, Phase::Succeeded);
    assert_eq!(world.nodes[0].init_attempt, attempt + 1);
    assert_eq!(describe_schema(&world), ("True".into(), "Completed".into()));
}

/// All programs run, and what the script should have made of the databases is not there.
#[test]
fn an_exit_status_that_lies_shows_in_a_node_that_is_not_online() {
    for (trouble, reason) in [
        (init_silent(), "InitFailed"),
        (Trouble::default(), "Timeout"),
    ] {
        let mut world = World::new(1, true, trouble);
        run_until(&mut world, Step::StartingFinal);
        world.trouble.hosts_offline = true;
        run_until(&mut world, Step::StoppingJobs);
        world.trouble.hosts_offline = false;
        run(&mut world);
        expect(&world, Phase::RolledBack);
        let cause = world.status.cause.clone().unwrap();
        assert_eq!(cause.reason, reason, "{cause:?}");
        assert!(cause.message.contains("not ONLINE"), "{cause:?}");
    }
}

/// Asked for at another stall, another try answers that one only.
#[test]
fn a_retry_for_another_stall_accepts_nothing() {
    let trouble = Trouble {
        console_dead: true,
        ..init_silent()
    };
    let mut world = World::new(1, true, trouble);
    world.spec.rollback.policy = RollbackPolicy::OnRequest;
    let message = run_until_stalled(&mut world, "InitFailed");
    assert!(message.contains("action: RollBack"), "{message}");
    world.trouble.console_dead = false;
    // What was asked is asked until it is answered, whatever is seen meanwhile.
    for _ in 0..5 {
        world.run_cluster();
        world.run_pass();
    }
    assert!(world.nodes[0].pod.as_ref().unwrap().up);
    assert_eq!(world.status.stall.as_ref().unwrap().reason, "InitFailed");
    retry(&mut world);
    run_until_stalled(&mut world, "InitUnconfirmed");
    assert!(!world.ha_enabled());
    accept(&mut world);
    run(&mut world);
    expect(&world, Phase::Succeeded);
}

/// What could not be seen is not what was seen down.
#[test]
fn a_timeout_without_a_look_blames_nobody() {
    let mut world = World::new(1, true, init_silent());
    run_until(&mut world, Step::StartingFinal);
    world.nodes[0].pod = None;
    world.status.step_started_time = Some(world.now());
    world.clock += 100_000;
    world.run_pass();
    assert_ne!(
        world.status.cause.map(|cause| cause.reason),
        Some("InitFailed".into())
    );
}

/// A run that comes to its end while nobody looks has come to its end all the same.
#[test]
fn an_end_that_is_seen_late_counts() {
    for (trouble, end) in [
        (Trouble::default(), Some(Phase::Succeeded)),
        (init_silent(), None),
    ] {
        for targets in [1, 3] {
            let mut world = World::new(targets, true, trouble);
            run_until(&mut world, Step::Initializing);
            while world.nodes[0].init != InitState::Running {
                world.run_pass();
            }
            world.run_cluster();
            world.clock += 100_000;
            run_until(&mut world, Step::StoppingForRestart);
            assert_eq!(world.status.direction, Some(Direction::Forward));
            match end {
                Some(phase) => {
                    run(&mut world);
                    expect(&world, phase);
                }
                None => {
                    run_until_stalled(&mut world, "InitUnconfirmed");
                }
            }
        }
    }
}

/// The programs need it once more: what the second run says counts, and what the first one did not say is not
/// forgotten.
#[test]
fn a_second_run_confirms_the_first_or_leaves_it_open() {
    let trouble = Trouble {
        programs_need_init: true,
        ..init_silent()
    };
    let mut world = World::new(1, true, trouble);
    run_until_stalled(&mut world, "InitUnconfirmed");
    assert_eq!(world.nodes[0].init_attempt, 2);
    accept(&mut world);
    run(&mut world);
    expect(&world, Phase::Succeeded);
    assert_eq!(world.nodes[0].init_attempt, 2);

    let mut world = World::new(1, true, trouble);
    run_until(&mut world, Step::StartingFinal);
    world.trouble.init_silent = false;
    run(&mut world);
    expect(&world, Phase::Succeeded);
    assert_eq!(describe_schema(&world), ("True".into(), "Completed".into()));

    // Begun, and not needed any more: the programs came up, and it is still at work.
    let mut world = World::new(1, true, trouble);
    run_until(&mut world, Step::StartingFinal);
    while world.nodes[0].init_attempt < 2 {
        if !world.run_pass() && !world.run_cluster() {
            world.clock += 100;
        }
    }
    world.nodes[0].pod.as_mut().unwrap().up = true;
    for _ in 0..5 {
        world.run_pass();
    }
    assert_eq!(world.nodes[0].init, InitState::Running);
    assert_eq!(world.status.step, Some(Step::StartingFinal));
    assert_eq!(world.status.stall, None);
    run_until_stalled(&mut world, "InitUnconfirmed");
}

/// Records of before, and fields that an old definition of the resource drops.
#[test]
fn a_record_that_says_nothing_confirms_nothing() {
    let old = json!({"target": "oms-1", "podUid": "p", "containerId": "c", "restartCount": 0, "attempt": 1, "completed": true});
    let record: InitRecord = serde_json::from_value(old).unwrap();
    assert!(record.completed && record.unconfirmed.is_none());

    let mut world = World::new(1, true, init_silent());
    run_until(&mut world, Step::StartingFinal);
    world.status.internal.init_runs[0].unconfirmed = None;
    let message = run_until_stalled(&mut world, "InitUnconfirmed");
    assert!(message.contains("spec.accept"), "{message}");
    accept(&mut world);
    run(&mut world);
    expect(&world, Phase::Succeeded);
}

/// In phase Restarting: its programs needed it once more, came up, and it is still at work.
fn run_until_up_during_the_second_run(init_silent: bool) -> World {
    let trouble = Trouble {
        programs_need_init: true,
        init_silent,
        ..Trouble::default()
    };
    let mut world = World::new(1, true, trouble);
    run_until(&mut world, Step::StartingFinal);
    while world.nodes[0].init_attempt < 2 {
        if !world.run_pass() && !world.run_cluster() {
            world.clock += 100;
        }
    }
    world.nodes[0].pod.as_mut().unwrap().up = true;
    world
}

fn look(world: &mut World) {
    for _ in 0..5 {
        world.run_pass();
    }
    assert_eq!(world.status.direction, Some(Direction::Forward));
}

/// What is up is not turned back because the script takes long; whoever waits for it is asked in the end.
#[test]
fn a_second_run_that_takes_long_turns_nothing_back() {
    for silent in [false, true] {
        let mut world = run_until_up_during_the_second_run(silent);
        // Longer than `health`, shorter than `init` beyond it.
        world.clock += 1700;
        look(&mut world);
        assert_eq!(world.status.stall, None);
        assert_eq!(
            world.status.waiting.as_ref().unwrap().reason,
            "InitStillRuns"
        );
        // One look that sees it down.
        let mut down = world.clone();
        down.nodes[0].pod.as_mut().unwrap().up = false;
        look(&mut down);
        // It ends, and the programs are started anew.
        down.run_cluster();
        down.nodes[0].pod.as_mut().unwrap().up = false;
        look(&mut down);
        assert_eq!(down.status.stall, None);

        wait_for_a_stall(&mut world);
        let stall = world.status.stall.clone().unwrap();
        assert_eq!(stall.reason, "InitStillRuns");
        for words in ["oms-1 is up", "spec.retryRequest", "action: RollBack"] {
            assert!(stall.message.contains(words), "{stall:?}");
        }
        let before = world.status.clone();
        look(&mut world);
        assert_eq!(world.status, before);
        world.run_cluster();
        if silent {
            look(&mut world);
            assert_eq!(world.status.stall.as_ref().unwrap().reason, "InitStillRuns");
            retry(&mut world);
            run_until_stalled(&mut world, "InitUnconfirmed");
            assert!(!world.ha_enabled());
        } else {
            run(&mut world);
            expect(&world, Phase::Succeeded);
        }
    }
}

/// A look in which no record of `docker_init.sh` can be read.
fn look_blindly(world: &mut World) {
    let mut observed = world.observe();
    for target in &mut observed.targets {
        target.init = Fact::Unknown("exec is refused".into());
    }
    match world.ask_brain(&observed, decide) {
        Decision::Record { status, .. } => world.status = *status,
        other => assert!(matches!(other, Decision::Wait { .. }), "{other:?}"),
    }
    assert_eq!(world.status.step, Some(Step::StartingFinal));
    assert_eq!(world.status.direction, Some(Direction::Forward));
}

/// A node whose programs came up just before it was to run there: nothing ran, so nothing is open.
#[test]
fn a_run_that_never_began_is_no_question() {
    let mut world = World::new(3, true, Trouble::default());
    run_until(&mut world, Step::StartingFinal);
    while !world
        .status
        .internal
        .init_runs
        .iter()
        .any(|run| run.target == "oms-2")
    {
        if !world.run_pass() {
            world.run_cluster();
            world.clock += 10;
        }
        if let Some(pod) = &mut world.nodes[1].pod {
            pod.up = false;
        }
    }
    world.nodes[1].pod.as_mut().unwrap().up = true;
    let begun = world.clone();
    run(&mut world);
    expect(&world, Phase::Succeeded);
    assert_eq!(world.nodes[1].init_attempt, 0);

    // In another container it may have run, and left nothing behind.
    let mut world = begun.clone();
    world.nodes[1].pod.as_mut().unwrap().restarts += 1;
    run_until_stalled(&mut world, "InitUnconfirmed");

    // What cannot be seen is looked at again, and asked about in the end.
    let mut world = begun;
    look_blindly(&mut world);
    assert_eq!(world.status.stall, None);
    assert_eq!(world.status.waiting.as_ref().unwrap().reason, "InitUnseen");
    while world.status.stall.is_none() {
        world.clock += 40;
        look_blindly(&mut world);
    }
    assert_eq!(world.status.stall.as_ref().unwrap().reason, "InitUnseen");
    run(&mut world);
    look(&mut world);
    run(&mut world);
    expect(&world, Phase::Succeeded);
}

/// The first run said that it is complete, and the second one may still be at work.
#[test]
fn an_unseen_second_run_is_waited_for() {
    let mut world = run_until_up_during_the_second_run(false);
    look_blindly(&mut world);
    assert_eq!(world.status.waiting.as_ref().unwrap().reason, "InitUnseen");
}

/// Also where an earlier run said that it is complete.
#[test]
fn a_second_run_that_failed_is_followed_by_a_third() {
    let trouble = Trouble {
        programs_need_init: true,
        ..Trouble::default()
    };
    let mut world = World::new(1, true, trouble);
    world.spec.rollback.policy = RollbackPolicy::OnRequest;
    run_until(&mut world, Step::StartingFinal);
    world.trouble.init_fails = true;
    run_until_stalled(&mut world, "InitFailed");
    assert_eq!(world.nodes[0].init_attempt, 2);
    world.trouble.init_fails = false;
    retry(&mut world);
    run(&mut world);
    expect(&world, Phase::Succeeded);
    assert_eq!(world.nodes[0].init_attempt, 3);
}
