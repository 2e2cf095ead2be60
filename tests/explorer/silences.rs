//! What only Kubernetes' own events tell of a Job's pod is told to people, and what is secret in them is not.
use super::runner::Runner;
use super::walk::walk_until;
use super::world::{Setup, World, place};
use oms_operator::controller::CallSite;
use serde_json::json;
use std::sync::Arc;

/// A world in which the pod of the dump waits for its volume, and the storage driver says why, password and all.
fn wait_for_a_volume() -> World {
    let mut world = walk_until(World::new(1, Setup::default()), "BackingUp");
    let runner = Runner::default();
    while world.find_job_pods(&find_dump(&world)).is_empty() {
        world = runner.run(&world, None).world;
        let job = find_dump(&world);
        if !job.is_empty() {
            world.run_job_controller(&job);
        }
    }
    let pod = world.find_job_pods(&find_dump(&world)).remove(0);
    let uid = world.get("pods", &pod).unwrap()["metadata"]["uid"].clone();
    let event = json!({"kind": "Event", "apiVersion": "v1", "metadata": {"name": "said", "namespace": "oms"},
        "involvedObject": {"kind": "Pod", "name": pod, "uid": uid}, "type": "Warning", "reason": "FailedMount",
        "message": "mount -o username=u,password=canary-mount //nas/oms failed: host is down", "lastTimestamp": world.now()});
    world
        .objects
        .insert(place("events", "said"), Arc::new(event));
    world.clock += 60;
    world
}

fn find_dump(world: &World) -> String {
    let mut jobs = world.list("jobs").into_iter();
    jobs.find(|job| job.contains("dump")).unwrap_or_default()
}

#[test]
fn events_of_a_pod_that_does_not_begin_are_told_without_their_secrets() {
    let world = wait_for_a_volume();
    let told = Runner::default().run(&world, None).world;
    let waiting = told.status_text("/waiting/message");
    assert_eq!(told.status_text("/waiting/reason"), "JobPodNotRunning");
    assert!(
        waiting.contains("FailedMount") && waiting.contains("host is down"),
        "{waiting}"
    );
    let all = told.upgrade().unwrap().to_string();
    assert!(!all.contains("canary-mount"), "{all}");
}

/// An operator that may not read events tells the rest, and works on.
#[test]
fn without_the_right_to_events_the_rest_is_told() {
    let mut world = wait_for_a_volume();
    world.refused = Some(CallSite::ListEvents);
    let told = Runner::default().run(&world, None);
    assert!(told.error.is_none() && told.calls.contains(&CallSite::ListEvents));
    let waiting = told.world.status_text("/waiting/message");
    assert!(
        waiting.contains("cannot be attached or mounted"),
        "{waiting}"
    );
}
