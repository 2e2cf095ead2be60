//! A definition older than the operator: the API server drops a field of the status without a word, whichever it is,
//! and from whichever moment on.
use super::events::Event;
use super::explore::Limits;
use super::judging::describe_place;
use super::runner::Runner;
use super::walk::{explore, go_on, setup, walk_seeing, walk_until, walk_until_settled};
use super::world::{Setup, Trouble, World};
use serde_json::Value;
use std::collections::BTreeMap;

impl World {
    /// Drops what the definition does not have.
    pub fn prune(&self, status: &mut Value) {
        if let Some(pointer) = &self.lacking {
            let names: Vec<&str> = pointer.split('/').skip(1).collect();
            drop_field(status, &names);
        }
    }

    /// Whether the person who can install a definition is told so: only then an upgrade may wait for it.
    pub fn is_definition_asked(&self) -> bool {
        let conditions = self.status("/conditions").and_then(Value::as_array);
        conditions.into_iter().flatten().any(|one| {
            let message = one["message"].as_str().unwrap_or_default();
            one["type"] == "Ready"
                && one["reason"] == "StatusCut"
                && message.contains("kubectl apply --server-side")
        })
    }
}

fn drop_field(value: &mut Value, names: &[&str]) {
    match (names, value) {
        ([], _) => {}
        (["*", rest @ ..], Value::Array(items)) => {
            items.iter_mut().for_each(|item| drop_field(item, rest));
        }
        ([name], Value::Object(fields)) => {
            fields.remove(*name);
        }
        ([name, rest @ ..], Value::Object(fields)) => {
            if let Some(field) = fields.get_mut(*name) {
                drop_field(field, rest);
            }
        }
        _ => {}
    }
}

/// Pointers to all fields of a status, those of items once.
fn list_fields(value: &Value, path: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                let path = format!("{path}/{name}");
                list_fields(field, &path, found);
                found.push(path);
            }
        }
        Value::Array(items) => {
            let path = format!("{path}/*");
            items
                .iter()
                .for_each(|item| list_fields(item, &path, found));
        }
        _ => {}
    }
}

/// Passes, moves of the cluster and time, up to the world that holds.
fn go_until(mut world: World, holds: impl Fn(&World) -> bool) -> World {
    let runner = Runner::default();
    for _ in 0..200 {
        if holds(&world) {
            return world;
        }
        let (later, came) = go_on(runner.run(&world, None));
        assert!(
            came,
            "nothing moves with {:?} lacking: {} {:?}",
            world.lacking,
            describe_place(&world),
            world.status("/conditions")
        );
        world = later;
    }
    panic!("it does not come, with {:?} lacking", world.lacking);
}

fn has_field(world: &World, field: &str) -> bool {
    list_all(world).iter().any(|one| one == field)
}

/// The fields that a definition may lack. What stands in a condition every one has.
fn list_all(world: &World) -> Vec<String> {
    let mut fields = Vec::new();
    if let Some(status) = world.upgrade().map(|one| &one["status"]) {
        list_fields(status, "", &mut fields);
    }
    fields.retain(|field| !field.starts_with("/conditions") && field != "/observedGeneration");
    fields
}

/// The last world of a way in which a field was not there yet, for each field that comes on that way, and lacking
/// there.
fn lack_each_field(start: World, end: &str) -> BTreeMap<String, World> {
    let mut before: BTreeMap<String, World> = BTreeMap::new();
    let mut last = start.clone();
    let mut see = |world: &World| {
        for field in list_all(world) {
            before.entry(field).or_insert_with(|| last.clone());
        }
        last = world.clone();
    };
    let world = walk_seeing(start, end, &mut see);
    see(&world);
    for (field, world) in &mut before {
        world.lacking = Some(field.clone());
    }
    before
}

fn begin_rollback() -> World {
    let fails = Trouble {
        init_fails: true,
        ..Trouble::default()
    };
    walk_until(World::new(1, setup(fails)), "StartingNew")
}

/// Whichever it is: nothing is stored with a hole, nothing is done, it is told, and with the definition that fits it
/// goes on.
#[test]
fn a_definition_that_lacks_any_field_is_met_before_anything_is_stored() {
    let mut worlds = lack_each_field(begin_rollback(), "Settling");
    worlds.extend(lack_each_field(World::new(1, Setup::default()), "Settling"));
    let (all, mut silent) = (worlds.len(), Vec::new());
    for (field, world) in worlds {
        let told = go_until(world, |world| {
            world.is_definition_asked() || world.is_settled()
        });
        if told.is_settled() {
            silent.push(field);
            continue;
        }
        let again = Runner::default().run(&told, None);
        // What is only for people may be over by the next look; then it goes on without.
        assert!(
            again.steps.is_empty() || again.error.is_none(),
            "with {field} lacking something is written: {:?}",
            again.calls
        );
        go_until(told.after(&Event::Defined), |world| {
            has_field(world, &field) || world.is_settled()
        });
    }
    // Of these nothing but what is meant without them was ever written.
    println!("{all} fields; never missed: {silent:?}");
    assert!(all > 100 && silent.len() < 10, "{silent:?}");
}

/// Whatever call fails then.
#[test]
fn sample_of_definitions_that_lack_a_field() {
    let mut there = lack_each_field(World::new(1, Setup::default()), "StoppingOld");
    let mut back = lack_each_field(begin_rollback(), "Settling");
    let mut take = |field: &str| there.remove(field).or_else(|| back.remove(field));
    let fields = [
        "/step",
        "/internal/recordSeq",
        "/internal/originals/targets/*/image",
        "/waiting/reason",
    ];
    let starts = fields.map(|field| take(field).unwrap_or_else(|| panic!("{field} never comes")));
    let limits = Limits {
        worlds: Some(120),
        every_fault: false,
    };
    explore("lacking definitions", starts.to_vec(), limits);
}

/// An intent that was not stored is none.
#[test]
fn without_a_place_for_intents_nothing_is_done() {
    let mut world = World::new(1, Setup::default());
    world.lacking = Some("/internal/intent".into());
    let world = go_until(world, World::is_definition_asked);
    let begun = ["jobs", "pods", "secrets"].map(|resource| world.list(resource).len());
    let before = World::new(1, Setup::default());
    assert_eq!(
        begun,
        ["jobs", "pods", "secrets"].map(|resource| before.list(resource).len())
    );
    let world = walk_until_settled(world.after(&Event::Defined));
    assert_eq!(world.status_text("/phase"), "Succeeded");
}
