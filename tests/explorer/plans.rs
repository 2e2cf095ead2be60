//! Plans with findings: they wait for a person, and are made again by an edit or a new word, whatever call fails.
use super::explore::Limits;
use super::judging::describe_place;
use super::walk::{ends_only_in, explore, walk_to_rest, walk_until, walk_until_settled};
use super::world::{Setup, UPGRADE, World, place};
use oms_operator::controller::CallSite;
use serde_json::json;

const CLAIM: &str = "oms-backup";

/// From a plan to the end of an upgrade others explore; here its beginning counts.
const BEGINNING: Limits = Limits {
    worlds: Some(250),
    every_fault: false,
};

fn set(mut world: World, field: &str, value: &str) -> World {
    world.edit("omsupgrades", UPGRADE, |one| {
        one["spec"][field] = json!(value);
    });
    world
}

fn take_claim(mut world: World) -> World {
    world
        .objects
        .remove(&place("persistentvolumeclaims", CLAIM));
    world
}

fn give_claim(mut world: World) -> World {
    let claim = place("persistentvolumeclaims", CLAIM);
    let fresh = World::new(1, Setup::default());
    world
        .objects
        .insert(claim.clone(), fresh.objects[&claim].clone());
    world
}

/// At rest in a plan with findings: it waits, nothing was begun, and nothing is held.
fn expect_findings(world: &World) {
    assert_eq!(describe_place(world), "Planned Planned ");
    let conditions = world.status("/conditions").and_then(|all| all.as_array());
    let is = |type_: &str, status: &str| {
        let mut all = conditions.into_iter().flatten();
        all.any(|one| one["type"] == type_ && one["status"] == status)
    };
    assert!(is("Planned", "True") && is("Stalled", "True") && is("Finished", "False"));
    assert!(world.status("/startedTime").is_none() && world.is_observed());
    assert!(world.db.lock.is_none() && world.ha_enabled());
    let pods = world.list("pods");
    assert!(!pods.iter().any(|pod| pod.contains("prepull")), "{pods:?}");
}

fn wait_with_findings(action: &str) -> World {
    let world = set(World::new(1, Setup::default()), "action", action);
    let world = walk_to_rest(take_claim(world), |_| ());
    expect_findings(&world);
    world
}

#[test]
fn sample_of_a_plan_with_findings() {
    let start = set(World::new(1, Setup::default()), "planRequest", "1");
    let findings = explore("findings", vec![take_claim(start)], BEGINNING);
    assert!(findings.complete);
    ends_only_in(&findings, &["Planned Planned"]);
}

/// The world becomes better, and nothing begins; a new word begins it, one that was there before does not.
#[test]
fn a_plan_is_made_again_by_a_new_word() {
    let world = walk_to_rest(give_claim(wait_with_findings("Run")), |_| ());
    expect_findings(&world);
    let asked = set(take_claim(world), "planRequest", "2");
    let world = walk_to_rest(asked, |_| ());
    let again = set(give_claim(world), "planRequest", "3");
    let world = walk_to_rest(take_claim(again), |_| ());
    expect_findings(&world);
    let mut calls = vec![];
    let reverted = set(give_claim(world), "planRequest", "2");
    let world = walk_to_rest(reverted, |site| calls.push(site));
    expect_findings(&world);
    assert!(!calls.contains(&CallSite::CreateJob), "{calls:?}");
    let settled = walk_until_settled(set(world, "planRequest", "4"));
    assert_eq!(describe_place(&settled), "Succeeded Settling ");
}

/// Findings that vanish, and the word to begin; also where calls fail meanwhile.
#[test]
fn sample_of_a_plan_that_is_mended_and_run() {
    let world = give_claim(wait_with_findings("Plan"));
    let planned = walk_to_rest(set(world, "planRequest", "2"), |_| ());
    assert_eq!(describe_place(&planned), "Planned Planned ");
    let run = set(planned, "action", "Run");
    explore("mended and run", vec![run.clone()], BEGINNING);
    let settled = walk_until_settled(run);
    assert_eq!(describe_place(&settled), "Succeeded Settling ");
}

/// An edit comes while the lock is held, and a finding with it.
#[test]
fn sample_of_a_lock_that_is_given_back() {
    let mut world = walk_until(World::new(1, Setup::default()), "Locking");
    let uid = world.upgrade().unwrap()["metadata"]["uid"].clone();
    world.db.lock = Some((uid.as_str().unwrap().into(), 1));
    let edited = set(take_claim(world), "planRequest", "2");
    let findings = explore("given back", vec![edited.clone()], BEGINNING);
    assert!(findings.complete);
    ends_only_in(&findings, &["Planned Planned"]);
    expect_findings(&walk_to_rest(edited, |_| ()));
}
