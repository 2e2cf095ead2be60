//! Whose sessions are on the MetaDB, before the stop and after it.
use super::world::{Trouble, World, session};
use super::{expect, run, run_until};
use oms_operator::api::{CheckOutcome, CheckResult, JobRole, Phase, Step};
use oms_operator::oms::metadb::ServerCoverage;
use serde_json::json;

fn attest(world: &mut World, name: &str) {
    let check = json!({"name": name, "policy": "Attest", "reason": "looked at on every server"});
    world
        .spec
        .checks
        .push(serde_json::from_value(check).unwrap());
}

fn find_check(world: &World, name: &str) -> CheckResult {
    let checks = &world.status.plan.as_ref().unwrap().checks;
    checks
        .iter()
        .find(|check| check.name == name)
        .unwrap()
        .clone()
}

/// What was seen and what to do.
fn tell(check: &CheckResult) -> String {
    let way_out = check.way_out.as_deref().unwrap_or_default();
    format!("{}; {way_out}", check.evidence)
}

/// Passes until the stop waits for something; what it says.
fn wait_at_the_stop(world: &mut World) -> (String, String) {
    run_until(world, Step::StoppingOld);
    for _ in 0..20 {
        world.run_pass();
        world.run_cluster();
    }
    assert_eq!(world.status.step, Some(Step::StoppingOld));
    assert!(!world.jobs.contains_key(&JobRole::Dump), "a dump began");
    let waiting = world.status.waiting.clone().unwrap();
    (waiting.reason, waiting.message)
}

/// A list of one server of several hides an OMS that is connected to another.
#[test]
fn a_list_of_one_server_needs_a_person() {
    let mut world = World::new(1, true, Trouble::default());
    world.coverage = ServerCoverage::AnsweringServer;
    run(&mut world);
    assert_eq!(world.status.phase, Some(Phase::Planned));
    let check = find_check(&world, "SessionsVisible");
    assert_eq!(check.outcome, CheckOutcome::Failed);
    for words in [
        "one database server that answered",
        "gv$ob_processlist",
        "policy: Attest",
    ] {
        assert!(tell(&check).contains(words), "{check:?}");
    }
    let mut world = World::new(1, true, Trouble::default());
    world.coverage = ServerCoverage::AnsweringServer;
    attest(&mut world, "SessionsVisible");
    run(&mut world);
    expect(&world, Phase::Succeeded);
}

/// The list may come to cover less after preflight: a right was taken, a server joined.
#[test]
fn a_list_that_covers_less_at_the_stop_is_waited_for() {
    let mut world = World::new(1, true, Trouble::default());
    run_until(&mut world, Step::DisablingHa);
    world.coverage = ServerCoverage::AnsweringServer;
    let (reason, message) = wait_at_the_stop(&mut world);
    assert_eq!(reason, "SessionsPartlyUnseen");
    assert!(message.contains("gv$ob_processlist"), "{message}");
    world.coverage = ServerCoverage::AllServers;
    run(&mut world);
    expect(&world, Phase::Succeeded);
}

/// In a database of its own and from a node of its own: it is named, and nothing waits for it.
#[test]
fn a_second_oms_with_the_same_account_is_named_and_does_not_count() {
    let mut world = World::new(1, true, Trouble::default());
    world.strangers = vec![
        session("10.0.9.9", Some("other_rm")),
        session("10.0.9.9", Some("other_rm")),
    ];
    run(&mut world);
    let check = find_check(&world, "OnlyOwnSessions");
    assert_eq!(check.outcome, CheckOutcome::Warning);
    for words in ["oms@10.0.9.9 on other_rm (2)", "account of its own"] {
        assert!(tell(&check).contains(words), "{check:?}");
    }
    expect(&world, Phase::Succeeded);
}

/// Its sessions without a database cannot be told from OMS's: that is said before OMS is stopped.
#[test]
fn a_second_oms_that_would_hold_up_the_stop_is_refused_before_it() {
    let mut world = World::new(1, true, Trouble::default());
    world.strangers = vec![
        session("10.0.9.9", Some("other_rm")),
        session("10.0.9.9", None),
    ];
    let stands = world.clone();
    run(&mut world);
    assert_eq!(world.status.phase, Some(Phase::Planned));
    let check = find_check(&world, "OnlyOwnSessions");
    for words in [
        "oms@10.0.9.9 on no database (1)",
        "oms@10.0.9.9 on other_rm (1)",
        "policy: Attest",
    ] {
        assert!(tell(&check).contains(words), "{check:?}");
    }
    assert!(world.ha_enabled() && world.status.started_time.is_none());
    // A person's word does not make them anybody else's.
    let mut world = stands;
    attest(&mut world, "OnlyOwnSessions");
    let (reason, message) = wait_at_the_stop(&mut world);
    assert_eq!(reason, "SessionsLeft");
    assert!(message.contains("on no database"), "{message}");
    assert!(!message.contains("other_rm"), "{message}");
}

/// What is not known to be another's counts after the stop.
#[test]
fn a_session_that_may_be_ours_counts() {
    for stranger in [
        session("10.0.0.1", Some("other_rm")),
        session("10.0.9.9", Some("oms_rm")),
        session("10.0.9.9", None),
        session("10.0.9.9", Some("information_schema")),
        session("node-9", Some("other_rm")),
    ] {
        let mut world = World::new(1, true, Trouble::default());
        world.strangers = vec![stranger.clone()];
        let (reason, _) = wait_at_the_stop(&mut world);
        assert_eq!(reason, "SessionsLeft", "{stranger:?}");
        world.strangers.clear();
        run(&mut world);
        expect(&world, Phase::Succeeded);
    }
}

/// A healthy OMS that comes through a proxy or NAT is not refused.
#[test]
fn an_oms_behind_nat_is_upgraded() {
    for (host, outcome) in [
        ("192.168.7.7", CheckOutcome::Warning),
        ("10.0.0.1", CheckOutcome::Passed),
    ] {
        let mut world = World::new(1, true, Trouble::default());
        world.oms_comes_from = Some(host);
        run_until(&mut world, Step::Locking);
        assert_eq!(find_check(&world, "OnlyOwnSessions").outcome, outcome);
        run(&mut world);
        expect(&world, Phase::Succeeded);
    }
    // Also beside another program that comes through the same proxy.
    let mut world = World::new(1, true, Trouble::default());
    world.oms_comes_from = Some("192.168.7.7");
    world.strangers = vec![session("192.168.7.7", Some("other_rm"))];
    run(&mut world);
    expect(&world, Phase::Succeeded);
}
