//! The dump client (`mariadb-dump` or `mysqldump`): finding it, running it, judging how it ended. The only
//! place that starts a process.

use super::failure::{Failure, hint, reason_of_code};
use crate::metadb::secret::Credentials;
use crate::protocol::report::Reason;
use crate::protocol::request::Address;
use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, oneshot};
use zeroize::Zeroizing;

/// A dump client that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// Where it lies.
    pub program: PathBuf,
    /// First line of its `--version`.
    pub version: String,
    family: Family,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    MariaDb,
    MySql5,
    MySql8,
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

/// MariaDB's client loads whatever way to log in a server asks for, among them two that tell the password to whoever
/// answers (`mysql_clear_password`; `caching_sha2_password` with a key that comes from there as well). Native passwords
/// need none of these. A place where nobody can put one; MySQL's client asks for leave before it does such things.
const NO_PLUGINS: &str = "--plugin-dir=/proc/none";

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
        Family::MariaDb => arguments.extend(["--loose-ssl-verify-server-cert=0", NO_PLUGINS]),
        Family::MySql5 => arguments.push("--set-gtid-purged=OFF"),
        Family::MySql8 => arguments.extend(["--set-gtid-purged=OFF", "--column-statistics=0"]),
    }
    arguments.extend(["--", database]);
    arguments.into_iter().map(OsString::from).collect()
}

/// The account for the client: a file for this user only, which is gone as soon as the client has read it.
struct OptionFile(PathBuf);

impl OptionFile {
    fn create(address: &Address, account: &Credentials, attempt: i32) -> Result<Self, Failure> {
        let path =
            std::env::temp_dir().join(format!("oms-agent-{attempt}-{}.cnf", std::process::id()));
        let text = option_text(address, account);
        let written = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .and_then(|mut file| file.write_all(text.as_bytes()));
        let file = Self(path);
        match written {
            Ok(()) => Ok(file),
            Err(e) => Err(Failure::new(
                Reason::Internal,
                format!(
                    "The option file for the dump client cannot be written to {}: {e}. Nothing was changed. The pod needs an emptyDir at /tmp",
                    file.0.display()
                ),
            )),
        }
    }
}

impl Drop for OptionFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn option_text(address: &Address, account: &Credentials) -> Zeroizing<String> {
    let head = format!(
        "[client]\nprotocol=tcp\nhost={}\nport={}\nuser={}\n",
        option_value(&address.host),
        address.port,
        option_value(&account.user),
    );
    let password = Zeroizing::new(option_value(account.password.reveal()));
    Zeroizing::new([&head, "password=", &password, "\n"].concat())
}

/// A value between double quotes, with the escapes that option files know. Without the quotes a `#` would
/// begin a comment and blanks at the ends would be lost.
fn option_value(text: &str) -> String {
    // Room for every letter to be escaped: a string that grows leaves its beginning behind, and this may be a password.
    let mut out = String::with_capacity(2 * text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// Runs the client on one database and sends its output to `chunks`, then whether it ended well to `finished`.
///
/// # Errors
/// What the client's exit status and last words mean. When the receiver of the chunks has gone away, the
/// client is ended and its failure is not the reason; the receiver knows better.
pub async fn run_dump(
    client: &Client,
    address: &Address,
    account: &Credentials,
    attempt: i32,
    database: &str,
    chunks: mpsc::Sender<Vec<u8>>,
    finished: oneshot::Sender<bool>,
) -> Result<(), Failure> {
    let mut option_file = Some(OptionFile::create(address, account, attempt)?);
    let path = option_file
        .as_ref()
        .map(|file| file.0.clone())
        .unwrap_or_default();
    let mut child = start(client, &path, database)?;
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
                    Ok(_) => drop(option_file.take()),
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
    let _ = finished.send(ended_well);
    if ended_well {
        return Ok(());
    }
    Err(judge(
        database,
        &status.to_string(),
        &account.password.redact(words),
    ))
}

fn start(client: &Client, option_file: &Path, database: &str) -> Result<Child, Failure> {
    let mut first = OsString::from("--defaults-file=");
    first.push(option_file);
    Command::new(&client.program)
        .arg(first)
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
    let by_number = words
        .lines()
        .rev()
        .find_map(error_number)
        .map(reason_of_code);
    let reason = match by_number {
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
        .and(hint(reason))
}

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
