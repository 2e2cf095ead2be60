//! HA stays off from the stop of the old version until it is brought to its goal.
use super::world::{Trouble, World};
use super::*;
use oms_operator::api::{HaDriver, PullBackMethod, Reason};

/// The initialisation left `ha.config` with HA on.
fn reset_by_init(driver: HaDriver) -> World {
    let mut world = World::new(1, true, Trouble::default());
    run_until(&mut world, Step::StoppingForRestart);
    world.spec.ha.driver = driver;
    world.ha = world
        .ha
        .replace("\"enable\":false", "\"enable\":true")
        .replace("\"enable\": false", "\"enable\": true");
    assert!(world.ha_enabled());
    world
}

/// Started so, the console would begin its Stores before the keys for their recovery are set.
#[test]
fn what_the_initialisation_wrote_back_is_switched_off_before_the_normal_start() {
    let mut world = reset_by_init(HaDriver::MetaDb);
    run_until(&mut world, Step::StartingFinal);
    assert!(!world.ha_enabled(), "the new version starts with HA on");
    run(&mut world);
    expect(&world, Phase::Succeeded);
}

/// Where the row is a person's to write, one is asked.
#[test]
fn a_person_is_asked_where_the_operator_does_not_write_the_row() {
    let mut world = reset_by_init(HaDriver::Manual);
    for _ in 0..50 {
        world.run_pass();
        world.run_cluster();
    }
    assert_eq!(world.status.step, Some(Step::StoppingForRestart));
    let waiting = world.status.waiting.as_ref().unwrap();
    assert_eq!(waiting.reason, Reason::HaEnabledAgain.as_str());
}

/// Another replica has another clock, and clocks step: Stores that begin too late lose what changed meanwhile.
#[test]
fn a_clock_that_stepped_back_makes_no_pull_back_too_short() {
    let mut world = World::new(1, true, Trouble::default());
    world.spec.ha.pull_back.method = PullBackMethod::RefetchInterval;
    world.spec.ha.pull_back.slack_minutes = 0;
    run_until(&mut world, Step::Initializing);
    world.clock += 5400;
    world.metadb_clock = Some(world.clock);
    world.clock -= 7200;
    run_until(&mut world, Step::Recovering);
    let config: serde_json::Value = serde_json::from_str(&world.ha).unwrap();
    let minutes = config["refetchStoreIntervalMin"].as_i64().unwrap();
    assert!(minutes > 90, "{minutes}");
}
