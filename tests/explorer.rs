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
use world::{Asks, Trouble, World};

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

#[test]
fn quick() {
    let world = World::new(1, true, Trouble::default());
    explore("success", world, Limits { worlds: std::env::var("WORLDS").ok().and_then(|n| n.parse().ok()), every_fault: false });
    let _ = Asks::default();
}
