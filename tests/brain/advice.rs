//! What preflight tells and never holds against anybody: time zones, and what was seen of the assumptions about OMS.
use super::world::{Trouble, World};
use super::*;
use oms_operator::api::{AssumptionsStatus, CheckOutcome, CheckResult};
use oms_operator::oms::assumptions::AssumptionName;

fn plan(trouble: Trouble) -> World {
    let mut world = World::new(1, true, trouble);
    world.spec.action = Action::Plan;
    run(&mut world);
    world
}

fn find(world: &World, name: &str) -> CheckResult {
    let checks = &world.status.plan.as_ref().unwrap().checks;
    checks.iter().find(|one| one.name == name).unwrap().clone()
}

fn assumptions(world: &World) -> &AssumptionsStatus {
    let plan = world.status.plan.as_ref().unwrap();
    plan.assumptions.as_ref().unwrap()
}

fn is_ready(world: &World) -> bool {
    let conditions = &world.status.conditions;
    conditions
        .iter()
        .any(|one| one.type_ == "PreflightPassed" && one.status == "True")
}

/// A MetaDB in another time zone than OMS is told with both, and is in nobody's way.
#[test]
fn a_metadb_in_another_time_zone_is_warned_of_and_blocks_nothing() {
    let same = plan(Trouble::default());
    assert_eq!(find(&same, "TimeZones").outcome, CheckOutcome::Passed);
    let east = plan(Trouble {
        metadb_offset: 28_800,
        ..Trouble::default()
    });
    let told = find(&east, "TimeZones");
    assert_eq!(told.outcome, CheckOutcome::Warning);
    assert!(
        told.evidence.contains("UTC+00:00") && told.evidence.contains("UTC+08:00"),
        "{told:?}"
    );
    assert!(is_ready(&east));
    let contradicted = &assumptions(&east).contradicted;
    assert!(
        contradicted
            .iter()
            .any(|one| one.starts_with("TimeZones: ")),
        "{contradicted:?}"
    );
}

/// What cannot be told is not equal; it is looked for several times, and then it blocks nothing either.
#[test]
fn a_time_zone_that_cannot_be_read_is_waited_for_and_never_passed() {
    let mut world = World::new(
        1,
        true,
        Trouble {
            no_time_zone: true,
            ..Trouble::default()
        },
    );
    world.spec.action = Action::Plan;
    for _ in 0..30 {
        world.run_pass();
        world.run_cluster();
    }
    assert_eq!(world.status.step, Some(Step::Preflight));
    run(&mut world);
    let told = find(&world, "TimeZones");
    assert_eq!(told.outcome, CheckOutcome::Warning);
    assert!(told.evidence.contains("cannot be told"), "{told:?}");
    assert!(is_ready(&world));
    let unseen = &assumptions(&world).not_seen;
    assert!(
        unseen.iter().any(|one| one.starts_with("TimeZones: ")),
        "{unseen:?}"
    );
}

/// Each assumption stands in one list; the lists are short, and go when the upgrade begins.
#[test]
fn each_assumption_is_told_once_and_only_until_the_upgrade_begins() {
    let mut world = plan(Trouble::default());
    let told = assumptions(&world).clone();
    let all = [
        &told.looked_at,
        &told.not_seen,
        &told.contradicted,
        &told.later,
    ];
    let mut names: Vec<&str> = all
        .into_iter()
        .flatten()
        .map(|words| words.split(':').next().unwrap())
        .collect();
    names.sort_unstable();
    let mut every: Vec<&str> = AssumptionName::ALL.iter().map(|one| one.as_str()).collect();
    every.sort_unstable();
    assert_eq!(names, every);
    for name in ["HaRow", "HostRows", "Programs", "ConfigFile", "TimeZones"] {
        assert!(told.looked_at.iter().any(|one| one == name), "{told:?}");
    }
    // This world's consoles have no such page, and its MetaDB has no row of the second limit.
    assert!(told.contradicted[0].starts_with("HealthPage: "), "{told:?}");
    assert!(
        told.not_seen
            .iter()
            .any(|one| one.starts_with("StoreLimits: "))
    );
    assert!(told.later.iter().any(|one| one == "InitText"), "{told:?}");
    assert!(serde_json::to_string(&told).unwrap().len() < 4096);
    world.spec.action = Action::Run;
    world.generation += 1;
    run(&mut world);
    assert!(world.status.plan.as_ref().unwrap().assumptions.is_none());
}
