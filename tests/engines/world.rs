//! One installation's databases on a server of its own, a claim, credentials, and the agent as its users run it.

use super::{Kind, Server};
use oms_operator::protocol::report::{
    CommandResult, Outcome, OutputLine, Progress, Reason, Report,
};
use serde_json::{Value, json};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Databases of the installation.
pub const DATABASES: [&str; 3] = ["oms_rm", "oms_cm", "oms_cm_hb"];
/// A login as OceanBase wants it.
pub const USER: &str = "root@metadb#obtest";
/// A password with everything that trips careless programs; the canary of the tests for leaks.
pub const PASSWORD: &str = " cAnArY7f3e9b1c0d5a'\"`#%$\\;-- ü汉\t&x ";

/// See the module.
pub struct World {
    pub server: Server,
    pub claim: tempfile::TempDir,
    pub secret: tempfile::TempDir,
    /// `TMPDIR` of the agent: its option file lies there.
    pub scratch: tempfile::TempDir,
}

/// The account of OMS. On a busy machine seekdb, just started, may refuse to create it (1396) after it has done so, or
/// before it can: the statement is repeated until the account is there.
fn make_account(server: &Server) {
    let password = PASSWORD.replace('\\', "\\\\").replace('\'', "\\'");
    let statement = format!(
        "CREATE USER IF NOT EXISTS '{USER}'@'%' IDENTIFIED BY '{password}'; \
         GRANT ALL ON *.* TO '{USER}'@'%' WITH GRANT OPTION;"
    );
    let deadline = Instant::now() + Duration::from_secs(60);
    while let Err(error) = server.try_sql(&statement) {
        assert!(Instant::now() < deadline, "{error}");
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// How a run of the agent ended.
pub struct Ended {
    pub status: ExitStatus,
    pub report: Option<Report>,
    pub progress: Vec<Progress>,
    pub stdout: String,
    pub stderr: String,
    pub termination_log: String,
}

impl Ended {
    /// The report, which must be there.
    pub fn report(&self) -> &Report {
        self.report
            .as_ref()
            .unwrap_or_else(|| panic!("no report: {} {}", self.stdout, self.stderr))
    }

    pub fn succeeded(&self) -> &Report {
        let report = self.report();
        assert_eq!(
            (report.outcome, report.reason),
            (Outcome::Succeeded, Reason::Completed),
            "{}",
            report.message
        );
        assert!(self.status.success());
        report
    }

    pub fn failed(&self, reason: Reason) -> &Report {
        let report = self.report();
        assert_eq!(
            (report.outcome, report.reason),
            (Outcome::Failed, reason),
            "{}",
            report.message
        );
        assert!(!self.status.success());
        report
    }

    pub fn result(&self) -> &CommandResult {
        self.report().result.as_ref().unwrap()
    }
}

impl World {
    /// A server with the nasty schema in it.
    pub fn nasty(kind: Kind) -> Self {
        let world = Self::empty(kind);
        let charsets = match kind {
            Kind::Seekdb => "",
            _ => include_str!("nasty-charsets.sql"),
        };
        let text = [include_str!("nasty.sql"), charsets]
            .concat()
            .replace("{rm}", DATABASES[0])
            .replace("{cm}", DATABASES[1])
            .replace("{hb}", DATABASES[2]);
        world.server.sql(&text);
        world
    }

    /// A server with a small schema in it: few statements, all kinds of objects.
    pub fn small(kind: Kind) -> Self {
        Self::small_on(Server::start(kind))
    }

    /// The same on a server that was started with options.
    pub fn small_on(server: Server) -> Self {
        let world = Self::on(server);
        world.server.sql(
            "CREATE DATABASE oms_rm DEFAULT CHARACTER SET utf8mb4; CREATE DATABASE oms_cm DEFAULT CHARACTER SET utf8mb4; \
             CREATE DATABASE oms_cm_hb DEFAULT CHARACTER SET utf8mb4; \
             CREATE TABLE oms_rm.parent (id INT PRIMARY KEY AUTO_INCREMENT, v VARCHAR(50)) DEFAULT CHARSET=utf8mb4; \
             CREATE TABLE oms_rm.child (id INT PRIMARY KEY, p INT, CONSTRAINT fk_child FOREIGN KEY (p) REFERENCES oms_rm.parent (id)); \
             CREATE TABLE oms_cm.host (ip VARCHAR(40) PRIMARY KEY); \
             CREATE TABLE oms_cm_hb.heart_beat (t INT PRIMARY KEY); \
             INSERT INTO oms_rm.parent (v) VALUES ('one'), ('two'); INSERT INTO oms_rm.child VALUES (1, 1), (2, 2); \
             INSERT INTO oms_cm.host VALUES ('10.0.0.1'); INSERT INTO oms_cm_hb.heart_beat VALUES (1); \
             CREATE VIEW oms_rm.v AS SELECT c.id AS id FROM oms_rm.child c JOIN oms_rm.parent p ON c.p = p.id;",
        );
        world
    }

    /// A server with the account and the operator's lock, without databases.
    pub fn empty(kind: Kind) -> Self {
        Self::on(Server::start(kind))
    }

    /// The same on a server that was started with options.
    pub fn on(server: Server) -> Self {
        make_account(&server);
        server.sql(
            "CREATE DATABASE oms_operator_lock CHARACTER SET utf8mb4; \
             CREATE TABLE oms_operator_lock.upgrade_lock (id TINYINT NOT NULL PRIMARY KEY, holder VARCHAR(64) NOT NULL, epoch BIGINT NOT NULL, \
             note VARCHAR(255) NOT NULL, updated_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP) DEFAULT CHARSET=utf8mb4; \
             INSERT INTO oms_operator_lock.upgrade_lock (id, holder, epoch, note) VALUES (1, 'holder', 7, 'x');",
        );
        let temporary = |prefix: &str| tempfile::Builder::new().prefix(prefix).tempdir().unwrap();
        let world = Self {
            server,
            claim: temporary("oms-agent-claim-"),
            secret: temporary("oms-agent-secret-"),
            scratch: temporary("oms-agent-tmp-"),
        };
        world.set_account(USER, PASSWORD);
        world
    }

    pub fn set_account(&self, user: &str, password: &str) {
        std::fs::write(self.secret.path().join("user"), user).unwrap();
        std::fs::write(self.secret.path().join("password"), password).unwrap();
    }

    /// The upgrade's directory on the claim.
    pub fn directory(&self) -> PathBuf {
        self.claim.path().join("oms-to-4")
    }

    pub fn request(&self, attempt: i32) -> Value {
        let mut request = json!({
            "upgradeUid": "upgrade-uid", "attempt": attempt,
            "metadb": {"host": "127.0.0.1", "port": self.server.port},
            "credentials": {"files": {"directory": self.secret.path(), "userKey": "user", "passwordKey": "password"}},
            "databases": DATABASES,
            "directory": self.directory(),
            "lock": {"holder": "holder", "epoch": 7},
        });
        // It has nothing else.
        if self.server.kind == Kind::MySql {
            request["loginsWithoutTls"] = json!(["caching_sha2_password"]);
        }
        request
    }

    /// A request that trusts the backup with this digest.
    pub fn trusting(&self, attempt: i32, digest: &str) -> Value {
        let mut request = self.request(attempt);
        request["expectedManifestDigest"] = json!(digest);
        request
    }

    pub fn command(&self, command: &str, request: &Value) -> Command {
        let mut process = Command::new(env!("CARGO_BIN_EXE_oms-operator"));
        process
            .args(["agent", command, "--termination-log"])
            .arg(self.scratch.path().join("termination-log"))
            .args(["--request", &request.to_string()])
            .env("TMPDIR", self.scratch.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        process
    }

    pub fn start(&self, command: &str, request: &Value) -> Child {
        let _ = std::fs::remove_file(self.scratch.path().join("termination-log"));
        self.command(command, request).spawn().unwrap()
    }

    pub fn wait(&self, child: Child) -> Ended {
        wait(child, self.scratch.path())
    }

    pub fn run(&self, command: &str, request: &Value) -> Ended {
        self.wait(self.start(command, request))
    }

    /// Dumps and returns the digest of the manifest.
    pub fn dump(&self, attempt: i32) -> String {
        self.run("dump", &self.request(attempt))
            .succeeded()
            .manifest_digest
            .clone()
            .unwrap()
    }

    /// The live databases, by another way than the agent's.
    pub fn text(&self) -> String {
        self.server.text_of(&DATABASES)
    }

    /// What an upgrade does: other tables, rows, definitions, views.
    pub fn migrate(&self) {
        self.server.sql(
            "DROP VIEW oms_rm.v; CREATE TABLE oms_rm.of_new_version (id INT PRIMARY KEY); INSERT INTO oms_rm.of_new_version VALUES (1); \
             CREATE VIEW oms_rm.v_new AS SELECT id AS id FROM oms_rm.of_new_version; ALTER TABLE oms_rm.child ADD COLUMN n INT; \
             INSERT INTO oms_rm.parent (id, v) VALUES (3, 'three'); UPDATE oms_cm.host SET ip = '10.9.9.9'; DROP TABLE oms_cm_hb.heart_beat; \
             CREATE TABLE oms_cm_hb.beats (t INT PRIMARY KEY);",
        );
    }

    /// Databases that the agent made beside the live ones.
    pub fn beside(&self) -> Vec<String> {
        self.server
            .sql("SHOW DATABASES")
            .lines()
            .filter(|name| name.contains("__oms"))
            .map(str::to_owned)
            .collect()
    }
}

fn wait(mut child: Child, scratch: &Path) -> Ended {
    let mut stderr = child.stderr.take().unwrap();
    let reading = std::thread::spawn(move || {
        let mut text = String::new();
        let _ = stderr.read_to_string(&mut text);
        text
    });
    let mut stdout = String::new();
    child
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut stdout)
        .unwrap();
    let status = child.wait().unwrap();
    let (mut progress, mut report) = (Vec::new(), None);
    for line in stdout.lines() {
        match serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}")) {
            OutputLine::Progress(one) => progress.push(one),
            OutputLine::Report(one) => report = Some(*one),
        }
    }
    let termination_log =
        std::fs::read_to_string(scratch.join("termination-log")).unwrap_or_default();
    Ended {
        status,
        report,
        progress,
        stderr: reading.join().unwrap(),
        termination_log,
        stdout,
    }
}
