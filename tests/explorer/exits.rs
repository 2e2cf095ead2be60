//! From every standstill a listed human act leads to an end: whoever mends what was broken and does what the status
//! lists is not left alone.
use super::events::Event;
use super::judging::describe_place;
use super::runner::Runner;
use super::walk::{AFTER_THE_LINE, BEFORE_THE_LINE, go_on, setup, walk_through};
use super::world::{Asks, Setup, Trouble, UPGRADE, World};
use oms_operator::api::{RELEASE_ANNOTATION, RELEASE_VALUE};
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Mutex;

/// What a person does first, and what only where nothing else has led on.
const ACTS: [&str; 5] = ["Accept", "Retry", "RollBack", "Abort", "Release"];
/// How often a person does something before he gives it up.
const MOST_ACTS: usize = 4;

/// Whether nobody has looked for an exit from such a place in this process.
pub fn is_first_of_place(world: &World) -> bool {
    static PLACES: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    let place = format!(
        "{} {}",
        world.status_text("/direction"),
        describe_place(world)
    );
    PLACES.lock().unwrap().insert(place)
}

/// Mends the world and does what is listed; tells which acts led to an end, or where it stands still for ever.
pub fn find_exit(runner: &Runner, stalled: &World) -> Result<String, String> {
    let mut told = Vec::new();
    for first in ACTS {
        let mut world = heal(stalled);
        let Some(mut command) = find_command(&world, first) else {
            continue;
        };
        let mut acts = vec![first];
        loop {
            world = rest(runner, run_command(&world, &command));
            if is_over(&world) {
                return Ok(acts.join(", "));
            }
            told.push(format!(
                "{}: {} ({})",
                acts.join(", "),
                describe_place(&world),
                world.status_text("/stall/message")
            ));
            let next = ACTS[..2]
                .iter()
                .find_map(|act| Some((*act, find_command(&world, act)?)));
            match next {
                Some((act, next)) if acts.len() < MOST_ACTS => {
                    acts.push(act);
                    command = next;
                }
                _ => break,
            }
        }
    }
    Err(format!(
        "no listed act leads on from {}: {}",
        describe_place(stalled),
        told.join("; ")
    ))
}

/// What was broken works again, and nobody else asks for anything.
fn heal(stalled: &World) -> World {
    let mut world = stalled.clone();
    world.trouble = Trouble {
        unwell: world.trouble.unwell,
        without_sshd: world.trouble.without_sshd,
        ..Trouble::default()
    };
    world.refused = None;
    world.asks = Asks::default();
    (world.mishaps, world.delays) = (0, 0);
    world.ghosts.clear();
    world.undo_strangers();
    for event in world.list_events() {
        if matches!(event, Event::Resumed(_)) {
            world = world.after(&event);
        }
    }
    world
}

/// The command of a listed act.
fn find_command(world: &World, name: &str) -> Option<String> {
    let actions = world.status("/nextActions")?.as_array()?;
    let action = actions.iter().find(|action| action["name"] == name)?;
    Some(action["command"].as_str()?.to_owned())
}

/// Does what a person does who pastes the command.
fn run_command(world: &World, command: &str) -> World {
    let mut world = world.clone();
    match command.split_once(" -p '") {
        Some((_, quoted)) => {
            let text = quoted.trim_end_matches('\'').replace("'\\''", "'");
            let patch: Value = serde_json::from_str(&text).unwrap();
            world.edit("omsupgrades", UPGRADE, |one| json_patch::merge(one, &patch));
        }
        None => {
            assert!(command.contains(RELEASE_ANNOTATION), "{command}");
            world.edit("omsupgrades", UPGRADE, |one| {
                one["metadata"]["annotations"][RELEASE_ANNOTATION] = RELEASE_VALUE.into();
            });
            world.happen(&Event::Ask("Delete"));
        }
    }
    world.touched = false;
    world
}

fn is_over(world: &World) -> bool {
    world.upgrade().is_none() || world.is_settled() || world.status_text("/step") == "Planned"
}

/// Passes and moves of the cluster, and time, until it is over or nothing moves any more.
fn rest(runner: &Runner, mut world: World) -> World {
    for _ in 0..3000 {
        let mut outcome = runner.run(&world, None);
        // What was damaged breaks rules by itself; here it is asked only whether it comes to an end.
        outcome.world.broken.clear();
        let (later, came) = go_on(outcome);
        world = later;
        // The components are started by hand where the status asks for it.
        let helped = world
            .list_events()
            .into_iter()
            .find(|event| *event == Event::Helped);
        match helped {
            Some(event) if !came => world = world.after(&event),
            _ if !came || is_over(&world) => break,
            _ => {}
        }
    }
    world
}

/// Where a world stands still: looks for the exit once it is mended, and tells what was found.
fn seek(runner: &Runner, name: &str, world: &World, mended: &World, told: &mut Told) {
    if !world.status("/stall").is_some_and(Value::is_object) || !is_first_of_place(world) {
        return;
    }
    match find_exit(runner, mended) {
        Ok(acts) => {
            told.exits
                .insert(format!("{}: {acts}", describe_place(world)));
        }
        Err(why) => told.none.push(format!("{name}: {why}")),
    }
}

/// A standstill names what is really wrong, not what follows from it.
fn check_culprit(name: &str, damage: &Damage, world: &World, told: &mut Told) {
    if !world.status("/stall").is_some_and(Value::is_object) {
        return;
    }
    let said = format!(
        "{} {} {}",
        world.status_text("/stall/reason"),
        world.status_text("/stall/message"),
        world.status_text("/cause/reason")
    );
    if !damage.culprit.iter().any(|word| said.contains(word)) {
        told.none.push(format!("{name}: it is not told: {said}"));
    }
}

