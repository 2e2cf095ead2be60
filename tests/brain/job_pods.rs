//! Pods of Jobs on bad days: they never begin, or their node is lost under them.
use super::*;
use oms_operator::api::{OmsUpgradeStatus, Waiting};
use world::JobEnd;

/// Start of the world's clock, Unix seconds.
const EPOCH: i64 = 1_800_000_000;

/// Goes on until the Job of this role has been made and seen, then gives its pod this state.
fn strike(world: &mut World, role: JobRole, state: impl Fn(i64) -> JobEnd) -> i32 {
    for _ in 0..2000 {
        if world.jobs.contains_key(&role) {
            break;
        }
        if !world.run_pass() && !world.run_cluster() {
            world.clock += 100;
        }
    }
    let made = EPOCH + world.clock;
    let job = world.jobs.get_mut(&role).expect("it was never made");
    job.1 = state(made);
    job.0
}

fn read_waiting(status: &OmsUpgradeStatus) -> Waiting {
    status.waiting.clone().expect("nobody is told")
}

fn settle(world: &mut World) {
    for _ in 0..20 {
        world.run_pass();
    }
}

/// OMS is stopped: it does not stay so for the six hours of a dump that works.
#[test]
fn a_dump_that_never_begins_is_told_and_given_up_after_minutes() {
    let mut world = World::new(1, true, Trouble::default());
    strike(&mut world, JobRole::Dump, JobEnd::NotBegun);
    settle(&mut world);
    let told = read_waiting(&world.status);
    assert!(
        told.reason == "JobPodNotRunning" && told.message.contains("0/3 nodes"),
        "{told:?}"
    );
    let since = world.clock;
    run_slowly(&mut world, 1200, |world| {
        world.status.direction == Some(Direction::Abort)
    });
    assert!(world.clock - since >= 900);
    let cause = world.status.cause.clone().unwrap();
    assert!(
        cause.reason == "JobPodNotRunning" && cause.message.contains("0/3 nodes"),
        "{cause:?}"
    );
    run(&mut world);
    expect(&world, Phase::Aborted);
}

/// One that begins in time, or whose pod nobody saw failing often enough, is let work.
#[test]
fn a_dump_that_begins_late_is_waited_for() {
    let mut world = World::new(1, true, Trouble::default());
    strike(&mut world, JobRole::Dump, JobEnd::NotBegun);
    run_slowly(&mut world, 2000, |world| world.clock % 890 == 889);
    world.jobs.get_mut(&JobRole::Dump).unwrap().1 = JobEnd::Running;
    run(&mut world);
    expect(&world, Phase::Succeeded);
}

/// On a way back a person is asked; what begins after all ends the question, and a retry begins it anew.
#[test]
fn a_restore_that_never_begins_asks_and_goes_on() {
    let trouble = Trouble {
        init_fails: true,
        ..Trouble::default()
    };
    for begins in [true, false] {
        let mut world = World::new(1, true, trouble);
        let attempt = strike(&mut world, JobRole::Restore, JobEnd::NotBegun);
        run_slowly(&mut world, 1200, |world| world.status.stall.is_some());
        let stall = world.status.stall.clone().unwrap();
        assert!(
            stall.reason == "JobPodNotRunning" && stall.message.contains("0/3 nodes"),
            "{stall:?}"
        );
        if begins {
            world.jobs.get_mut(&JobRole::Restore).unwrap().1 = JobEnd::Running;
            world.run_pass();
            assert_eq!(world.status.stall, None, "it works, and a person is asked");
        } else {
            world.ask_retry();
            run_until(&mut world, Step::StoppingJobs);
        }
        run(&mut world);
        expect(&world, Phase::RolledBack);
        assert_eq!(world.jobs[&JobRole::Restore].0 > attempt, !begins);
    }
}

/// Two never work on the databases: what may still be at work is waited for, with the word what to do.
#[test]
fn a_job_on_a_lost_node_is_told_and_never_doubled() {
    let trouble = Trouble {
        init_fails: true,
        ..Trouble::default()
    };
    for role in [JobRole::Dump, JobRole::Verify, JobRole::Restore] {
        let mut world = World::new(1, true, trouble);
        let attempt = strike(&mut world, role, |_| JobEnd::Lost);
        settle(&mut world);
        let told = read_waiting(&world.status);
        assert!(
            told.reason == "JobPodLost" && told.message.contains("lost-pod on node n1"),
            "{told:?}"
        );
        assert_eq!(world.jobs[&role].0, attempt, "a second Job beside it");
        // A person has seen to the node and deleted the pod.
        world.jobs.get_mut(&role).unwrap().1 = JobEnd::Killed;
        run(&mut world);
        assert!(world.jobs[&role].0 > attempt, "it was not repeated");
        expect(&world, Phase::RolledBack);
    }
}

/// An abort waits for what may still read, and says for what.
#[test]
fn a_way_back_says_which_pod_it_waits_for() {
    let mut world = World::new(1, true, Trouble::default());
    strike(&mut world, JobRole::Dump, |_| JobEnd::Lost);
    world.ask(Action::Abort);
    run_until(&mut world, Step::StoppingJobs);
    world.pod_stays = true;
    settle(&mut world);
    let told = read_waiting(&world.status);
    assert!(
        told.reason == "JobPodLost" && told.message.contains("lost-pod on node n1"),
        "{told:?}"
    );
    wait_for_a_stall(&mut world);
    let stall = world.status.stall.clone().unwrap();
    assert!(stall.message.contains("lost-pod on node n1"), "{stall:?}");
    world.pod_stays = false;
    run(&mut world);
    expect(&world, Phase::Aborted);
}

/// Somebody deletes a Job with `--cascade=orphan`: its agent is at work, and no other one is made beside it.
#[test]
fn no_job_is_made_beside_a_pod_that_its_job_left_behind() {
    let trouble = Trouble {
        init_fails: true,
        ..Trouble::default()
    };
    for role in [
        JobRole::Probe,
        JobRole::Dump,
        JobRole::Verify,
        JobRole::Compare,
        JobRole::Restore,
    ] {
        let mut world = World::new(1, true, trouble);
        let attempt = strike(&mut world, role, |_| JobEnd::Running);
        // It was seen to run.
        world.run_pass();
        world.jobs.get_mut(&role).unwrap().1 = JobEnd::Gone;
        world.orphans.push(role);
        settle(&mut world);
        let told = read_waiting(&world.status);
        assert!(
            told.reason == "JobPodLost" && told.message.contains("pod orphan on node n1"),
            "{role:?} {told:?}"
        );
        world.orphans.clear();
        run(&mut world);
        assert!(world.jobs[&role].0 > attempt, "{role:?} was not repeated");
        expect(&world, Phase::RolledBack);
    }
}
