//! The real controller, over the real Kubernetes client, in a world that can be cloned: every call
//! fails in every way it can, the operator dies before and after every call, and every world that
//! comes out of that is looked at, to a fixpoint.
#![allow(missing_docs)]
#[path = "explorer/agent.rs"]
mod agent;
#[path = "explorer/canonical.rs"]
mod canonical;
#[path = "explorer/cluster.rs"]
mod cluster;
#[path = "explorer/events.rs"]
mod events;
#[path = "explorer/explore.rs"]
mod explore;
#[path = "explorer/gate.rs"]
mod gate;
#[path = "explorer/http.rs"]
mod http;
#[path = "explorer/inside.rs"]
mod inside;
#[path = "explorer/invariants.rs"]
mod invariants;
#[path = "explorer/metadb.rs"]
mod metadb;
#[path = "explorer/oms.rs"]
mod oms;
#[path = "explorer/store.rs"]
mod store;
#[path = "explorer/world.rs"]
mod world;

use explore::{Explorer, Limits};
use world::{ConfigFrom, Setup, Trouble, World};

/// Whether an object asks for nothing, by its own content.
fn reads_as_quiet(world: &World) -> bool {
    let Some(upgrade) = world.upgrade() else {
        return true;
    };
    let action = upgrade["spec"]["action"].as_str().unwrap_or_default();
    let direction = world.status_text("/direction");
    action != "RollBack" || direction != "Forward"
}

/// Explores from a world and says what was found; broken rules and dead ends fail.
fn explore(name: &str, start: World, limits: Limits) -> explore::Findings {
    let begin = std::time::Instant::now();
    let mut explorer = Explorer::new(limits);
    explorer.add(start, None, || "the beginning".into());
    explorer.explore();
    let findings = explorer.findings;
    println!(
        "{name}: {} worlds{}, {} passes, {} calls, {:.1} s; ends: {:#?}",
        findings.worlds,
        if findings.complete { " (all there are)" } else { "" },
        findings.runs,
        findings.calls,
        begin.elapsed().as_secs_f64(),
        findings.ends
    );
    let cells: usize = findings.matrix.values().map(std::collections::BTreeMap::len).sum();
    let all: usize = findings.matrix.keys().map(|site| gate::list_faults(*site).len()).sum();
    println!("{name}: {} call sites, {cells} of {all} cells of call site × fault", findings.matrix.len());
    assert!(findings.broken.is_empty(), "{name}: broken:\n{}", findings.broken.join("\n\n"));
    assert!(findings.stuck.is_empty(), "{name}: stuck:\n{}", findings.stuck.join("\n\n"));
    findings
}

/// Passes and moves of the cluster in turn, until the step begins.
fn walk_until(mut world: World, step: &str) -> World {
    let runner = explore::Runner::default();
    for _ in 0..600 {
        if world.status_text("/step") == step {
            return world;
        }
        let outcome = runner.run(&world, None);
        assert!(outcome.world.broken.is_empty(), "{:?}", outcome.world.broken);
        let moved = !outcome.steps.is_empty();
        world = outcome.world;
        match world.list_events().iter().find(|event| event.is_progress()) {
            Some(event) => world = world.after(event),
            None if moved => {}
            None => {
                let event = world.list_times().unwrap_or_else(|| panic!("nothing moves in {}", world.status_text("/step")));
                world = world.after(&event);
            }
        }
    }
    panic!("{step} is not reached; at {} {}", world.status_text("/step"), world.status_text("/stall/message"));
}

fn walk_until_settled(world: World) -> World {
    let mut world = walk_until(world, "Settling");
    let runner = explore::Runner::default();
    for _ in 0..100 {
        if world.is_settled() {
            return world;
        }
        world = runner.run(&world, None).world;
        if let Some(event) = world.list_events().iter().find(|event| event.is_progress()) {
            world = world.after(event);
        }
    }
    panic!("it does not settle: {}", world.status_text("/waiting/message"));
}

/// Every way from here, each kind of fault once for each call of each step.
const SAMPLE: Limits = Limits { worlds: Some(1500), every_fault: false };

fn setup(trouble: Trouble) -> Setup {
    Setup { trouble, ..Setup::default() }
}

#[test]
fn sample_of_success() {
    let findings = explore("success", World::new(1, Setup::default()), SAMPLE);
    assert!(findings.complete && findings.worlds > 150);
    assert!(findings.ends.keys().all(|end| end.starts_with("Succeeded Settling")), "{:?}", findings.ends);
}

#[test]
fn sample_of_success_without_ha_from_a_container_by_api() {
    let setup = Setup { ha_off: true, config: ConfigFrom::Container, by_api: true, ..Setup::default() };
    let findings = explore("success by API", World::new(1, setup), SAMPLE);
    assert!(findings.complete);
}

#[test]
fn sample_of_rollback() {
    let world = walk_until(World::new(1, setup(Trouble { init_fails: true, ..Trouble::default() })), "StoppingJobs");
    let findings = explore("rollback", world, SAMPLE);
    assert!(findings.complete);
    assert!(findings.ends.keys().all(|end| end.starts_with("RolledBack Settling")), "{:?}", findings.ends);
}
