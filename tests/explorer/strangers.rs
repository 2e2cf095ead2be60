//! Strangers who write the targets while an upgrade is under way: another image, other replicas, a restart. Whatever
//! they start is theirs; what the operator makes of it must not be worse.
use super::events::Event;
use super::judging::{describe_place, is_end};
use super::runner::Runner;
use super::walk::{
    SAMPLE, ends_only_in, explore, go_on, setup, start_by_others, walk_through, walk_until,
};
use super::world::{NEW_IMAGE, OLD_IMAGE, Schema, Setup, Trouble, World};
use serde_json::json;
use std::collections::BTreeSet;

/// Where a writer's entry says that he owns these.
const REPLICAS: &str = "/fieldsV1/f:spec/f:replicas";
const TEMPLATE: &str = "/fieldsV1/f:spec/f:template";

impl World {
    /// A stranger's scale-up is a mishap that the operator cannot prevent; it is one as long as the replicas are the
    /// stranger's.
    pub fn is_scaled_by_others(&self) -> bool {
        self.is_written_by("argocd-controller", REPLICAS)
    }

    /// The same of an image: what runs then, and what it does to the databases, is the stranger's until the operator
    /// writes the template again.
    pub fn has_image_of_others(&self) -> bool {
        self.is_written_by("argocd-controller", TEMPLATE)
    }

    /// Whether a person has scaled this target to nothing.
    pub fn is_scaled_down_by_others(&self, target: &str) -> bool {
        self.is_target_written_by(target, "kubectl-scale", REPLICAS)
    }

    pub fn is_written_by(&self, manager: &str, field: &str) -> bool {
        let targets = self.list("deployments");
        let mut targets = targets.iter();
        targets.any(|name| self.is_target_written_by(name, manager, field))
    }

    fn is_target_written_by(&self, name: &str, manager: &str, field: &str) -> bool {
        let entries = self
            .get("deployments", name)
            .and_then(|one| one["metadata"]["managedFields"].as_array());
        entries
            .into_iter()
            .flatten()
            .any(|entry| entry["manager"] == manager && entry.pointer(field).is_some())
    }

    /// A person takes back what a stranger wrote to the targets (`kubectl rollout undo`, `kubectl scale`), and restores
    /// databases that the stranger's version has altered.
    pub fn undo_strangers(&mut self) {
        for target in self.list("deployments") {
            if self.is_target_written_by(&target, "argocd-controller", TEMPLATE) {
                self.write_as(&target, "kubectl-rollout", |object| {
                    let image = &mut object["spec"]["template"]["spec"]["containers"][0]["image"];
                    *image = json!(if *image == NEW_IMAGE {
                        OLD_IMAGE
                    } else {
                        NEW_IMAGE
                    });
                });
            }
            if self.is_scaled_down_by_others(&target) {
                self.write_as(&target, "kubectl-rollout", |object| {
                    object["spec"]["replicas"] = json!(1);
                });
            }
        }
        if self.db.schema == Schema::Half && self.inits.is_empty() {
            self.db.schema = Schema::Old;
        }
    }
}

/// The worlds in which each step begins from which on OMS may be down: forward, on the way of an abort, and of a
/// rollback.
fn walk_all_ways(rolling: bool) -> Vec<World> {
    let begin = |trouble| {
        let usual = setup(trouble);
        World::new(1, Setup { rolling, ..usual })
    };
    let forward = [
        "StoppingOld",
        "BackingUp",
        "VerifyingBackup",
        "StartingNew",
        "Initializing",
        "StartingFinal",
        "EnablingHa",
        "Recovering",
    ];
    let mut worlds = walk_through(begin(Trouble::default()), &forward);
    let asked = worlds[1].after(&Event::Ask("Abort"));
    worlds.extend(walk_through(asked, &["StartingOld", "Recovering"]));
    let fails = Trouble {
        init_fails: true,
        ..Trouble::default()
    };
    let back = ["Comparing", "Restoring", "StartingOld", "Recovering"];
    worlds.extend(walk_through(begin(fails), &back));
    worlds
}

/// Passes and moves of the cluster in turn up to an end; whatever is broken on the way fails.
fn walk_to_end(mut world: World) -> String {
    let runner = Runner::default();
    for _ in 0..1000 {
        if is_end(&world) {
            let mut judged = world.clone();
            if world.is_settled() {
                judged.check_settled();
            }
            assert!(judged.broken.is_empty(), "{:?}", judged.broken);
            return describe_place(&world);
        }
        (world, _) = go_on(runner.run(&world, None));
    }
    panic!("no end at {}", describe_place(&world));
}

/// What a stranger has changed runs before the operator looks again.
fn run_cluster(mut world: World) -> World {
    let moves = |event: &Event| matches!(event, Event::Controller(_) | Event::Pod(_));
    for _ in 0..10 {
        let Some(event) = world.list_events().into_iter().find(moves) else {
            break;
        };
        world = world.after(&event);
    }
    world
}

/// A stranger acts once in each of the worlds, seen at once and late; the ends that are met.
fn meddle(worlds: &[World], act: fn(String) -> Event) -> BTreeSet<String> {
    let mut ends = BTreeSet::new();
    for world in worlds {
        let mut world = world.clone();
        world.mishaps = 1;
        let meddled = world.after(&act("oms-1".into()));
        ends.insert(walk_to_end(run_cluster(meddled.clone())));
        ends.insert(walk_to_end(meddled));
    }
    ends
}

fn expect_ends(ends: &BTreeSet<String>, wanted: &[&str]) {
    for end in ends {
        let known = wanted.iter().any(|one| end.contains(one));
        assert!(known, "it also ends in {end}");
    }
    for one in wanted {
        let met = ends.iter().any(|end| end.contains(one));
        assert!(met, "{one} was not met: {ends:?}");
    }
}

#[test]
fn sample_of_another_image_by_a_stranger() {
    for rolling in [false, true] {
        let worlds = walk_all_ways(rolling);
        let ends = meddle(&worlds, Event::Applied);
        expect_ends(
            &ends,
            &[
                "RolledBack Settling",
                "stalled OtherImageSeen",
                "stalled TargetContended",
                // Before the operator had written anything it leaves what runs alone; it never becomes healthy.
                "Aborting StartingOld stalled Timeout",
            ],
        );
    }
}

#[test]
fn sample_of_a_restart_by_a_stranger() {
    let ends = meddle(&walk_all_ways(true), Event::Restarted);
    expect_ends(
        &ends,
        &[
            "Succeeded Settling",
            "Aborted Settling",
            "RolledBack Settling",
        ],
    );
}

#[test]
fn sample_of_a_target_scaled_to_nothing_by_a_stranger() {
    let mut worlds = walk_all_ways(false);
    worlds.retain(|world| world.get("deployments", "oms-1").unwrap()["spec"]["replicas"] != 0);
    let ends = meddle(&worlds, Event::ScaledDown);
    expect_ends(
        &ends,
        &[
            "Succeeded Settling",
            "RolledBack Settling",
            "stalled TargetContended",
        ],
    );
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
