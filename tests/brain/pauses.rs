//! Somebody pauses a Deployment in the middle (`kubectl rollout pause`): it is scaled then, and starts no new template.
use super::*;
use oms_operator::api::find_condition;
use oms_operator::facts::InitState;
use oms_operator::objects::deployment::{UPGRADE_VARIABLE, is_paused};

/// What `Ready` says.
fn read_ready(world: &World) -> &str {
    let found = world
        .status
        .conditions
        .iter()
        .find(|condition| condition.type_ == types::READY);
    found.map_or("", |condition| condition.message.as_str())
}

/// Passes and moves of the cluster until nothing moves. No time passes.
fn run_now(world: &mut World) {
    for _ in 0..500 {
        if !world.run_pass() & !world.run_cluster() {
            return;
        }
    }
    panic!("no rest: {:?}", world.status.waiting);
}

/// So many looks, one after another: a limit counts only what was looked at.
fn look_often(world: &mut World, looks: usize) {
    for _ in 0..looks {
        run_now(world);
        world.clock += 40;
    }
}

/// Longer than any of these steps may last, in looks.
const LONG: usize = 100;

fn expect_told(world: &World) {
    let told = read_ready(world);
    for word in [
        "oms-1",
        "kubectl-rollout",
        "kubectl rollout resume deployment oms-1",
    ] {
        assert!(told.contains(word), "{:?}: {told}", world.status.step);
    }
}

/// Nothing is done before it is resumed, and whoever watches conditions is told.
fn expect_held(world: &World) {
    expect_told(world);
    let waiting = world.status.waiting.as_ref().unwrap();
    assert_eq!(waiting.reason, "TargetPaused");
    assert!(world.status.stall.is_none());
    let stalled = find_condition(&world.status.conditions, types::STALLED).unwrap();
    assert_eq!(
        (stalled.status.as_str(), stalled.reason.as_str()),
        ("True", "TargetPaused")
    );
    assert!(
        stalled.message.starts_with("ACTION REQUIRED: "),
        "{stalled:?}"
    );
    assert!(!condition_is_true(
        &world.status.conditions,
        types::RECONCILING
    ));
}

/// Whether the target asks for a pod with the initialising template.
fn asks_for_the_new(world: &World) -> bool {
    let object = &world.nodes[0].object;
    object["spec"]["replicas"] != 0
        && object["spec"]["template"]
            .to_string()
            .contains(UPGRADE_VARIABLE)
}

/// In whatever phase: it is told by name and with the command, goes on once it is resumed, and the script has run once.
#[test]
fn a_pause_is_told_and_the_upgrade_goes_on_after_it() {
    for (step, held) in [
        (Step::DisablingHa, Step::StoppingOld),
        (Step::StoppingOld, Step::StoppingOld),
        (Step::BackingUp, Step::VerifyingBackup),
        (Step::VerifyingBackup, Step::VerifyingBackup),
        (Step::StartingNew, Step::StartingNew),
        (Step::Initializing, Step::StoppingForRestart),
        (Step::StoppingForRestart, Step::StoppingForRestart),
        (Step::StartingFinal, Step::StartingFinal),
    ] {
        let mut world = World::new(1, true, Trouble::default());
        run_until(&mut world, step);
        world.pause(0, true);
        run_now(&mut world);
        assert_eq!(world.status.step, Some(held), "paused in {step:?}");
        assert_eq!(world.status.direction, Some(Direction::Forward));
        expect_held(&world);
        world.pause(0, false);
        world.run_pass();
        assert!(!condition_is_true(&world.status.conditions, types::STALLED));
        run(&mut world);
        expect(&world, Phase::Succeeded);
        assert_eq!(world.nodes[0].init_attempt, 1, "paused in {step:?}");
    }
}

/// Nothing of what is left then needs a new template.
#[test]
fn a_pause_under_the_running_new_version_holds_nothing() {
    for step in [Step::EnablingHa, Step::Recovering] {
        let mut world = World::new(1, true, Trouble::default());
        run_until(&mut world, step);
        world.pause(0, true);
        run(&mut world);
        expect(&world, Phase::Succeeded);
        assert!(is_paused(&world.nodes[0].object), "it is not ours to undo");
    }
}

