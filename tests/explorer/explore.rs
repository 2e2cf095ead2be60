//! Walks over all worlds that can be reached, to a fixpoint.
//!
//! Nothing of a pass survives it, so paths need not be enumerated: from every durable world, one pass
//! without a fault, one pass per call and fault, and every event; each world that comes out of it,
//! also in the middle of a pass, is looked at once.
use super::events::Event;
use super::exits::{find_exit, is_first_of_place};
use super::gate::{Fault, Matrix, list_faults};
use super::judging::{
    describe_class, describe_place, describe_situation, is_delayable, is_end, is_expected_error,
    is_first_of_class, is_turn_needed, judge_settled, turns_back_by_time,
};
use super::replay::{Choice, describe_command};
use super::runner::{Outcome, Runner};
use super::world::World;
use oms_operator::controller::CallSite;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

/// How far an exploration goes.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Worlds looked at before it stops; none: the fixpoint.
    pub worlds: Option<usize>,
    /// Every call of every world is hit by every fault. Otherwise every fault hits every call site
    /// once, an effect once per intent, and one of the faults each call site in each situation.
    pub every_fault: bool,
}

/// What an exploration has found.
#[derive(Default)]
pub struct Findings {
    pub worlds: usize,
    pub runs: u64,
    pub calls: u64,
    /// Call sites met by passes without faults.
    pub sites: BTreeSet<CallSite>,
    pub matrix: Matrix,
    /// Broken rules with the way that led there.
    pub broken: Vec<String>,
    /// Worlds from which no end can be reached without a fault.
    pub stuck: Vec<String>,
    /// How many worlds ended in each phase.
    pub ends: BTreeMap<String, usize>,
    /// The frontier was emptied.
    pub complete: bool,
    /// The longest way to a world, and the fingerprint of that world.
    pub longest: Option<(String, u128)>,
}

struct Node {
    parent: Option<usize>,
    choice: Choice,
    label: String,
    /// A short word about the world, for traces.
    place: String,
    end: bool,
    expanded: bool,
    /// Worlds that follow without fault, mishap or request.
    next: Vec<usize>,
}

pub struct Explorer {
    runner: Runner,
    limits: Limits,
    nodes: Vec<Node>,
    known: HashMap<u128, usize>,
    frontier: VecDeque<(usize, World)>,
    /// Whether a turn back was needed in a world.
    needed: HashMap<u128, bool>,
    pub findings: Findings,
}

/// Broken rules that are told in full.
const MOST_TOLD: usize = 20;

impl Explorer {
    pub fn new(limits: Limits) -> Self {
        Self {
            runner: Runner::default(),
            limits,
            nodes: vec![],
            known: HashMap::new(),
            frontier: VecDeque::new(),
            needed: HashMap::new(),
            findings: Findings::default(),
        }
    }

    /// Adds a world; tells its number.
    pub fn add(
        &mut self,
        mut world: World,
        parent: Option<usize>,
        choice: Choice,
        label: impl FnOnce() -> String,
    ) -> usize {
        if !world.broken.is_empty() {
            let broken = std::mem::take(&mut world.broken);
            if self.findings.broken.len() < MOST_TOLD {
                let trace = self.trace(parent, &label(), Some(choice));
                self.findings
                    .broken
                    .push(format!("{}\n{trace}", broken.join("\n")));
            }
            // Nothing is concluded from a world that cannot be.
            return usize::MAX;
        }
        let name = world.fingerprint();
        if let Some(known) = self.known.get(&name) {
            return *known;
        }
        let number = self.nodes.len();
        self.nodes.push(Node {
            parent,
            choice,
            label: label(),
            place: describe_place(&world),
            end: is_end(&world),
            expanded: false,
            next: vec![],
        });
        self.known.insert(name, number);
        self.frontier.push_back((number, world));
        number
    }

    /// The choices that lead to a world, and one more.
    fn describe_walk(&self, from: Option<usize>, last: Option<Choice>) -> String {
        let mut words: Vec<String> = last.iter().map(Choice::to_string).collect();
        let mut at = from;
        while let Some(node) = at.and_then(|number| self.nodes.get(number)) {
            words.push(node.choice.to_string());
            at = node.parent;
        }
        words.reverse();
        words.join(" ")
    }

    fn trace(&self, from: Option<usize>, last: &str, choice: Option<Choice>) -> String {
        let mut lines = vec![format!("   -> {last}")];
        let mut at = from;
        while let Some(number) = at {
            let Some(node) = self.nodes.get(number) else {
                break;
            };
            lines.push(format!("   {} [{}]", node.label, node.place));
            at = node.parent;
        }
        lines.reverse();
        lines.push(describe_command(&self.describe_walk(from, choice)));
        lines.join("\n")
    }

