//! Ways through the procedure as text: what is intended, done, seen and told, in its order. `make trace` writes them.
//!
//! A change of the procedure shows here as a difference that a person can read. Nothing in a trace depends on the
//! moment.
use super::world::{JobEnd, Trouble, World};
use super::*;
use oms_operator::api::{Intent, OmsUpgradeStatus, find_condition};
use oms_operator::objects::deployment::{read_annotation, read_replicas};
use oms_operator::objects::event::Note;
use oms_operator::protocol::report::Reason;
use oms_operator::upgrade::{Decision, decide};
use serde_json::Value;
use std::collections::BTreeMap;

const MEANING: &str = "This is the way that upgrades go, as people see it. An upgrade that is under way while the operator is replaced \
    continues on the new way from wherever it stands: each step must be safe to enter from every place where the former way may have left it.";

struct Trace {
    world: World,
    lines: Vec<String>,
}

impl Trace {
    fn new(about: &str, trouble: Trouble) -> Self {
        Self {
            world: World::new(1, true, trouble),
            lines: vec![format!("# {about}")],
        }
    }

    fn say(&mut self, kind: &str, text: &str) {
        let step = self
            .world
            .status
            .step
            .map_or_else(String::new, |step| format!("{step:?}"));
        let line = format!("{step:<24}{kind:<8}{text}");
        let line = line.trim_end().to_owned();
        // Moments in which only time passes are one.
        if self.lines.last() != Some(&line) {
            self.lines.push(line);
        }
    }

    /// One pass of the operator.
    fn pass(&mut self) -> bool {
        let before = self.world.clone();
        let decision = before.ask_brain(&before.observe(), decide);
        let moved = self.world.run_pass();
        match decision {
            Decision::Record { notes, .. } => self.tell_record(&before.status, &notes),
            Decision::Perform(effect) => {
                let done = describe_intent(&effect.describe_intent());
                let changed = describe_change(&before, &self.world);
                self.say("effect", &format!("{done}: {changed}"));
            }
            Decision::Wait { .. } | Decision::Sleep { .. } | Decision::Rest => {}
        }
        moved
    }

    fn tell_record(&mut self, before: &OmsUpgradeStatus, notes: &[Note]) {
        let now = self.world.status.clone();
        if (now.step, now.direction) != (before.step, before.direction) {
            self.say("enter", &format!("{:?}", now.direction.unwrap_or_default()));
        }
        let fields = list_changed_fields(before, &now);
        if !fields.is_empty() {
            self.say("status", &fields.join(", "));
        }
        if let Some(intent) = now.internal.intent.as_ref()
            && now.internal.intent != before.internal.intent
        {
            self.say("intent", &describe_intent(intent));
        }
        for condition in &now.conditions {
            let old = find_condition(&before.conditions, &condition.type_);
            // These repeat what Ready says: only whether they are true is news.
            let repeats = [types::RECONCILING, types::STALLED, types::FINISHED]
                .contains(&condition.type_.as_str());
            let known = old.is_some_and(|old| {
                old.status == condition.status
                    && (repeats
                        || old.reason == condition.reason && old.message == condition.message)
            });
            if known {
                continue;
            }
            let ready = find_condition(&now.conditions, types::READY);
            let message =
                if repeats && ready.is_some_and(|ready| ready.message == condition.message) {
                    "as Ready"
                } else {
                    &condition.message
                };
            let text = format!(
                "{}={} {}: {message}",
                condition.type_, condition.status, condition.reason
            );
            self.say("user", &text);
        }
        for note in notes {
            let kind = if note.warning { "Warning" } else { "Normal" };
            self.say("event", &format!("{kind} {}", note.reason));
        }
    }

    /// What the cluster does by itself.
    fn move_cluster(&mut self) -> bool {
        let before = self.world.clone();
        let moved = self.world.run_cluster();
        let changed = describe_change(&before, &self.world);
        if !changed.is_empty() {
            self.say("cluster", &changed);
        }
        moved
    }

