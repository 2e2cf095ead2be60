//! Argo CD keeps the Deployment, and the operator reads its Application: what the check of owners makes of it.
use super::*;
use oms_operator::api::{CheckOutcome, CheckResult};
use oms_operator::facts::{ApplicationFacts, Fact};
use serde_json::{Value, json};

/// A world whose target is kept by an Application, as it is read.
fn kept(application: Fact<Option<ApplicationFacts>>) -> World {
    let mut world = World::new(1, true, Trouble::default());
    let object = &mut world.nodes[0].object;
    let (namespace, name) = (
        &object["metadata"]["namespace"],
        &object["metadata"]["name"],
    );
    let id = format!(
        "oms:apps/Deployment:{}/{}",
        namespace.as_str().unwrap_or_default(),
        name.as_str().unwrap()
    );
    object["metadata"]["annotations"] = json!({"argocd.argoproj.io/tracking-id": id});
    world.application = application;
    world
}

fn read(spec: Value) -> Fact<Option<ApplicationFacts>> {
    Fact::Known(Some(ApplicationFacts {
        name: "argocd/oms".into(),
        spec,
    }))
}

/// What docs/gitops.md has people write.
fn settings() -> Value {
    json!({"syncPolicy": {"automated": {"selfHeal": true}, "syncOptions": ["RespectIgnoreDifferences=true"]},
        "ignoreDifferences": [{"group": "apps", "kind": "Deployment", "managedFieldsManagers": ["oms-operator"], "jqPathExpressions": [
            ".spec.template.spec.containers[].livenessProbe", ".spec.template.spec.containers[].startupProbe"]}]})
}

/// What a plan says of the owner.
fn plan(world: &mut World) -> CheckResult {
    world.ask(Action::Plan);
    run(world);
    let checks = &world.status.plan.as_ref().unwrap().checks;
    let mut found = checks.iter().filter(|check| check.name == "NoOtherOwner");
    let one = found.next().unwrap().clone();
    assert!(found.next().is_none());
    one
}

#[test]
fn an_application_that_leaves_it_alone_needs_no_word_of_anybody() {
    let mut world = kept(read(settings()));
    let found = plan(&mut world);
    assert_eq!(found.outcome, CheckOutcome::Passed, "{found:?}");
    assert!(
        found.evidence.contains("Application argocd/oms"),
        "{found:?}"
    );
    // The upgrade runs.
    let mut world = kept(read(settings()));
    world.guard = Fact::Known(true);
    run(&mut world);
    expect(&world, Phase::Succeeded);
}

#[test]
fn one_that_does_not_is_told_with_the_lines_to_paste() {
    let pasted = |told: &str, before: &str| {
        let start = told.find(before).unwrap() + before.len();
        let rest = &told[start..];
        rest[..rest.find(';').unwrap_or(rest.len())].to_owned()
    };
    let automated = json!({"syncPolicy": {"automated": {}}});
    let mut world = kept(read(automated.clone()));
    let found = plan(&mut world);
    assert_eq!(found.outcome, CheckOutcome::Failed, "{found:?}");
    for word in [
        ".spec.replicas",
        "containers[].image",
        "Application argocd/oms",
    ] {
        assert!(found.evidence.contains(word), "{word}: {found:?}");
    }
    // Who pastes them passes.
    let way_out = found.way_out.unwrap();
    let option = pasted(&way_out, "spec.syncPolicy.syncOptions: ");
    let entry: Value = serde_json::from_str(&pasted(&way_out, "spec.ignoreDifferences: ")).unwrap();
    let mut mended = automated;
    mended["syncPolicy"]["syncOptions"] = json!([option]);
    mended["ignoreDifferences"] = json!([entry]);
    let found = plan(&mut kept(read(mended)));
    assert_eq!(found.outcome, CheckOutcome::Passed, "{found:?}");
}

#[test]
fn a_person_may_know_better_than_what_was_read() {
    let mut world = kept(read(json!({"syncPolicy": {"automated": {}}})));
    let check =
        json!({"name": "NoOtherOwner", "policy": "Attest", "reason": "argocd-cm ignores it"});
    world
        .spec
        .checks
        .push(serde_json::from_value(check).unwrap());
    assert_eq!(plan(&mut world).outcome, CheckOutcome::Attested);
}

#[test]
fn where_nothing_can_be_read_a_person_is_asked_as_ever() {
    for (application, word) in [
        (Fact::Known(None), "Argo CD manages it"),
        (
            Fact::Unknown("applications is forbidden".into()),
            "forbidden",
        ),
    ] {
        let found = plan(&mut kept(application));
        assert_eq!(found.outcome, CheckOutcome::Failed);
        assert!(found.evidence.contains(word), "{found:?}");
        let way_out = found.way_out.unwrap();
        for word in ["managedFieldsManagers: [oms-operator]", "policy: Attest"] {
            assert!(way_out.contains(word), "{way_out}");
        }
    }
}

#[test]
fn without_automated_sync_it_writes_as_helm_does() {
    let found = plan(&mut kept(read(json!({}))));
    assert_eq!(found.outcome, CheckOutcome::Warning, "{found:?}");
    assert!(
        found.evidence.contains("automated sync is off"),
        "{found:?}"
    );
}

#[test]
fn an_application_hides_nobody_else() {
    let mut world = kept(read(settings()));
    world.nodes[0].object["metadata"]["labels"] = json!({"keel.sh/policy": "major"});
    let found = plan(&mut world);
    assert_eq!(found.outcome, CheckOutcome::Failed);
    assert!(found.evidence.contains("Keel"), "{found:?}");
    let scaler = json!({"manager": "keda", "operation": "Update", "subresource": "scale"});
    let mut world = kept(read(json!({})));
    let object = &mut world.nodes[0].object;
    object["metadata"]["managedFields"]
        .as_array_mut()
        .unwrap()
        .push(scaler);
    let found = plan(&mut world);
    assert_eq!(found.outcome, CheckOutcome::Warning);
    for word in ["keda", "automated sync is off"] {
        assert!(found.evidence.contains(word), "{found:?}");
    }
}
