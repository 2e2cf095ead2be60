//! The agent's desk: arguments in, report out. Owns the runtime, the signals and the deadline, and is the only one
//! that knows every command.

use super::commands;
use super::credentials::{read_account, read_rules};
use super::failure::Failure;
use super::meter::print_line;
use super::run::{Done, Run};
use super::sql::names::Beside;
use crate::protocol::report::{Outcome, OutputLine, Reason, Report};
use crate::protocol::request::{Request, RestoreMethod};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

/// What the agent can be told to do.
#[derive(Clone, Debug, PartialEq, Eq, clap::Subcommand)]
pub enum Command {
    /// Look whether a backup and a restore would work; changes nothing that is OMS's.
    Probe(Arguments),
    /// Dump the databases to the claim.
    Dump(Arguments),
    /// Read a stored backup again and prove it, by default also by a restore into scratch databases.
    Verify(Arguments),
    /// Compare the live databases with a stored backup.
    Compare(Arguments),
    /// Put a stored backup in the place of the live databases.
    Restore(Arguments),
    /// Drop the tables that restores replaced.
    DropSafetyCopies(Arguments),
}

/// The arguments of every command.
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
pub struct Arguments {
    /// The request as JSON. Holds no credential.
    #[arg(long, value_name = "JSON")]
    pub request: String,
    /// Where the report is written for Kubernetes.
    #[arg(long, value_name = "PATH", default_value = "/dev/termination-log")]
    pub termination_log: PathBuf,
}

impl Command {
    fn arguments(&self) -> &Arguments {
        match self {
            Self::Probe(a)
            | Self::Dump(a)
            | Self::Verify(a)
            | Self::Compare(a)
            | Self::Restore(a)
            | Self::DropSafetyCopies(a) => a,
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Probe(_) => "probe",
            Self::Dump(_) => "dump",
            Self::Verify(_) => "verify",
            Self::Compare(_) => "compare",
            Self::Restore(_) => "restore",
            Self::DropSafetyCopies(_) => "drop-safety-copies",
        }
    }
}

/// Runs a command to its end, prints its report and writes it to the termination log.
///
/// The exit code is 0 exactly when the outcome is `Succeeded`.
pub fn run_command(command: &Command) -> ExitCode {
    let report = run_to_report(command);
    let text = report.to_line();
    // Outside Kubernetes there may be no termination log; stdout has the report as well.
    if let Err(error) = std::fs::write(&command.arguments().termination_log, &text) {
        eprintln!(
            "the report could not be written to {}: {error}",
            command.arguments().termination_log.display()
        );
    }
    let exit = if report.outcome == Outcome::Succeeded {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    };
    print_line(&OutputLine::Report(Box::new(
        serde_json::from_str(&text).unwrap_or(report),
    )));
    exit
}

fn run_to_report(command: &Command) -> Report {
    let began = Instant::now();
    let mut report = Report {
        command: command.name().to_owned(),
        upgrade_uid: String::new(),
        attempt: 0,
        outcome: Outcome::Failed,
        reason: Reason::Internal,
        message: String::new(),
        manifest_digest: None,
        seconds: 0,
        result: None,
    };
    let outcome = Request::parse(&command.arguments().request)
        .map_err(|e| {
            Failure::new(
                Reason::InvalidRequest,
                format!("The request cannot be carried out: {e}. Nothing was touched"),
            )
        })
        .and_then(|request| {
            report.upgrade_uid.clone_from(&request.upgrade_uid);
            report.attempt = request.attempt;
            run_request(command, request, &mut report)
        });
    match outcome {
        Ok(done) => {
            report.outcome = Outcome::Succeeded;
            report.reason = Reason::Completed;
            report.message = done.message;
            report.result = Some(done.result);
        }
        Err(failure) => {
            report.reason = failure.reason;
            report.message = failure.message;
        }
    }
    report.seconds = began.elapsed().as_secs();
    report
}

