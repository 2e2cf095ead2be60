//! Random walks: whole upgrades in which anything may happen at any moment, in combinations that the explorations from
//! one day's beginning do not reach. Each walk has a number, from which all of it follows.
use super::events::Event;
use super::exits::{find_exit, is_first_of_place};
use super::gate::{Fault, list_faults};
use super::judging::{
    describe_place, is_delayable, is_end, is_expected_error, is_turn_needed, judge_settled,
    turns_back_by_time,
};
use super::runner::{Outcome, Runner};
use super::walk::go_on;
use super::world::{Asks, ConfigFrom, Git, Setup, Trouble, World};
use fastrand::Rng;
use serde_json::Value;
use std::collections::BTreeMap;

/// Calls of the sample, and of the long run where nobody asks for another number.
const FEW_CALLS: u64 = 8_000;
const MANY_CALLS: u64 = 10_000_000;
/// Choices of one walk.
const LENGTH: usize = 1_500;
/// Passes and moves after a walk in which an end must come, when nothing more goes wrong.
const PATIENCE: usize = 1_500;

struct Walk {
    number: u64,
    random: Rng,
    world: World,
    calls: u64,
    passes: u64,
    /// What was chosen, and where it led.
    trail: Vec<String>,
}

/// True so many times in a hundred.
fn happens(random: &mut Rng, percent: u32) -> bool {
    random.u32(..100) < percent
}

fn choose_trouble(random: &mut Rng) -> Trouble {
    let mut flag = |percent| happens(random, percent);
    Trouble {
        unpullable: flag(5),
        old_image_gone: flag(2),
        init_fails: flag(20),
        init_silent: flag(8),
        init_lies: flag(8),
        init_kills: flag(8),
        console_dead: flag(8),
        programs_need_init: flag(15),
        write_back: flag(25),
        mirror: flag(20),
        template_mirror: flag(1),
        unwell: flag(15),
        without_sshd: flag(15),
    }
}

fn choose_start(random: &mut Rng) -> World {
    let configs = [
        ConfigFrom::Secret,
        ConfigFrom::ConfigMap,
        ConfigFrom::Container,
    ];
    let setup = Setup {
        ha_off: happens(random, 20),
        config: configs[random.usize(..configs.len())],
        by_api: happens(random, 20),
        unwatched: happens(random, 20),
        parameters: happens(random, 20),
        rolling: happens(random, 20),
        trouble: choose_trouble(random),
    };
    let mut world = World::new(random.usize(1..=2), setup);
    world.asks = Asks {
        abort: happens(random, 15),
        roll_back: happens(random, 15),
        delete: happens(random, 8),
        retry: happens(random, 50),
        git: if happens(random, 15) {
            Git::Revert
        } else {
            Git::Nothing
        },
    };
    world.mishaps = random.u8(..=1);
    world.delays = random.u8(..=1);
    world
}

impl Walk {
    fn new(number: u64) -> Self {
        let mut random = Rng::with_seed(number);
        let world = choose_start(&mut random);
        Self {
            number,
            random,
            world,
            calls: 0,
            passes: 0,
            trail: vec![],
        }
    }

    fn fail(&self, told: &str) -> ! {
        panic!(
            "{told}\n   {}\n   again: EXPLORER_SEED={} EXPLORER_CALLS=1 cargo test --test explorer walks_at_random -- --exact --include-ignored --nocapture",
            self.trail.join("\n   "),
            self.number
        );
    }

    fn note(&mut self, choice: &str) {
        self.trail.push(format!(
            "{choice} [{}] {}",
            describe_place(&self.world),
            self.world.describe_ha()
        ));
        if !self.world.broken.is_empty() {
            self.fail(&self.world.broken.join("\n"));
        }
    }

    fn pass(&mut self, runner: &Runner, plan: Option<(usize, Fault)>) -> Outcome {
        let mut outcome = runner.run(&self.world, plan);
        self.passes += 1;
        self.calls += outcome.calls.len() as u64;
        if turns_back_by_time(&self.world, &outcome.world) && !is_turn_needed(runner, &self.world) {
            outcome.world.break_rule(
                "it turns back although the new version becomes healthy when it is left alone",
            );
        }
        outcome
    }

    /// A pass without a fault is what it promises to be; then it happens, or one with a fault does in its place.
    fn look(&mut self, runner: &Runner) -> bool {
        let clean = self.pass(runner, None);
        if let Some(error) = clean
            .error
            .as_ref()
            .filter(|error| !is_expected_error(error))
        {
            self.fail(&format!("a pass without any fault fails: {error}"));
        }
        if self.world.is_settled() {
            self.check_settled(&clean);
        }
        let moved = !clean.steps.is_empty();
        let faulty = happens(&mut self.random, 12) && !clean.calls.is_empty();
        if !faulty {
            let trouble = clean.world.status_text("/waiting/reason").to_owned();
            self.world = clean.world;
            self.note(&format!("pass {trouble}"));
            return moved;
        }
        let index = self.random.usize(..clean.calls.len());
        let site = clean.calls[index];
        let mut faults = list_faults(site);
        if self.world.delays > 0 && is_delayable(site) {
            faults.push(Fault::Delayed);
        }
        let fault = faults[self.random.usize(..faults.len())];
        self.world = self.pass(runner, Some((index, fault))).world;
        self.note(&format!("pass with {fault:?} in {site:?}"));
        true
    }

