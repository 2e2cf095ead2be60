//! Recovery keys of `ha.config` where nobody can watch the recovery: they stay, people are told, and the next upgrade
//! knows of them.
use super::world::{Trouble, World};
use super::{expect, run, run_slowly, run_until};
use oms_operator::api::KeptKey;
use oms_operator::api::{
    Action, CheckOutcome, OmsUpgradeStatus, Phase, PullBackMethod, Step, condition_types as types,
    find_condition,
};
use oms_operator::oms::ha::HaConfig;
use oms_operator::oms::metadb::KeptKeys;

/// A default is no constant.
fn unwatched() -> Trouble {
    Trouble {
        unwatched: true,
        ..Trouble::default()
    }
}

/// The recovery keys as they read.
fn read_keys(world: &World) -> (Option<bool>, Option<u64>) {
    let setting = HaConfig::parse(&world.ha).unwrap().read_setting();
    (
        setting.perceive_store_client_checkpoint,
        setting.refetch_store_interval_min,
    )
}

/// Status and reason of the condition, and the words of `Ready`.
fn read_verdict(world: &World) -> (String, String, String) {
    let find = |name| find_condition(&world.status.conditions, name).unwrap();
    let recovered = find(types::REPLICATION_RECOVERED);
    (
        recovered.status.clone(),
        recovered.reason.clone(),
        find(types::READY).message.clone(),
    )
}

fn kept(key: &str, value: &str, original: Option<&str>) -> KeptKey {
    KeptKey {
        key: key.into(),
        value: value.into(),
        original: original.map(str::to_owned),
    }
}

/// The object is deleted and made anew, as an abort suggests.
fn begin_anew(world: &mut World) {
    world.status = OmsUpgradeStatus::default();
    // The rows of another upgrade are not its own.
    world.record.clear();
    world.generation += 1;
    world.ask(Action::Run);
    world.trouble.unwatched = false;
}

fn abort_unwatched(method: PullBackMethod) -> World {
    let mut world = World::new(1, true, unwatched());
    world.spec.ha.pull_back.method = method;
    run_until(&mut world, Step::BackingUp);
    world.ask(Action::Abort);
    run(&mut world);
    expect(&world, Phase::Aborted);
    world
}

#[test]
fn they_stay_where_nobody_watches_and_the_verdict_says_so() {
    let back = Trouble {
        init_fails: true,
        ..unwatched()
    };
    for (trouble, phase) in [
        (unwatched(), Phase::Succeeded),
        (back, Phase::RolledBack),
        (unwatched(), Phase::Aborted),
    ] {
        let mut world = World::new(1, true, trouble);
        if phase == Phase::Aborted {
            world = abort_unwatched(PullBackMethod::PerceiveCheckpoint);
        } else {
            run(&mut world);
        }
        expect(&world, phase);
        assert_eq!(read_keys(&world), (Some(true), Some(30)), "{phase:?}");
        let keys = [kept("perceiveStoreClientCheckpoint", "true", None)];
        assert_eq!(world.status.kept_keys, keys);
        assert_eq!(world.kept.as_ref().unwrap().keys, keys);
        let (status, reason, ready) = read_verdict(&world);
        assert_eq!(
            (status.as_str(), reason.as_str()),
            ("Unknown", "NothingWatched")
        );
        for words in [
            "nobody watched",
            "keeps \"perceiveStoreClientCheckpoint\": true",
            "ha.config: remove \"perceiveStoreClientCheckpoint\"",
        ] {
            assert!(ready.contains(words), "{words}: {ready}");
        }
        assert!(!ready.contains("everything is as before"), "{ready}");
        assert!(!world.run_pass(), "a settled upgrade acts");
    }
}