    /// Works off the frontier.
    pub fn explore(&mut self) {
        while let Some((number, world)) = self.take_next() {
            if self
                .limits
                .worlds
                .is_some_and(|most| self.findings.worlds >= most)
            {
                self.check_ends(false);
                return;
            }
            self.findings.worlds += 1;
            if std::env::var_os("EXPLORER_TALK").is_some()
                && self.findings.worlds.is_multiple_of(50)
            {
                println!(
                    "{} worlds, {} waiting, {} passes, {} calls; {}",
                    self.findings.worlds,
                    self.frontier.len(),
                    self.findings.runs,
                    self.findings.calls,
                    describe_place(&world)
                );
            }
            self.expand(number, &world);
            if self.findings.broken.len() >= MOST_TOLD {
                return;
            }
        }
        self.findings.complete = true;
        self.check_ends(true);
    }

    /// In order; when it is bounded from all over the frontier, mostly the newest, so that branches are
    /// followed to their end or to where they meet a known world.
    fn take_next(&mut self) -> Option<(usize, World)> {
        if self.limits.worlds.is_none() {
            return self.frontier.pop_front();
        }
        let waiting = self.frontier.len();
        if self.findings.worlds.is_multiple_of(8) && waiting > 1 {
            let at = self.findings.worlds.wrapping_mul(0x9E37_79B1) % waiting;
            self.frontier.swap(at, waiting - 1);
        }
        self.frontier.pop_back()
    }

    /// A pass that changes only what no name tells of, a message above all, leads to a world of the same name: what
    /// follows is asked of that one.
    fn settle_words(&mut self, world: &World) -> (World, Outcome) {
        const MOST: usize = 5;
        let mut world = world.clone();
        let mut clean = self.run(&world, None);
        for _ in 0..MOST {
            let name = world.fingerprint();
            let told = |step: &World| step.fingerprint() != name;
            let silent = !clean.steps.is_empty()
                && clean.world.broken.is_empty()
                && !clean.steps.iter().any(|(_, step)| told(step))
                && !told(&clean.world);
            if !silent {
                break;
            }
            world = clean.world.clone();
            clean = self.run(&world, None);
        }
        (world, clean)
    }

    fn expand(&mut self, number: usize, world: &World) {
        self.nodes[number].expanded = true;
        let mut next = Vec::new();
        let (world, clean) = self.settle_words(world);
        let world = &world;
        let moved = !clean.steps.is_empty();
        if let Some(error) = &clean.error
            && self.findings.broken.len() < MOST_TOLD
            && !is_expected_error(error)
        {
            let trace = self.trace(Some(number), "a pass without faults", None);
            self.findings
                .broken
                .push(format!("a pass without any fault fails: {error}\n{trace}"));
        }
        self.check_rest(number, world, &clean);
        self.check_exit(number, world);
        let parent = Some(number);
        for (at, (site, step)) in clean.steps.iter().enumerate() {
            let choice = Choice::Pass { until: Some(at) };
            let label = || format!("pass until {site:?}");
            let id = self.add(step.clone(), parent, choice, label);
            next.push(id);
        }
        let id = self.add(clean.world, parent, Choice::Pass { until: None }, || {
            "pass".into()
        });
        next.push(id);
        self.findings.sites.extend(clean.calls.iter().copied());
        for (index, site) in clean.calls.iter().enumerate() {
            let faults = list_faults(*site);
            // Dying before or after a call leaves one of the worlds that the pass without faults went
            // through; those are in the list already, so doing it for real once per class is enough.
            let turn = (number + index) % (faults.len() - 2) + 2;
            for (kind, fault) in faults.into_iter().enumerate() {
                let due = is_first_of_class((describe_class(world, *site), *site, fault))
                    || kind == turn
                        && is_first_of_class((
                            describe_situation(world),
                            *site,
                            Fault::CrashBefore,
                        ));
                if due || (self.limits.every_fault && kind >= 2) {
                    self.hit(number, world, index, *site, fault);
                }
            }
            if world.delays > 0 && is_delayable(*site) {
                self.hit(number, world, index, *site, Fault::Delayed);
            }
        }
        let events = world.list_events();
        let idle = !moved && !events.iter().any(Event::is_progress);
        for (at, event) in events.iter().enumerate() {
            let choice = Choice::Event(at);
            let id = self.add(world.after(event), parent, choice, || format!("{event:?}"));
            if event.is_progress() || matches!(event, Event::Resumed(_) | Event::Defined) {
                next.push(id);
            }
        }
        // Time passes by itself when nothing else moves, and by bad luck at any moment, without a look.
        if let Some(event) = world.list_times()
            && !is_end(world)
            && idle
        {
            let id = self.add(world.after(&event), parent, Choice::Time, || {
                format!("{event:?}")
            });
            next.push(id);
        }
        if world.mishaps > 0 && !is_end(world) && world.status("/step").is_some() {
            let mut after = world.clone();
            after.mishaps -= 1;
            self.add(after.after(&Event::Away), parent, Choice::Early, || {
                "nobody looks".into()
            });
        }
        next.retain(|id| *id != usize::MAX && *id != number);
        self.nodes[number].next = next;
    }

