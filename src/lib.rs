//! The OMS upgrade operator: one `OmsUpgrade` object carries an OceanBase Migration Service
//! installation from one version to the next, and back when it must.
//!
//! Doors, and what lies behind them:
//! * [`api`] – the custom resource. No I/O.
//! * [`protocol`] – the contract of operator and Job: request and report. No I/O.
//! * [`facts`] – what was seen of the world: plain data. No I/O.
//! * [`upgrade`] – the brain: facts in, decision out. No I/O, no clock.
//! * [`objects`] – builds and reads Kubernetes objects. No I/O.
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
pub mod agent;
pub mod api;
pub mod controller;
pub mod facts;
pub mod metrics;
pub mod objects;
pub mod oms;
pub mod protocol;
pub mod runtime;
pub mod upgrade;
