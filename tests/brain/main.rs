//! The brain walks a small world: every ending, with one and three targets, and every interleaving
//! of what people, Jobs and strangers can do with the operator's passes.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod absences;
mod advice;
mod applications;
mod cleanup;
mod departure;
mod gates;
mod growth;
mod ha;
mod health;
mod heard;
mod init_words;
mod interleavings;
mod job_pods;
mod kubectl;
mod looks;
mod meanwhile;
mod nodes;
mod originals;
#[path = "../explorer/ownership.rs"]
mod ownership;
mod pauses;
#[path = "../golden/pin.rs"]
mod pin;
mod plans;
mod projects;
mod rebuilt;
mod recorded;
mod recovery_keys;
mod rivals;
mod sessions;
mod sizes;
mod sources;
mod standing;
mod started_by_others;
mod stored;
mod strangers;
mod taken_over;
mod target_pods;
mod traces;
mod unconfirmed;
mod ways;
mod ways_out;
mod witnesses;
mod world;

use oms_operator::api::{
    Action, Direction, JobRole, Phase, Step, condition_is_true, condition_types as types,
    find_condition,
};
use oms_operator::oms::ha::HaConfig;
use world::{Trouble, World};

/// One pass of the operator and of the cluster; time passes only when nothing else does. Whether all is at rest.
fn take_turn(world: &mut World) -> bool {
    let mut moved = world.run_pass();
    moved |= world.run_cluster();
    if moved {
        return false;
    }
    let rests = world.is_at_rest();
    if !rests {
        world.clock += 100;
    }
    rests
}

/// Runs operator and cluster in turn until nothing moves; time passes only when nothing else does.
fn run(world: &mut World) {
    for _ in 0..2000 {
        if take_turn(world) {
            return;
        }
    }
    panic!(
        "no end: step {:?}, {:?}",
        world.status.step, world.status.conditions
    );
}

/// From one step of the procedure to another one, both of them, in its order.
fn list_steps(first: Step, last: Step) -> Vec<Step> {
    let within = |step: &Step| (first..=last).contains(step);
    Step::ALL.iter().copied().filter(within).collect()
}

fn run_until(world: &mut World, step: Step) {
    for _ in 0..2000 {
        if world.status.step == Some(step) {
            return;
        }
        if !world.run_pass() & !world.run_cluster() {
            world.clock += 100;
        }
    }
    panic!("{step:?} was never reached; at {:?}", world.status.step);
}

/// As `run`, a second at a time, so that deadlines are met; `stop` sees every world.
fn run_slowly(world: &mut World, seconds: u32, mut stop: impl FnMut(&mut World) -> bool) {
    for _ in 0..seconds {
        if stop(world) {
            return;
        }
        world.run_pass();
        world.run_cluster();
        world.clock += 1;
    }
    panic!("no end: step {:?}", world.status.step);
}

/// Looks, while nothing else moves, until a person is asked.
fn wait_for_a_stall(world: &mut World) {
    for _ in 0..10_000 {
        if world.status.stall.is_some() {
            return;
        }
        world.run_pass();
        world.clock += 40;
    }
    panic!("nobody is asked: {:?}", world.status.waiting);
}

/// Asks for another try, and sees it begin.
fn retry(world: &mut World) {
    world.ask_retry();
    while world.status.stall.is_some() {
        assert!(world.run_pass(), "the retry is not seen");
    }
}

/// Takes upon oneself what the stall asks about, with the values that its message names.
fn accept(world: &mut World) {
    let stall = world.status.stall.clone().unwrap();
    let values = stall.message.split("value: \"").skip(1);
    let values: Vec<&str> = values.filter_map(|rest| rest.split('"').next()).collect();
    assert!(!values.is_empty(), "{stall:?}");
    for value in values {
        let one = serde_json::json!({"reason": stall.reason, "value": value});
        world.spec.accept.push(serde_json::from_value(one).unwrap());
    }
    while world.status.stall.is_some() {
        assert!(world.run_pass(), "the acceptance is not seen");
    }
}

fn expect(world: &World, phase: Phase) {
    assert_eq!(
        world.status.phase,
        Some(phase),
        "{:?} {:?}",
        world.status.cause,
        world.status.stall
    );
    assert!(world.status.settled, "{:?}", world.status.stall);
    assert!(condition_is_true(&world.status.conditions, types::FINISHED));
    world.check_settled();
}

