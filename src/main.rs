//! Parses arguments and dispatches.

use clap::Parser;
use oms_operator::agent;
use std::process::ExitCode;

/// Kubernetes operator that upgrades OceanBase Migration Service from one `OmsUpgrade` object.
#[derive(Parser)]
#[command(version)]
enum Cli {
    /// Work inside a Job: back up, verify, compare and restore the MetaDB.
    #[command(subcommand)]
    Agent(agent::Command),
}

fn main() -> ExitCode {
    match Cli::parse() {
        Cli::Agent(command) => agent::run_command(&command),
    }
}
