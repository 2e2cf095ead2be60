//! What keeps the operator running: lease, health, metrics, logs, shutdown.
mod definition;
pub mod lease;
mod options;
mod run;
mod server;
mod telemetry;

pub use options::RunOptions;
pub use run::run_operator;
