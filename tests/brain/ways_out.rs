//! Nobody is left alone with an upgrade that does not move: it says why, ends, and can be tried again or let go.
use super::world::OLD;
use super::*;
use oms_operator::api::{ActionName, CheckName, RollbackPolicy};
use oms_operator::metadb::record::RecordFact;
use oms_operator::oms::metadb::RecordRow;
use oms_operator::upgrade::Decision;

/// What makes an upgrade roll back by itself.
fn init_fails() -> Trouble {
    Trouble {
        init_fails: true,
        ..Trouble::default()
    }
}

fn read_condition<'a>(world: &'a World, type_: &str) -> &'a str {
    let found = world
        .status
        .conditions
        .iter()
        .find(|condition| condition.type_ == type_);
    found.map_or("", |condition| condition.message.as_str())
}

/// A quota, a webhook, a policy: the refusal is told at once, and comes to an end with the step's time.
#[test]
fn an_effect_that_is_refused_is_told_and_comes_to_an_end() {
    let before = [
        "AddFinalizer",
        "CreateJob",
        "AcquireLock",
        "SetHa",
        "Stop",
        "SetQueryTimeout",
    ];
    for effect in before {
        let mut world = World::new(1, true, Trouble::default());
        world.refused = Some(effect);
        let mut told = false;
        run_slowly(&mut world, 30_000, |world| {
            told |= read_condition(world, types::READY).contains("the webhook said no");
            // What is refused on the way forward is allowed on the way back.
            if world.status.direction == Some(Direction::Abort) || world.status.cause.is_some() {
                world.refused = None;
            }
            world.status.settled || world.status.step == Some(Step::Planned)
        });
        assert!(told, "{effect}: nobody was told");
        if world.status.step == Some(Step::Planned) {
            let told = expect_findings(&world, "EffectRefused");
            assert!(told.contains("the webhook said no"), "{effect}: {told}");
            continue;
        }
        let cause = world.status.cause.clone().unwrap();
        assert!(
            cause.message.contains("the webhook said no"),
            "{effect}: {cause:?}"
        );
        assert_eq!(cause.reason, "EffectRefused", "{effect}");
    }
}

/// On a way back a person is asked, and it goes on by itself when the refusal ends.
#[test]
fn a_way_back_that_is_refused_goes_on_when_the_refusal_ends() {
    for effect in ["Fence", "RaiseLock", "Stop", "StartOld"] {
        let mut world = World::new(1, true, init_fails());
        run_until(&mut world, Step::StoppingJobs);
        world.refused = Some(effect);
        run_slowly(&mut world, 30_000, |world| world.status.stall.is_some());
        let stall = world.status.stall.clone().unwrap();
        assert_eq!(stall.reason, "EffectRefused", "{effect}");
        assert!(stall.message.contains("the webhook said no"), "{stall:?}");
        assert!(stall.message.contains("spec.retryRequest"), "{stall:?}");
        let writes = world.status.clone();
        for _ in 0..50 {
            world.run_pass();
            world.clock += 10;
        }
        assert_eq!(
            world.status, writes,
            "{effect}: the same refusal is written again"
        );
        world.refused = None;
        run_slowly(&mut world, 30_000, |world| world.status.settled);
        expect(&world, Phase::RolledBack);
    }
}

/// The evidence of preflight speaks of the spec that it was made for.
#[test]
fn an_edit_before_the_start_begins_preflight_anew() {
    for step in [Step::Preflight, Step::Locking] {
        let mut world = World::new(1, true, Trouble::default());
        run_until(&mut world, step);
        if step == Step::Preflight {
            while world.jobs.is_empty() {
                world.run_pass();
            }
        }
        let probes = world.jobs[&JobRole::Probe].0;
        world.spec.backup.claim_name = "another".into();
        world.generation += 1;
        world.run_pass();
        assert_eq!(world.status.step, Some(Step::Preflight), "{step:?}");
        run_until(&mut world, Step::DisablingHa);
        assert!(
            world.jobs[&JobRole::Probe].0 > probes,
            "the claim was not probed again"
        );
        run(&mut world);
        expect(&world, Phase::Succeeded);
    }
}

/// An object that was made anew knows nothing of what was done to OMS since.
#[test]
fn the_record_of_another_object_is_not_adopted() {
    for step in [Step::BackingUp, Step::Initializing] {
        let mut world = World::new(1, true, Trouble::default());
        run_until(&mut world, step);
        world.status = Default::default();
        world.uid = "99999999-2222-3333-4444-555555555555".into();
        world.finalizer = false;
        let before = world.nodes[0].object.clone();
        run_until(&mut world, Step::Planned);
        let told = expect_findings(&world, "CheckFailed");
        assert!(
            told.contains("record of OmsUpgrade up") && told.contains("kubectl annotate"),
            "{told}"
        );
        assert_eq!(world.nodes[0].object, before, "the Deployment was written");
    }
}

