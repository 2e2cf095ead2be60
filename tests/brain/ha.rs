//! HA stays off from the stop of the old version until it is brought to its goal.
use super::world::{Trouble, World};
use super::*;
use oms_operator::api::{HaDriver, HaParameters, HaRollbackGoal, PullBackMethod, Reason};
use oms_operator::oms::ha::{HaConfig, HaPatch};

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

/// What a person wants of the parameters after the upgrade.
fn wanted() -> HaParameters {
    HaParameters {
        enable_host: Some(true),
        subtopic_store_number_threshold: Some(8),
        check_host_down_interval_sec: Some(300),
        refetch_store_interval_min: Some(45),
        ..HaParameters::default()
    }
}

fn read_key(world: &World, key: &str) -> Option<String> {
    let config = HaConfig::parse(&world.ha).unwrap();
    config.read_value(key).map(str::to_owned)
}

fn reads_as_wanted(world: &World) -> bool {
    let config = HaConfig::parse(&world.ha).unwrap();
    config.satisfies(&HaPatch::of_parameters(&wanted()))
}

/// Between the two HA would work with parameters that nobody wants.
#[test]
fn parameters_come_in_the_write_that_switches_ha_on() {
    for ha_on in [true, false] {
        let mut world = World::new(1, ha_on, Trouble::default());
        world.spec.ha.parameters = Some(wanted());
        run_until(&mut world, Step::EnablingHa);
        assert!(!reads_as_wanted(&world), "the old version is given them");
        while !world.ha_enabled() {
            assert!(!reads_as_wanted(&world), "a write of their own");
            world.run_pass();
            world.run_cluster();
            world.clock += 1;
        }
        assert!(reads_as_wanted(&world), "{}", world.ha);
        let intent = world.status.internal.intent.clone().unwrap();
        let subject = intent.subject.unwrap();
        assert!(
            subject.contains("subtopicStoreNumberThreshold=8"),
            "{subject}"
        );
        assert!(subject.contains("enable=true"), "{subject}");
        run(&mut world);
        expect(&world, Phase::Succeeded);
        assert!(reads_as_wanted(&world), "{}", world.ha);
        // The types that OMS documents, nothing of what was not named, and the recovery key goes back.
        assert_eq!(
            read_key(&world, "subtopicStoreNumberThreshold").unwrap(),
            "8"
        );
        assert_eq!(read_key(&world, "enableHost").unwrap(), "true");
        assert_eq!(read_key(&world, "custom").unwrap(), "\"kept\"");
        assert_eq!(read_key(&world, "checkRequestIntervalSec"), None);
        assert_eq!(read_key(&world, "perceiveStoreClientCheckpoint"), None);
    }
}

/// An operator that dies between any two passes comes back to the same row.
#[test]
fn parameters_that_a_console_writes_away_are_written_again() {
    let trouble = Trouble {
        write_back: true,
        ..Trouble::default()
    };
    let mut world = World::new(1, true, trouble);
    world.spec.ha.parameters = Some(wanted());
    run(&mut world);
    expect(&world, Phase::Succeeded);
    assert!(reads_as_wanted(&world), "{}", world.ha);
}

#[test]
fn a_key_that_is_named_stays_after_the_recovery_and_is_told_as_nothing_left() {
    for trouble in [
        Trouble::default(),
        Trouble {
            unwatched: true,
            ..Trouble::default()
        },
    ] {
        let mut world = World::new(1, true, trouble);
        world.spec.ha.parameters = Some(HaParameters {
            perceive_store_client_checkpoint: Some(true),
            refetch_store_interval_min: Some(45),
            ..HaParameters::default()
        });
        run(&mut world);
        expect(&world, Phase::Succeeded);
        assert_eq!(
            read_key(&world, "perceiveStoreClientCheckpoint").as_deref(),
            Some("true")
        );
        assert_eq!(
            read_key(&world, "refetchStoreIntervalMin").as_deref(),
            Some("45")
        );
        assert_eq!(world.status.kept_keys, vec![], "{trouble:?}");
    }
}

