//! What preflight says of projects, by the state that each of them is in.
use super::world::{Trouble, World};
use super::*;
use oms_operator::api::CheckOutcome;
use oms_operator::oms::project::{ProjectProgress, ProjectStatus};
use serde_json::json;

/// A project of which the console tells.
fn build(kind: &str, id: &str, step: &str) -> ProjectProgress {
    serde_json::from_value(json!({
        "key": {"kind": kind, "id": id}, "status": "Running", "current_step": step,
        "incremental": true, "reverse_incremental": false, "checkpoint": null, "reverse_checkpoint": null,
    }))
    .unwrap()
}

/// The findings of a plan, as `outcome subject: evidence`.
fn plan(others: Vec<ProjectProgress>, trouble: Trouble, spec: serde_json::Value) -> Vec<String> {
    let mut world = World::new(1, true, trouble);
    world.spec.action = Action::Plan;
    world.others = others;
    if let Some(limit) = spec.get("limit") {
        world.spec.projects.max_lag_seconds = serde_json::from_value(limit.clone()).unwrap();
    }
    if let Some(check) = spec.get("check") {
        world
            .spec
            .checks
            .push(serde_json::from_value(check.clone()).unwrap());
    }
    run(&mut world);
    let checks = world.status.plan.unwrap().checks.into_iter();
    let of_projects = checks.filter(|one| {
        ["ProjectsInSync", "ForwardSwitchover"].contains(&one.name.as_str())
            && one.outcome != CheckOutcome::Passed
    });
    of_projects
        .map(|one| format!("{:?} {}: {}", one.outcome, one.subject, one.evidence))
        .collect()
}

fn expect_one(found: &[String], start: &str, words: &[&str]) {
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(found[0].starts_with(start), "{found:?}");
    for word in words {
        assert!(found[0].contains(word), "{word}: {found:?}");
    }
}

#[test]
fn a_draft_that_was_never_started_is_nothing() {
    let draft = ProjectProgress {
        status: ProjectStatus::Init,
        ..build("Migration", "p_draft", "PRE_CHECK")
    };
    assert_eq!(
        plan(vec![draft], Trouble::default(), json!({})),
        Vec::<String>::new()
    );
}

#[test]
fn what_stands_still_is_named_with_what_becomes_of_it() {
    let with = |status: ProjectStatus, id: &str| ProjectProgress {
        status,
        ..build("Sync", id, "INCR_SYNC")
    };
    let failed = plan(
        vec![with(ProjectStatus::Failed, "p_f")],
        Trouble::default(),
        json!({}),
    );
    expect_one(
        &failed,
        "Warning FAILED projects: ",
        &["p_f", "nobody watches"],
    );
    let many = (0..12).map(|n| with(ProjectStatus::Suspended, &format!("p_{n}x")));
    let paused = plan(many.collect(), Trouble::default(), json!({}));
    expect_one(
        &paused,
        "Warning SUSPEND projects: ",
        &["p_0x", "and 2 more", "12 hours"],
    );
    let odd = with(ProjectStatus::Other("RUNNING_MERGING".into()), "p_o");
    expect_one(
        &plan(vec![odd], Trouble::default(), json!({})),
        "Failed p_o: ",
        &["RUNNING_MERGING"],
    );
}

/// HA brings Stores, Connectors and JDBCWriters back, and nothing else.
#[test]
fn copies_and_checks_of_everything_are_named() {
    let copy = ProjectProgress {
        incremental: false,
        ..build("Migration", "p_copy", "FULL_MIGRATION")
    };
    let check = ProjectProgress {
        incremental: false,
        ..build("Sync", "p_check", "FULL_VERIFIER")
    };
    let found = plan(vec![copy, check], Trouble::default(), json!({}));
    expect_one(
        &found,
        "Warning full copies: ",
        &["p_copy, p_check", "HA restarts neither"],
    );
}

#[test]
fn how_much_lag_is_well_is_a_field() {
    let mut late = build("Sync", "p_late", "INCR_SYNC");
    // The world begins at this second; it takes a minute or two to plan.
    late.checkpoint = Some(1_800_000_000 - 600);
    let found = plan(vec![late.clone()], Trouble::default(), json!({}));
    expect_one(&found, "Failed p_late: ", &["lags"]);
    assert_eq!(
        plan(
            vec![late.clone()],
            Trouble::default(),
            json!({"limit": 3600})
        ),
        Vec::<String>::new()
    );
    let check = json!({"name": "ProjectsInSync", "policy": "Attest", "reason": "r"});
    let found = plan(vec![late], Trouble::default(), json!({"check": check}));
    expect_one(&found, "Failed p_late: ", &["lags"]);
}

/// The guide recommends it: who knows why it is not done may say so.
#[test]
fn a_switchover_that_is_seen_pending_can_be_attested() {
    let mut pending = build("Migration", "p_m", "INCR_SYNC");
    pending.checkpoint = Some(1_800_000_000 + 3600);
    let found = plan(vec![pending.clone()], Trouble::default(), json!({}));
    expect_one(&found, "Failed p_m: ", &["forward switchover"]);
    let check =
        json!({"name": "ForwardSwitchover", "policy": "Attest", "reason": "it is done next week"});
    let found = plan(vec![pending], Trouble::default(), json!({"check": check}));
    expect_one(&found, "Attested p_m: ", &["it is done next week"]);
}

/// One call that fails is told by itself: the others are judged, recorded and watched.
#[test]
fn one_project_that_cannot_be_read_hides_no_other() {
    let trouble = Trouble {
        project_unread: true,
        ..Trouble::default()
    };
    let found = plan(vec![], trouble, json!({}));
    // No switchover is asked of a synchronization.
    expect_one(
        &found,
        "Failed p_9: ",
        &["cannot be read: OMS answered HTTP 500"],
    );
    let mut world = World::new(1, true, trouble);
    let check = json!({"name": "ProjectsInSync", "policy": "Attest", "reason": "r"});
    world
        .spec
        .checks
        .push(serde_json::from_value(check).unwrap());
    run_until(&mut world, Step::DisablingHa);
    let internal = &world.status.internal;
    let watched: Vec<&str> = internal
        .projects
        .iter()
        .map(|one| one.id.as_str())
        .collect();
    assert_eq!(
        (watched, internal.unwatched_projects),
        (vec!["p_1"], Some(1))
    );
    run(&mut world);
    expect(&world, Phase::Succeeded);
    // Nobody saw whether the other one advances, so what HA starts from stays.
    assert!(!world.status.kept_keys.is_empty());
}
