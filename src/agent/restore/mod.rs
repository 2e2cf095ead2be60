//! The parts of a restore: how far it has come, and the swap.

pub mod leftovers;
pub mod record;
pub mod swap;