    fn check_settled(&self, clean: &Outcome) {
        let broken = judge_settled(&self.world, clean);
        if !broken.is_empty() {
            self.fail(&broken.join("\n"));
        }
    }

    fn happen(&mut self, event: &Event) {
        self.world = self.world.after(event);
        self.note(&format!("{event:?}"));
    }

    /// Goes on until nothing moves, or for as long as a walk is.
    fn go(&mut self, runner: &Runner) {
        let mut moved = true;
        for _ in 0..LENGTH {
            let events = self.world.list_events();
            let (progress, others): (Vec<_>, Vec<_>) =
                events.into_iter().partition(Event::is_progress);
            if !others.is_empty() && happens(&mut self.random, 2) {
                let event = &others[self.random.usize(..others.len())];
                self.happen(event);
                moved = true;
            } else if self.world.mishaps > 0
                && self.world.status("/step").is_some()
                && happens(&mut self.random, 1)
                && !is_end(&self.world)
            {
                self.world.mishaps -= 1;
                self.happen(&Event::Away);
                moved = true;
            } else if !progress.is_empty() && (!moved || happens(&mut self.random, 40)) {
                let event = &progress[self.random.usize(..progress.len())];
                self.happen(event);
                moved = true;
            } else if moved {
                moved = self.look(runner);
            } else if is_end(&self.world) {
                if others.is_empty() {
                    return;
                }
                let event = &others[self.random.usize(..others.len())];
                self.happen(event);
                moved = true;
            } else {
                match self.world.list_times() {
                    Some(event) => self.happen(&event),
                    None => return,
                }
                moved = true;
            }
        }
    }

    /// Left alone from here, an end comes; where it is a standstill, a listed act leads on.
    fn come_to_an_end(&mut self, runner: &Runner) -> String {
        self.world.asks = Asks::default();
        (self.world.mishaps, self.world.delays) = (0, 0);
        for _ in 0..PATIENCE {
            if is_end(&self.world) && self.world.delayed.is_none() {
                let quiet = self.pass(runner, None);
                if quiet.steps.is_empty() {
                    break;
                }
            }
            let outcome = self.pass(runner, None);
            let events = outcome.world.list_events();
            let free = events
                .iter()
                .find(|event| matches!(event, Event::Resumed(_) | Event::Defined | Event::Arrives));
            if !outcome.world.broken.is_empty() {
                self.world = outcome.world;
            } else if let Some(event) = free {
                self.world = outcome.world.after(event);
            } else {
                let (world, came) = go_on(outcome);
                // Time goes on, however old a step is.
                self.world = if came || is_end(&world) {
                    world
                } else {
                    world.after(&Event::Tick)
                };
            }
            self.note("left alone");
        }
        if !is_end(&self.world) {
            self.fail("no end comes, although nothing more goes wrong");
        }
        if self.world.is_settled() {
            let clean = self.pass(runner, None);
            self.check_settled(&clean);
        }
        let stalled = self.world.status("/stall").is_some_and(Value::is_object);
        if stalled
            && is_first_of_place(&self.world)
            && let Err(told) = find_exit(runner, &self.world)
        {
            self.fail(&told);
        }
        describe_place(&self.world)
    }
}

/// Walks until so many calls were made.
fn walk_at_random(first: u64, calls: u64) {
    let runner = Runner::default();
    let begin = std::time::Instant::now();
    let (mut made, mut passes, mut number) = (0, 0, first);
    let mut ends: BTreeMap<String, u64> = BTreeMap::new();
    while made < calls {
        let mut walk = Walk::new(number);
        walk.go(&runner);
        *ends.entry(walk.come_to_an_end(&runner)).or_default() += 1;
        made += walk.calls;
        passes += walk.passes;
        number += 1;
    }
    println!(
        "random: {} walks from number {first}, {passes} passes, {made} calls, {:.0} s",
        number - first,
        begin.elapsed().as_secs_f64()
    );
    for (end, count) in ends {
        println!("   {count} {end}");
    }
}

fn read_number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn sample_of_random_walks() {
    walk_at_random(1, FEW_CALLS);
}

#[test]
#[ignore = "long: scripts/walks"]
fn walks_at_random() {
    let calls = read_number("EXPLORER_CALLS").unwrap_or(MANY_CALLS);
    walk_at_random(read_number("EXPLORER_SEED").unwrap_or(1), calls);
}
