//! Ways into a world: passes and moves of the cluster in turn, up to the moment from which an exploration begins.
use super::events::Event;
use super::explore::{Explorer, Findings, Limits};
use super::replay::{Choice, read_walk, replay};
use super::runner::{Outcome, Runner};
use super::world::{Setup, Trouble, World};
use oms_operator::controller::CallSite;

/// Explores from some worlds and says what was found; broken rules and dead ends fail.
pub fn explore(name: &str, starts: Vec<World>, limits: Limits) -> Findings {
    if let Some(walk) = read_walk() {
        replay(&starts, &walk);
        return Findings {
            complete: true,
            ..Findings::default()
        };
    }
    let begin = std::time::Instant::now();
    let mut explorer = Explorer::new(limits);
    for start in starts {
        let step = start.status_text("/step").to_owned();
        let choice = Choice::Start(start.fingerprint());
        explorer.add(start, None, choice, || format!("beginning at {step:?}"));
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
pub fn walk_until(world: World, step: &str) -> World {
    walk_seeing(world, step, |_| ())
}

/// The same, and every world on the way is shown.
pub fn walk_seeing(mut world: World, step: &str, mut see: impl FnMut(&World)) -> World {
    let runner = Runner::default();
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

pub fn walk_until_settled(world: World) -> World {
    let mut world = walk_until(world, "Settling");
    let runner = Runner::default();
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

/// The world after a pass: a move of the cluster, or time where nothing else moves; and whether anything came.
pub fn go_on(outcome: Outcome) -> (World, bool) {
    let moved = !outcome.steps.is_empty();
    let world = outcome.world;
    assert!(world.broken.is_empty(), "{:?}", world.broken);
    let progress = world.list_events().into_iter().find(Event::is_progress);
    let next = match progress {
        None if moved => return (world, true),
        None => world.list_times(),
        progress => progress,
    };
    match next {
        Some(event) => (world.after(&event), true),
        None => (world, false),
    }
}

/// Passes and moves of the cluster, and time, until nothing moves any more; every call is shown.
pub fn walk_to_rest(mut world: World, mut see: impl FnMut(CallSite)) -> World {
    let runner = Runner::default();
    for _ in 0..3000 {
        let outcome = runner.run(&world, None);
        outcome.calls.iter().copied().for_each(&mut see);
        let (later, came) = go_on(outcome);
        if !came {
            return later;
        }
        world = later;
    }
    panic!(
        "no rest at {} {}",
        world.status_text("/step"),
        world.status_text("/waiting/message")
    );
}

/// The worlds in which the steps begin, on one way to the end.
pub fn walk_through(world: World, steps: &[&str]) -> Vec<World> {
    let mut worlds = vec![];
    let mut world = world;
    for step in steps {
        world = walk_until(world, step);
        worlds.push(world.clone());
    }
    worlds
}

pub fn ask(worlds: &[World], what: &'static str) -> Vec<World> {
    worlds
        .iter()
        .map(|world| world.after(&Event::Ask(what)))
        .collect()
}

pub const BEFORE_THE_LINE: [&str; 6] = [
    "Preflight",
    "Locking",
    "DisablingHa",
    "StoppingOld",
    "BackingUp",
    "VerifyingBackup",
];
pub const AFTER_THE_LINE: [&str; 6] = [
    "StartingNew",
    "Initializing",
    "StoppingForRestart",
    "StartingFinal",
    "EnablingHa",
    "Recovering",
];

/// Each kind of fault once for each call of each step; no more worlds than a minute bears.
pub const SAMPLE: Limits = Limits {
    worlds: Some(1500),
    every_fault: false,
};

pub fn setup(trouble: Trouble) -> Setup {
    Setup {
        trouble,
        ..Setup::default()
    }
}

pub fn ends_only_in(findings: &Findings, allowed: &[&str]) {
    let other: Vec<_> = findings
        .ends
        .keys()
        .filter(|end| !allowed.iter().any(|one| end.starts_with(one)))
        .collect();
    assert!(other.is_empty(), "it also ends in {other:?}");
}

/// A stranger scales a stopped target up, and OMS runs before the operator looks again.
pub fn start_by_others(mut world: World) -> World {
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
