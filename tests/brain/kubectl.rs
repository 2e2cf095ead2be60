//! The objects that `kubectl` shows in `tests/kubectl`: an upgrade at each of its ends, at a stall, and with a plan.
use super::world::{JobEnd, Trouble, World};
use super::*;
use oms_operator::objects::event::build_event;
use oms_operator::objects::labels::Owner;
use oms_operator::protocol::report::{Progress, ProgressPhase, Reason};
use oms_operator::upgrade::{Decision, decide};
use serde_json::{Value, json};

const MEANING: &str = "These are the objects and events that kubectl shows; what it makes of them lies beside them and is renewed by \
    tests/kubectl/run --update, which needs a cluster.";

/// A walk that keeps its events.
struct Walk {
    world: World,
    events: Vec<Value>,
}

impl Walk {
    fn new(name: &'static str, trouble: Trouble) -> Self {
        let mut world = World::new(1, true, trouble);
        world.name = name;
        Self {
            world,
            events: vec![],
        }
    }

    /// Operator and cluster in turn, a second at a time, until the world is as it should be.
    fn run(&mut self, mut stop: impl FnMut(&mut World) -> bool) {
        for _ in 0..4_000 {
            self.keep_events();
            self.world.run_pass();
            if stop(&mut self.world) {
                return;
            }
            self.world.run_cluster();
            self.world.clock += 1;
        }
        panic!("no end: {:?}", self.world.status.step);
    }

    fn keep_events(&mut self) {
        let world = &self.world;
        let decision = world.ask_brain(&world.observe(), decide);
        let Decision::Record { notes, .. } = decision else {
            return;
        };
        let owner = Owner {
            namespace: "oms",
            name: world.name,
            uid: &world.uid,
        };
        let version = format!("{}-{:05}", world.name, world.clock);
        let events = notes
            .iter()
            .map(|note| build_event(owner, &version, note, "oms-operator-0", &world.now()));
        let events = events.map(|event| serde_json::to_value(event).unwrap());
        self.events.extend(events);
    }

    /// The object and its events as the API server gets them.
    fn write(self) -> Value {
        let world = self.world;
        json!({
            "object": {
                "apiVersion": "oms.oceanbase.com/v1alpha1", "kind": "OmsUpgrade",
                "metadata": {"name": world.name, "namespace": "oms"},
                "spec": world.spec, "status": world.status,
            },
            "events": self.events,
        })
    }
}

fn settled(world: &mut World) -> bool {
    world.status.settled
}

fn stalled(world: &mut World) -> bool {
    world.status.stall.is_some()
}

fn list_walks() -> Vec<Walk> {
    let fine = Trouble::default;
    let mut walks = Vec::new();
    let mut go = |name, trouble, way: &dyn Fn(&mut Walk)| {
        let mut walk = Walk::new(name, trouble);
        way(&mut walk);
        walks.push(walk);
    };
    go("planned", fine(), &|walk| {
        walk.world.ask(Action::Plan);
        walk.run(|world| world.status.step == Some(Step::Planned));
    });
    go("three-findings", fine(), &|walk| {
        walk.world.ask(Action::Plan);
        // The first hour of many: no claim, no account, and nothing that shows that the old version starts again.
        walk.world.claim_gone = true;
        walk.world.account_gone = true;
        crate::plans::never_restarted(&mut walk.world);
        walk.run(|world| world.status.settled || world.status.step == Some(Step::Planned));
    });
    go("dumping", fine(), &|walk| {
        // The cluster lets no Job run for longer than one look: it is held here.
        walk.run(|world| world.jobs.contains_key(&JobRole::Dump));
        walk.world.progress = Some(Progress {
            phase: ProgressPhase::Dumping,
            database: "oms_rm".into(),
            table: None,
            bytes_done: 40 << 20,
            bytes_total: Some(640 << 20),
            bytes_per_second: 3 << 20,
            eta_seconds: Some(200),
        });
        while walk.world.status.progress.is_none() {
            assert!(walk.world.run_pass(), "the progress is not seen");
        }
    });
    go("succeeded", fine(), &|walk| walk.run(settled));
    go("aborted", fine(), &|walk| {
        walk.run(|world| {
            if let Some((_, end)) = world.jobs.get_mut(&JobRole::Dump)
                && *end == JobEnd::Running
            {
                *end = JobEnd::Bad(Reason::NoSpace);
            }
            world.status.settled
        });
    });
    let trouble = Trouble {
        init_fails: true,
        ..fine()
    };
    go("rolled-back", trouble, &|walk| walk.run(settled));
    go("released", fine(), &|walk| {
        walk.run(|world| world.status.step == Some(Step::BackingUp));
        (walk.world.deleting, walk.world.release) = (true, true);
        walk.run(|world| world.status.settled || !world.finalizer);
    });
    let trouble = Trouble {
        project_down: true,
        ..fine()
    };
    go("stalled-recovering", trouble, &|walk| walk.run(stalled));
    let trouble = Trouble {
        init_silent: true,
        ..fine()
    };
    go("stalled-unconfirmed", trouble, &|walk| walk.run(stalled));
    walks
}

#[test]
fn the_objects_that_kubectl_shows() {
    let all: Vec<Value> = list_walks().into_iter().map(Walk::write).collect();
    let text = serde_json::to_string_pretty(&all).unwrap();
    pin::check("tests/kubectl/objects.json", &format!("{text}\n"), MEANING);
}
