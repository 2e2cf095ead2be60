//! Builds what is written to the API server and reads what came from it: names, labels, patches,
//! Jobs. Pure functions; no I/O.
pub mod deployment;
