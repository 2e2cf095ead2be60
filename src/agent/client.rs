//! The dump client (`mariadb-dump` or `mysqldump`): finding it, running it, judging how it ended. The only
//! place that starts a process.

use super::client_login::{ClientLogin, Family};
use super::failure::{Failure, hint, reason_of_code};
use super::metadb::connection::{explain_refusal, open_client_door};
use super::run::Run;
use crate::metadb::{Meaning, judge_code};
use crate::protocol::report::Reason;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Stdio;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, oneshot};

/// A dump client that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// Where it lies.
    pub program: PathBuf,
    /// First line of its `--version`.
    pub version: String,
    family: Family,
}

impl Client {
    /// Whether it lifts MariaDB's time limit of statements by itself.
    pub fn sets_statement_time(&self) -> bool {
        self.family == Family::MariaDb
    }
}

/// Looks for a client in `PATH` and asks it for its version.
///
/// # Errors
/// `ClientMissing`.
pub async fn find_client() -> Result<Client, Failure> {
    let path = std::env::var_os("PATH").unwrap_or_else(|| OsString::from("/usr/bin:/bin"));
    let found = ["mariadb-dump", "mysqldump"]
        .iter()
        .flat_map(|name| std::env::split_paths(&path).map(move |directory| directory.join(name)))
        .find(|candidate| candidate.is_file());
    let Some(program) = found else {
        return Err(missing("neither mariadb-dump nor mysqldump is in PATH"));
    };
    let output = Command::new(&program)
        .arg("--version")
        .env_clear()
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .map_err(|e| missing(&format!("{} cannot be run: {e}", program.display())))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let version = text.lines().next().unwrap_or_default().trim().to_owned();
    let family = family_of(&version)
        .ok_or_else(|| missing(&format!("{} does not tell its version", program.display())))?;
    Ok(Client {
        program,
        version,
        family,
    })
}

fn missing(what: &str) -> Failure {
    Failure::new(
        Reason::ClientMissing,
        format!(
            "There is no usable dump client: {what}. Nothing was changed. Use an image that holds one (deploy/ builds one)"
        ),
    )
}

fn family_of(version: &str) -> Option<Family> {
    if version.contains("MariaDB") {
        Some(Family::MariaDb)
    } else if version.contains("Distrib 5.") {
        Some(Family::MySql5)
    } else if version.contains("Ver ") {
        Some(Family::MySql8)
    } else {
        None
    }
}

/// Arguments after the option file. Each for a reason:
/// one snapshot, streamed; triggers off as the OMS guide does (there are none, this was checked); bytes as
/// hex and text as utf8mb4, so that nothing is lost; no lock statements, which need rights that OMS accounts
/// do not have and which OceanBase ignores; columns listed, so that rows can be proven; never `--force`,
/// which ends a broken dump with a trailer; never `--databases`, so that a file cannot touch another one. MariaDB's
/// clients from 11.4 on demand TLS with a certificate that they can check, which a MetaDB seldom has: not demanded, and
/// TLS is not switched off either, since an account may require it. `loose`: not every client knows the option.
fn arguments(family: Family, database: &str) -> Vec<OsString> {
    let mut arguments = vec![
        "--single-transaction",
        "--quick",
        "--skip-triggers",
        "--hex-blob",
        "--default-character-set=utf8mb4",
        "--skip-dump-date",
        "--skip-lock-tables",
        "--skip-add-locks",
        "--complete-insert",
        "--no-tablespaces",
        "--max-allowed-packet=1G",
    ];
    match family {
        Family::MariaDb => arguments.push("--loose-ssl-verify-server-cert=0"),
        Family::MySql5 => arguments.push("--set-gtid-purged=OFF"),
        Family::MySql8 => arguments.extend(["--set-gtid-purged=OFF", "--column-statistics=0"]),
    }
    arguments.extend(["--", database]);
    arguments.into_iter().map(OsString::from).collect()
}

/// Lets the client log in and look at the schema of a database, and drops what it says. Others tell what else is wrong
/// with the schema; this is about the way in, which is the client's own.
///
/// # Errors
/// The client does not get in.
pub async fn try_login(run: &Run, client: &Client, database: &str) -> Result<(), Failure> {
    let (chunks, mut said) = mpsc::channel(1);
    let (finished, _) = oneshot::channel();
    let options = [OsString::from("--no-data")];
    let running = run_dump(run, client, database, &options, chunks, finished);
    let dropping = async { while said.recv().await.is_some() {} };
    let (ended, ()) = tokio::join!(running, dropping);
    match ended {
        Err(failure) if is_about_login(failure.reason) => Err(failure),
        _ => Ok(()),
    }
}

fn is_about_login(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::AccessDenied | Reason::TlsFailed | Reason::ConnectionLost
    )
}

