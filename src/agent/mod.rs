//! What runs inside the Jobs: `probe`, `dump`, `verify`, `compare`, `restore`.
//!
//! The agent talks to the MetaDB and to the mounted claim, never to Kubernetes. [`request`] and [`report`]
//! are the whole interface to the operator; both are free of I/O. `commands` tells each command's story from
//! beginning to end; `metadb`, `volume` and `client` are the only doors to the outside.

pub mod report;
pub mod request;

mod client;
mod commands;
mod creation;
mod credentials;
mod digest;
mod failure;
mod grants;
mod load;
mod manifest;
mod metadb;
mod meter;
mod report_line;
mod restore;
mod run;
mod scratch;
mod sql;
mod volume;

pub use run::{Command, run_command};
