//! The OMS upgrade operator: one `OmsUpgrade` object carries an OceanBase Migration Service
//! installation from one version to the next, and back when it must.
//!
//! Doors, and what lies behind them:
//! * [`api`] – the custom resource. No I/O.
//! * [`protocol`] – the contract of operator and Job: request and report. No I/O.
//! * [`metadb`] – what operator and agent both know of the MetaDB's server. Opens no connection.
//! * [`facts`] – what was seen of the world: plain data. No I/O.
//! * [`upgrade`] – the brain: facts in, decision out. No I/O, no clock.
//! * [`objects`] – builds and reads Kubernetes objects. No I/O.
//! * [`import`] – the way in: what docker was told becomes manifests. No I/O.
//! * [`oms`] – OMS as seen from outside: MetaDB queries, HA, open API, container commands.
//! * [`controller`] – the hands: the only holder of a Kubernetes client.
//! * [`metrics`] – what Prometheus reads.
//! * [`runtime`] – lease, health, logs, shutdown.
//! * [`agent`] – what runs inside the Jobs: probe, dump, verify, compare, restore.
// Tests may; what runs for users answers with an error instead.
#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::todo,
    clippy::dbg_macro
)]
// Tests look into every room. The program does not: what it never uses is found by the compiler then.
#[cfg(not(feature = "testing"))]
mod agent;
#[cfg(feature = "testing")]
pub mod agent;
#[cfg(not(feature = "testing"))]
mod api;
#[cfg(feature = "testing")]
pub mod api;
#[cfg(not(feature = "testing"))]
mod controller;
#[cfg(feature = "testing")]
pub mod controller;
#[cfg(not(feature = "testing"))]
mod facts;
#[cfg(feature = "testing")]
pub mod facts;
#[cfg(not(feature = "testing"))]
mod import;
#[cfg(feature = "testing")]
pub mod import;
#[cfg(not(feature = "testing"))]
mod metadb;
#[cfg(feature = "testing")]
pub mod metadb;
#[cfg(not(feature = "testing"))]
mod metrics;
#[cfg(feature = "testing")]
pub mod metrics;
#[cfg(not(feature = "testing"))]
mod objects;
#[cfg(feature = "testing")]
pub mod objects;
#[cfg(not(feature = "testing"))]
mod oms;
#[cfg(feature = "testing")]
pub mod oms;
#[cfg(not(feature = "testing"))]
mod protocol;
#[cfg(feature = "testing")]
pub mod protocol;
#[cfg(not(feature = "testing"))]
mod runtime;
#[cfg(feature = "testing")]
pub mod runtime;
#[cfg(not(feature = "testing"))]
mod upgrade;
#[cfg(feature = "testing")]
pub mod upgrade;

pub use agent::{Command, run_command};
pub use api::build_crd;
pub use oms::assumptions::write_assumptions;
pub use runtime::{
    CheckOptions, ImportOptions, RunOptions, check_installation, run_import, run_operator,
};
