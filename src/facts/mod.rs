//! What was seen of the world, as plain data: the controller fills it in, the brain decides on it. No I/O.
mod account;
mod fact;
mod forerunner;
mod observed;
mod rehearsal;

pub use account::{AccountSource, ConfigSource, HolderKind};
pub use fact::Fact;
pub use forerunner::ForerunnerFacts;
pub use observed::*;
pub use rehearsal::{FieldChange, RehearsalFacts, Rehearsed, RehearsedAct};
