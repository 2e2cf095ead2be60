//! The object's status goes back to an older state, beside a record that tells more (etcd restored from a backup).
use super::explore::Limits;
use super::walk::{explore, setup, walk_until, walk_until_settled};
use super::world::{Setup, Trouble, UPGRADE, World, place};
use std::sync::Arc;

/// The later world with the status of the earlier one.
fn put_back(later: &World, earlier: &World) -> World {
    let mut world = later.clone();
    let mut object = later.upgrade().unwrap().clone();
    object["status"] = earlier.upgrade().unwrap()["status"].clone();
    world
        .objects
        .insert(place("omsupgrades", UPGRADE), Arc::new(object));
    world
}

/// Every later world, with the status of each earlier one.
fn put_all_back(earlier: &[World], later: &[World]) -> Vec<World> {
    let pairs = later
        .iter()
        .flat_map(|later| earlier.iter().map(move |earlier| put_back(later, earlier)));
    pairs.collect()
}

fn walk(world: &mut World, steps: &[&str]) -> Vec<World> {
    let walked = steps.iter().map(|step| {
        *world = walk_until(world.clone(), step);
        world.clone()
    });
    walked.collect()
}

#[test]
fn sample_of_older_statuses() {
    let mut world = World::new(1, Setup::default());
    let earlier = walk(&mut world, &["DisablingHa", "BackingUp", "VerifyingBackup"]);
    let mut later = walk(&mut world, &["Initializing", "StartingFinal"]);
    later.push(walk_until_settled(world));
    let mut starts = put_all_back(&earlier, &later);
    let fails = Trouble {
        init_fails: true,
        ..Trouble::default()
    };
    let mut world = World::new(1, setup(fails));
    let earlier = walk(
        &mut world,
        &["BackingUp", "VerifyingBackup", "Initializing"],
    );
    let mut later = walk(&mut world, &["Restoring", "StartingOld"]);
    later.push(walk_until_settled(world));
    starts.extend(put_all_back(&earlier, &later));
    let findings = explore(
        "older statuses",
        starts,
        Limits {
            worlds: Some(200),
            every_fault: false,
        },
    );
    // What began is never aborted, and nothing ends half way: settled as the record says, or a person is asked.
    let other: Vec<&String> = findings
        .ends
        .keys()
        .filter(|end| {
            let settled = end.starts_with("Succeeded") || end.starts_with("RolledBack");
            !settled && !end.contains("StatusOlder")
        })
        .collect();
    assert!(other.is_empty(), "{other:?}");
}
