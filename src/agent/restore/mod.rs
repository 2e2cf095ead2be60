//! The parts of a restore: how far it has come, the swap, and what is kept of what it replaced.

pub mod copies;
pub mod leftovers;
pub mod record;
pub mod swap;