#[test]
fn the_old_version_is_given_no_parameters() {
    let mut world = World::new(1, true, Trouble::default());
    world.spec.ha.parameters = Some(wanted());
    let before = world.ha.clone();
    run_until(&mut world, Step::BackingUp);
    world.ask(Action::Abort);
    run(&mut world);
    expect(&world, Phase::Aborted);
    assert_eq!(world.ha, before);
}

/// An older definition may let a parameter in that the pull-back writes: it is written once, and not for ever.
#[test]
fn a_parameter_that_the_pull_back_writes_does_not_fight_it() {
    let mut world = World::new(1, true, Trouble::default());
    world.spec.ha.pull_back.method = PullBackMethod::RefetchInterval;
    world.spec.ha.parameters = Some(HaParameters {
        refetch_store_interval_min: Some(1),
        ..HaParameters::default()
    });
    run(&mut world);
    expect(&world, Phase::Succeeded);
    assert_eq!(
        read_key(&world, "refetchStoreIntervalMin").as_deref(),
        Some("1")
    );
}

#[test]
fn ha_that_shall_be_off_after_a_way_back_stays_off_and_the_projects_are_listed() {
    for (stop, phase) in [
        (Step::BackingUp, Phase::Aborted),
        (Step::Initializing, Phase::RolledBack),
    ] {
        let mut world = World::new(1, true, Trouble::default());
        world.spec.ha.rollback_goal = HaRollbackGoal::Disabled;
        run_until(&mut world, stop);
        world.ask(match phase {
            Phase::Aborted => Action::Abort,
            _ => Action::RollBack,
        });
        run_slowly(&mut world, 100_000, |world| world.status.stall.is_some());
        assert_eq!(world.status.step, Some(Step::Recovering), "{phase:?}");
        assert!(!world.ha_enabled(), "{phase:?}");
        let open = &world.status.open_projects;
        assert!(open[0].message.contains("HA is off"), "{open:?}");
        // For whom it is who switches it on: Stores begin early enough.
        assert!(
            world.ha.contains("\"perceiveStoreClientCheckpoint\":true"),
            "{}",
            world.ha
        );
        // A person starts its components.
        for _ in 0..10 {
            world.checkpoint += 1000;
            world.run_pass();
        }
        run(&mut world);
        expect(&world, phase);
        assert!(!world.ha_enabled());
        assert_eq!(world.status.kept_keys, vec![]);
        assert!(condition_is_true(
            &world.status.conditions,
            types::HA_RESTORED
        ));
    }
}

/// Who switches HA on as the documents say goes on by that.
#[test]
fn ha_that_a_person_switches_on_after_a_way_back_is_no_change_by_others() {
    let mut world = World::new(1, true, Trouble::default());
    world.spec.ha.rollback_goal = HaRollbackGoal::Disabled;
    run_until(&mut world, Step::Initializing);
    world.ask(Action::RollBack);
    run_slowly(&mut world, 100_000, |world| world.status.stall.is_some());
    assert_eq!(world.status.step, Some(Step::Recovering));
    world.ha = world.ha.replace("\"enable\":false", "\"enable\":true");
    assert!(world.ha_enabled());
    for _ in 0..10 {
        world.checkpoint += 1000;
        world.run_pass();
    }
    run(&mut world);
    expect(&world, Phase::RolledBack);
    assert!(world.ha_enabled());
    assert!(!world.ha.contains("\"perceiveStoreClientCheckpoint\":true"));
}

/// The way forward knows nothing of it.
#[test]
fn what_ha_shall_be_after_a_way_back_is_nothing_to_the_way_forward() {
    let mut world = World::new(1, true, Trouble::default());
    world.spec.ha.rollback_goal = HaRollbackGoal::Disabled;
    run(&mut world);
    expect(&world, Phase::Succeeded);
    assert!(world.ha_enabled());
}
