//! Every interleaving of what people, Jobs and strangers can do with the operator's passes.
use super::world::{JobEnd, Trouble, World};
use super::*;
use oms_operator::protocol::report::Reason;
use std::collections::{HashSet, VecDeque};

/// Every world that can be reached when, between any two moves, at most `budget` bad things happen.
fn explore(start: World, budget: u32) -> usize {
    let mut seen = HashSet::new();
    let mut open = VecDeque::from([(start, budget)]);
    while let Some((world, budget)) = open.pop_front() {
        if !seen.insert((budget, world.fingerprint())) {
            continue;
        }
        let mut moved = false;
        for (branch, cost) in branch(&world) {
            let Some(left) = budget.checked_sub(cost) else {
                continue;
            };
            moved |= cost == 0 && branch != world;
            if branch != world {
                open.push_back((branch, left));
            }
        }
        if !moved && !world.is_at_rest() {
            let mut later = world.clone();
            later.clock += 100;
            assert!(
                later.clock < 200_000,
                "stuck in {:?}: {:?}",
                world.status.step,
                world.status.waiting
            );
            open.push_back((later, budget));
        }
        if world.status.settled && !moved {
            world.check_settled();
        }
    }
    seen.len()
}

/// What may happen next, with its price: passes and the cluster's own moves are free.
fn branch(world: &World) -> Vec<(World, u32)> {
    let mut branches = Vec::new();
    let mut add = |cost: u32, change: &dyn Fn(&mut World)| {
        let mut next = world.clone();
        change(&mut next);
        branches.push((next, cost));
    };
    add(0, &|world| {
        world.run_pass();
    });
    add(0, &|world| {
        world.run_cluster();
    });
    for role in world
        .jobs
        .iter()
        .filter(|(_, (_, end))| *end == JobEnd::Running)
        .map(|(role, _)| *role)
    {
        for end in [
            JobEnd::Killed,
            JobEnd::Gone,
            JobEnd::Bad(Reason::ConnectionLost),
            JobEnd::Bad(Reason::NoSpace),
        ] {
            add(1, &|world| {
                world.jobs.get_mut(&role).unwrap().1 = end.clone()
            });
        }
    }
    if world.status.step.is_some() && !world.status.settled {
        if world.spec.action == Action::Run {
            add(1, &|world| world.ask(Action::Abort));
            add(1, &|world| world.ask(Action::RollBack));
        }
        add(1, &|world| world.clock += 100_000);
    }
    branches
}

#[test]
fn no_order_of_events_breaks_a_promise() {
    let worlds = explore(World::new(1, true, Trouble::default()), 1);
    assert!(
        worlds > 1000,
        "{worlds} worlds are too few to mean anything"
    );
}

/// Whatever happens: HA stays off until somebody said that the init is complete (see `set_ha` of this world).
#[test]
fn no_order_of_events_forgets_an_unconfirmed_init() {
    let trouble = Trouble {
        init_silent: true,
        ..Trouble::default()
    };
    let mut world = World::new(1, true, trouble);
    run_until(&mut world, Step::Initializing);
    let worlds = explore(world, 1);
    assert!(worlds > 500, "{worlds} worlds are too few to mean anything");
}

#[test]
fn no_order_of_events_breaks_a_rollback() {
    let mut world = World::new(
        1,
        true,
        Trouble {
            init_fails: true,
            ..Trouble::default()
        },
    );
    run_until(&mut world, Step::Fencing);
    let worlds = explore(world, 1);
    assert!(worlds > 500, "{worlds} worlds are too few to mean anything");
}