/// OMS that runs is not stopped for a rollback that has nothing to go back to.
#[test]
fn a_rollback_without_its_backup_leaves_oms_running() {
    let mut world = World::new(1, true, Trouble::default());
    run(&mut world);
    expect(&world, Phase::Succeeded);
    world.claim_gone = true;
    world.ask(Action::RollBack);
    run(&mut world);
    let stall = world.status.stall.clone().unwrap();
    assert_eq!(stall.reason, "BackupMissing");
    assert!(world.nodes[0].pod.as_ref().unwrap().up, "OMS was stopped");
    assert!(!condition_is_true(
        &world.status.conditions,
        types::HA_RESTORED
    ));
    world.claim_gone = false;
    retry(&mut world);
    run(&mut world);
    expect(&world, Phase::RolledBack);
    assert!(condition_is_true(
        &world.status.conditions,
        types::HA_RESTORED
    ));
}

/// The Secret with the account went when the upgrade had settled: a rollback has it read again, before it looks.
#[test]
fn a_rollback_reads_the_account_from_the_container_again() {
    let mut world = World::new(1, true, Trouble::default());
    world.spec.metadb.source = serde_json::from_value("Container".into()).unwrap();
    run(&mut world);
    expect(&world, Phase::Succeeded);
    assert!(!world.secret, "an account is left");
    world.ask(Action::RollBack);
    run(&mut world);
    expect(&world, Phase::RolledBack);
}

/// The claim is there and the backup is not: it is found out before anything is stopped, and a retry looks again.
#[test]
fn a_rollback_with_an_empty_claim_leaves_oms_running() {
    let mut world = World::new(1, true, Trouble::default());
    run(&mut world);
    expect(&world, Phase::Succeeded);
    world.claim_empty = true;
    world.ask(Action::RollBack);
    for again in [false, true] {
        if again {
            retry(&mut world);
        }
        run(&mut world);
        let stall = world.status.stall.clone().unwrap();
        assert_eq!(stall.reason, "ManifestMismatch");
        assert!(
            stall.message.contains("PersistentVolumeClaim oms-backup")
                && stall.message.contains("nothing was stopped")
                && stall.message.contains("spec.retryRequest"),
            "{stall:?}"
        );
        let pod = world.nodes[0].pod.as_ref().unwrap();
        assert!(pod.up && pod.restarts == 0, "OMS was stopped");
        assert!(world.ha_enabled(), "HA was switched off");
        assert_eq!(world.status.step, Some(Step::FindingBackup));
    }
    world.claim_empty = false;
    retry(&mut world);
    run(&mut world);
    expect(&world, Phase::RolledBack);
}

/// Nodes throw away images that nothing runs, and registries those that nobody asks for: it is found out before
/// anything is stopped, a retry pulls again, and who knows better goes back nevertheless.
#[test]
fn a_rollback_whose_old_image_is_gone_leaves_oms_running() {
    for accepts in [false, true] {
        let mut world = World::new(1, true, Trouble::default());
        run(&mut world);
        expect(&world, Phase::Succeeded);
        // Other tests leave the pulls out.
        world
            .spec
            .checks
            .retain(|check| check.name != CheckName::ImagePullable);
        world.old_image_gone = true;
        world.ask(Action::RollBack);
        for again in [false, true] {
            if again {
                retry(&mut world);
            }
            run(&mut world);
            let stall = world.status.stall.clone().expect("it goes on");
            assert_eq!(stall.reason, "OldImageNotPulled");
            for words in [
                OLD,
                "Deployment oms-1",
                "nothing was stopped",
                "spec.retryRequest",
                "spec.accept",
            ] {
                assert!(stall.message.contains(words), "{words}: {stall:?}");
            }
            let pod = world.nodes[0].pod.as_ref().unwrap();
            assert!(pod.up && pod.restarts == 0, "OMS was stopped");
            assert!(world.ha_enabled(), "HA was switched off");
            assert_eq!(world.status.step, Some(Step::FindingBackup));
        }
        if accepts {
            accept(&mut world);
        } else {
            world.old_image_gone = false;
            retry(&mut world);
        }
        run(&mut world);
        expect(&world, Phase::RolledBack);
    }
}

