//! What keeps the operator running: lease, health, metrics, logs, shutdown; and the check of an installation.
mod check;
mod definition;
pub mod lease;
mod options;
mod run;
mod server;
mod telemetry;

pub use check::{CheckOptions, check_installation};
pub use options::RunOptions;
pub use run::run_operator;