/// While the backup is made nothing is held, and it is told all the same.
#[test]
fn a_pause_is_told_at_once() {
    let mut world = World::new(1, true, Trouble::default());
    run_until(&mut world, Step::BackingUp);
    while !world.jobs.contains_key(&JobRole::Dump) {
        world.run_pass();
    }
    world.pause(0, true);
    while world.run_pass() {}
    assert_eq!(world.status.step, Some(Step::BackingUp));
    expect_told(&world);
    assert_eq!(world.status.waiting.as_ref().unwrap().reason, "PauseSeen");
    assert!(!condition_is_true(&world.status.conditions, types::STALLED));
}

/// Before the line it comes to an end: an abort starts nothing but what ran before, which a pause does not hinder.
#[test]
fn a_pause_that_lasts_ends_in_an_abort_before_the_line() {
    for step in [Step::StoppingOld, Step::BackingUp, Step::VerifyingBackup] {
        let mut world = World::new(1, true, Trouble::default());
        run_until(&mut world, step);
        world.pause(0, true);
        run_now(&mut world);
        world.clock += 100_000;
        run(&mut world);
        expect(&world, Phase::Aborted);
        let cause = world.status.cause.as_ref().unwrap();
        assert!(
            cause.message.contains("kubectl rollout resume"),
            "{cause:?}"
        );
    }
}

/// After the line every way needs the resumption, so turning back would only cost the upgrade: it waits, and what
/// follows has all of its time.
#[test]
fn a_pause_that_lasts_turns_nothing_back_after_the_line() {
    for step in [
        Step::StartingNew,
        Step::StoppingForRestart,
        Step::StartingFinal,
    ] {
        let mut world = World::new(1, true, Trouble::default());
        run_until(&mut world, step);
        world.pause(0, true);
        run_now(&mut world);
        for _ in 0..3 {
            world.clock += 100_000;
            look_often(&mut world, LONG);
            // What cannot be seen for a moment is no end of the patience.
            world.targets_unseen = true;
            look_often(&mut world, 4);
            world.targets_unseen = false;
            look_often(&mut world, 4);
            expect_held(&world);
        }
        world.pause(0, false);
        run_now(&mut world);
        assert_eq!(world.status.direction, Some(Direction::Forward), "{step:?}");
        run(&mut world);
        expect(&world, Phase::Succeeded);
    }
}

/// The old version has to be started with its template, which somebody changed: an abort waits as well, for as long as
/// it takes.
#[test]
fn a_pause_that_lasts_under_an_abort_is_waited_for() {
    let mut world = World::new(1, true, Trouble::default());
    run_until(&mut world, Step::BackingUp);
    world.ask(Action::Abort);
    run_until(&mut world, Step::StartingOld);
    world.write_template(0);
    world.pause(0, true);
    run_now(&mut world);
    expect_held(&world);
    look_often(&mut world, LONG);
    expect_held(&world);
    world.pause(0, false);
    run(&mut world);
    expect(&world, Phase::Aborted);
}

/// It is held before the write. Where it comes right after it, the old version may start on databases that were backed
/// up.
#[test]
fn an_old_pod_is_never_taken_for_the_new_one() {
    for seen in [false, true] {
        let mut world = World::new(1, true, Trouble::default());
        run_until(&mut world, Step::StartingNew);
        while !asks_for_the_new(&world) {
            world.run_pass();
        }
        world.pause(0, true);
        if seen {
            while world.run_cluster() {}
            let pod = world.nodes[0].pod.as_ref().unwrap();
            assert!(pod.up && pod.template == world.nodes[0].replica_sets[0]);
        }
        // Nobody is asked to resume it before that is judged.
        while world.run_pass() {}
        assert_eq!(world.status.direction, Some(Direction::RollBack));
        run_now(&mut world);
        assert_eq!(world.nodes[0].init, InitState::NotStarted);
        let cause = world.status.cause.clone().unwrap();
        assert_eq!(cause.reason, "TargetContended");
        assert!(cause.message.contains("kubectl-rollout"), "{cause:?}");
        // On the way back it is stopped although it is paused, and started when it is resumed.
        assert_eq!(world.status.step, Some(Step::StartingOld));
        expect_held(&world);
        world.pause(0, false);
        run(&mut world);
        expect(&world, Phase::RolledBack);
    }
}

