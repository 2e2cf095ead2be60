//! Parses arguments and dispatches.
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use clap::Parser;
use oms_operator::{
    CheckOptions, Command, ImportOptions, RunOptions, build_crd, check_installation, run_command,
    run_import, run_operator, write_assumptions,
};
use std::process::ExitCode;

/// Kubernetes operator that upgrades OceanBase Migration Service from one `OmsUpgrade` object.
#[derive(Parser)]
#[command(version)]
enum Cli {
    /// Run the operator. An option that is given twice counts as the last one says, so that the chart's can be
    /// overridden.
    #[command(args_override_self = true)]
    Run(Box<RunOptions>),
    /// Work inside a Job: back up, verify, compare and restore the MetaDB.
    #[command(subcommand)]
    Agent(Command),
    /// Look whether an installation works: rights, definition, watch, Lease. Changes nothing.
    Check(CheckOptions),
    /// Print manifests for an OMS that runs in docker, from `docker inspect` or a `docker run` line. Changes nothing.
    Import(ImportOptions),
    /// Print the custom resource definition.
    Crd,
    /// Print what is taken to be true of OMS without a document that says it.
    Assumptions,
}

fn main() -> ExitCode {
    match Cli::parse() {
        Cli::Run(options) => run_operator(*options),
        Cli::Agent(command) => {
            end_at_any_panic();
            run_command(&command)
        }
        Cli::Check(options) => check_installation(&options),
        Cli::Import(options) => run_import(&options),
        Cli::Assumptions => {
            print!("{}", write_assumptions());
            ExitCode::SUCCESS
        }
        Cli::Crd => match serde_saphyr::to_string(&build_crd()) {
            Ok(text) => {
                print!("{text}");
                ExitCode::SUCCESS
            }
            Err(error) => {
                eprintln!("the definition cannot be written: {error}");
                ExitCode::FAILURE
            }
        },
    }
}

/// The agent works on one thing only, in several tasks and threads: one of them that panics must not leave the others
/// at work without it, the one that holds the lock above all.
fn end_at_any_panic() {
    let say = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        say(panic);
        std::process::abort();
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_one_of_an_option_counts_and_namespaces_add_up() {
        let words = "oms-operator run --watch-namespace=a --watch-namespace=b --tools-image=t --log=info --log=debug";
        let Ok(Cli::Run(options)) = Cli::try_parse_from(words.split_whitespace()) else {
            panic!("refused");
        };
        assert_eq!(options.watch_namespaces, ["a", "b"]);
        assert_eq!(options.log, "debug");
    }
}