#[test]
fn the_next_upgrade_withdraws_them() {
    for method in [
        PullBackMethod::PerceiveCheckpoint,
        PullBackMethod::RefetchInterval,
    ] {
        let mut world = abort_unwatched(method);
        assert_ne!(read_keys(&world), (None, Some(30)), "{method:?}");
        begin_anew(&mut world);
        run(&mut world);
        expect(&world, Phase::Succeeded);
        assert_eq!(read_keys(&world), (None, Some(30)), "{method:?}");
        assert_eq!((&world.kept, world.status.kept_keys.len()), (&None, 0));
        let (status, reason, ready) = read_verdict(&world);
        assert_eq!((status.as_str(), reason.as_str()), ("True", "Advancing"));
        assert!(!ready.contains("ha.config"), "{ready}");
        let checks = &world.status.plan.as_ref().unwrap().checks;
        let told = checks.iter().find(|check| check.name == "HaReadable");
        assert!(
            told.is_some_and(|check| check.outcome == CheckOutcome::Warning
                && check.evidence.contains("left by oms/up")),
            "{told:?}"
        );
    }
}

/// Again nobody watches: what goes back in the end is still what stood there in the beginning.
#[test]
fn they_are_never_taken_for_originals() {
    let mut world = abort_unwatched(PullBackMethod::PerceiveCheckpoint);
    begin_anew(&mut world);
    world.trouble.unwatched = true;
    run(&mut world);
    expect(&world, Phase::Succeeded);
    let keys = [kept("perceiveStoreClientCheckpoint", "true", None)];
    assert_eq!(world.kept.as_ref().unwrap().keys, keys);
    assert_eq!(world.status.kept_keys, keys);
}

/// What a person has made of them since is that person's own.
#[test]
fn a_value_that_a_person_set_since_stays() {
    let mut world = abort_unwatched(PullBackMethod::PerceiveCheckpoint);
    world.ha = world.ha.replace(
        "\"perceiveStoreClientCheckpoint\":true",
        "\"perceiveStoreClientCheckpoint\":false",
    );
    begin_anew(&mut world);
    run(&mut world);
    expect(&world, Phase::Succeeded);
    assert_eq!(read_keys(&world), (Some(false), Some(30)));
    assert_eq!(world.kept, None);
}

/// Stores of an earlier upgrade may not be made yet: the pull-back gets no shorter.
#[test]
fn a_pull_back_is_never_made_shorter() {
    let mut world = World::new(1, true, Trouble::default());
    world.spec.ha.pull_back.method = PullBackMethod::RefetchInterval;
    let long = "\"refetchStoreIntervalMin\":5000";
    world.ha = world.ha.replace("\"refetchStoreIntervalMin\":30", long);
    world.kept = Some(KeptKeys {
        note: "oms/earlier".into(),
        keys: vec![kept("refetchStoreIntervalMin", "5000", Some("30"))],
    });
    run_until(&mut world, Step::Recovering);
    assert_eq!(read_keys(&world), (Some(false), Some(5000)));
    run(&mut world);
    expect(&world, Phase::Succeeded);
    assert_eq!(read_keys(&world), (None, Some(30)));
    assert_eq!(world.kept, None);
}

/// HA makes Stores for paused projects as well, and no checkpoint of theirs tells.
#[test]
fn they_stay_where_every_project_is_paused() {
    for (no_project, status, keys) in [
        (true, ("Unknown", "NothingWatched"), (Some(true), Some(30))),
        // HA looks at every Store in the same round: the one that advances speaks for the other.
        (false, ("True", "Advancing"), (None, Some(30))),
    ] {
        let trouble = Trouble {
            paused_beside: true,
            no_project,
            ..Trouble::default()
        };
        let mut world = World::new(1, true, trouble);
        run(&mut world);
        expect(&world, Phase::Succeeded);
        assert_eq!(read_keys(&world), keys);
        let (is, reason, ready) = read_verdict(&world);
        assert_eq!((is.as_str(), reason.as_str()), status);
        let told = ready.contains("remove \"perceiveStoreClientCheckpoint\"");
        assert_eq!(told, no_project, "{ready}");
    }
}

/// More projects than the status records: nobody watches the rest.
#[test]
fn they_stay_where_more_projects_ran_than_are_recorded() {
    let mut world = World::new(1, true, Trouble::default());
    run_until(&mut world, Step::DisablingHa);
    assert_eq!(world.status.internal.unwatched_projects, Some(0));
    world.status.internal.unwatched_projects = Some(3);
    run(&mut world);
    expect(&world, Phase::Succeeded);
    assert_eq!(read_keys(&world), (Some(true), Some(30)));
    let (is, reason, ready) = read_verdict(&world);
    assert_eq!((is.as_str(), reason.as_str()), ("Unknown", "PartlyWatched"));
    assert!(ready.contains("3 other(s) are not watched"), "{ready}");
}