    /// Operator and cluster in turn until nothing moves; `meddle` comes before each move of the cluster.
    fn run(&mut self, mut meddle: impl FnMut(&mut World) -> Option<String>) {
        for _ in 0..2000 {
            let mut moved = self.pass();
            if let Some(text) = meddle(&mut self.world) {
                self.say("bad luck", &text);
                moved = true;
            }
            moved |= self.move_cluster();
            if !moved {
                if self.world.is_at_rest() {
                    return;
                }
                self.say("time", "");
                self.world.clock += 100;
            }
        }
        panic!("no end:\n{}", self.lines.join("\n"));
    }

    fn run_until(&mut self, step: Step) {
        for _ in 0..2000 {
            if self.world.status.step == Some(step) {
                return;
            }
            let moved = self.pass() | self.move_cluster();
            if !moved {
                self.say("time", "");
                self.world.clock += 100;
            }
        }
        panic!("{step:?} was never reached:\n{}", self.lines.join("\n"));
    }

    fn ask(&mut self, action: Action) {
        self.world.ask(action);
        self.say("person", &format!("spec.action: {action:?}"));
    }

    fn end(self, file: &str, phase: Phase) {
        expect(&self.world, phase);
        let text = format!("{}\n", self.lines.join("\n"));
        pin::check(&format!("tests/traces/{file}.txt"), &text, MEANING);
    }
}

fn describe_intent(intent: &Intent) -> String {
    let mut text = intent.effect.clone();
    if let Some(subject) = &intent.subject {
        text.push_str(&format!(" {subject}"));
    }
    if let Some(before) = &intent.before {
        text.push_str(&format!(" (at {before})"));
    }
    text
}

/// Fields of the status that changed, those aside that have lines of their own or only say when.
fn list_changed_fields(before: &OmsUpgradeStatus, now: &OmsUpgradeStatus) -> Vec<String> {
    // Told by a line of their own, or derived from what is.
    const TOLD: [&str; 9] = [
        "conditions",
        "direction",
        "history",
        "intent",
        "nextActions",
        "phase",
        "step",
        "stepStartedTime",
        "stepSummary",
    ];
    let read = |status: &OmsUpgradeStatus| {
        let mut status = serde_json::to_value(status).unwrap();
        let internal = status.as_object_mut().unwrap().remove("internal");
        let parts = [status, internal.unwrap_or_default()];
        let fields = parts.into_iter().filter_map(|part| match part {
            Value::Object(fields) => Some(fields),
            _ => None,
        });
        fields.flatten().collect::<BTreeMap<String, Value>>()
    };
    let (before, now) = (read(before), read(now));
    let names: std::collections::BTreeSet<&String> = before.keys().chain(now.keys()).collect();
    names
        .into_iter()
        .filter(|name| before.get(*name) != now.get(*name) && !TOLD.contains(&name.as_str()))
        .map(|name| match now.get(name) {
            Some(_) => name.clone(),
            None => format!("{name} goes"),
        })
        .collect()
}

fn describe_change(before: &World, now: &World) -> String {
    let (before, now) = (describe_world(before), describe_world(now));
    let changes: Vec<String> = now
        .iter()
        .filter(|(name, value)| before[*name] != **value)
        .map(|(name, value)| format!("{name} {} -> {value}", before[name]))
        .collect();
    changes.join("; ")
}