    fn run(&mut self, world: &World, plan: Option<(usize, Fault)>) -> Outcome {
        let mut outcome = self.runner.run(world, plan);
        if turns_back_by_time(world, &outcome.world) {
            let needed = self.needed.entry(world.fingerprint());
            if !*needed.or_insert_with(|| is_turn_needed(&self.runner, world)) {
                outcome.world.break_rule(
                    "it turns back although the new version becomes healthy when it is left alone",
                );
            }
        }
        self.findings.runs += 1;
        self.findings.calls += outcome.calls.len() as u64;
        outcome
    }

    fn hit(&mut self, number: usize, world: &World, index: usize, site: CallSite, fault: Fault) {
        let outcome = self.run(world, Some((index, fault)));
        if outcome.injected {
            *self
                .findings
                .matrix
                .entry(site)
                .or_default()
                .entry(fault)
                .or_default() += 1;
        }
        let choose = |until| Choice::Fault {
            call: index,
            fault,
            until,
        };
        for (number_of_step, (at, step)) in outcome.steps.into_iter().enumerate() {
            self.add(step, Some(number), choose(Some(number_of_step)), || {
                format!("pass with {fault:?} in {site:?}, until {at:?}")
            });
        }
        self.add(outcome.world, Some(number), choose(None), || {
            format!("pass with {fault:?} in {site:?}")
        });
    }

    /// A settled world is as promised, and costs nothing.
    fn check_rest(&mut self, number: usize, world: &World, clean: &Outcome) {
        if !world.is_settled() {
            return;
        }
        let broken = judge_settled(world, clean);
        if !broken.is_empty() && self.findings.broken.len() < MOST_TOLD {
            let trace = self.trace(Some(number), "settled", None);
            self.findings
                .broken
                .push(format!("{}\n{trace}", broken.join("\n")));
        }
    }

    /// A world that stands still has a way on, by what its status lists.
    fn check_exit(&mut self, number: usize, world: &World) {
        let stalled = world.status("/stall").is_some_and(Value::is_object);
        if !stalled || !is_first_of_place(world) {
            return;
        }
        match find_exit(&self.runner, world) {
            Ok(acts) => println!("from {}: {acts}", describe_place(world)),
            Err(told) => {
                let trace = self.trace(Some(number), "it stands still", None);
                self.findings.stuck.push(format!("{told}\n{trace}"));
            }
        }
    }

    fn note_longest(&mut self) {
        // Parents come before their children.
        let mut depths: Vec<usize> = Vec::with_capacity(self.nodes.len());
        for node in &self.nodes {
            depths.push(node.parent.map_or(0, |parent| depths[parent] + 1));
        }
        let deepest = (0..depths.len()).max_by_key(|number| depths[*number]);
        self.findings.longest = deepest.and_then(|number| {
            let (fingerprint, _) = self.known.iter().find(|(_, known)| **known == number)?;
            Some((self.describe_walk(Some(number), None), *fingerprint))
        });
    }

    /// From every world an end must be in reach without a fault.
    fn check_ends(&mut self, complete: bool) {
        self.note_longest();
        let mut before: Vec<Vec<usize>> = vec![vec![]; self.nodes.len()];
        for (number, node) in self.nodes.iter().enumerate() {
            for next in &node.next {
                before[*next].push(number);
            }
        }
        let good = |node: &Node| node.end || (!complete && !node.expanded);
        let mut reached: Vec<bool> = self.nodes.iter().map(good).collect();
        let mut open: Vec<usize> = (0..reached.len())
            .filter(|number| reached[*number])
            .collect();
        while let Some(number) = open.pop() {
            for earlier in &before[number] {
                if !reached[*earlier] {
                    reached[*earlier] = true;
                    open.push(*earlier);
                }
            }
        }
        for (number, node) in self.nodes.iter().enumerate() {
            if node.end {
                *self.findings.ends.entry(node.place.clone()).or_default() += 1;
            }
            if !reached[number] && self.findings.stuck.len() < MOST_TOLD {
                self.findings.stuck.push(self.trace(
                    Some(number),
                    "no way to an end from here",
                    None,
                ));
            }
        }
    }
}
