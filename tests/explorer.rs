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
#[path = "explorer/conformance.rs"]
mod conformance;
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

use events::Event;
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

/// Explores from some worlds and says what was found; broken rules and dead ends fail.
fn explore(name: &str, starts: Vec<World>, limits: Limits) -> explore::Findings {
    let begin = std::time::Instant::now();
    let mut explorer = Explorer::new(limits);
    for start in starts {
        let step = start.status_text("/step").to_owned();
        explorer.add(start, None, || format!("beginning at {step:?}"));
    }
    explorer.explore();
    let findings = explorer.findings;
    println!(
        "{name}: {} worlds{}, {} passes, {} calls at {} call sites, {:.1} s; ends: {:?}",
        findings.worlds,
        if findings.complete {
            " (all there are)"
        } else {
            ""
        },
        findings.runs,
        findings.calls,
        findings.sites.len(),
        begin.elapsed().as_secs_f64(),
        findings.ends
    );
    assert!(
        findings.broken.is_empty(),
        "{name}: broken:\n{}",
        findings.broken.join("\n\n")
    );
    assert!(
        findings.stuck.is_empty(),
        "{name}: stuck:\n{}",
        findings.stuck.join("\n\n")
    );
    findings
}

/// Passes and moves of the cluster in turn, until the step begins.
fn walk_until(world: World, step: &str) -> World {
    walk_seeing(world, step, |_| ())
}

/// The same, and every world on the way is shown.
fn walk_seeing(mut world: World, step: &str, mut see: impl FnMut(&World)) -> World {
    let runner = explore::Runner::default();
    for _ in 0..600 {
        if world.status_text("/step") == step {
            return world;
        }
        see(&world);
        let outcome = runner.run(&world, None);
        assert!(
            outcome.world.broken.is_empty(),
            "{:?}",
            outcome.world.broken
        );
        let moved = !outcome.steps.is_empty();
        world = outcome.world;
        // The cluster may be slow: the next request may come before it has moved.
        see(&world);
        match world.list_events().iter().find(|event| event.is_progress()) {
            Some(event) => world = world.after(event),
            None if moved => {}
            None => {
                let event = world
                    .list_times()
                    .unwrap_or_else(|| panic!("nothing moves in {}", world.status_text("/step")));
                world = world.after(&event);
            }
        }
    }
    panic!(
        "{step} is not reached; at {} {}",
        world.status_text("/step"),
        world.status_text("/stall/message")
    );
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
    panic!(
        "it does not settle: {}",
        world.status_text("/waiting/message")
    );
}

/// The worlds in which the steps begin, on one way to the end.
fn walk_through(world: World, steps: &[&str]) -> Vec<World> {
    let mut worlds = vec![];
    let mut world = world;
    for step in steps {
        world = walk_until(world, step);
        worlds.push(world.clone());
    }
    worlds
}

fn ask(worlds: &[World], what: &'static str) -> Vec<World> {
    worlds
        .iter()
        .map(|world| world.after(&Event::Ask(what)))
        .collect()
}

const BEFORE_THE_LINE: [&str; 6] = [
    "Preflight",
    "Locking",
    "DisablingHa",
    "StoppingOld",
    "BackingUp",
    "VerifyingBackup",
];
const AFTER_THE_LINE: [&str; 6] = [
    "StartingNew",
    "Initializing",
    "StoppingForRestart",
    "StartingFinal",
    "EnablingHa",
    "Recovering",
];

/// Each kind of fault once for each call of each step; no more worlds than a minute bears.
const SAMPLE: Limits = Limits {
    worlds: Some(1500),
    every_fault: false,
};

fn setup(trouble: Trouble) -> Setup {
    Setup {
        trouble,
        ..Setup::default()
    }
}

fn ends_only_in(findings: &explore::Findings, allowed: &[&str]) {
    let other: Vec<_> = findings
        .ends
        .keys()
        .filter(|end| !allowed.iter().any(|one| end.starts_with(one)))
        .collect();
    assert!(other.is_empty(), "it also ends in {other:?}");
}

