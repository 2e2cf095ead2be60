//! What people are told of `docker_init.sh`: how far it is, how its log ends; and when it is started.
use super::world::{Trouble, World};
use super::*;
use oms_operator::facts::InitState;

/// A world in which the script is at work.
fn start_init(targets: usize) -> World {
    let mut world = World::new(targets, true, Trouble::default());
    run_until(&mut world, Step::Initializing);
    while world.nodes[0].init != InitState::Running {
        assert!(world.run_pass() || world.run_cluster());
    }
    world
}

#[test]
fn the_step_that_it_is_at_is_told() {
    let mut world = start_init(1);
    for step in [Some(2), Some(4), None] {
        world.nodes[0].init_log.step = step;
        world.run_pass();
        let told = world.status.step_summary.clone().unwrap();
        let wanted = format!(", oms-1 at step {}", step.unwrap_or(4));
        assert!(told.ends_with(&wanted), "{told}");
    }
    let before = world.status.clone();
    world.run_pass();
    assert_eq!(world.status, before, "the same line is written twice");
    run(&mut world);
    expect(&world, Phase::Succeeded);
    assert!(!world.status.step_summary.unwrap().contains("at step"));
}

/// Whoever reads that it failed wants to know what it said last.
#[test]
fn every_end_of_it_is_told_with_the_end_of_its_log() {
    for (trouble, reason, words) in [
        (
            Trouble {
                init_fails: true,
                ..Trouble::default()
            },
            "InitFailed",
            "Duplicate column name",
        ),
        (
            Trouble {
                init_kills: true,
                ..Trouble::default()
            },
            "InitInterrupted",
            "waiting for table lock",
        ),
        (
            Trouble {
                init_lies: true,
                ..Trouble::default()
            },
            "InitFailed",
            "bye",
        ),
    ] {
        let mut world = World::new(1, true, trouble);
        run(&mut world);
        expect(&world, Phase::RolledBack);
        let cause = world.status.cause.clone().unwrap();
        assert_eq!(cause.reason, reason, "{cause:?}");
        assert!(cause.message.contains(words), "{}", cause.message);
        assert!(cause.message.contains("/home/admin/logs"), "{cause:?}");
        assert!(cause.message.len() < 1000, "{cause:?}");
    }
}

#[test]
fn one_that_takes_too_long_is_told_with_the_end_of_its_log() {
    let mut world = start_init(1);
    world.nodes[0].init_log.step = Some(4);
    world.nodes[0].init_log.last_lines = vec!["waiting for table lock".into()];
    for _ in 0..1000 {
        if world.status.cause.is_some() {
            break;
        }
        world.run_pass();
        world.clock += 40;
    }
    let cause = world.status.cause.unwrap();
    assert_eq!(cause.reason, "Timeout");
    for words in [
        "still runs in oms-1",
        "got to step 4",
        "waiting for table lock",
    ] {
        assert!(cause.message.contains(words), "{words}: {cause:?}");
    }
}

/// It restarts every program: into the middle of their start it does not come.
#[test]
fn it_waits_until_no_program_is_starting() {
    let trouble = |starting_program| Trouble {
        starting_program,
        ..Trouble::default()
    };
    let mut world = World::new(1, true, trouble(None));
    run_until(&mut world, Step::StartingNew);
    world.trouble.starting_program = Some("oms_drc_cm");
    // The world itself looks that it is not started.
    for _ in 0..50 {
        world.run_pass();
        world.run_cluster();
    }
    let waiting = world.status.waiting.clone().unwrap();
    assert_eq!(waiting.reason, "SupervisorStarting");
    assert!(
        waiting.message.contains("oms_drc_cm of oms-1 is STARTING"),
        "{waiting:?}"
    );
    world.trouble.starting_program = None;
    run(&mut world);
    expect(&world, Phase::Succeeded);

    // Once more, on a normal start.
    let mut world = World::new(
        1,
        true,
        Trouble {
            programs_need_init: true,
            ..Trouble::default()
        },
    );
    run_until(&mut world, Step::StartingFinal);
    world.trouble.starting_program = Some("oms_drc_cm");
    for _ in 0..50 {
        world.run_pass();
        world.run_cluster();
        world.clock += 10;
    }
    assert_eq!(world.nodes[0].init_attempt, 1);
    world.trouble.starting_program = None;
    run(&mut world);
    expect(&world, Phase::Succeeded);
    assert_eq!(world.nodes[0].init_attempt, 2);
}

/// supervisord does not try it again, so the rest of the time would be waited for nothing.
#[test]
fn a_program_that_is_fatal_is_not_waited_for_once_the_script_ran_again() {
    let mut world = World::new(
        1,
        true,
        Trouble {
            console_dead: true,
            ..Trouble::default()
        },
    );
    run_until(&mut world, Step::StartingFinal);
    let began = world.clock;
    run_until(&mut world, Step::StoppingJobs);
    assert_eq!(
        world.nodes[0].init_attempt, 2,
        "the script did not run again"
    );
    assert!(world.clock - began < 600, "{} s", world.clock - began);
    let cause = world.status.cause.clone().unwrap();
    assert_eq!(cause.reason, "ProgramFatal");
    assert!(
        cause.message.contains("oms_console of oms-1 is FATAL"),
        "{cause:?}"
    );
    run(&mut world);
    expect(&world, Phase::RolledBack);
    // One look is none: what it read may be from before the script restarted everything.
    let mut world = World::new(1, true, Trouble::default());
    run_until(&mut world, Step::StartingFinal);
    world.trouble.programs_need_init = true;
    run(&mut world);
    expect(&world, Phase::Succeeded);
}

/// What was not RUNNING before the upgrade is nobody's reason to go back.
#[test]
fn a_program_that_did_not_run_before_may_be_fatal() {
    let mut world = World::new(
        1,
        true,
        Trouble {
            without_program: Some("sshd"),
            ..Trouble::default()
        },
    );
    run_until(&mut world, Step::StartingFinal);
    world.trouble.without_program = None;
    world.trouble.fatal_program = Some("sshd");
    run(&mut world);
    expect(&world, Phase::Succeeded);
}
