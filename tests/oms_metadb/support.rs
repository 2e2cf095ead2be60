//! Real database servers for the tests of `oms`: seekdb (OceanBase's engine) and MariaDB, each a
//! process of its own in a temporary folder, ended with the value that stands for it.
use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, OptsBuilder};
use oms_operator::metadb::LoginRules;
use oms_operator::metadb::secret::{Credentials, SecretString};
use oms_operator::oms::installation::{Address, Databases};
use oms_operator::oms::metadb::{MetaDb, MetaDbOpener};
use oms_operator::oms::mysql::MySqlOpener;

/// Login of the administrator, with everything in it that trips careless clients.
pub const ADMIN: &str = "root@metadb#obtest";
/// Its password.
pub const PASSWORD: &str = "it's \"a\" #%41 ü \\ `$1";

/// Which server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    SeekDb,
    MariaDb,
}

/// A running server.
pub struct Server {
    pub kind: Kind,
    pub port: u16,
    child: Child,
    _folder: tempfile::TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

impl Server {
    /// Starts a fresh server and makes the administrator's account.
    pub async fn start(kind: Kind) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = free_port();
        let child = match kind {
            Kind::SeekDb => start_seekdb(folder.path(), port),
            Kind::MariaDb => start_mariadb(folder.path(), port),
        };
        let server = Self {
            kind,
            port,
            child,
            _folder: folder,
        };
        server.prepare().await;
        server
    }

    async fn prepare(&self) {
        let opts = OptsBuilder::default()
            .ip_or_hostname("127.0.0.1")
            .tcp_port(self.port)
            .user(Some("root"))
            .prefer_socket(false);
        let deadline = Instant::now() + Duration::from_secs(60);
        let mut conn = loop {
            match Conn::new(opts.clone()).await {
                Ok(conn) => break conn,
                Err(error) if Instant::now() > deadline => {
                    panic!("{:?} did not come up: {error}", self.kind)
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        };
        let password = PASSWORD.replace('\\', "\\\\").replace('\'', "''");
        conn.query_drop(format!("create user '{ADMIN}' identified by '{password}'"))
            .await
            .unwrap();
        conn.query_drop(format!("grant all on *.* to '{ADMIN}' with grant option"))
            .await
            .unwrap();
        conn.disconnect().await.unwrap();
    }

    /// A plain connection of the administrator, not through the code under test.
    pub async fn admin(&self) -> Conn {
        self.connect(ADMIN, PASSWORD).await
    }

    /// A plain connection of any account.
    pub async fn connect(&self, user: &str, password: &str) -> Conn {
        let opts = OptsBuilder::default()
            .ip_or_hostname("127.0.0.1")
            .tcp_port(self.port)
            .user(Some(user))
            .pass(Some(password))
            .prefer_socket(false);
        Conn::new(opts).await.unwrap()
    }

    /// Statements of the administrator.
    pub async fn run(&self, statements: &[String]) {
        let mut conn = self.admin().await;
        for statement in statements {
            conn.query_drop(statement)
                .await
                .unwrap_or_else(|error| panic!("{statement}: {error}"));
        }
        conn.disconnect().await.unwrap();
    }

    pub fn address(&self) -> Address {
        Address {
            host: "127.0.0.1".into(),
            port: self.port,
        }
    }

    /// The client under test, as administrator, with databases that begin with `prefix`.
    pub fn open(&self, prefix: &str) -> std::sync::Arc<dyn MetaDb> {
        self.open_as(ADMIN, PASSWORD, prefix, Duration::from_secs(20))
    }

    pub fn open_as(
        &self,
        user: &str,
        password: &str,
        prefix: &str,
        limit: Duration,
    ) -> std::sync::Arc<dyn MetaDb> {
        MySqlOpener::default().open(
            &self.address(),
            &credentials(user, password),
            &LoginRules::default(),
            &databases(prefix),
            limit,
        )
    }
}

pub fn credentials(user: &str, password: &str) -> Credentials {
    Credentials {
        user: user.into(),
        password: SecretString::new(password),
    }
}

pub fn databases(prefix: &str) -> Databases {
    Databases {
        rm: format!("{prefix}_rm"),
        cm: format!("{prefix}_cm"),
        heartbeats: vec![format!("{prefix}_hb")],
    }
}

fn start_mariadb(folder: &Path, port: u16) -> Child {
    let data = folder.join("data");
    let install = Command::new("mariadb-install-db")
        .args([
            "--no-defaults",
            "--user=root",
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
        ])
        .arg(format!("--datadir={}", data.display()))
        .output()
        .expect("mariadb-install-db: install mariadb-server-core");
    assert!(
        install.status.success(),
        "{}",
        String::from_utf8_lossy(&install.stderr)
    );
    Command::new("mariadbd")
        .args([
            "--no-defaults",
            "--user=root",
            "--bind-address=127.0.0.1",
            "--skip-name-resolve",
            "--innodb-buffer-pool-size=32M",
        ])
        .arg(format!("--datadir={}", data.display()))
        .arg(format!("--port={port}"))
        .arg(format!("--socket={}", folder.join("m.sock").display()))
        .arg(format!("--pid-file={}", folder.join("m.pid").display()))
        .stdin(Stdio::null())
        .stdout(File::create(folder.join("out")).unwrap())
        .stderr(File::create(folder.join("err")).unwrap())
        .spawn()
        .unwrap()
}

fn start_seekdb(folder: &Path, port: u16) -> Child {
    Command::new(find_seekdb())
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
        .arg(folder.join("data"))
        .args([
            "--parameter",
            "memory_budget=1G",
            "--parameter",
            "log_disk_size=2G",
            "--parameter",
            "datafile_maxsize=10G",
        ])
        .args(["--variable", "time_zone=+08:00"])
        .stdin(Stdio::null())
        .stdout(File::create(folder.join("out")).unwrap())
        .stderr(File::create(folder.join("err")).unwrap())
        .spawn()
        .unwrap()
}

/// seekdb's program, in the project's cache. `tests/engines/setup.sh` puts it there on a fresh machine.
fn find_seekdb() -> PathBuf {
    let setup = root().join("tests/engines/setup.sh");
    if setup.exists() {
        assert!(
            Command::new(&setup).status().unwrap().success(),
            "{} failed",
            setup.display()
        );
    }
    let program = root().join(".cache/seekdb-1.4.0.post1/seekdb");
    assert!(
        program.exists(),
        "{} is missing: run {}",
        program.display(),
        setup.display()
    );
    program
}