/// From before the stop to the end a pod holds the old image on each node: the kubelet throws away what nothing runs.
#[test]
fn the_old_image_is_held_while_something_else_runs() {
    for nodes in [1, 3] {
        let mut world = World::new(nodes, true, Trouble::default());
        world.digest = Some("sha256:new".into());
        world
            .spec
            .checks
            .retain(|check| check.name != CheckName::ImagePullable);
        run_until(&mut world, Step::StoppingOld);
        assert_eq!(world.old_pulls.len(), nodes);
        run_until(&mut world, Step::StartingNew);
        assert_eq!(world.old_pulls.len(), nodes);
        // One that the node has driven away is not made again and again.
        world.old_pulls.clear();
        run(&mut world);
        expect(&world, Phase::Succeeded);
    }
}

/// Where nothing runs there is nothing to stop for the rollback, and no node to pull on.
#[test]
fn a_rollback_of_what_is_stopped_pulls_nothing() {
    let mut world = World::new(1, true, Trouble::default());
    run_until(&mut world, Step::StartingNew);
    world
        .spec
        .checks
        .retain(|check| check.name != CheckName::ImagePullable);
    world.old_image_gone = true;
    world.ask(Action::RollBack);
    run_until(&mut world, Step::Comparing);
    assert_eq!(world.status.stall, None);
}

/// The backup of an older upgrade never takes away what a newer one has made of the databases.
#[test]
fn a_rollback_of_an_older_upgrade_leaves_oms_running() {
    let mut world = World::new(1, true, Trouble::default());
    run(&mut world);
    expect(&world, Phase::Succeeded);
    let own = world.record.last().unwrap();
    assert!(matches!(own.fact, RecordFact::Verdict { .. }), "{own:?}");
    let newer = RecordRow {
        uid: "another".into(),
        ordinal: own.ordinal + 5,
        ..own.clone()
    };
    world.record.push(newer);
    world.ask(Action::RollBack);
    run(&mut world);
    let stall = world.status.stall.clone().unwrap();
    assert_eq!(stall.reason, "NewerUpgrade", "{stall:?}");
    assert!(world.nodes[0].pod.as_ref().unwrap().up, "OMS was stopped");
    let listed = world.status.next_actions.iter().map(|one| one.name);
    assert!(listed.eq([ActionName::Release]));
    // An older one is no matter.
    world.record.last_mut().unwrap().ordinal = 0;
    retry(&mut world);
    run(&mut world);
    expect(&world, Phase::RolledBack);
}

/// With `OnRequest` a failed run of `docker_init.sh` can be repeated instead of rolled back.
#[test]
fn a_failed_init_can_be_run_again() {
    let mut world = World::new(1, true, init_fails());
    world.spec.rollback.policy = RollbackPolicy::OnRequest;
    run(&mut world);
    let stall = world.status.stall.clone().unwrap();
    assert_eq!(stall.reason, "InitFailed");
    assert!(
        stall.message.contains("action: RollBack") && stall.message.contains("oms-backup"),
        "{stall:?}"
    );
    world.trouble.init_fails = false;
    retry(&mut world);
    run(&mut world);
    assert_eq!(world.nodes[0].init_attempt, 2);
    expect(&world, Phase::Succeeded);
}

/// A Job that was too slow is stopped before the next one begins.
#[test]
fn a_slow_restore_is_stopped_before_it_is_tried_again() {
    let mut world = World::new(1, true, init_fails());
    run_until(&mut world, Step::Restoring);
    while !world.jobs.contains_key(&JobRole::Restore) {
        world.run_pass();
    }
    world.run_pass();
    wait_for_a_stall(&mut world);
    assert_eq!(world.status.stall.clone().unwrap().reason, "Timeout");
    world.spec.timeouts.restore = "700h".parse().unwrap();
    world.ask_retry();
    run_until(&mut world, Step::StoppingJobs);
    // The double refuses a second Job beside the first.
    run(&mut world);
    expect(&world, Phase::RolledBack);
}

/// Before anything of OMS was written there is nothing to bring back, whatever its owner has made of it meanwhile.
#[test]
fn an_early_abort_leaves_the_deployment_to_its_owner() {
    let mut world = World::new(1, true, Trouble::default());
    run_until(&mut world, Step::DisablingHa);
    world.write_template(0);
    let before = world.nodes[0].object["spec"].clone();
    world.ask(Action::Abort);
    run(&mut world);
    assert_eq!(world.status.phase, Some(Phase::Aborted));
    assert!(world.status.settled && world.ha_enabled());
    assert_eq!(world.nodes[0].object["spec"], before);
}

