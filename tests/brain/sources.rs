//! The end of an upgrade where a tool writes the Deployment from git: what is given back, when, and what is told.
use super::*;
use crate::world::{NEW, OLD};
use oms_operator::api::ConditionReason;
use oms_operator::facts::Fact;
use oms_operator::objects::event::Note;
use oms_operator::upgrade::{Decision, decide};
use serde_json::json;

const PAUSE: &str = "kustomize.toolkit.fluxcd.io/reconcile";

/// Argo CD keeps the Deployment, and a person has attested that its sync is off.
fn kept_by_argo(targets: usize) -> World {
    let mut world = World::new(targets, true, Trouble::default());
    for node in &mut world.nodes {
        node.object["metadata"]["annotations"] = json!({"argocd.argoproj.io/tracking-id": "a"});
    }
    let check =
        json!({"name": "NoOtherOwner", "policy": "Attest", "reason": "automated sync is off"});
    world
        .spec
        .checks
        .push(serde_json::from_value(check).unwrap());
    world.guard = Fact::Known(false);
    world
}

fn kept_by_flux() -> World {
    let mut world = World::new(1, true, Trouble::default());
    world.nodes[0].object["metadata"]["labels"] =
        json!({"kustomize.toolkit.fluxcd.io/name": "oms"});
    world.guard = Fact::Known(false);
    world
}

fn say(world: &mut World, image: &str) {
    let named = json!({"sourceImage": image});
    world.spec.gitops = Some(serde_json::from_value(named).unwrap());
    world.generation += 1;
}

fn read(world: &World, type_: &str) -> (String, String, String) {
    let found = find_condition(&world.status.conditions, type_).unwrap();
    let condition = found.clone();
    (condition.status, condition.reason, condition.message)
}

fn expect_source(world: &World, status: &str, reason: ConditionReason) -> String {
    let (is, why, message) = read(world, types::SOURCE_CONVERGED);
    assert_eq!(
        (is.as_str(), why.as_str()),
        (status, reason.as_str()),
        "{message}"
    );
    message
}

fn owns(world: &World, index: usize) -> bool {
    let entries = world.nodes[index].object["metadata"]["managedFields"].as_array();
    let mut entries = entries.unwrap().iter();
    entries.any(|entry| entry["manager"] == "oms-operator")
}

fn read_pause(world: &World) -> Option<&str> {
    world.nodes[0].object["metadata"]["annotations"][PAUSE].as_str()
}

/// The verdict stands, everything but the Deployments is given back, and nothing moves.
fn expect_held(world: &mut World, phase: Phase) {
    assert_eq!(world.status.phase, Some(phase), "{:?}", world.status.stall);
    assert!(!world.status.settled && world.finalizer && world.lock.is_none());
    assert!(!world.secret && (0..world.nodes.len()).all(|index| owns(world, index)));
    assert_eq!(read(world, types::FINISHED).0, "True");
    // kstatus waits for nothing: what git is to name next may come by the very sync that waits.
    assert_eq!(read(world, types::RECONCILING).0, "False");
    for _ in 0..5 {
        assert!(!world.run_pass(), "something is done while it is held");
        world.clock += 100;
    }
}

/// Runs on, and gathers what is told.
fn run_and_listen(world: &mut World) -> Vec<Note> {
    let mut told = Vec::new();
    for _ in 0..200 {
        let observed = world.observe();
        if let Decision::Record { notes, .. } = world.ask_brain(&observed, decide) {
            told.extend(notes);
        }
        if !world.run_pass_on(&observed) & !world.run_cluster() {
            return told;
        }
    }
    panic!("no end: {told:?}");
}

#[test]
fn without_the_policy_nothing_is_given_back_before_git_names_the_image() {
    for targets in [1, 2] {
        let mut world = kept_by_argo(targets);
        run(&mut world);
        expect_held(&mut world, Phase::Succeeded);
        assert_eq!(read(&world, types::READY).0, "True");
        assert_eq!(read(&world, types::STALLED).0, "False");
        let message = expect_source(&world, "False", ConditionReason::SourceHeld);
        for words in [
            "Argo CD",
            &format!("write image: {NEW} into"),
            &format!("spec.gitops.sourceImage: {NEW}"),
            OLD,
        ] {
            assert!(message.contains(words), "{words}: {message}");
        }
        assert!(world.status.step_summary.as_ref().unwrap().contains("git"));
        say(&mut world, "registry.example.com/oms:mistyped");
        assert!(world.run_pass());
        let message = expect_source(&world, "False", ConditionReason::SourceImageDiffers);
        assert!(message.contains("spec.gitops.sourceImage") && message.contains("mistyped"));
        expect_held(&mut world, Phase::Succeeded);
        say(&mut world, NEW);
        run_and_listen(&mut world);
        expect(&world, Phase::Succeeded);
        expect_source(&world, "True", ConditionReason::SourceAgrees);
    }
}

#[test]
fn whether_it_is_refused_has_to_be_seen() {
    let mut world = kept_by_argo(1);
    world.guard = Fact::Unknown("no answer within 10 s".into());
    run(&mut world);
    expect_held(&mut world, Phase::Succeeded);
    // A policy comes: from then on nothing has to be held.
    world.guard = Fact::Known(true);
    run_and_listen(&mut world);
    expect(&world, Phase::Succeeded);
    expect_source(&world, "Unknown", ConditionReason::SourceUnconfirmed);
}

#[test]
fn with_the_policy_everything_is_given_back_at_once() {
    let mut world = kept_by_argo(1);
    world.guard = Fact::Known(true);
    run(&mut world);
    expect(&world, Phase::Succeeded);
    expect_source(&world, "Unknown", ConditionReason::SourceUnconfirmed);
    say(&mut world, NEW);
    assert!(world.run_pass() && !world.run_pass());
    expect_source(&world, "True", ConditionReason::SourceAgrees);
}

