//! Other upgrades of the same installation. What the watch tells of them may be late; what keeps two apart is not.
use super::*;
use oms_operator::api::ORIGINALS_ANNOTATION;

/// What the cluster's objects hold, apart from our own.
fn untouched(world: &World) -> bool {
    let fresh = World::new(world.nodes.len(), true, Trouble::default());
    world.ha == fresh.ha
        && world
            .nodes
            .iter()
            .zip(&fresh.nodes)
            .all(|(node, fresh)| node.object["spec"] == fresh.object["spec"])
}

fn wait(world: &mut World) {
    for _ in 0..50 {
        world.run_pass();
    }
}

#[test]
fn nothing_is_checked_before_the_others_are_known() {
    let mut world = World::new(1, true, Trouble::default());
    world.rivals = None;
    run_until(&mut world, Step::Preflight);
    for _ in 0..5 {
        world.run_pass();
        world.clock += 5;
    }
    let waiting = world.status.waiting.clone().unwrap();
    assert_eq!(waiting.reason, "RivalsUnseen");
    assert!(world.status.plan.is_none() && world.jobs.is_empty() && untouched(&world));
    world.rivals = Some(vec![]);
    run(&mut world);
    expect(&world, Phase::Succeeded);
}

#[test]
fn a_rival_that_goes_first_is_named() {
    let mut world = World::new(1, true, Trouble::default());
    world.rivals = Some(vec!["another".into()]);
    run(&mut world);
    let told = expect_findings(&world, "CheckFailed");
    assert!(
        told.contains("OmsUpgrade another is not finished"),
        "{told}"
    );
    assert!(world.jobs.is_empty() && untouched(&world));
}

/// The watch is late, and both have passed preflight: one of them gets the lock.
#[test]
fn of_two_that_know_nothing_of_each_other_one_gets_the_lock() {
    let mut world = World::new(1, true, Trouble::default());
    run_until(&mut world, Step::Locking);
    world.lock = Some(("another".into(), 1));
    wait(&mut world);
    expect_findings(&world, "MetaDbLocked");
    // The other one keeps its lock.
    assert_eq!(world.lock, Some(("another".into(), 1)));
    assert!(world.status.started_time.is_none() && untouched(&world));
}

/// Another upgrade works on the same Deployment.
fn be_claimed(world: &mut World, uid: &str) {
    let mut other = World::new(1, true, Trouble::default());
    run_until(&mut other, Step::BackingUp);
    let annotations = &other.nodes[0].object["metadata"]["annotations"];
    let by_another = annotations.to_string().replace(&world.uid, uid);
    world.nodes[0].object["metadata"]["annotations"] = serde_json::from_str(&by_another).unwrap();
}

/// With another MetaDB the lock says nothing; the Deployment is the same.
#[test]
fn a_record_that_was_written_since_preflight_is_seen() {
    let mut world = World::new(1, true, Trouble::default());
    run_until(&mut world, Step::Locking);
    be_claimed(&mut world, "another");
    wait(&mut world);
    let told = expect_findings(&world, "TargetClaimed");
    assert!(told.contains("kubectl annotate"), "{told}");
    assert!(world.lock.is_none(), "a plan that waits holds the lock");
    assert!(untouched(&world));
}

/// What has written nothing has nothing to fence: the record on the Deployment is another's, or nobody's.
#[test]
fn a_plan_is_deleted_while_another_upgrade_works() {
    for readable in [true, false] {
        let mut world = World::new(1, true, Trouble::default());
        world.ask(Action::Plan);
        run_slowly(&mut world, 1000, |world| world.status.plan.is_some());
        be_claimed(&mut world, "another");
        if !readable {
            world.nodes[0].object["metadata"]["annotations"][ORIGINALS_ANNOTATION] = "{".into();
        }
        let before = world.nodes[0].object.clone();
        world.deleting = true;
        run_slowly(&mut world, 1000, |world| world.status.settled);
        assert!(!world.finalizer, "the deletion waits for ever");
        assert_eq!(world.nodes[0].object, before, "the Deployment was written");
        assert!(world.status.started_time.is_none());
    }
}
