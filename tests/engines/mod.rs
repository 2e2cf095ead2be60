//! Real MetaDBs for the tests of the agent: seekdb (OceanBase's engine) and MariaDB as processes of the host,
//! each in a temporary directory on a free port. `setup.sh` in this directory provides the programs.
#![allow(dead_code)] // Each test program uses a part of this.

pub mod proxy;
pub mod world;

use std::fs::File;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// Which server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Seekdb,
    MariaDb,
}

/// A running server; ends with this value, and with the thread that started it.
pub struct Server {
    pub kind: Kind,
    pub port: u16,
    child: Child,
    pub directory: tempfile::TempDir,
}

impl Server {
    /// Starts a fresh server. `root` has no password.
    pub fn start(kind: Kind) -> Self {
        provide_programs();
        // Another program may take the port before the server does; then another one is tried.
        for _ in 0..3 {
            let directory = temporary_directory(kind);
            let port = free_port();
            let mut child = match kind {
                Kind::Seekdb => start_seekdb(directory.path(), port),
                Kind::MariaDb => start_mariadb(directory.path(), port),
            };
            if wait_until_ready(&mut child, port) {
                return Self {
                    kind,
                    port,
                    child,
                    directory,
                };
            }
            let _ = child.kill();
            let _ = child.wait();
        }
        panic!("{kind:?} does not start");
    }

    /// Runs statements as root and returns what they print, columns by tabs.
    pub fn sql(&self, statements: &str) -> String {
        self.try_sql(statements)
            .unwrap_or_else(|error| panic!("{error}\n{statements}"))
    }

