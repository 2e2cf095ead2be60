//! What keeps the operator running: lease, health, metrics, logs, shutdown; the check of an installation; the import of
//! a container.
mod check;
mod definition;
mod import;
pub mod lease;
mod options;
mod run;
mod server;
mod telemetry;

pub use check::{CheckOptions, check_installation};
pub use import::{ImportOptions, run_import};
pub use options::RunOptions;
pub use run::run_operator;
