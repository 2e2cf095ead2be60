//! What is asked of OMS after the line was asked before it: an image that differs in one point is no reason to take
//! back a healthy migration.
use super::world::{Trouble, World};
use super::*;
use oms_operator::api::{CheckOutcome, CheckResult};
use serde_json::json;

fn start(trouble: Trouble, attested: bool) -> World {
    let mut world = World::new(1, true, trouble);
    if attested {
        let check = json!({"name": "OmsHealthy", "policy": "Attest", "reason": "it was always so"});
        world
            .spec
            .checks
            .push(serde_json::from_value(check).unwrap());
    }
    if trouble.named_nodes {
        let check = json!({"name": "AllNodesListed", "policy": "Skip", "reason": "names"});
        world
            .spec
            .checks
            .push(serde_json::from_value(check).unwrap());
    }
    run(&mut world);
    world
}

fn list(world: &World, outcome: CheckOutcome) -> Vec<String> {
    let checks = world.status.plan.as_ref().unwrap().checks.iter();
    let of = checks.filter(|one: &&CheckResult| one.name == "OmsHealthy" && one.outcome == outcome);
    of.map(|one| one.subject.clone()).collect()
}

/// What does not exist before the upgrade is told, and not asked for afterwards.
#[test]
fn what_was_not_there_before_is_not_asked_for_afterwards() {
    for (trouble, named) in [
        (
            Trouble {
                without_program: Some("sshd"),
                ..Trouble::default()
            },
            "sshd oms-1",
        ),
        (
            Trouble {
                named_nodes: true,
                ..Trouble::default()
            },
            "host node-10.0.0.1",
        ),
    ] {
        let world = start(trouble, false);
        expect(&world, Phase::Succeeded);
        let known = &world.status.internal.health_baseline.as_ref().unwrap();
        let text = serde_json::to_string(known).unwrap();
        let word = named.split_once(' ').unwrap().0;
        assert!(!text.contains(word), "{named}: {text}");
    }
}

/// What is seen to be unwell is told before anything is touched; attested, it alone is not asked for.
#[test]
fn what_was_unwell_before_is_a_finding_that_can_be_attested() {
    for (trouble, named) in [
        (
            Trouble {
                beats_off: true,
                ..Trouble::default()
            },
            "heartBeat 10.0.0.1",
        ),
        (
            Trouble {
                fatal_program: Some("sshd"),
                ..Trouble::default()
            },
            "sshd oms-1",
        ),
    ] {
        let world = start(trouble, false);
        let told = expect_findings(&world, "CheckFailed");
        assert_eq!(list(&world, CheckOutcome::Failed), [named]);
        assert!(told.contains("name: OmsHealthy, policy: Attest"), "{told}");
        expect(&start(trouble, true), Phase::Succeeded);
        // The way back asks for no more than there was.
        let back = Trouble {
            init_fails: true,
            ..trouble
        };
        expect(&start(back, true), Phase::RolledBack);
    }
}

/// Without nginx, the console and a node that is ONLINE nobody's word counts.
#[test]
fn what_no_version_is_without_cannot_be_attested() {
    for (trouble, named) in [
        (
            Trouble {
                fatal_program: Some("nginx"),
                ..Trouble::default()
            },
            "nginx oms-1",
        ),
        (
            Trouble {
                hosts_offline: true,
                ..Trouble::default()
            },
            "every node",
        ),
    ] {
        let world = start(trouble, true);
        expect_findings(&world, "CheckFailed");
        assert_eq!(list(&world, CheckOutcome::Failed), [named]);
    }
}

/// A beat from a time zone to the east would be fresh for ever, however long ago it was.
#[test]
fn a_heart_beat_that_is_ahead_says_nothing() {
    let ahead = Trouble {
        beats_ahead: true,
        ..Trouble::default()
    };
    let world = start(ahead, false);
    expect(&world, Phase::Succeeded);
    assert_eq!(list(&world, CheckOutcome::Failed), [""; 0]);
    let check = world.status.plan.as_ref().unwrap().checks.iter();
    let told: Vec<_> = check
        .filter(|one| one.evidence.contains("different time zones"))
        .collect();
    assert!(!told.is_empty());
}

/// What breaks only with the new version is a reason to go back: also a node that `cm_nodes` does not name.
#[test]
fn what_was_well_before_is_asked_for_afterwards() {
    for change in [
        (|trouble| trouble.hosts_offline = true) as fn(&mut Trouble),
        |trouble| trouble.beats_off = true,
        |trouble| trouble.without_program = Some("sshd"),
        |trouble| trouble.fatal_program = Some("oms_drc_cm"),
    ] {
        for no_nodes in [false, true] {
            let mut world = World::new(
                1,
                true,
                Trouble {
                    no_nodes,
                    ..Trouble::default()
                },
            );
            run_until(&mut world, Step::StartingFinal);
            change(&mut world.trouble);
            for _ in 0..100 {
                world.run_pass();
                world.run_cluster();
            }
            assert_eq!(world.status.step, Some(Step::StartingFinal), "{no_nodes}");
        }
    }
}
