//! What was seen of the world, as plain data: the controller fills it in, the brain decides on it. No I/O.
mod observed;

pub use observed::*;