/// A project that is released while it is waited for never advances again.
#[test]
fn a_project_that_was_released_is_not_waited_for() {
    let trouble = Trouble {
        project_down: true,
        ..Trouble::default()
    };
    let mut world = World::new(1, true, trouble);
    run_slowly(&mut world, 100_000, |world| world.status.stall.is_some());
    world.project_released = true;
    run(&mut world);
    expect(&world, Phase::Succeeded);
}

/// What was given up is called so: nothing is said to be as before.
#[test]
fn a_release_promises_nothing() {
    for (step, trouble) in [
        (Step::BackingUp, Trouble::default()),
        (Step::Initializing, Trouble::default()),
        (Step::Restoring, init_fails()),
    ] {
        let mut world = World::new(1, true, trouble);
        run_until(&mut world, step);
        world.deleting = true;
        world.release = true;
        let before = world.nodes[0].object.clone();
        run_slowly(&mut world, 100, |world| world.status.settled);
        assert_eq!(world.status.phase, Some(Phase::Failed), "{step:?}");
        let ready = read_condition(&world, types::READY);
        assert!(ready.contains("nothing was put back"), "{ready}");
        for promise in [
            types::HA_RESTORED,
            types::REPLICATION_RECOVERED,
            types::ROLLED_BACK,
        ] {
            assert!(
                !condition_is_true(&world.status.conditions, promise),
                "{step:?} {promise}"
            );
        }
        assert_eq!(world.nodes[0].object, before);
        assert!(!world.finalizer);
    }
}

/// Only the first of equal refusals changes the status.
#[test]
fn a_refusal_is_written_once() {
    let mut world = World::new(1, true, Trouble::default());
    run_until(&mut world, Step::StoppingOld);
    world.refused = Some("Stop");
    while !read_condition(&world, types::READY).contains("the webhook said no") {
        world.run_pass();
    }
    assert_eq!(world.refuse("Stop"), Decision::Rest);
}

/// The operator, or the API server, was away for longer than a step may last: what was not tried is tried.
#[test]
fn an_outage_does_not_keep_oms_down() {
    for step in [
        Step::StoppingJobs,
        Step::Fencing,
        Step::FindingBackup,
        Step::StoppingNew,
        Step::StartingOld,
    ] {
        let mut world = World::new(1, true, init_fails());
        run_until(&mut world, step);
        // The intent is recorded, and nobody is there to carry it out.
        world.run_pass();
        world.clock += 100_000;
        run_slowly(&mut world, 10_000, |world| world.status.settled);
        expect(&world, Phase::RolledBack);
    }
}

/// An effect that is carried out and has no effect comes to an end too.
#[test]
fn an_effect_without_effect_comes_to_an_end() {
    let mut world = World::new(1, true, Trouble::default());
    run_until(&mut world, Step::BackingUp);
    world.ineffective = Some("SetQueryTimeout");
    run_slowly(&mut world, 100_000, |world| {
        if world.status.direction == Some(Direction::Abort) {
            world.ineffective = None;
        }
        world.status.settled
    });
    assert_eq!(world.status.cause.clone().unwrap().reason, "Timeout");
    expect(&world, Phase::Aborted);
}

/// The old version runs on what was restored: a slow start is waited for, and never restored over.
#[test]
fn a_retry_of_a_slow_start_restores_nothing() {
    let mut world = World::new(1, true, init_fails());
    run_until(&mut world, Step::StartingOld);
    world.run_pass();
    world.run_pass();
    wait_for_a_stall(&mut world);
    assert_eq!(world.status.stall.clone().unwrap().reason, "Timeout");
    let restores = world.jobs[&JobRole::Restore].0;
    world.ask_retry();
    run(&mut world);
    expect(&world, Phase::RolledBack);
    assert_eq!(world.jobs[&JobRole::Restore].0, restores);
}

/// The minutes of a pull-back change with every try; it is the same effect all the same.
#[test]
fn a_refused_pull_back_stays_stalled() {
    let mut world = World::new(1, true, Trouble::default());
    world.spec.ha.pull_back.method = oms_operator::api::PullBackMethod::RefetchInterval;
    run_until(&mut world, Step::EnablingHa);
    world.refused = Some("SetHa");
    run_slowly(&mut world, 10_000, |world| world.status.stall.is_some());
    for _ in 0..600 {
        world.run_pass();
        world.run_cluster();
        world.clock += 10;
        let stall = world.status.stall.clone().map(|stall| stall.reason);
        assert_eq!(stall.as_deref(), Some("EffectRefused"));
    }
    world.refused = None;
    run_slowly(&mut world, 10_000, |world| world.status.settled);
    expect(&world, Phase::Succeeded);
}
