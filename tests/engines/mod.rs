//! Real MetaDBs for the tests of the agent: seekdb (OceanBase's engine), MariaDB and MySQL as processes of the host,
//! each in a temporary directory on a free port. `setup.sh` in this directory provides the programs.
#![allow(dead_code)] // Each test program uses a part of this.

pub mod certificates;
pub mod proxy;
pub mod world;

use std::fs::File;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Which server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Seekdb,
    /// Debian's own, 10.11.
    MariaDb,
    /// 11.8.
    MariaDb11,
    /// 9.7.
    MySql,
}

impl Kind {
    /// MariaDB of whatever version.
    pub fn is_mariadb(self) -> bool {
        matches!(self, Self::MariaDb | Self::MariaDb11)
    }

    /// Its word for `setup.sh`.
    fn part(self) -> &'static str {
        match self {
            Self::Seekdb => "seekdb",
            Self::MariaDb => "mariadb",
            Self::MariaDb11 => "mariadb-11",
            Self::MySql => "mysql",
        }
    }
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
        Self::start_with(kind, &[])
    }

    /// The same with options of the server.
    pub fn start_with(kind: Kind, options: &[&str]) -> Self {
        provide_programs(kind);
        // Another program may take the port before the server does; then another one is tried.
        let mut said = String::new();
        for _ in 0..3 {
            let directory = temporary_directory(kind);
            let port = free_port();
            let mut child = match kind {
                Kind::Seekdb => start_seekdb(directory.path(), port),
                Kind::MariaDb | Kind::MariaDb11 => {
                    start_mariadb(kind, directory.path(), port, options)
                }
                Kind::MySql => start_mysql(directory.path(), port, options),
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
            said = std::fs::read_to_string(directory.path().join("err")).unwrap_or_default();
        }
        panic!("{kind:?} does not start: {said}");
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
        // MySQL names the character set before a collation in a table that was made from its own text, and leaves it
        // out in the one before.
        if self.kind == Kind::MySql {
            for set in ["utf8mb4", "utf8mb3", "gbk", "latin1"] {
                let named = format!(" CHARACTER SET {set} COLLATE {set}_");
                out = out.replace(&named, &format!(" COLLATE {set}_"));
            }
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

fn provide_programs(kind: Kind) {
    static DONE: Mutex<Vec<&str>> = Mutex::new(Vec::new());
    let mut done = DONE.lock().unwrap_or_else(PoisonError::into_inner);
    // The clients are those of Debian's own MariaDB.
    for part in ["mariadb", kind.part()] {
        if !done.contains(&part) {
            let status = Command::new(root().join("tests/engines/setup.sh"))
                .arg(part)
                .status()
                .unwrap();
            assert!(status.success(), "tests/engines/setup.sh {part} failed");
            done.push(part);
        }
    }
}

/// A dump client that comes with a server. Provides it.
pub fn dump_client(kind: Kind) -> PathBuf {
    provide_programs(kind);
    match kind {
        Kind::MySql => mysql_root().join("bin/mysqldump"),
        Kind::MariaDb11 => mariadb_11_root().join("bin/mariadb-dump"),
        Kind::Seekdb | Kind::MariaDb => PathBuf::from("/usr/bin/mariadb-dump"),
    }
}

fn mysql_root() -> PathBuf {
    root().join(".cache/mysql-9.7/usr")
}

fn mariadb_11_root() -> PathBuf {
    root().join(".cache/mariadb-11.8/usr")
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

/// Tables of MariaDB and MySQL in memory where there is room for them: hundreds of tables are made and dropped, each
/// with an fsync. seekdb keeps a log of gigabytes and goes to the disk.
fn temporary_directory(kind: Kind) -> tempfile::TempDir {
    let mut builder = tempfile::Builder::new();
    builder.prefix("oms-agent-db-");
    let memory = Path::new("/dev/shm");
    match kind {
        Kind::MariaDb | Kind::MariaDb11 | Kind::MySql if memory.is_dir() => {
            builder.tempdir_in(memory).unwrap()
        }
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

fn start_mariadb(kind: Kind, directory: &Path, port: u16, options: &[&str]) -> Child {
    let data = directory.join("data");
    copy_template(kind, &data);
    let mut command = match kind {
        Kind::MariaDb11 => {
            let mut command = guarded(&mariadb_11_root().join("sbin/mariadbd"));
            command
                .args(["--no-defaults"])
                .arg(format!("--basedir={}", mariadb_11_root().display()));
            command
        }
        _ => {
            let mut command = guarded(Path::new("/usr/sbin/mariadbd"));
            command.args(["--no-defaults"]);
            command
        }
    };
    command.args([
        "--innodb-log-file-size=8M",
        "--performance-schema=OFF",
        "--skip-name-resolve",
    ]);
    common_arguments(&mut command, directory, port);
    command.args(options);
    output_files(&mut command, directory);
    command.spawn().unwrap()
}

fn start_mysql(directory: &Path, port: u16, options: &[&str]) -> Child {
    let data = directory.join("data");
    copy_template(Kind::MySql, &data);
    let mut command = guarded(&mysql_root().join("sbin/mysqld"));
    command.args(["--no-defaults"]);
    command.args(mysql_places());
    command.args([
        "--mysqlx=OFF",
        "--skip-name-resolve",
        "--innodb-redo-log-capacity=16M",
        // A binary log is on by default, and is written to by every statement.
        "--skip-log-bin",
    ]);
    common_arguments(&mut command, directory, port);
    command.args(options);
    output_files(&mut command, directory);
    command.spawn().unwrap()
}

/// Where MySQL finds what belongs to it.
fn mysql_places() -> [String; 3] {
    let root = mysql_root();
    [
        format!("--basedir={}", root.display()),
        format!("--lc-messages-dir={}", root.join("share/mysql").display()),
        "--secure-file-priv=NULL".to_owned(),
    ]
}

fn common_arguments(command: &mut Command, directory: &Path, port: u16) {
    command
        .args([
            "--user=root",
            "--bind-address=127.0.0.1",
            "--innodb-buffer-pool-size=32M",
            "--innodb-flush-log-at-trx-commit=2",
            "--max-allowed-packet=64M",
        ])
        .arg(format!("--datadir={}", directory.join("data").display()))
        // A server removes temporary files of others from a directory that it shares when it starts.
        .arg(format!("--tmpdir={}", directory.display()))
        .arg(format!("--port={port}"))
        .arg(format!("--socket={}", directory.join("m.sock").display()))
        .arg(format!("--pid-file={}", directory.join("m.pid").display()));
}

/// Copies an empty data directory of this kind. Debian's own MariaDB has it made once per test program, the others come
/// with one.
fn copy_template(kind: Kind, data: &Path) {
    let template = match kind {
        Kind::MySql => mysql_root().join("../data"),
        Kind::MariaDb11 => mariadb_11_root().join("../data"),
        Kind::MariaDb | Kind::Seekdb => mariadb_template(),
    };
    let copied = Command::new("cp")
        .args(["-a", "--"])
        .arg(template)
        .arg(data)
        .status()
        .unwrap();
    assert!(copied.success());
}

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