#[test]
fn where_nobody_keeps_the_deployment_nothing_is_told_until_somebody_writes_it() {
    let mut world = World::new(1, true, Trouble::default());
    run(&mut world);
    expect(&world, Phase::Succeeded);
    assert!(find_condition(&world.status.conditions, types::SOURCE_CONVERGED).is_none());
    world.set_image(0, OLD);
    world.run_pass();
    expect_source(&world, "False", ConditionReason::SourceReverted);
    world.set_image(0, NEW);
    world.run_pass();
    expect_source(&world, "True", ConditionReason::NoSource);
}

#[test]
fn what_was_said_before_counts_at_the_end() {
    let mut world = kept_by_argo(1);
    say(&mut world, NEW);
    run(&mut world);
    expect(&world, Phase::Succeeded);
    expect_source(&world, "True", ConditionReason::SourceAgrees);
}

#[test]
fn after_a_rollback_git_has_to_name_the_old_image() {
    let mut world = kept_by_argo(1);
    run(&mut world);
    world.ask(Action::RollBack);
    world.generation += 1;
    world.run_pass();
    expect_source(&world, "Unknown", ConditionReason::Pending);
    say(&mut world, NEW);
    run(&mut world);
    expect_held(&mut world, Phase::RolledBack);
    let message = expect_source(&world, "False", ConditionReason::SourceImageDiffers);
    assert!(message.contains(OLD), "{message}");
    say(&mut world, OLD);
    run_and_listen(&mut world);
    expect(&world, Phase::RolledBack);
    expect_source(&world, "True", ConditionReason::SourceAgrees);
}

/// Before the point of no return nothing is forbidden, and git names the image that runs.
#[test]
fn an_abort_holds_nothing() {
    let mut world = kept_by_argo(1);
    run_until(&mut world, Step::BackingUp);
    world.ask(Action::Abort);
    run(&mut world);
    expect(&world, Phase::Aborted);
    assert!(find_condition(&world.status.conditions, types::SOURCE_CONVERGED).is_none());
}

#[test]
fn deleting_the_object_lifts_everything_and_says_so() {
    let mut world = kept_by_argo(1);
    run(&mut world);
    world.deleting = true;
    let told = run_and_listen(&mut world);
    assert!(!world.finalizer && !owns(&world, 0));
    let lifted: Vec<&Note> = told
        .iter()
        .filter(|note| note.reason == "ForbiddenImagesLifted")
        .collect();
    assert_eq!(lifted.len(), 1, "{told:?}");
    assert!(
        lifted[0].warning && lifted[0].message.contains(NEW) && lifted[0].message.contains(OLD)
    );
}

#[test]
fn a_sync_that_reverts_the_image_is_told_and_not_fought() {
    for guarded in [false, true] {
        let mut world = kept_by_argo(1);
        world.guard = Fact::Known(guarded);
        run(&mut world);
        assert_eq!(world.status.settled, guarded);
        let before = expect_reason(&world);
        world.set_image(0, OLD);
        let observed = world.observe();
        let Decision::Record { notes, .. } = world.ask_brain(&observed, decide) else {
            panic!("it is not told");
        };
        let told: Vec<&Note> = notes.iter().filter(|note| note.warning).collect();
        assert_eq!(told.len(), 1, "{notes:?}");
        assert_eq!(told[0].reason, "SourceReverted");
        world.run_pass_on(&observed);
        let message = expect_source(&world, "False", ConditionReason::SourceReverted);
        for words in ["kubectl-set", OLD, "--replicas=0"] {
            assert!(message.contains(words), "{words}: {message}");
        }
        assert_eq!(read(&world, types::READY).0, "True");
        assert!(!world.run_pass(), "it is fought over");
        world.set_image(0, NEW);
        assert!(world.run_pass() && !world.run_pass());
        assert_eq!(expect_reason(&world), before);
    }
}

fn expect_reason(world: &World) -> String {
    read(world, types::SOURCE_CONVERGED).1
}

#[test]
fn the_operator_pauses_flux_with_its_first_write_and_takes_that_off() {
    let mut world = kept_by_flux();
    run_until(&mut world, Step::StoppingOld);
    assert_eq!(read_pause(&world), None, "before anything is written");
    run_until(&mut world, Step::BackingUp);
    assert_eq!(read_pause(&world), Some("disabled"));
    run(&mut world);
    expect_held(&mut world, Phase::Succeeded);
    assert_eq!(read_pause(&world), Some("disabled"), "held");
    say(&mut world, NEW);
    run_and_listen(&mut world);
    expect(&world, Phase::Succeeded);
    assert_eq!(read_pause(&world), None);
    // Again for a rollback after that.
    world.ask(Action::RollBack);
    world.generation += 1;
    run_until(&mut world, Step::Comparing);
    assert_eq!(read_pause(&world), Some("disabled"));
    say(&mut world, OLD);
    run(&mut world);
    expect(&world, Phase::RolledBack);
    assert_eq!(read_pause(&world), None);
}

#[test]
fn a_pause_of_flux_goes_with_an_abort_and_one_of_a_person_stays() {
    let mut world = kept_by_flux();
    run_until(&mut world, Step::BackingUp);
    world.ask(Action::Abort);
    run(&mut world);
    expect(&world, Phase::Aborted);
    assert_eq!(read_pause(&world), None);
    let mut world = kept_by_flux();
    world.nodes[0].object["metadata"]["annotations"] = json!({PAUSE: "disabled"});
    world.guard = Fact::Known(true);
    run(&mut world);
    expect(&world, Phase::Succeeded);
    assert_eq!(read_pause(&world), Some("disabled"));
}
