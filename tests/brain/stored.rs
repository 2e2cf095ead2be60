//! What a webhook or a policy would make of the writes is told before anything is touched.
use super::*;
use oms_operator::api::{Check, CheckOutcome, CheckResult};
use oms_operator::facts::{FieldChange, Rehearsed, RehearsedAct};
use serde_json::{Value, json};

const IMAGE: &str = "spec.template.spec.containers[oms].image";

fn change(path: &str, sent: Option<Value>, stored: Option<Value>) -> Rehearsed {
    Rehearsed::Taken(vec![FieldChange {
        path: path.into(),
        sent,
        stored,
    }])
}

/// Runs to the plan, or through it, with these outcomes of dry runs and this policy; and what was told.
fn run_with(rehearsed: &[(RehearsedAct, Rehearsed)], policy: &str) -> (World, Vec<CheckResult>) {
    let mut world = World::new(1, true, Trouble::default());
    world.rehearsed = rehearsed.to_vec();
    let check = json!({"name": "StoredAsSent", "policy": policy, "reason": "known"});
    let check: Check = serde_json::from_value(check).unwrap();
    world.spec.checks.push(check);
    let mut told = vec![];
    for _ in 0..400 {
        if let Some(plan) = &world.status.plan
            && told.is_empty()
        {
            let checks = plan.checks.iter();
            told = checks
                .filter(|check| check.name == "StoredAsSent")
                .cloned()
                .collect();
        }
        if world.is_at_rest() {
            break;
        }
        if !world.run_pass() & !world.run_cluster() {
            world.clock += 30;
        }
    }
    (world, told)
}

#[test]
fn a_template_that_would_be_rewritten_is_told_field_by_field() {
    let mirrored = || {
        let (sent, stored) = (json!("oms:4"), json!("mirror.test/oms:4"));
        change(IMAGE, Some(sent), Some(stored))
    };
    let acts = [
        (RehearsedAct::StartUpgrade, mirrored()),
        (RehearsedAct::StartFinal, mirrored()),
    ];
    for policy in ["Require", "Attest"] {
        let (world, told) = run_with(&acts, policy);
        let message = expect_findings(&world, "CheckFailed");
        assert!(message.contains(IMAGE), "{message}");
        assert_eq!(told.len(), 1, "{told:?}");
        assert_eq!(told[0].subject, format!("oms-1 {IMAGE}"));
        for word in [
            "oms:4",
            "mirror.test/oms:4",
            "normal start",
            "initialisation",
        ] {
            assert!(told[0].evidence.contains(word), "{told:?}");
        }
        let way_out = told[0].way_out.as_deref().unwrap();
        assert!(
            way_out.contains("spec.image: mirror.test/oms:4"),
            "{way_out}"
        );
    }
    let (world, _) = run_with(&acts, "Skip");
    expect(&world, Phase::Succeeded);
}

/// What stands in the environment may be a password.
#[test]
fn no_value_of_the_environment_is_told() {
    let path = "spec.template.spec.containers[oms].env[A].value";
    let secret = change(path, Some(json!("hunter2")), Some(json!("hunter3")));
    let (world, told) = run_with(&[(RehearsedAct::Stop, secret)], "Require");
    expect_findings(&world, "CheckFailed");
    assert!(told[0].evidence.contains("env[A].value would be changed"));
    let status = serde_json::to_string(&world.status).unwrap();
    assert!(!status.contains("hunter"), "{status}");
}

#[test]
fn what_a_pod_only_gets_besides_can_be_attested() {
    let sidecar = || {
        change(
            "spec.containers[proxy]",
            None,
            Some(json!({"name": "proxy"})),
        )
    };
    let new = [
        (RehearsedAct::UpgradePod, sidecar()),
        (RehearsedAct::FinalPod, sidecar()),
    ];
    let (world, told) = run_with(&new, "Require");
    expect_findings(&world, "CheckFailed");
    assert!(told[0].way_out.as_deref().unwrap().contains("Attest"));
    let (world, _) = run_with(&new, "Attest");
    expect(&world, Phase::Succeeded);
    // OMS lives with it today.
    let mut every = new.to_vec();
    every.push((RehearsedAct::OldPod, sidecar()));
    let (world, told) = run_with(&every, "Require");
    expect(&world, Phase::Succeeded);
    assert_eq!(told[0].outcome, CheckOutcome::Warning);
}

#[test]
fn a_pod_that_would_lose_something_is_a_finding() {
    let lost = change(
        "spec.containers[oms].env[IS_UPGRADE]",
        Some(json!({"name": "IS_UPGRADE"})),
        None,
    );
    for policy in ["Require", "Attest"] {
        let (world, told) = run_with(&[(RehearsedAct::UpgradePod, lost.clone())], policy);
        expect_findings(&world, "CheckFailed");
        assert!(told[0].evidence.contains("would be taken out"), "{told:?}");
    }
}

#[test]
fn a_refusal_is_told_in_its_words() {
    let refused = |words: &str| Rehearsed::Refused(words.into());
    let policy = refused("admission webhook \"no\" denied the request: unsigned");
    let (world, told) = run_with(&[(RehearsedAct::StartUpgrade, policy)], "Attest");
    expect_findings(&world, "CheckFailed");
    assert!(told[0].evidence.contains("unsigned"), "{told:?}");
    let quota = refused("pods \"oms-1-x\" is forbidden: exceeded quota: one");
    let (world, told) = run_with(&[(RehearsedAct::FinalPod, quota)], "Require");
    expect(&world, Phase::Succeeded);
    assert_eq!(told[0].outcome, CheckOutcome::Warning);
}

#[test]
fn a_dry_run_that_did_not_come_back_says_nothing() {
    let unseen = [(
        RehearsedAct::Stop,
        Rehearsed::Unseen("RehearseDeployment: connection reset".into()),
    )];
    let (world, told) = run_with(&unseen, "Require");
    expect_findings(&world, "CheckFailed");
    assert!(told[0].evidence.contains("connection reset"), "{told:?}");
    let (world, _) = run_with(&unseen, "Attest");
    expect(&world, Phase::Succeeded);
}