#[tokio::test]
async fn the_double_behaves_like_an_api_server() {
    conformance::check(conformance::build_client(), "default").await;
}

/// Needs a cluster, for instance that of `tests/cluster`; without `$KUBECONFIG` there is nothing to compare with.
#[tokio::test]
async fn an_api_server_behaves_like_the_double() {
    if std::env::var_os("KUBECONFIG").is_none() {
        println!("no KUBECONFIG: only the double was checked");
        return;
    }
    let client = kube::Client::try_default().await.unwrap();
    conformance::check(client, "default").await;
}

#[test]
fn sample_of_success() {
    let findings = explore("success", vec![World::new(1, Setup::default())], SAMPLE);
    assert!(findings.complete && findings.worlds > 100 && findings.sites.len() >= 40);
    ends_only_in(&findings, &["Succeeded Settling"]);
}

#[test]
fn sample_of_two_targets() {
    let there = World::new(2, Setup::default());
    let trouble = Trouble {
        init_fails: true,
        ..Trouble::default()
    };
    let back = walk_until(World::new(2, setup(trouble)), "StartingNew");
    let findings = explore("two targets", vec![there, back], SAMPLE);
    assert!(findings.complete);
    ends_only_in(
        &findings,
        &["Succeeded Settling", "RolledBack Settling InitFailed"],
    );
}

/// At each moment of the stop and of the start, when one target may be ahead of the other.
#[test]
fn sample_of_requests_with_two_targets() {
    let mut worlds = vec![];
    let start = walk_until(World::new(2, Setup::default()), "StoppingOld");
    let stopped = walk_seeing(start, "BackingUp", |world| worlds.push(world.clone()));
    let mut asked = ask(&worlds, "Abort");
    let mut worlds = vec![];
    let start = walk_until(stopped, "StartingNew");
    walk_seeing(start, "Initializing", |world| worlds.push(world.clone()));
    asked.extend(ask(&worlds, "RollBack"));
    let findings = explore("requests with two targets", asked, SAMPLE);
    assert!(findings.complete);
    ends_only_in(
        &findings,
        &["Aborted Settling", "RolledBack Settling RollBackRequested"],
    );
}

#[test]
fn sample_of_success_without_ha_from_a_container_by_api() {
    let setup = Setup {
        ha_off: true,
        config: ConfigFrom::Container,
        by_api: true,
        ..Setup::default()
    };
    let findings = explore("success by API", vec![World::new(1, setup)], SAMPLE);
    assert!(findings.complete);
    ends_only_in(&findings, &["Succeeded Settling"]);
}

#[test]
fn sample_of_rollback() {
    let troubles = [
        Trouble {
            init_fails: true,
            ..Trouble::default()
        },
        Trouble {
            init_kills: true,
            ..Trouble::default()
        },
        Trouble {
            unpullable: true,
            ..Trouble::default()
        },
        Trouble {
            console_dead: true,
            ..Trouble::default()
        },
    ];
    let worlds = troubles.map(|trouble| walk_until(World::new(1, setup(trouble)), "StartingNew"));
    let findings = explore("rollback", worlds.to_vec(), SAMPLE);
    assert!(findings.complete);
    ends_only_in(&findings, &["RolledBack Settling"]);
}

#[test]
fn sample_of_write_back() {
    // A console that still holds HA on in its cache when OMS is stopped.
    let mut world = walk_until(
        World::new(
            1,
            Setup {
                config: ConfigFrom::ConfigMap,
                ..setup(Trouble {
                    write_back: true,
                    ..Trouble::default()
                })
            },
        ),
        "StoppingOld",
    );
    for oms in world.oms.values_mut() {
        oms.console_text = Some(world::HA_ON.into());
    }
    // And one that does so from the beginning: it is stopped while the row is written.
    let trouble = Trouble {
        write_back: true,
        ..Trouble::default()
    };
    let findings = explore("write back", vec![World::new(1, setup(trouble))], SAMPLE);
    assert!(findings.complete);
    ends_only_in(&findings, &["Succeeded Settling"]);
    explore(
        "write back at the last moment",
        vec![walk_until(world, "BackingUp")],
        Limits {
            worlds: Some(60),
            every_fault: false,
        },
    );
}

