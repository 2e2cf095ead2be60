//! What runs inside the Jobs: `probe`, `dump`, `verify`, `compare`, `restore`.
//!
//! The agent talks to the MetaDB and to the mounted claim, never to Kubernetes. What it is asked and what it answers
//! is in [`crate::protocol`]; besides it meets the operator in the rows of the lock. `commands` tells each command's
//! story from beginning to end; `metadb`, `volume` and `client` are the only doors to the outside.

mod client;
mod client_login;
mod commands;
mod creation;
mod credentials;
pub mod digest;
mod dumping;
mod failure;
mod grants;
mod load;
mod main;
pub mod manifest;
mod metadb;
mod meter;
mod rehearsal;
pub mod restore;
mod run;
mod scratch;
pub mod special;
pub mod sql;
mod trial;
pub mod volume;

pub use main::{Command, run_command};
