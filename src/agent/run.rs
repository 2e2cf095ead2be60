//! One run of the agent: arguments in, report out. Owns the runtime, the signals and the deadline.

use super::commands;
use super::credentials::{Account, read_account};
use super::failure::Failure;
use super::manifest::Manifest;
use super::metadb::connection::{Metadb, keep_alive};
use super::metadb::lock::{Exclusive, check_fence, take_exclusive};
use super::meter::{Meter, print_line};
use super::sql::names::Beside;
use super::volume::attempt::find_manifest;
use crate::protocol::report::{CommandResult, Outcome, OutputLine, Reason, Report};
use crate::protocol::request::{InvalidRequest, Lock, Request, RestoreMethod};
use mysql_async::Conn;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
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

/// Everything a command works with.
pub struct Run {
    /// What is asked.
    pub request: Request,
    pub account: Account,
    /// Progress.
    pub meter: Meter,
    /// Facts for the report that hold even when the run fails later.
    pub found: Mutex<Found>,
    fatal: mpsc::UnboundedSender<Failure>,
}

/// See [`Run::found`].
#[derive(Default)]
pub struct Found {
    /// sha256 of the manifest that was written or trusted.
    pub manifest_digest: Option<String>,
    /// The result as far as it got.
    pub result: Option<CommandResult>,
}

/// What a command says when all went well.
pub struct Done {
    /// For people.
    pub message: String,
    /// For the operator.
    pub result: CommandResult,
}

impl Run {
    /// Connects to the MetaDB for the first time.
    ///
    /// # Errors
    /// `AccessDenied`, `ConnectionLost`.
    pub async fn discover(&self) -> Result<Metadb, Failure> {
        let mut metadb = Metadb::discover(&self.request.metadb, &self.account).await?;
        metadb.oms_addresses.clone_from(&self.request.oms_addresses);
        Ok(metadb)
    }

    /// Directory of the upgrade on the claim.
    pub fn root(&self) -> &Path {
        Path::new(&self.request.directory)
    }

    /// Checks the operator's lock row, if the request names one.
    ///
    /// # Errors
    /// `LockLost`.
    pub async fn check_fence(&self, connection: &mut Conn) -> Result<(), Failure> {
        match &self.request.lock {
            Some(lock) => check_fence(connection, lock).await,
            None => Ok(()),
        }
    }

    /// Requires the operator's lock row and takes the lock that keeps agents apart. When that lock is lost
    /// later, the whole run ends.
    ///
    /// # Errors
    /// `InvalidRequest` without a lock in the request, `LockLost`, `AgentBusy`.
    pub async fn take_lock(
        &self,
        metadb: &Metadb,
        connection: &mut Conn,
    ) -> Result<Exclusive, Failure> {
        let lock: &Lock = self
            .request
            .lock
            .as_ref()
            .ok_or_else(|| missing_field("lock"))?;
        check_fence(connection, lock).await?;
        let (exclusive, loss) = keep_alive(connection, take_exclusive(metadb)).await?;
        let fatal = self.fatal.clone();
        tokio::spawn(async move {
            if let Ok(failure) = loss.await {
                let _ = fatal.send(failure);
            }
        });
        // The row may have changed while another attempt was waited for.
        check_fence(connection, lock).await?;
        Ok(exclusive)
    }

    /// Finds the manifest that the operator trusts. It must name exactly the databases of the request.
    ///
    /// # Errors
    /// `InvalidRequest`, `ManifestMismatch`.
    pub fn trusted_manifest(&self) -> Result<(PathBuf, Manifest), Failure> {
        let expected = self
            .request
            .expected_manifest_digest
            .as_deref()
            .ok_or_else(|| missing_field("expectedManifestDigest"))?;
        let (directory, manifest) = find_manifest(self.root(), expected)?;
        let mut recorded: Vec<&String> = manifest
            .databases
            .iter()
            .map(|database| &database.name)
            .collect();
        let mut asked: Vec<&String> = self.request.databases.iter().collect();
        recorded.sort();
        asked.sort();
        if recorded != asked {
            return Err(Failure::new(
                Reason::ManifestMismatch,
                format!(
                    "The backup holds the databases {recorded:?}, asked for are {asked:?}. A backup is restored as a whole or not at all; nothing was touched."
                ),
            ));
        }
        self.note(|found| found.manifest_digest = Some(expected.to_owned()));
        Ok((directory, manifest))
    }

    /// Keeps a fact for the report.
    pub fn note(&self, change: impl FnOnce(&mut Found)) {
        change(
            &mut self
                .found
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner),
        );
    }
}

fn missing_field(field: &'static str) -> Failure {
    let invalid = InvalidRequest::Field {
        field,
        problem: "is required by this command".into(),
    };
    Failure::new(
        Reason::InvalidRequest,
        format!("The request cannot be carried out: {invalid}. Nothing was touched."),
    )
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
                format!("The request cannot be carried out: {e}. Nothing was touched."),
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
    let deadline = request.deadline_seconds;
    let (fatal, failures) = mpsc::unbounded_channel();
    let run = Run {
        request,
        account,
        meter: Meter::default(),
        found: Mutex::default(),
        fatal,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| {
            Failure::new(
                Reason::Internal,
                format!("The runtime cannot start: {e}. Nothing was touched."),
            )
        })?;
    let outcome = runtime.block_on(async {
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
    report.result = found.result;
    outcome.map_err(|failure| redact(failure, &run.account))
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
            "Live data was replaced only if the swap had begun, which the next attempt finishes. Start another attempt."
        }
        _ => "Live data was not touched. Start another attempt.",
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
            format!("Signals cannot be received: {e}. Nothing was touched."),
        )
    };
    let mut terminate = signal(SignalKind::terminate()).map_err(internal)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(internal)?;
    let limit = Duration::from_secs(deadline.unwrap_or(u64::from(u32::MAX)));
    let meaning = describe_early_end(command, run.request.restore_method);
    let ended = |reason, what: &str| Err(Failure::new(reason, what).and(meaning));
    tokio::select! {
        outcome = carry_out(command, run) => outcome,
        Some(failure) = failures.recv() => Err(failure.and(meaning)),
        _ = terminate.recv() => ended(Reason::Interrupted, "The run was ended by SIGTERM."),
        _ = interrupt.recv() => ended(Reason::Interrupted, "The run was ended by SIGINT."),
        () = tokio::time::sleep(limit) => ended(Reason::DeadlineExceeded, &format!("The run did not end within its {} s.", limit.as_secs())),
        () = run.meter.print_progress() => ended(Reason::Internal, "Progress ended."),
    }
}

/// The last line of defence: no server and no client is known to repeat a password, but messages come from them.
fn redact(mut failure: Failure, account: &Account) -> Failure {
    if !account.password.is_empty() && failure.message.contains(&account.password) {
        failure.message = failure.message.replace(&account.password, "***");
    }
    failure
}
