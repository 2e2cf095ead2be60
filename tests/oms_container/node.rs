//! A folder in the place of a container, with a stand-in for `docker_init.sh`.
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use oms_operator::oms::container::{
    AttemptId, ExecAnswer, InitCommand, InitRecord, InitStart, InitState, parse_init_record,
    parse_init_start,
};

pub struct Node {
    pub folder: tempfile::TempDir,
    /// Where programs are looked for, when not where this test looks.
    pub path: Option<String>,
}

impl Node {
    pub fn with_script(script: &str) -> Self {
        let node = Self {
            folder: tempfile::tempdir().unwrap(),
            path: None,
        };
        fs::create_dir(node.logs()).unwrap();
        fs::write(node.folder.path().join("docker_init.sh"), script).unwrap();
        node
    }

    pub fn logs(&self) -> PathBuf {
        self.folder.path().join("logs")
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn command(&self) -> InitCommand {
        InitCommand::at(
            self.file("docker_init.sh").to_str().unwrap(),
            self.logs().join("oms-operator").to_str().unwrap(),
            self.file("config.yaml").to_str().unwrap(),
        )
    }

    pub fn exec(&self, argv: &[String]) -> ExecAnswer {
        let path = self.path.clone().unwrap_or(std::env::var("PATH").unwrap());
        let output = Command::new(&argv[0])
            .args(&argv[1..])
            .env("TEST_DIR", self.folder.path())
            .env("PATH", path)
            .env_remove("PYTHONIOENCODING")
            .env("LC_ALL", "C")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert_eq!(
            String::from_utf8_lossy(&output.stderr),
            "",
            "scripts keep quiet on stderr"
        );
        ExecAnswer {
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            exit_code: output.status.code().unwrap(),
        }
    }

    pub fn start(&self, attempt: &str) -> InitStart {
        parse_init_start(&self.exec(&self.command().start_argv(&id(attempt)))).unwrap()
    }

    pub fn read(&self, attempt: &str) -> InitRecord {
        parse_init_record(&self.exec(&self.command().read_argv(&id(attempt)))).unwrap()
    }

    pub fn wait_for(&self, attempt: &str, done: impl Fn(&InitRecord) -> bool) -> InitRecord {
        wait(|| Some(self.read(attempt)).filter(&done))
    }

    /// Process id of the runner, from its record.
    pub fn runner(&self, attempt: &str) -> String {
        let started = fs::read_to_string(
            self.logs()
                .join("oms-operator")
                .join(attempt)
                .join("started"),
        )
        .unwrap();
        started.split(' ').next().unwrap().to_owned()
    }

    /// Kills everything of an attempt, as the end of the container does: the runner, and the script at its terminal.
    pub fn kill_all(&self, attempt: &str) {
        let session = self
            .logs()
            .join("oms-operator")
            .join(attempt)
            .join("session");
        let session = wait(|| fs::read_to_string(&session).ok());
        kill(&format!("-{}", self.runner(attempt)));
        // Without a terminal both are one group.
        if session.trim() != self.runner(attempt) {
            kill(&format!("-{}", session.trim()));
        }
    }

    /// A machine without some of the programs of this one.
    pub fn without(mut self, missing: &str) -> Self {
        let bin = self.file("bin");
        fs::create_dir(&bin).unwrap();
        for folder in ["/usr/bin", "/bin"] {
            for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
                if entry.file_name() != missing {
                    // Those of the second folder are mostly those of the first.
                    let _ = std::os::unix::fs::symlink(entry.path(), bin.join(entry.file_name()));
                }
            }
        }
        self.path = Some(bin.to_str().unwrap().to_owned());
        self
    }
}

pub fn id(name: &str) -> AttemptId {
    AttemptId::new(name).unwrap()
}

pub fn wait<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "not seen within 30 s");
        std::thread::sleep(Duration::from_millis(20));
    }
}

pub fn kill(target: &str) {
    assert!(
        Command::new("kill")
            .args(["-9", "--", target])
            .status()
            .unwrap()
            .success()
    );
}

pub fn is_exited(record: &InitRecord) -> bool {
    matches!(record.state, InitState::Exited { .. })
}

pub const BANNER: &str = "echo '# [Completed] All initialization steps are executed.'\n";