/// Runs the client on one database, with `options` beside its own, and sends its output to `chunks`, then whether it
/// ended well to `finished`.
///
/// # Errors
/// What the client's exit status and last words mean. When the receiver of the chunks has gone away, the
/// client is ended and its failure is not the reason; the receiver knows better.
pub async fn run_dump(
    run: &Run,
    client: &Client,
    database: &str,
    options: &[OsString],
    chunks: mpsc::Sender<Vec<u8>>,
    finished: oneshot::Sender<bool>,
) -> Result<(), Failure> {
    let login = ClientLogin::create(
        &client.program,
        client.family,
        &run.rules,
        run.request.attempt,
    )?;
    let (address, account) = (&run.request.metadb, &run.account);
    let door = open_client_door(address, account, &run.rules, login.door()).await?;
    login.write_options(address, account, door.is_some())?;
    let mut child = start(client, &login, options, database)?;
    let mut login = Some(login);
    let (Some(mut stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) else {
        return Err(Failure::new(
            Reason::Internal,
            "The dump client has no output",
        ));
    };
    let copying = async {
        loop {
            let mut chunk = Vec::with_capacity(1 << 18);
            // Fill the chunk: pipes hand out 64 KiB at most, and every hand-over to the other thread costs.
            while chunk.len() < 1 << 17 {
                match stdout.read_buf(&mut chunk).await {
                    Ok(0) | Err(_) => break,
                    Ok(_) => {
                        if let Some(login) = login.take() {
                            login.end();
                        }
                    }
                }
            }
            if chunk.is_empty() || chunks.send(chunk).await.is_err() {
                break;
            }
        }
        drop(stdout);
        drop(chunks);
    };
    let ((), words) = tokio::join!(copying, last_words(stderr));
    let status = child.wait().await.map_err(|e| {
        Failure::new(
            Reason::ClientFailed,
            format!("The dump client cannot be waited for: {e}"),
        )
    })?;
    // MariaDB's client has been seen to end with status 0, header and trailer, and without a single table, after
    // the server had cut one of its questions about the schema. It only complained on stderr.
    let ended_well = status.success() && !words.lines().any(is_complaint);
    let refusal = door.as_ref().and_then(|door| door.refusal().cloned());
    if let Some(door) = door {
        door.cut();
    }
    let _ = finished.send(ended_well);
    if ended_well {
        return Ok(());
    }
    // What was said to the client says more than what the client makes of it.
    if let Some(why) = refusal {
        return Err(explain_refusal(&why, address));
    }
    Err(judge(
        database,
        &status.to_string(),
        &run.account.password.redact(words),
    ))
}

fn start(
    client: &Client,
    login: &ClientLogin,
    options: &[OsString],
    database: &str,
) -> Result<Child, Failure> {
    let mut first = OsString::from("--defaults-file=");
    first.push(login.option_file());
    Command::new(&client.program)
        .arg(first)
        .args(login.arguments())
        .args(options)
        .args(arguments(client.family, database))
        .env_clear()
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|e| missing(&format!("{} cannot be run: {e}", client.program.display())))
}

/// The first 4 KiB that the client complains; the rest is read and dropped, so that it never blocks.
async fn last_words(mut stderr: impl AsyncRead + Unpin) -> String {
    let mut kept = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(read @ 1..) = stderr.read(&mut buffer).await {
        let room = 4096_usize.saturating_sub(kept.len());
        kept.extend_from_slice(&buffer[..read.min(room)]);
    }
    String::from_utf8_lossy(&kept).into_owned()
}

/// Turns the words of the client into a reason. They come in these forms: `Error 4012: …`,
/// `Got error: 1049: …`, `Couldn't execute '…': … (1142)`.
fn judge(database: &str, status: &str, words: &str) -> Failure {
    let number = words.lines().rev().find_map(error_number);
    let reason = match number.map(reason_of_code) {
        // Some messages come without their number.
        _ if words.contains("query timeout") => Reason::QueryTimeout,
        None | Some(Reason::ServerError) => Reason::ClientFailed,
        Some(reason) => reason,
    };
    let line: String = words
        .lines()
        .rfind(|line| is_complaint(line))
        .unwrap_or_default()
        .chars()
        .take(300)
        .collect();
    let what = format!("The dump client ended on database {database} with {status}");
    let what = match line.as_str() {
        "" => what,
        line => format!("{what}: {line}"),
    };
    Failure::new(reason, what)
        .and("The incomplete file is no backup; the databases were not touched")
        .and(match number.map(judge_code) {
            Some(Meaning::LoginUnsupported) => CLIENT_CANNOT,
            // MariaDB's client calls that a denied access.
            _ if words.contains("could not be loaded") => CLIENT_CANNOT,
            _ => hint(reason),
        })
}

/// The agent got in, the client did not.
const CLIENT_CANNOT: &str = "The dump client cannot log in as the MetaDB asks it to. Use the tools image that belongs to the operator; \
    an account with caching_sha2_password needs spec.metadb.loginsWithoutTls, and a client that can do it: MySQL's, or MariaDB's with \
    caching_sha2_password.so among its plugins";

/// Whether the client complains in this line; warnings and notes about deprecated names are none.
fn is_complaint(line: &str) -> bool {
    line.contains("rror") || line.contains("Couldn't") || line.contains("imeout")
}

fn error_number(line: &str) -> Option<u16> {
    let after_error = line.match_indices("rror").find_map(|(at, word)| {
        let rest = line[at + word.len()..].trim_start_matches([':', ' ']);
        leading_number(rest)
    });
    let in_parentheses = || {
        line.rmatch_indices('(')
            .find_map(|(at, _)| leading_number(&line[at + 1..]))
    };
    after_error.or_else(in_parentheses)
}

fn leading_number(text: &str) -> Option<u16> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    if (3..=5).contains(&digits) {
        text[..digits].parse().ok()
    } else {
        None
    }
}

#[cfg(test)]
#[path = "client_tests.rs"]
mod tests;
