//! A walk as text, so that one command goes the way of a broken promise again.
//!
//! `start.9f… pass pass.2 fault.12.LostAfter event.3 time`: each word is one choice of the explorer. `EXPLORER_REPLAY`
//! takes such a text; the exploration that begins where it begins goes this way only, and tells each place.
use super::events::Event;
use super::explore::{Explorer, Limits};
use super::gate::Fault;
use super::judging::describe_place;
use super::runner::Runner;
use super::world::World;
use std::fmt;

/// What the explorer does next.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Choice {
    /// It begins at the world with this fingerprint.
    Start(u128),
    /// A pass without a fault, to its end or until one of its effects.
    Pass { until: Option<usize> },
    /// A pass with a fault in one of its calls.
    Fault {
        call: usize,
        fault: Fault,
        until: Option<usize>,
    },
    /// One of the events that the world lists.
    Event(usize),
    /// Time passes because nothing else moves.
    Time,
    /// Time passes before its turn.
    Early,
}

const FAULTS: [Fault; 12] = [
    Fault::CrashBefore,
    Fault::CrashAfter,
    Fault::LostBefore,
    Fault::LostAfter,
    Fault::TimeoutAfter,
    Fault::ServerError,
    Fault::Conflict,
    Fault::Throttled,
    Fault::Unavailable,
    Fault::Forbidden,
    Fault::Garbage,
    Fault::Delayed,
];

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let until = match self {
            Self::Start(fingerprint) => return write!(f, "start.{fingerprint:032x}"),
            Self::Pass { until } => {
                f.write_str("pass")?;
                until
            }
            Self::Fault { call, fault, until } => {
                write!(f, "fault.{call}.{fault:?}")?;
                until
            }
            Self::Event(number) => return write!(f, "event.{number}"),
            Self::Time => return f.write_str("time"),
            Self::Early => return f.write_str("early"),
        };
        until.map_or(Ok(()), |step| write!(f, ".{step}"))
    }
}

impl Choice {
    /// Reads a word of a walk.
    fn parse(word: &str) -> Option<Self> {
        let parts: Vec<&str> = word.split('.').collect();
        let number = |text: &str| text.parse().ok();
        Some(match parts.as_slice() {
            ["start", fingerprint] => Self::Start(u128::from_str_radix(fingerprint, 16).ok()?),
            ["pass"] => Self::Pass { until: None },
            ["pass", step] => Self::Pass {
                until: Some(number(step)?),
            },
            ["fault", call, fault, rest @ ..] => Self::Fault {
                call: number(call)?,
                fault: FAULTS
                    .into_iter()
                    .find(|known| format!("{known:?}") == *fault)?,
                until: match rest {
                    [] => None,
                    [step] => Some(number(step)?),
                    _ => return None,
                },
            },
            ["event", event] => Self::Event(number(event)?),
            ["time"] => Self::Time,
            ["early"] => Self::Early,
            _ => return None,
        })
    }

    /// The world after this choice.
    fn make(self, runner: &Runner, world: &World) -> World {
        let (plan, until) = match self {
            Self::Start(_) => return world.clone(),
            Self::Event(number) => return world.after(&world.list_events()[number]),
            Self::Time => return world.after(&world.list_times().expect("no time can pass")),
            Self::Early => {
                let mut world = world.clone();
                world.mishaps -= 1;
                return world.after(&Event::Away);
            }
            Self::Pass { until } => (None, until),
            Self::Fault { call, fault, until } => (Some((call, fault)), until),
        };
        let mut outcome = runner.run(world, plan);
        match until {
            Some(step) => outcome.steps.swap_remove(step).1,
            None => outcome.world,
        }
    }
}

/// The walk that is asked for.
pub fn read_walk() -> Option<String> {
    std::env::var("EXPLORER_REPLAY").ok()
}

/// The command that goes a walk again.
pub fn describe_command(walk: &str) -> String {
    let thread = std::thread::current();
    let test = thread.name().unwrap_or_default();
    format!(
        "   again: EXPLORER_REPLAY='{walk}' cargo test --test explorer {test} -- --exact --include-ignored --nocapture"
    )
}

/// Goes a walk; `see` gets every world on it. None when it begins elsewhere.
pub fn follow(starts: &[World], walk: &str, mut see: impl FnMut(Choice, &World)) -> Option<World> {
    let choices: Vec<Choice> = walk
        .split_whitespace()
        .map(|word| Choice::parse(word).unwrap_or_else(|| panic!("{word:?} is no choice")))
        .collect();
    let start = |start: &&World| choices.first() == Some(&Choice::Start(start.fingerprint()));
    let mut world = starts.iter().find(start)?.clone();
    let runner = Runner::default();
    for choice in choices {
        world = choice.make(&runner, &world);
        see(choice, &world);
    }
    Some(world)
}

/// Goes the walk that is asked for, tells it, and ends the test with what is broken at its end.
pub fn replay(starts: &[World], walk: &str) {
    let end = follow(starts, walk, |choice, world| {
        println!("{choice} [{}]", describe_place(world));
        assert!(world.broken.is_empty(), "{}", world.broken.join("\n"));
    });
    let Some(end) = end else {
        println!("the walk begins elsewhere; this exploration is left out");
        return;
    };
    // What is promised of a world at rest, and of a pass without faults.
    let mut explorer = Explorer::new(Limits {
        worlds: Some(1),
        every_fault: false,
    });
    explorer.add(end, None, Choice::Start(0), || "the end of the walk".into());
    explorer.explore();
    let broken = explorer.findings.broken;
    assert!(broken.is_empty(), "{}", broken.join("\n\n"));
    panic!("the walk was gone to its end; nothing is broken on it");
}

#[test]
fn a_choice_survives_its_text() {
    let mut choices = vec![
        Choice::Start(7 << 100),
        Choice::Pass { until: None },
        Choice::Pass { until: Some(3) },
        Choice::Event(12),
        Choice::Time,
        Choice::Early,
    ];
    for fault in FAULTS {
        for until in [None, Some(2)] {
            choices.push(Choice::Fault {
                call: 5,
                fault,
                until,
            });
        }
    }
    for choice in choices {
        assert_eq!(Choice::parse(&choice.to_string()), Some(choice));
    }
    for word in ["", "pass.x", "fault.1", "fault.1.None", "start", "time.1"] {
        assert_eq!(Choice::parse(word), None, "{word}");
    }
}