/// It waits with what it was told; nothing of OMS was touched, and nothing is held meanwhile.
fn expect_findings(world: &World, reason: &str) -> String {
    let conditions = &world.status.conditions;
    assert_eq!(world.status.phase, Some(Phase::Planned));
    let read = |type_: &str| find_condition(conditions, type_).unwrap().status.as_str();
    for (type_, status) in [
        (types::PLANNED, "True"),
        (types::STALLED, "True"),
        (types::PREFLIGHT_PASSED, "False"),
        (types::RECONCILING, "False"),
        (types::READY, "False"),
        (types::FINISHED, "False"),
    ] {
        assert_eq!(read(type_), status, "{type_}");
    }
    let told = find_condition(conditions, types::PREFLIGHT_PASSED).unwrap();
    assert_eq!(told.reason, reason, "{}", told.message);
    let ready = find_condition(conditions, types::READY).unwrap();
    assert!(
        ready.message.starts_with("ACTION REQUIRED: ") && ready.message.contains("planRequest"),
        "{}",
        ready.message
    );
    assert!(world.status.started_time.is_none() && !world.status.settled);
    assert!(
        world
            .lock
            .as_ref()
            .is_none_or(|(holder, _)| *holder != world.uid)
    );
    told.message.clone()
}

#[test]
fn an_upgrade_succeeds_with_one_target_and_with_three() {
    for targets in [1, 3] {
        for ha in [true, false] {
            let mut world = World::new(targets, ha, Trouble::default());
            run(&mut world);
            expect(&world, Phase::Succeeded);
            let setting = HaConfig::parse(&world.ha).unwrap().read_setting();
            assert!(setting.enable);
            assert_eq!(
                (
                    setting.perceive_store_client_checkpoint,
                    setting.refetch_store_interval_min
                ),
                (None, Some(30)),
                "keys are not put back"
            );
            assert!(condition_is_true(&world.status.conditions, types::READY));
            assert!(!world.run_pass(), "a settled upgrade acts");
        }
    }
}

#[test]
fn every_trouble_after_the_line_ends_in_a_rollback() {
    let all = [
        Trouble {
            unpullable: true,
            ..Trouble::default()
        },
        Trouble {
            init_fails: true,
            ..Trouble::default()
        },
        Trouble {
            init_kills: true,
            ..Trouble::default()
        },
        Trouble {
            console_dead: true,
            ..Trouble::default()
        },
    ];
    for trouble in all {
        for targets in [1, 3] {
            let mut world = World::new(targets, true, trouble);
            run(&mut world);
            expect(&world, Phase::RolledBack);
            assert!(world.ha_enabled(), "HA is not as it was");
            assert!(condition_is_true(
                &world.status.conditions,
                types::ROLLED_BACK
            ));
            let restored = world.jobs.contains_key(&JobRole::Restore);
            assert_eq!(
                restored, !trouble.unpullable,
                "{trouble:?}: a restore happens exactly when the content differs"
            );
        }
    }
}

#[test]
fn programs_that_need_init_again_get_it() {
    let mut world = World::new(
        1,
        true,
        Trouble {
            programs_need_init: true,
            ..Trouble::default()
        },
    );
    run(&mut world);
    expect(&world, Phase::Succeeded);
}

#[test]
fn a_console_that_writes_its_cache_back_is_overruled_while_stopped() {
    let mut world = World::new(
        1,
        true,
        Trouble {
            write_back: true,
            ..Trouble::default()
        },
    );
    let before = world.ha.clone();
    run_until(&mut world, Step::StoppingOld);
    world.nodes[0].pod.as_mut().unwrap().console_text = Some(before);
    run_until(&mut world, Step::BackingUp);
    assert!(!world.ha_enabled(), "the dump would hold HA on");
    run(&mut world);
    expect(&world, Phase::Succeeded);
}

/// The same in other moments: it is stopped while the row is written, and comes up again with every end.
#[test]
fn a_console_that_writes_its_cache_back_is_stopped_for_the_write() {
    let trouble = Trouble {
        write_back: true,
        ..Trouble::default()
    };
    for (targets, init_fails) in [(1, false), (3, false), (1, true)] {
        let mut world = World::new(
            targets,
            true,
            Trouble {
                init_fails,
                ..trouble
            },
        );
        run(&mut world);
        let end = if init_fails {
            Phase::RolledBack
        } else {
            Phase::Succeeded
        };
        expect(&world, end);
    }
    for step in [Step::DisablingHa, Step::StoppingOld, Step::BackingUp] {
        let mut world = World::new(1, true, trouble);
        run_until(&mut world, step);
        world.spec.action = Action::Abort;
        run(&mut world);
        expect(&world, Phase::Aborted);
    }
}

/// It is listed, and once a person has started it, the upgrade goes on and puts back what is still to be put back.
#[test]
fn a_write_that_nobody_heeds_comes_to_an_end() {
    let mut world = World::new(
        1,
        true,
        Trouble {
            unheeded: true,
            ..Trouble::default()
        },
    );
    run_slowly(&mut world, 3000, |world| {
        // Once it has turned back, writes are heeded again.
        world.trouble.unheeded = world.status.direction != Some(Direction::Abort);
        world.status.settled
    });
    expect(&world, Phase::Aborted);
    let cause = world.status.cause.as_ref().unwrap();
    assert!(
        cause.reason == "Timeout" && cause.message.contains("ha.config"),
        "{cause:?}"
    );
}