#[test]
fn sample_of_abort_at_every_step() {
    let worlds = walk_through(World::new(1, Setup::default()), &BEFORE_THE_LINE);
    let mut starts = ask(&worlds, "Abort");
    starts.extend(ask(&worlds[2..], "Delete"));
    let findings = explore("abort", starts, SAMPLE);
    assert!(findings.complete);
    ends_only_in(&findings, &["Aborted Settling", "Failed Settling", "gone"]);
}

/// OMS may be down before the operator has seen it: an abort must not rely on having seen the stop.
#[test]
fn sample_of_abort_at_every_moment_of_the_stop() {
    let mut worlds = vec![];
    let start = walk_until(World::new(1, Setup::default()), "DisablingHa");
    walk_seeing(start, "BackingUp", |world| worlds.push(world.clone()));
    let findings = explore("abort of the stop", ask(&worlds, "Abort"), SAMPLE);
    assert!(findings.complete);
    ends_only_in(&findings, &["Aborted Settling"]);
}

/// The Deployment controller may notice the start long after it was asked for.
#[test]
fn sample_of_rollback_at_every_moment_of_the_start() {
    let mut worlds = vec![];
    let start = walk_until(World::new(1, Setup::default()), "StartingNew");
    walk_seeing(start, "Initializing", |world| worlds.push(world.clone()));
    let findings = explore("rollback of the start", ask(&worlds, "RollBack"), SAMPLE);
    assert!(findings.complete);
    ends_only_in(&findings, &["RolledBack Settling"]);
}

#[test]
fn sample_of_rollback_on_request() {
    let worlds = walk_through(World::new(1, Setup::default()), &AFTER_THE_LINE);
    let settled = walk_until_settled(worlds[5].clone());
    let mut starts = ask(&worlds, "RollBack");
    // An abort comes too late there: it is read, and that is all.
    starts.extend(ask(std::slice::from_ref(&settled), "Abort"));
    starts.extend(ask(&[settled], "RollBack"));
    starts.extend(ask(&worlds[1..3], "Delete"));
    starts.extend(ask(&worlds[..2], "Abort"));
    let findings = explore("rollback on request", starts, SAMPLE);
    assert!(findings.complete);
    ends_only_in(
        &findings,
        &["RolledBack Settling", "Succeeded Settling", "gone"],
    );
}

#[test]
fn sample_of_a_lost_node() {
    // Its pod is taken out of the API, its container runs on: only its sessions tell.
    let mut world = walk_until(World::new(1, Setup::default()), "StoppingOld");
    world.mishaps = 1;
    let pod = world.find_pods("oms-1").remove(0);
    let mut lost = world.after(&Event::NodeLost(pod));
    // Nothing comes up again beside it: the Deployment controller sees no pod and makes another.
    lost.mishaps = 0;
    explore(
        "lost node",
        vec![lost],
        Limits {
            worlds: Some(400),
            every_fault: false,
        },
    );
}

/// A stranger scales a stopped target up, and OMS runs before the operator looks again.
fn start_by_others(mut world: World) -> World {
    world.mishaps = 1;
    let mut world = world.after(&Event::Reverted("oms-1".into()));
    while let Some(event) = world.list_events().into_iter().find(|event| {
        matches!(event, Event::Controller(_))
            || matches!(event, Event::Pod(pod) if pod.starts_with("oms-1-"))
    }) {
        world = world.after(&event);
    }
    assert!(!world.oms.is_empty(), "OMS does not run");
    world
}

