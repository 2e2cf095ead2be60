//! What an exploration asks of a world: whether it is an end, whether rest costs nothing, and what its place is called.
use super::access::is_write;
use super::events::{Event, LIMIT};
use super::gate::{Fault, Port, port_of};
use super::runner::{Outcome, Runner};
use super::world::World;
use oms_operator::controller::CallSite;
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Mutex;

impl World {
    /// What a person wants of HA once the new version runs.
    pub fn add_parameters(&self, wanted: &mut Value) {
        let spec = self.upgrade().map(|upgrade| &upgrade["spec"]);
        let parameters = spec.and_then(|spec| spec["ha"]["parameters"].as_object());
        for (key, value) in parameters.into_iter().flatten() {
            wanted[key] = value.clone();
        }
    }
}

/// A settled object costs the one call that reads it. When its spec has changed since, it also costs the
/// write that says so (`observedGeneration`), and nothing else.
fn judge_rest(world: &mut World, clean: &Outcome) {
    let writes: Vec<_> = clean.calls.iter().filter(|site| is_write(**site)).collect();
    let kept = if world.is_observed() {
        clean.calls.len() <= 1
    } else {
        writes == [&CallSite::ReplaceStatus] && clean.world.is_observed()
    };
    if !kept {
        world.break_rule(format!(
            "I8: a settled object costs calls: {:?}",
            clean.calls
        ));
    }
}

/// What a settled world breaks: it is as promised, and costs nothing while nobody asks for anything.
pub fn judge_settled(world: &World, clean: &Outcome) -> Vec<String> {
    let mut judged = world.clone();
    judged.check_settled();
    let deleting = world
        .upgrade()
        .is_some_and(|one| one["metadata"]["deletionTimestamp"].is_string());
    if world.asks_for_nothing() && !deleting {
        judge_rest(&mut judged, clean);
    }
    judged.broken
}

/// A pass may end with an error that says what it waits for; the next pass looks again.
pub fn is_expected_error(error: &str) -> bool {
    error.contains("docker_init.sh is still at work")
        || error.contains("is another than the one recorded")
        || error.contains("the definition of OmsUpgrade in this cluster does not fit")
        // A console that has not come up yet is asked again.
        || error.contains("cannot connect to OMS")
}

/// Writes to the API server; an event changes nothing that anybody decides on.
pub fn is_delayable(site: CallSite) -> bool {
    port_of(site) == Port::Kube && is_write(site) && site != CallSite::CreateEvent
}

/// Settled, gone, or waiting for a person.
pub fn is_end(world: &World) -> bool {
    match world.upgrade() {
        None => true,
        Some(upgrade) => {
            let deleting = upgrade["metadata"]["deletionTimestamp"].is_string();
            world.is_settled() && !deleting && world.asks_for_nothing()
                || world
                    .status("/stall")
                    .is_some_and(serde_json::Value::is_object)
                || world.status_text("/step") == "Planned"
        }
    }
}

/// Whether an upgrade turned back between two worlds because of a time limit.
pub fn turns_back_by_time(before: &World, after: &World) -> bool {
    let by_time = ["Timeout", "EffectRefused", "ImageNotPulled"];
    before.status_text("/direction") == "Forward"
        && after.status_text("/direction") != "Forward"
        && by_time.contains(&after.status_text("/cause/reason"))
}

/// Whether a version that is left alone for as long as a step may last, with every look answered, stays ill. A turn
/// back from one that becomes healthy breaks a promise.
pub fn is_turn_needed(runner: &Runner, world: &World) -> bool {
    let mut world = world.clone();
    (world.mishaps, world.delays) = (0, 0);
    world.restart_step();
    for _ in 0..400 {
        world = runner.run(&world, None).world;
        let healthy = ["EnablingHa", "Recovering", "Settling"];
        if world.status_text("/direction") != "Forward"
            || !world.status_text("/stall/reason").is_empty()
        {
            return true;
        }
        if healthy.contains(&world.status_text("/step")) {
            return false;
        }
        let progress = world.list_events().into_iter().find(Event::is_progress);
        match progress {
            Some(event) => world = world.after(&event),
            None if world.step_age() < LIMIT - 100 => world = world.after(&Event::Tick),
            None => return true,
        }
    }
    true
}

pub type Class = (String, CallSite, Fault);

/// Whether a fault hits a call in such a situation for the first time in this process: what one
/// exploration has done another need not do again.
pub fn is_first_of_class(class: Class) -> bool {
    static CLASSES: Mutex<BTreeSet<Class>> = Mutex::new(BTreeSet::new());
    CLASSES.lock().unwrap().insert(class)
}

/// Where a pass stands: step, recorded effect, and whether a Job is under way.
pub fn describe_situation(world: &World) -> String {
    let last = world
        .status("/internal/jobs")
        .and_then(serde_json::Value::as_array)
        .and_then(|jobs| jobs.last());
    format!(
        "{} {} {}",
        world.status_text("/step"),
        world.status_text("/internal/intent/effect"),
        last.is_some_and(|job| job["uid"].is_string())
    )
}

/// What a call is about, as far as it matters what fails: the effect, when it is one.
pub fn describe_class(world: &World, site: CallSite) -> String {
    let effect = is_write(site) && !matches!(site, CallSite::ReplaceStatus | CallSite::CreateEvent);
    if effect {
        world.status_text("/internal/intent/effect").into()
    } else {
        String::new()
    }
}

pub fn describe_place(world: &World) -> String {
    if world.upgrade().is_none() {
        return "gone".into();
    }
    let stall = world.status_text("/stall/reason");
    let cause = world.status_text("/cause/reason");
    format!(
        "{} {} {}{}",
        world.status_text("/phase"),
        world.status_text("/step"),
        if stall.is_empty() {
            String::new()
        } else {
            format!("stalled {stall} ")
        },
        cause
    )
}