#[test]
fn an_abort_before_the_line_brings_everything_back() {
    for step in [
        Step::Preflight,
        Step::Locking,
        Step::DisablingHa,
        Step::StoppingOld,
        Step::BackingUp,
        Step::VerifyingBackup,
    ] {
        for targets in [1, 3] {
            let mut world = World::new(targets, true, Trouble::default());
            run_until(&mut world, step);
            world.ask(Action::Abort);
            world.run_pass();
            world.ask(Action::Run);
            run(&mut world);
            expect(&world, Phase::Aborted);
            assert!(world.ha_enabled(), "{step:?}: HA is not as it was");
            assert!(!world.jobs.contains_key(&JobRole::Restore));
        }
    }
}

#[test]
fn a_rollback_can_be_asked_for_at_any_step_after_the_line_and_after_success() {
    let steps = list_steps(Step::StartingNew, Step::Recovering);
    for step in steps.into_iter().chain([Step::Settling]) {
        let mut world = World::new(3, true, Trouble::default());
        run_until(&mut world, step);
        if step == Step::Settling {
            run(&mut world);
            expect(&world, Phase::Succeeded);
        }
        world.ask(Action::RollBack);
        world.run_pass();
        run(&mut world);
        expect(&world, Phase::RolledBack);
        assert_eq!(world.status.direction, Some(Direction::RollBack));
        assert!(world.ha_enabled());
    }
}

#[test]
fn a_plan_touches_nothing_and_can_be_run() {
    let mut world = World::new(1, true, Trouble::default());
    world.ask(Action::Plan);
    run(&mut world);
    assert_eq!(world.status.phase, Some(Phase::Planned));
    assert!(world.status.started_time.is_none() && world.ha_enabled());
    world.ask(Action::Run);
    for _ in 0..3 {
        world.run_pass();
    }
    run(&mut world);
    expect(&world, Phase::Succeeded);
}

#[test]
fn a_pause_holds_the_way_forward_and_no_way_back() {
    let mut world = World::new(1, true, Trouble::default());
    run_until(&mut world, Step::BackingUp);
    world.spec.paused = true;
    for _ in 0..60 {
        world.run_pass();
        world.run_cluster();
    }
    assert_eq!(world.status.step, Some(Step::BackingUp));
    assert!(condition_is_true(&world.status.conditions, types::PAUSED));
    world.ask(Action::Abort);
    run(&mut world);
    expect(&world, Phase::Aborted);
}

/// The lock was dropped in the middle of a rollback: a retry takes it again.
#[test]
fn a_rollback_that_lost_its_lock_can_be_retried() {
    let trouble = Trouble {
        init_fails: true,
        ..Trouble::default()
    };
    for step in [Step::Comparing, Step::Restoring] {
        let mut world = World::new(1, true, trouble);
        run_until(&mut world, step);
        world.lock = None;
        run(&mut world);
        assert_eq!(world.status.stall.clone().unwrap().reason, "LockLost");
        retry(&mut world);
        run(&mut world);
        expect(&world, Phase::RolledBack);
    }
}

/// Deleted in the middle, it must not vanish half way.
#[test]
fn a_rollback_after_success_holds_its_object() {
    let mut world = World::new(1, true, Trouble::default());
    run(&mut world);
    expect(&world, Phase::Succeeded);
    assert!(!world.finalizer);
    // Somebody restarted it, or labelled its pods, weeks after.
    world.write_template(0);
    world.ask(Action::RollBack);
    run_until(&mut world, Step::Fencing);
    assert!(world.finalizer);
    run(&mut world);
    expect(&world, Phase::RolledBack);
}

#[test]
fn a_lost_status_is_rebuilt_into_a_way_back() {
    for (step, phase) in [
        (Step::BackingUp, Phase::Aborted),
        (Step::VerifyingBackup, Phase::Aborted),
        (Step::Initializing, Phase::RolledBack),
        (Step::StartingFinal, Phase::RolledBack),
    ] {
        let mut world = World::new(3, true, Trouble::default());
        run_until(&mut world, step);
        world.status = Default::default();
        run(&mut world);
        assert_eq!(world.status.cause.as_ref().unwrap().reason, "StatusLost");
        expect(&world, phase);
        assert!(world.ha_enabled());
    }
}

#[test]
fn a_deleted_object_aborts_before_the_line_and_finishes_after_it() {
    let mut world = World::new(1, true, Trouble::default());
    run_until(&mut world, Step::BackingUp);
    world.deleting = true;
    run(&mut world);
    expect(&world, Phase::Aborted);
    let mut world = World::new(1, true, Trouble::default());
    run_until(&mut world, Step::Initializing);
    world.deleting = true;
    run(&mut world);
    expect(&world, Phase::Succeeded);
}