/// What was found of standstills.
#[derive(Default)]
struct Told {
    exits: BTreeSet<String>,
    none: Vec<String>,
}

/// What is lost or altered, and not by the operator; and how whoever did it, or a person, sets it right. Without that
/// it is gone for good.
struct Damage {
    name: &'static str,
    /// Where it comes to a standstill, people are told by one of these words.
    culprit: &'static [&'static str],
    harm: fn(&mut World),
    mend: Option<fn(&mut World, &World)>,
}

const DAMAGES: [Damage; 9] = [
    Damage {
        name: "both records of the originals are lost",
        culprit: &["OriginalsLost"],
        harm: |world| {
            for target in world.list("deployments") {
                world.happen(&Event::RecordLost(target));
            }
            world.happen(&Event::CopyLost);
        },
        mend: None,
    },
    Damage {
        name: "the claim is empty",
        culprit: &["ManifestMismatch"],
        harm: |world| world.claim.clear(),
        mend: Some(|world, before| world.claim = before.claim.clone()),
    },
    Damage {
        name: "the rows of the record are gone",
        culprit: &["RecordBehind"],
        harm: |world| world.db.record.clear(),
        mend: None,
    },
    Damage {
        name: "the lock row is gone",
        culprit: &["LockLost"],
        harm: |world| world.db.lock = None,
        mend: None,
    },
    Damage {
        name: "a stranger has the lock",
        culprit: &["LockLost", "locked by another upgrade"],
        harm: |world| world.db.lock = Some(("somebody".into(), 9)),
        mend: Some(|world, before| world.db.lock = before.db.lock.clone()),
    },
    Damage {
        name: "the row ha.config is gone",
        culprit: &[
            "HaMissing",
            "the row ha.config of oms_normal_config is gone",
        ],
        harm: |world| world.db.ha = None,
        mend: Some(|world, before| world.db.ha = before.db.ha.clone()),
    },
    Damage {
        name: "ha.config is no JSON",
        culprit: &["HaUnreadable", "ha.config is not a JSON object"],
        harm: |world| world.db.ha = Some("{".into()),
        mend: Some(|world, before| world.db.ha = before.db.ha.clone()),
    },
    Damage {
        name: "the content is another",
        culprit: &["ContentUnproven"],
        harm: |world| world.db.content += 1000,
        mend: None,
    },
    Damage {
        name: "the Deployment is gone",
        culprit: &["TargetVanished"],
        harm: |world| {
            for target in world.list("deployments") {
                world.delete_object("deployments", &target, Some("Background"));
            }
        },
        mend: None,
    },
];

#[test]
fn sample_of_standstills_each_has_an_exit() {
    explore_standstills(12);
}

#[test]
#[ignore = "all of them: cargo test --release --test explorer fixpoint -- --ignored"]
fn fixpoint_of_standstills_each_has_an_exit() {
    explore_standstills(1);
}

/// Each damage where each step begins, or one in so many of them.
fn explore_standstills(every: usize) {
    let runner = Runner::default();
    let mut told = Told::default();
    let back = Trouble {
        init_fails: true,
        ..Trouble::default()
    };
    let mut starts = walk_through(World::new(1, Setup::default()), &BEFORE_THE_LINE[1..]);
    let after = walk_through(World::new(1, Setup::default()), &AFTER_THE_LINE);
    let ways = [("Abort", starts.clone()), ("RollBack", after.clone())];
    for (what, worlds) in ways {
        for world in worlds {
            let mut world = world;
            world.asks.abort = what == "Abort";
            world.asks.roll_back = what == "RollBack";
            starts.push(world.after(&Event::Ask(what)));
        }
    }
    starts.extend(after);
    let steps = [
        "StoppingJobs",
        "Fencing",
        "DisablingHaForRollback",
        "StoppingNew",
        "Comparing",
        "Restoring",
        "StartingOld",
    ];
    starts.extend(walk_through(World::new(1, setup(back)), &steps));
    for (number, start) in starts.into_iter().enumerate() {
        let step = start.status_text("/step").to_owned();
        let way = start.status_text("/direction").to_owned();
        for (turn, damage) in DAMAGES.iter().enumerate() {
            if !(number + turn).is_multiple_of(every) {
                continue;
            }
            let mut world = start.clone();
            (damage.harm)(&mut world);
            world.touched = false;
            let world = rest(&runner, world);
            let mut mended = world.clone();
            if let Some(mend) = damage.mend {
                mend(&mut mended, &start);
            }
            let name = format!("{} ({way} {step})", damage.name);
            check_culprit(&name, damage, &world, &mut told);
            seek(&runner, &name, &world, &mended, &mut told);
        }
        let mut world = start.clone();
        world.mishaps = 1;
        let events = world.list_events().into_iter();
        for (turn, event) in events.filter(Event::is_mishap).enumerate() {
            if !(number + turn).is_multiple_of(every) {
                continue;
            }
            let mut world = world.after(&event);
            world.mishaps = 0;
            let name = format!("{event:?} ({way} {step})");
            let world = rest(&runner, world);
            seek(&runner, &name, &world, &world, &mut told);
        }
    }
    for exit in &told.exits {
        println!("{exit}");
    }
    assert!(told.none.is_empty(), "{}", told.none.join("\n\n"));
}