#[test]
fn they_go_back_where_there_is_nothing_to_watch() {
    let trouble = Trouble {
        no_project: true,
        ..Trouble::default()
    };
    let mut world = World::new(1, true, trouble);
    run(&mut world);
    expect(&world, Phase::Succeeded);
    assert_eq!(read_keys(&world), (None, Some(30)));
    let (status, reason, _) = read_verdict(&world);
    assert_eq!((status.as_str(), reason.as_str()), ("True", "NoProjects"));
}

/// What cannot be written down is told, once, and goes on by itself when it is let through.
#[test]
fn a_note_that_is_refused_stays_stalled() {
    let mut world = World::new(1, true, unwatched());
    world.refused = Some("KeepKeys");
    run_slowly(&mut world, 10_000, |world| world.status.stall.is_some());
    let stalled = world.status.clone();
    assert_eq!(stalled.stall.clone().unwrap().reason, "EffectRefused");
    for _ in 0..600 {
        world.run_pass();
        world.run_cluster();
        world.clock += 10;
        assert_eq!(world.status, stalled);
    }
    world.refused = None;
    run_slowly(&mut world, 10_000, |world| world.status.settled);
    expect(&world, Phase::Succeeded);
    assert!(world.kept.is_some());
}

/// The only one that was watched ended before it advanced: it speaks for nobody.
#[test]
fn they_stay_where_every_watched_project_ended() {
    let trouble = Trouble {
        project_down: true,
        paused_beside: true,
        ..Trouble::default()
    };
    let mut world = World::new(1, true, trouble);
    run_slowly(&mut world, 100_000, |world| world.status.stall.is_some());
    assert_eq!(world.status.internal.unwatched_projects, Some(0));
    world.project_released = true;
    run(&mut world);
    expect(&world, Phase::Succeeded);
    assert_eq!(read_keys(&world), (Some(true), Some(30)));
    let (is, reason, ready) = read_verdict(&world);
    assert_eq!(
        (is.as_str(), reason.as_str()),
        ("Unknown", "NothingWatched")
    );
    assert!(ready.contains("before one was seen to advance"), "{ready}");
    assert!(!world.run_pass(), "a settled upgrade acts");
}

#[test]
fn a_project_that_stays_down_is_waited_for() {
    let mut world = World::new(
        1,
        true,
        Trouble {
            project_down: true,
            ..Trouble::default()
        },
    );
    // What mostly stands in the way is told long before the limit.
    run_slowly(&mut world, 2_000, |world| {
        let waiting = world.status.waiting.as_ref();
        waiting.is_some_and(|waiting| waiting.message.contains("subtopicStoreNumberThreshold"))
    });
    run_slowly(&mut world, 100_000, |world| world.status.stall.is_some());
    let stall = world.status.stall.as_ref().unwrap();
    assert_eq!(stall.reason, "ReplicationNotRecovered");
    assert_eq!(world.status.open_projects.len(), 1);
    world.trouble.project_down = false;
    run(&mut world);
    expect(&world, Phase::Succeeded);
}

/// The row of before comes back with the databases: what was left in the other one is not there any more, and nobody is
/// told to remove it.
#[test]
fn a_restore_takes_them_away() {
    let mut world = World::new(1, false, unwatched());
    let before = world.ha.clone();
    run(&mut world);
    expect(&world, Phase::Succeeded);
    assert!(!world.status.kept_keys.is_empty());
    world.ask(Action::RollBack);
    run_until(&mut world, Step::StartingOld);
    world.ha = before;
    run(&mut world);
    expect(&world, Phase::RolledBack);
    assert_eq!(world.status.kept_keys, vec![]);
    let (.., ready) = read_verdict(&world);
    assert!(!ready.contains("ha.config keeps"), "{ready}");
}
