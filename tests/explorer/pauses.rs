//! What runs is judged by the ReplicaSet of the pod: while somebody pauses the target, while a webhook rewrites images,
//! and while the ReplicaSet cannot be read.
use super::events::Event;
use super::explore::Limits;
use super::gate::list_faults;
use super::runner::Runner;
use super::walk::{
    AFTER_THE_LINE, BEFORE_THE_LINE, SAMPLE, ends_only_in, explore, setup, walk_seeing,
    walk_through, walk_until, walk_until_settled,
};
use super::world::{Setup, Trouble, World};
use oms_operator::controller::CallSite;

/// Somebody pauses the target, and resumes it when the status asks for it.
fn pause(mut world: World) -> World {
    world.mishaps = 1;
    world.after(&Event::Paused("oms-1".into()))
}

#[test]
fn sample_of_a_pause_in_every_phase() {
    let steps: Vec<&str> = BEFORE_THE_LINE[2..]
        .iter()
        .chain(&AFTER_THE_LINE)
        .copied()
        .collect();
    let worlds = walk_through(World::new(1, Setup::default()), &steps);
    let findings = explore(
        "pause in every phase",
        worlds.into_iter().map(pause).collect(),
        Limits {
            worlds: Some(800),
            every_fault: false,
        },
    );
    ends_only_in(
        &findings,
        &["Succeeded Settling", "Aborted Settling Timeout"],
    );
}

/// Between our write and the look of the Deployment controller: it may start the old version then, on databases that
/// were backed up, and the new one once it is resumed.
#[test]
fn sample_of_a_pause_between_start_and_pod() {
    let start = walk_until(World::new(1, Setup::default()), "StartingNew");
    let mut worlds = vec![];
    walk_seeing(start, "Initializing", |world| {
        let replicas = world.get("deployments", "oms-1").unwrap()["spec"]["replicas"].clone();
        if replicas == 1 && world.find_pods("oms-1").is_empty() {
            worlds.push(pause(world.clone()));
        }
    });
    let findings = explore(
        "pause between start and pod",
        worlds,
        Limits {
            worlds: Some(8000),
            ..SAMPLE
        },
    );
    assert!(findings.complete);
    ends_only_in(&findings, &["RolledBack Settling TargetContended"]);
}

#[test]
fn sample_of_images_rewritten_by_a_webhook() {
    let mirror = Trouble {
        mirror: true,
        ..Trouble::default()
    };
    for init_fails in [false, true] {
        let trouble = Trouble {
            init_fails,
            ..mirror
        };
        let world = walk_until_settled(World::new(1, setup(trouble)));
        let end = if init_fails {
            "RolledBack"
        } else {
            "Succeeded"
        };
        assert_eq!(world.status_text("/phase"), end);
    }
}

/// What would come back is none of the templates that the operator knows: it is told before OMS is stopped for it.
#[test]
fn a_webhook_that_rewrites_templates_is_met_in_preflight() {
    let mirror = Trouble {
        template_mirror: true,
        ..Trouble::default()
    };
    let start = World::new(1, setup(mirror));
    let before = start.get("deployments", "oms-1").cloned();
    let world = walk_until(start, "Planned");
    let plan = world.status("/plan/checks").unwrap().as_array().unwrap();
    let told = plan.iter().find(|check| check["name"] == "StoredAsSent");
    let told = told.unwrap();
    assert_eq!(told["outcome"], "Failed", "{told}");
    assert!(
        told["evidence"].to_string().contains("mirror.test/"),
        "{told}"
    );
    assert_eq!(world.get("deployments", "oms-1").cloned(), before);
}

/// It says neither that the pod is the wanted one nor that it is another.
#[test]
fn an_unread_replica_set_is_no_answer() {
    let start = walk_until(World::new(1, Setup::default()), "StartingNew");
    let mut running = None;
    walk_seeing(start, "Initializing", |world| {
        if !world.oms.is_empty() {
            running.get_or_insert(world.clone());
        }
    });
    let world = running.unwrap();
    let runner = Runner::default();
    let calls = runner.run(&world, None).calls;
    let index = calls
        .iter()
        .position(|site| *site == CallSite::GetReplicaSet)
        .unwrap();
    // With the first two the operator dies.
    for fault in list_faults(CallSite::GetReplicaSet).into_iter().skip(2) {
        let after = runner.run(&world, Some((index, fault))).world;
        assert_eq!(after.status_text("/step"), "StartingNew", "{fault:?}");
        assert_eq!(
            after.status_text("/waiting/reason"),
            "ReplicaSetUnseen",
            "{fault:?}"
        );
    }
}
