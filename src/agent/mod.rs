//! What runs inside the Jobs: `probe`, `dump`, `verify`, `compare`, `restore`.
//!
//! The agent talks to the MetaDB and to the mounted claim, never to Kubernetes. [`request`] and [`report`]
//! are the whole interface to the operator; both are free of I/O.

pub mod report;
pub mod request;