/// What there is in a world, by name.
fn describe_world(world: &World) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    let mut add = |name: &str, value: String| all.insert(name.to_owned(), value);
    add("finalizer", world.finalizer.to_string());
    let lock = world.lock.as_ref();
    add(
        "lock",
        lock.map_or("none".into(), |(_, epoch)| format!("epoch {epoch}")),
    );
    add("ob_query_timeout", world.query_timeout.to_string());
    add("ha.config", world.ha.clone());
    add("schema", format!("{:?}", world.schema));
    add("checkpoint", describe_checkpoint(world));
    for role in [
        JobRole::Probe,
        JobRole::Dump,
        JobRole::Verify,
        JobRole::Compare,
        JobRole::Restore,
        JobRole::DropCopies,
    ] {
        let job = world.jobs.get(&role);
        let text = job.map_or("none".into(), |(attempt, end)| format!("{attempt} {end:?}"));
        add(&format!("Job {role:?}"), text);
    }
    for (index, node) in world.nodes.iter().enumerate() {
        let name = node.object["metadata"]["name"].as_str().unwrap();
        let mut add = |what: &str, value: String| all.insert(format!("{name} {what}"), value);
        add("replicas", read_replicas(&node.object).to_string());
        add("template", format!("{:?}", world.template(index)));
        let fence = read_annotation(&node.object, oms_operator::api::FENCE_ANNOTATION);
        add("fence", fence.unwrap_or("none").to_owned());
        let pod = node.pod.as_ref();
        add("pod", pod.map_or("none".into(), describe_pod));
        let console = pod.map(|pod| match pod.console_stopped {
            true => "stopped".into(),
            false => format!("process {}", pod.console_pid),
        });
        add("console", console.unwrap_or("none".into()));
        add(
            "docker_init.sh",
            format!("{} {:?}", node.init_attempt, node.init),
        );
    }
    all
}

/// Relative to where it stood: the moment itself says nothing.
fn describe_checkpoint(world: &World) -> String {
    let begin = World::new(1, true, Trouble::default()).checkpoint;
    format!("+{}", world.checkpoint - begin)
}

fn describe_pod(pod: &world::Pod) -> String {
    let state = match (pod.leaving, pod.up, pod.running) {
        (true, ..) => "leaving",
        (_, true, _) => "up",
        (_, _, true) => "running",
        _ => "pending",
    };
    format!("{} of {:?} {state}", pod.number, pod.kind)
}

#[test]
fn success() {
    let mut trace = Trace::new("An upgrade that goes well", Trouble::default());
    trace.run(|_| None);
    trace.end("success", Phase::Succeeded);
}

#[test]
fn abort_during_the_backup() {
    let mut trace = Trace::new(
        "An abort that is asked for while the databases are dumped",
        Trouble::default(),
    );
    trace.run_until(Step::BackingUp);
    while !trace.world.jobs.contains_key(&JobRole::Dump) {
        trace.pass();
    }
    trace.ask(Action::Abort);
    trace.run(|_| None);
    trace.end("abort", Phase::Aborted);
}

#[test]
fn rollback_after_success() {
    let mut trace = Trace::new(
        "A rollback that is asked for after success; the way there is that of success.txt",
        Trouble::default(),
    );
    trace.run(|_| None);
    trace.lines.truncate(1);
    trace.ask(Action::RollBack);
    trace.run(|_| None);
    trace.end("rollback", Phase::RolledBack);
}

#[test]
fn docker_init_fails() {
    let trouble = Trouble {
        init_fails: true,
        ..Trouble::default()
    };
    let mut trace = Trace::new("docker_init.sh ends without its banner", trouble);
    trace.run(|_| None);
    trace.end("init-fails", Phase::RolledBack);
}

#[test]
fn the_new_version_is_unhealthy() {
    let trouble = Trouble {
        console_dead: true,
        ..Trouble::default()
    };
    let mut trace = Trace::new("The console of the new version never comes up", trouble);
    trace.run(|_| None);
    trace.end("new-version-unhealthy", Phase::RolledBack);
}

#[test]
fn the_dump_fails() {
    let mut trace = Trace::new(
        "The volume is full while the databases are dumped",
        Trouble::default(),
    );
    trace.run(|world| {
        let (_, end) = world.jobs.get_mut(&JobRole::Dump)?;
        (*end == JobEnd::Running).then(|| {
            *end = JobEnd::Bad(Reason::NoSpace);
            "the dump ends with NoSpace".into()
        })
    });
    trace.end("dump-fails", Phase::Aborted);
}