fn run_request(command: &Command, request: Request, report: &mut Report) -> Result<Done, Failure> {
    let account = read_account(&request.credentials)?;
    let rules = read_rules(&request)?;
    let deadline = request.deadline_seconds;
    let (fatal, failures) = mpsc::unbounded_channel();
    let mut run = Run::new(request, account, rules, fatal);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| {
            Failure::new(
                Reason::Internal,
                format!("The runtime cannot start: {e}. Nothing was touched"),
            )
        })?;
    let outcome = runtime.block_on(async {
        run.take_server_spelling().await;
        let outcome = race(command, &run, deadline, failures).await;
        if outcome.as_ref().is_err_and(is_early_end)
            && let Some(kind) = find_scratch(command)
        {
            // Best effort, within what the kubelet grants.
            let _ =
                tokio::time::timeout(CLEAN_UP, commands::clean_up::drop_scratch(&run, kind)).await;
        }
        outcome
    });
    // Blocking threads end with their channels; none is waited for, since one may hang on a dead volume.
    runtime.shutdown_background();
    let found = run
        .found
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    report.manifest_digest = found.manifest_digest;
    // The last line of defence.
    outcome.map_err(|failure| Failure {
        message: run.account.password.redact(failure.message),
        ..failure
    })
}

/// Seconds for the scratch databases of a run that is ended early; a pod is given 30 in all.
const CLEAN_UP: Duration = Duration::from_secs(20);

fn is_early_end(failure: &Failure) -> bool {
    matches!(
        failure.reason,
        Reason::Interrupted | Reason::DeadlineExceeded
    )
}

/// The scratch databases that a command makes. Those of a restore are not scratch: the next attempt goes on with them.
fn find_scratch(command: &Command) -> Option<Beside> {
    match command {
        Command::Probe(_) => Some(Beside::Probe),
        Command::Verify(_) => Some(Beside::Verify),
        _ => None,
    }
}

async fn carry_out(command: &Command, run: &Run) -> Result<Done, Failure> {
    match command {
        Command::Probe(_) => commands::probe::probe(run).await,
        Command::Dump(_) => commands::dump::dump(run).await,
        Command::Verify(_) => commands::verify::verify(run).await,
        Command::Compare(_) => commands::compare::compare(run).await,
        Command::Restore(_) => commands::restore::restore(run).await,
        Command::DropSafetyCopies(_) => commands::drop_safety_copies::drop_safety_copies(run).await,
    }
}

/// What it means for the data when a run ends before its work is done.
fn describe_early_end(command: &Command, method: RestoreMethod) -> &'static str {
    match (command, method) {
        (Command::Restore(_), RestoreMethod::DropAndLoad) => commands::restore::ONLY_IN_BACKUP,
        (Command::Restore(_), RestoreMethod::Swap) => {
            "Live data was replaced only if the swap had begun, which the next attempt finishes. Start another attempt"
        }
        _ => "Live data was not touched. Start another attempt",
    }
}

/// The work against everything that may end it early. Dropping the work kills the dump client.
async fn race(
    command: &Command,
    run: &Run,
    deadline: Option<u64>,
    mut failures: mpsc::UnboundedReceiver<Failure>,
) -> Result<Done, Failure> {
    let internal = |e: std::io::Error| {
        Failure::new(
            Reason::Internal,
            format!("Signals cannot be received: {e}. Nothing was touched"),
        )
    };
    let mut terminate = signal(SignalKind::terminate()).map_err(internal)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(internal)?;
    let limit = Duration::from_secs(deadline.unwrap_or(u64::from(u32::MAX)));
    let meaning = describe_early_end(command, run.request.restore_method);
    let ended = |reason, what: &str| Err(Failure::new(reason, what).and(meaning));
    let outcome = tokio::select! {
        outcome = carry_out(command, run) => outcome,
        Some(failure) = failures.recv() => Err(failure.and(meaning)),
        _ = terminate.recv() => ended(Reason::Interrupted, "The run was ended by SIGTERM"),
        _ = interrupt.recv() => ended(Reason::Interrupted, "The run was ended by SIGINT"),
        () = tokio::time::sleep(limit) => ended(Reason::DeadlineExceeded, &format!("The run did not end within its {} s", limit.as_secs())),
        () = run.meter.print_progress() => ended(Reason::Internal, "Progress ended"),
    };
    run.meter.print_news();
    outcome
}
