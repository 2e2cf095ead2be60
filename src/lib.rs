//! The OMS upgrade operator: one `OmsUpgrade` object carries an OceanBase Migration Service
//! installation from one version to the next, and back when it must.
//!
//! Doors, and what lies behind them:
//! * [`api`] – the custom resource. No I/O.
//! * [`agent`] – what runs inside the Jobs: probe, dump, verify, compare, restore.
//! * [`oms`] – OMS as seen from outside: MetaDB queries, HA, open API, container commands.
pub mod agent;
pub mod api;
pub mod oms;