/// A way back that begins while the pause holds the start.
#[test]
fn a_held_start_can_be_rolled_back() {
    let mut world = World::new(1, true, Trouble::default());
    run_until(&mut world, Step::StartingNew);
    world.pause(0, true);
    run_now(&mut world);
    world.ask(Action::RollBack);
    run_now(&mut world);
    assert_eq!(world.status.step, Some(Step::StartingOld));
    expect_held(&world);
    world.pause(0, false);
    run(&mut world);
    expect(&world, Phase::RolledBack);
    assert!(!world.jobs.contains_key(&JobRole::Restore));
}

/// The same on the way back, where the newest ReplicaSet is that of the new version.
#[test]
fn a_new_pod_is_never_taken_for_the_old_one() {
    let trouble = Trouble {
        init_fails: true,
        no_history: true,
        ..Trouble::default()
    };
    let mut world = World::new(1, true, trouble);
    run_until(&mut world, Step::StartingOld);
    while world.nodes[0].object["spec"]["replicas"] == 0 {
        world.run_pass();
    }
    world.pause(0, true);
    run_now(&mut world);
    let stall = world.status.stall.clone().unwrap();
    assert_eq!(stall.reason, "TargetContended", "{stall:?}");
    retry(&mut world);
    run_now(&mut world);
    assert_eq!(world.status.step, Some(Step::StartingOld));
    world.pause(0, false);
    run(&mut world);
    expect(&world, Phase::RolledBack);
}

/// What cannot be read is neither the new version nor another one.
#[test]
fn a_pod_whose_replica_set_cannot_be_read_is_waited_for() {
    for (step, back) in [
        (Step::StartingNew, false),
        (Step::StartingFinal, false),
        (Step::StartingOld, true),
    ] {
        let trouble = Trouble {
            init_fails: back,
            ..Trouble::default()
        };
        let mut world = World::new(1, true, trouble);
        run_until(&mut world, step);
        world.replica_sets_unseen = true;
        run_now(&mut world);
        assert_eq!(world.status.step, Some(step));
        let waiting = world.status.waiting.clone().unwrap();
        assert_eq!(waiting.reason, "ReplicaSetUnseen");
        assert!(waiting.message.contains("forbidden"), "{waiting:?}");
        world.replica_sets_unseen = false;
        run(&mut world);
        expect(
            &world,
            if back {
                Phase::RolledBack
            } else {
                Phase::Succeeded
            },
        );
    }
}

/// Two names of one image: seen before anything is touched, where the check was not skipped.
#[test]
fn an_image_that_runs_already_under_another_name_ends_preflight() {
    let mut world = World::new(
        1,
        true,
        Trouble {
            retagged: true,
            ..Trouble::default()
        },
    );
    world.spec.checks.truncate(1);
    run(&mut world);
    let told = expect_findings(&world, "CheckFailed");
    assert!(told.contains("under another name"), "{told}");
}

/// A moved tag, a mirror, a webhook: by its template it is the new version, by its image the old one.
#[test]
fn the_old_image_under_the_new_name_is_not_the_new_version() {
    let mut world = World::new(
        1,
        true,
        Trouble {
            retagged: true,
            ..Trouble::default()
        },
    );
    run(&mut world);
    expect(&world, Phase::RolledBack);
    let cause = world.status.cause.clone().unwrap();
    assert_eq!(cause.reason, "OldImageRuns");
    assert_eq!(world.nodes[0].init, InitState::NotStarted);
}

/// The template that is recorded as the original must be the one that runs.
#[test]
fn a_rollout_under_way_ends_preflight() {
    let mut world = World::new(1, true, Trouble::default());
    let running = world.nodes[0].replica_sets[0].clone();
    world.write_template(0);
    for _ in 0..60 {
        world.run_pass();
        if let Some((_, end)) = world.jobs.get_mut(&JobRole::Probe) {
            *end = world::JobEnd::Ok;
        }
        world.clock += 1;
    }
    assert_eq!(world.nodes[0].pod.as_ref().unwrap().template, running);
    let told = expect_findings(&world, "CheckFailed");
    assert!(told.contains("another template"), "{told}");
}