    /// The same, for statements that may fail.
    pub fn try_sql(&self, statements: &str) -> Result<String, String> {
        let mut child = self
            .client("mariadb")
            .args(["--batch", "--skip-column-names"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let text = statements.to_owned();
        let feeding = std::thread::spawn(move || {
            use std::io::Write;
            let _ = stdin.write_all(text.as_bytes());
        });
        let output = child.wait_with_output().unwrap();
        feeding.join().unwrap();
        if output.status.success() {
            Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into_owned())
        }
    }

    /// A client program as root.
    pub fn client(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.args([
            "--no-defaults",
            "--default-character-set=utf8mb4",
            "--protocol=tcp",
            "--host=127.0.0.1",
            "--user=root",
        ]);
        command.arg(format!("--port={}", self.port));
        command
    }

    /// Everything in the databases as SQL text, by another way than the agent's: schema, rows, views, defaults.
    /// Counters are left out, since servers move them on by themselves.
    pub fn text_of(&self, databases: &[&str]) -> String {
        let output = self
            .client("mariadb-dump")
            .args([
                "--skip-dump-date",
                "--hex-blob",
                "--single-transaction",
                "--order-by-primary",
                "--skip-extended-insert",
                "--skip-triggers",
                "--databases",
                "--",
            ])
            .args(databases)
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let text = String::from_utf8_lossy(&output.stdout);
        let mut lines: Vec<&str> = text
            .lines()
            .filter(|line| !line.starts_with("-- Host"))
            .collect();
        // Rows without a key come in any order.
        lines.iter_mut().for_each(|line| *line = line.trim_end());
        let mut out = String::new();
        for line in lines {
            match line
                .split_once("AUTO_INCREMENT=")
                .or_else(|| line.split_once("AUTO_INCREMENT = "))
            {
                Some((head, tail)) => {
                    out.push_str(head);
                    out.push_str(tail.trim_start_matches(|c: char| c.is_ascii_digit()));
                }
                None => out.push_str(line),
            }
            out.push('\n');
        }
        out
    }

    /// Ends the server at once, as a power failure would.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn provide_programs() {
    static DONE: OnceLock<()> = OnceLock::new();
    DONE.get_or_init(|| {
        let status = Command::new(root().join("tests/engines/setup.sh"))
            .status()
            .unwrap();
        assert!(status.success(), "tests/engines/setup.sh failed");
    });
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

fn wait_until_ready(child: &mut Child, port: u16) -> bool {
    let deadline = Instant::now() + Duration::from_secs(90);
    while Instant::now() < deadline {
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        // A port alone is not enough: seekdb listens before it lets anybody in.
        if TcpStream::connect(("127.0.0.1", port)).is_ok() {
            let ready = Command::new("mariadb")
                .args([
                    "--no-defaults",
                    "--protocol=tcp",
                    "--host=127.0.0.1",
                    "--user=root",
                    "--execute=SELECT 1",
                ])
                .arg(format!("--port={port}"))
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status()
                .unwrap();
            if ready.success() {
                return true;
            }
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    false
}

/// MariaDB's tables in memory where there is room for them: hundreds of tables are made and dropped, each with an
/// fsync. seekdb keeps a log of gigabytes and goes to the disk.
fn temporary_directory(kind: Kind) -> tempfile::TempDir {
    let mut builder = tempfile::Builder::new();
    builder.prefix("oms-agent-db-");
    let memory = Path::new("/dev/shm");
    match kind {
        Kind::MariaDb if memory.is_dir() => builder.tempdir_in(memory).unwrap(),
        _ => builder.tempdir().unwrap(),
    }
}

/// The kernel ends the server when the thread that started it ends, whatever happens to this process.
fn guarded(program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command
        .arg("--pdeathsig=KILL")
        .arg(program)
        .stdin(Stdio::null());
    command
}

fn output_files(command: &mut Command, directory: &Path) {
    command
        .stdout(File::create(directory.join("out")).unwrap())
        .stderr(File::create(directory.join("err")).unwrap());
}

fn start_seekdb(directory: &Path, port: u16) -> Child {
    let mut command = guarded(&root().join(".cache/seekdb-1.4.0.post1/seekdb"));
    command
        // Otherwise it reports facts about the host to its vendor.
        .env("TELEMETRY_ENABLED", "false")
        .args([
            "--nodaemon",
            "--log-level",
            "ERROR",
            "--port",
            &port.to_string(),
            "--base-dir",
        ])
        .arg(directory.join("data"))
        .args([
            "--parameter",
            "memory_budget=1G",
            "--parameter",
            "log_disk_size=2G",
            "--parameter",
            "datafile_maxsize=10G",
        ])
        .args(["--variable", "time_zone=+08:00"]);
    output_files(&mut command, directory);
    command.spawn().unwrap()
}

fn start_mariadb(directory: &Path, port: u16) -> Child {
    let data = directory.join("data");
    let copied = Command::new("cp")
        .args(["-a", "--"])
        .arg(mariadb_template())
        .arg(&data)
        .status()
        .unwrap();
    assert!(copied.success());
    let mut command = guarded(Path::new("/usr/sbin/mariadbd"));
    command
        .args([
            "--no-defaults",
            "--user=root",
            "--bind-address=127.0.0.1",
            "--skip-name-resolve",
            "--innodb-buffer-pool-size=32M",
        ])
        .args([
            "--innodb-log-file-size=8M",
            "--innodb-flush-log-at-trx-commit=2",
            "--performance-schema=OFF",
            "--max-allowed-packet=64M",
        ])
        .arg(format!("--datadir={}", data.display()))
        // A server removes temporary files of others from a directory that it shares when it starts.
        .arg(format!("--tmpdir={}", directory.display()))
        .arg(format!("--port={port}"))
        .arg(format!("--socket={}", directory.join("m.sock").display()))
        .arg(format!("--pid-file={}", directory.join("m.pid").display()));
    output_files(&mut command, directory);
    command.spawn().unwrap()
}

/// An empty data directory, made once per test program.
fn mariadb_template() -> PathBuf {
    static TEMPLATE: Mutex<Option<tempfile::TempDir>> = Mutex::new(None);
    let mut template = TEMPLATE.lock().unwrap_or_else(PoisonError::into_inner);
    let directory = template.get_or_insert_with(|| {
        let directory = tempfile::Builder::new()
            .prefix("oms-agent-template-")
            .tempdir()
            .unwrap();
        let output = Command::new("mariadb-install-db")
            .args([
                "--no-defaults",
                "--user=root",
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
                "--innodb-log-file-size=8M",
            ])
            .arg(format!(
                "--datadir={}",
                directory.path().join("data").display()
            ))
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        directory
    });
    directory.path().join("data")
}