#[test]
fn sample_of_a_start_by_others() {
    // The backup is stale: no start of the new version, back to the backup.
    let before = walk_until(World::new(1, Setup::default()), "StartingNew");
    let findings = explore("start by others", vec![start_by_others(before)], SAMPLE);
    assert!(findings.complete);
    ends_only_in(&findings, &["RolledBack Settling"]);
    // What was compared is stale: a person is asked; after a retry everything is stopped and compared again.
    let rollback = setup(Trouble {
        init_fails: true,
        ..Trouble::default()
    });
    let mut back = start_by_others(walk_until(World::new(1, rollback), "StartingOld"));
    back.asks.retry = true;
    let findings = explore("start by others on the way back", vec![back], SAMPLE);
    assert!(findings.complete);
    ends_only_in(
        &findings,
        &[
            "RolledBack Settling",
            "RollingBack StartingOld stalled TargetContended",
        ],
    );
    assert!(
        findings
            .ends
            .keys()
            .any(|end| end.starts_with("RolledBack"))
    );
}

#[test]
fn sample_of_mishaps() {
    let steps: Vec<&str> = ["Locking", "StoppingOld", "BackingUp", "VerifyingBackup"]
        .into_iter()
        .chain(AFTER_THE_LINE)
        .collect();
    let mut starts = walk_through(World::new(1, Setup::default()), &steps);
    let rollback = Trouble {
        init_fails: true,
        ..Trouble::default()
    };
    starts.extend(walk_through(
        World::new(1, setup(rollback)),
        &["Comparing", "Restoring", "StartingOld"],
    ));
    for world in &mut starts {
        world.mishaps = 1;
    }
    explore(
        "mishaps",
        starts,
        Limits {
            worlds: Some(1000),
            every_fault: false,
        },
    );
}

/// Everything that can be reached: with every fault at every call of every world, one mishap, and
/// every request at every moment. Minutes to hours: run it optimised (see docs/testing-explorer.md).
const FIXPOINT: Limits = Limits {
    worlds: None,
    every_fault: true,
};

#[test]
#[ignore = "the fixpoint: cargo test --release --test explorer fixpoint -- --ignored"]
fn fixpoint_of_success_abort_rollback_and_deletion() {
    for ha_off in [false, true] {
        let mut world = World::new(
            1,
            Setup {
                ha_off,
                ..Setup::default()
            },
        );
        world.asks = world::Asks {
            abort: true,
            roll_back: true,
            delete: true,
            retry: true,
        };
        let findings = explore("requests", vec![world], FIXPOINT);
        assert!(findings.complete);
    }
}

#[test]
#[ignore = "the fixpoint: cargo test --release --test explorer fixpoint -- --ignored"]
fn fixpoint_of_failing_upgrades() {
    for trouble in [
        Trouble {
            init_fails: true,
            ..Trouble::default()
        },
        Trouble {
            init_kills: true,
            ..Trouble::default()
        },
        Trouble {
            unpullable: true,
            ..Trouble::default()
        },
        Trouble {
            console_dead: true,
            ..Trouble::default()
        },
        Trouble {
            programs_need_init: true,
            ..Trouble::default()
        },
        Trouble {
            write_back: true,
            ..Trouble::default()
        },
    ] {
        let findings = explore("trouble", vec![World::new(1, setup(trouble))], FIXPOINT);
        assert!(findings.complete);
    }
}

#[test]
#[ignore = "the fixpoint: cargo test --release --test explorer fixpoint -- --ignored"]
fn fixpoint_of_one_mishap() {
    for trouble in [
        Trouble::default(),
        Trouble {
            init_fails: true,
            ..Trouble::default()
        },
    ] {
        let mut world = World::new(1, setup(trouble));
        world.mishaps = 1;
        let findings = explore(
            "mishap",
            vec![world],
            Limits {
                worlds: None,
                every_fault: false,
            },
        );
        assert!(findings.complete);
    }
}
