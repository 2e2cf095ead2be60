//! What was seen of the world, as plain data: the controller fills it in, the brain decides on it. No I/O.
mod account;
mod observed;

pub use account::{AccountSource, ConfigSource, HolderKind};
pub use observed::*;
