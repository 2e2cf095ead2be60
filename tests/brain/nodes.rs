//! Which nodes an installation has: those that are gone for good, and how a target says which one it is.
use super::world::{Trouble, World};
use super::*;
use oms_operator::api::CheckOutcome;
use serde_json::{Value, json};

/// Node 10.0.0.9 is no target, and the MetaDB has it with this status.
fn with_lost_node(status: &'static str) -> World {
    let trouble = Trouble {
        lost_node: Some(status),
        ..Trouble::default()
    };
    World::new(1, true, trouble)
}

/// What the check of the nodes found, with its subject.
fn find_finding(world: &World) -> (String, String) {
    assert_eq!(world.status.step, Some(Step::Planned));
    let mut checks = world.status.plan.as_ref().unwrap().checks.iter();
    let failed = checks.find(|check| check.outcome == CheckOutcome::Failed);
    let failed = failed.unwrap();
    assert_eq!(failed.name, "AllNodesListed");
    let way_out = failed.way_out.clone().unwrap();
    (
        failed.subject.clone(),
        format!("{}; {way_out}", failed.evidence),
    )
}

#[test]
fn a_node_that_is_gone_for_good_is_not_waited_for() {
    let mut world = with_lost_node("OFFLINE");
    run(&mut world);
    let (subject, told) = find_finding(&world);
    assert_eq!(subject, "10.0.0.9");
    assert!(told.contains("spec.retiredNodes"), "{told}");

    let mut world = with_lost_node("OFFLINE");
    world.spec.retired_nodes = vec!["10.0.0.9".into()];
    run(&mut world);
    expect(&world, Phase::Succeeded);
    let baseline = world.status.internal.health_baseline.unwrap();
    assert!(baseline.subjects.iter().all(|one| one.name != "10.0.0.9"));
}

/// An OMS that is at work would go on with the old version on migrated databases.
#[test]
fn a_node_that_is_at_work_is_not_gone() {
    let mut world = with_lost_node("ONLINE");
    world.spec.retired_nodes = vec!["10.0.0.9".into()];
    run(&mut world);
    let (subject, told) = find_finding(&world);
    assert_eq!(subject, "10.0.0.9");
    assert!(told.contains("ONLINE"), "{told}");

    let mut world = World::new(2, true, Trouble::default());
    world.spec.retired_nodes = vec!["10.0.0.2".into()];
    run(&mut world);
    let (subject, told) = find_finding(&world);
    assert_eq!(subject, "10.0.0.2");
    assert!(told.contains("the node of a target"), "{told}");
}

fn write_address(world: &mut World, address: Value) {
    let node = &mut world.nodes[0];
    let mut entry = json!({"name": "OMS_HOST_IP"});
    json_patch::merge(&mut entry, &address);
    node.object["spec"]["template"]["spec"]["containers"][0]["env"] = json!([entry]);
    let template = node.object["spec"]["template"].clone();
    node.pod.as_mut().unwrap().template = template.clone();
    node.before = template.to_string();
    node.replica_sets = vec![template];
}

/// Each start makes another pod, and OMS would take its node for a new one.
#[test]
fn an_address_that_changes_with_the_pod_is_told() {
    let field = |path: &str| json!({"valueFrom": {"fieldRef": {"fieldPath": path}}});
    let mut world = World::new(1, true, Trouble::default());
    write_address(&mut world, field("status.podIP"));
    run(&mut world);
    let (subject, told) = find_finding(&world);
    assert_eq!(subject, "oms-1");
    assert!(told.contains("status.hostIP"), "{told}");

    let check = json!({"name": "AllNodesListed", "policy": "Attest", "reason": "Calico keeps it"});
    let mut world = World::new(1, true, Trouble::default());
    write_address(&mut world, field("status.podIP"));
    world
        .spec
        .checks
        .push(serde_json::from_value(check).unwrap());
    run(&mut world);
    expect(&world, Phase::Succeeded);

    let mut world = World::new(1, true, Trouble::default());
    write_address(&mut world, field("status.hostIP"));
    run(&mut world);
    expect(&world, Phase::Succeeded);
}
