//! Requests that a sync from git took out of the spec again before the operator read it.
use super::*;
use oms_operator::upgrade::HeardRequests;

/// One look at an object of which something was heard; its spec says what git says.
fn hear(world: &mut World, abort: bool, roll_back: bool) {
    world.heard = HeardRequests { abort, roll_back };
    world.generation += 2;
    world.run_pass();
    world.heard = HeardRequests::default();
    assert_eq!(world.spec.action, Action::Run);
}

#[test]
fn an_abort_that_git_took_back_at_once_counts() {
    for step in [Step::DisablingHa, Step::BackingUp, Step::VerifyingBackup] {
        let mut world = World::new(1, true, Trouble::default());
        run_until(&mut world, step);
        hear(&mut world, true, false);
        run(&mut world);
        expect(&world, Phase::Aborted);
    }
}

#[test]
fn so_does_a_rollback() {
    for step in [Step::Initializing, Step::Settling] {
        let mut world = World::new(1, true, Trouble::default());
        run_until(&mut world, step);
        hear(&mut world, false, true);
        run(&mut world);
        expect(&world, Phase::RolledBack);
    }
    // Also long after the end.
    let mut world = World::new(1, true, Trouble::default());
    run(&mut world);
    expect(&world, Phase::Succeeded);
    hear(&mut world, false, true);
    run(&mut world);
    expect(&world, Phase::RolledBack);
}

#[test]
fn an_abort_that_comes_too_late_asks_for_nothing() {
    let mut world = World::new(1, true, Trouble::default());
    run(&mut world);
    hear(&mut world, true, false);
    run(&mut world);
    expect(&world, Phase::Succeeded);
    assert!(world.status.internal.requests.abort.is_none());
}
