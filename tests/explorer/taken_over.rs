//! The `OmsUpgrade` is gone and comes back under another uid, and continues the upgrade (`spec.takeOver`).
use super::explore::Limits;
use super::walk::{
    AFTER_THE_LINE, BEFORE_THE_LINE, explore, setup, walk_through, walk_to_rest, walk_until,
    walk_until_settled,
};
use super::world::{ConfigFrom, Setup, Trouble, UPGRADE, World, place};
use oms_operator::controller::CallSite;
use serde_json::json;

impl World {
    /// The `OmsUpgrade` is gone, with its status and what belonged to it, and a backup tool brings it back under
    /// another uid.
    pub fn bring_back(&self, take_over: bool) -> Self {
        let mut world = self.clone();
        let Some(old) = world.upgrade().cloned() else {
            return world;
        };
        let uid = old["metadata"]["uid"].clone();
        world.objects.retain(|at, object| {
            let owner = &object["metadata"]["ownerReferences"][0]["uid"];
            *owner != uid && *at != place("omsupgrades", UPGRADE)
        });
        let mut spec = old["spec"].clone();
        if take_over {
            spec["takeOver"] = uid;
        }
        world.insert(
            "omsupgrades",
            UPGRADE,
            json!({"kind": "OmsUpgrade", "apiVersion": "oms.oceanbase.com/v1alpha1", "spec": spec,
                "status": {"observedGeneration": -1}}),
        );
        world
    }

    /// The uid that what the operator makes has to carry: that of the object, or of the one whose upgrade it continues.
    pub fn find_marks(&self) -> Option<&str> {
        let own = self.upgrade()?["metadata"]["uid"].as_str()?;
        let taken = self.status("/internal/takenOver");
        let taken = taken.filter(|taken| taken["by"] == own && taken["outcome"] != "Nothing");
        Some(taken.map_or(own, |taken| taken["marks"].as_str().unwrap_or_default()))
    }

    /// Nothing is taken from an object that is there.
    pub fn check_forerunner(&mut self, uid: &str) {
        let mut objects = self.objects.values();
        if objects.any(|object| object["metadata"]["uid"] == uid) {
            self.break_rule("an upgrade is taken over from an object that is there");
        }
    }
}

/// Worlds in which an upgrade is under way, forward and back.
fn list_starts() -> Vec<World> {
    let fails = Trouble {
        init_fails: true,
        ..Trouble::default()
    };
    let container = Setup {
        config: ConfigFrom::Container,
        ..Setup::default()
    };
    let back = [
        "StoppingJobs",
        "StoppingNew",
        "Comparing",
        "Restoring",
        "StartingOld",
        "EnablingHa",
    ];
    let mut starts = walk_through(World::new(1, Setup::default()), &BEFORE_THE_LINE);
    starts.extend(walk_through(
        World::new(1, Setup::default()),
        &AFTER_THE_LINE,
    ));
    starts.push(walk_until(World::new(1, Setup::default()), "Settling"));
    starts.push(walk_until(World::new(1, container), "VerifyingBackup"));
    starts.push(walk_until(World::new(2, Setup::default()), "StartingNew"));
    let world = walk_until(World::new(1, setup(fails)), "Initializing");
    starts.extend(walk_through(world, &back));
    starts
}

/// Settled, or a person is asked: about what is missing, or what the record does not tell.
const ENDS: [&str; 4] = ["Aborted", "RolledBack", "Succeeded", "Planned"];

#[test]
fn sample_of_take_overs() {
    let fails = Trouble {
        init_fails: true,
        ..Trouble::default()
    };
    let starts = [
        walk_until(World::new(1, Setup::default()), "BackingUp"),
        walk_until(World::new(1, Setup::default()), "Initializing"),
        walk_until(World::new(1, setup(fails)), "Restoring"),
    ];
    let starts = starts.iter().map(|world| world.bring_back(true)).collect();
    let findings = explore(
        "taken over",
        starts,
        Limits {
            worlds: Some(450),
            every_fault: false,
        },
    );
    assert!(findings.sites.contains(&CallSite::MetaDbTakeOverLock));
    let other: Vec<&String> = findings
        .ends
        .keys()
        .filter(|end| {
            let settled = ENDS.iter().any(|one| end.starts_with(one));
            !settled && !end.contains("StatusOlder") && !end.contains("TakeOverRefused")
        })
        .collect();
    assert!(other.is_empty(), "{other:?}");
}

/// Without a fault each comes to an end by itself, or says what is missing.
#[test]
fn each_take_over_comes_to_an_end() {
    let mut settled = 0;
    for world in list_starts() {
        let step = world.status_text("/step").to_owned();
        let ended = walk_to_rest(world.bring_back(true), |_| ());
        let reason = ended.status_text("/stall/reason");
        println!("{step}: {} {reason}", ended.status_text("/phase"));
        assert!(
            ended.is_settled() || ["StatusOlder", "TakeOverRefused"].contains(&reason),
            "{step}: {} {reason} {}",
            ended.status_text("/step"),
            ended.status_text("/waiting/message")
        );
        settled += u32::from(ended.is_settled());
    }
    assert!(settled > 15, "only {settled} settled");
}

/// Without the field the lock stays whose it was, and OMS as it stands.
#[test]
fn without_the_field_lock_and_record_stay() {
    for world in list_starts() {
        if world.db.lock.is_none() {
            continue;
        }
        let rests = walk_to_rest(world.bring_back(false), |_| ());
        assert_eq!(rests.db.lock, world.db.lock);
        assert_eq!(rests.db.record, world.db.record);
        assert!(!rests.is_settled());
    }
}

/// What has ended is not taken over: the object begins an upgrade of its own, and finds that nothing is to be done.
#[test]
fn what_has_ended_is_not_taken_over() {
    let settled = walk_until_settled(World::new(1, Setup::default()));
    let rests = walk_to_rest(settled.bring_back(true), |_| ());
    assert_eq!(rests.db.lock, None);
    assert_eq!(rests.db.record, settled.db.record);
    assert_eq!(rests.status_text("/internal/takenOver/outcome"), "Nothing");
}
