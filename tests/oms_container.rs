//! The scripts that run inside an OMS container, run for real by bash in a temporary folder with a
//! stand-in for `docker_init.sh`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use oms_operator::oms::container::{
    AttemptId, ExecAnswer, InitCommand, InitRecord, InitStart, InitState, parse_init_record,
    parse_init_start,
};

struct Node {
    folder: tempfile::TempDir,
}

impl Node {
    fn with_script(script: &str) -> Self {
        let node = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        fs::create_dir(node.logs()).unwrap();
        fs::write(node.folder.path().join("docker_init.sh"), script).unwrap();
        node
    }

    fn logs(&self) -> PathBuf {
        self.folder.path().join("logs")
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self) -> InitCommand {
        InitCommand::at(
            self.file("docker_init.sh").to_str().unwrap(),
            self.logs().join("oms-operator").to_str().unwrap(),
        )
    }

    fn exec(&self, argv: &[String]) -> ExecAnswer {
        let output = Command::new(&argv[0])
            .args(&argv[1..])
            .env("TEST_DIR", self.folder.path())
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
            exit_code: output.status.code(),
        }
    }

    fn start(&self, attempt: &str) -> InitStart {
        parse_init_start(&self.exec(&self.command().start_argv(&id(attempt)))).unwrap()
    }

    fn read(&self, attempt: &str) -> InitRecord {
        parse_init_record(&self.exec(&self.command().read_argv(&id(attempt)))).unwrap()
    }

    fn wait_for(&self, attempt: &str, done: impl Fn(&InitRecord) -> bool) -> InitRecord {
        wait(|| Some(self.read(attempt)).filter(&done))
    }

    /// Process id of the runner, from its record.
    fn runner(&self, attempt: &str) -> String {
        let started = fs::read_to_string(
            self.logs()
                .join("oms-operator")
                .join(attempt)
                .join("started"),
        )
        .unwrap();
        started.split(' ').next().unwrap().to_owned()
    }
}

fn id(name: &str) -> AttemptId {
    AttemptId::new(name).unwrap()
}

fn wait<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "not seen within 30 s");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn kill(target: &str) {
    assert!(
        Command::new("kill")
            .args(["-9", "--", target])
            .status()
            .unwrap()
            .success()
    );
}

fn is_exited(record: &InitRecord) -> bool {
    matches!(record.state, InitState::Exited { .. })
}

const BANNER: &str = "echo '# [Completed] All initialization steps are executed.'\n";

#[test]
fn runs_to_the_end_and_tells_so() {
    let node = Node::with_script(&format!("echo one\necho two >&2\n{BANNER}exit 0\n"));
    assert_eq!(node.read("a.1").state, InitState::NotStarted);
    assert_eq!(node.start("a.1"), InitStart::Started);
    let record = node.wait_for("a.1", is_exited);
    assert_eq!(record.state, InitState::Exited { code: 0 });
    assert!(record.completed);
    assert_eq!(record.log_lines, 3);
}

#[test]
fn started_twice_runs_once() {
    let node = Node::with_script(
        "echo run >> $TEST_DIR/runs\nwhile [ ! -e $TEST_DIR/go ]; do sleep 0.02; done\n",
    );
    // Callers at the same time: exactly one may win.
    let starts: Vec<InitStart> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| node.start("a"))).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    assert_eq!(
        starts
            .iter()
            .filter(|start| **start == InitStart::Started)
            .count(),
        1,
        "{starts:?}"
    );
    assert_eq!(
        starts
            .iter()
            .filter(|start| **start == InitStart::Already)
            .count(),
        7,
        "{starts:?}"
    );
    assert_eq!(node.read("a").state, InitState::Running);
    fs::write(node.file("go"), "").unwrap();
    node.wait_for("a", is_exited);
    assert_eq!(node.start("a"), InitStart::Already);
    assert_eq!(fs::read_to_string(node.file("runs")).unwrap(), "run\n");
}

#[test]
fn another_attempt_waits_for_the_one_at_work() {
    let node = Node::with_script("while [ ! -e $TEST_DIR/go ]; do sleep 0.02; done\nexit 7\n");
    assert_eq!(node.start("a"), InitStart::Started);
    assert_eq!(node.start("b"), InitStart::Busy);
    assert_eq!(node.read("b").state, InitState::NotStarted);
    fs::write(node.file("go"), "").unwrap();
    let record = node.wait_for("a", is_exited);
    assert_eq!(record.state, InitState::Exited { code: 7 });
    assert!(!record.completed);
    assert_eq!(node.start("b"), InitStart::Started);
    node.wait_for("b", is_exited);
}

#[test]
fn killed_as_a_whole_is_vanished() {
    let node = Node::with_script("echo begun\nsleep 600\n");
    node.start("a");
    node.wait_for("a", |record| record.log_lines == 1);
    // The session's process group: runner, script and its children.
    kill(&format!("-{}", node.runner("a")));
    let record = node.wait_for("a", |record| record.state != InitState::Running);
    assert_eq!(record.state, InitState::Vanished);
    assert_eq!(
        node.start("a"),
        InitStart::Already,
        "a vanished attempt is not repeated by itself"
    );
    assert_eq!(node.start("b"), InitStart::Started);
    kill(&format!("-{}", node.runner("b")));
}

#[test]
fn script_that_outlives_its_runner_is_still_running() {
    let node = Node::with_script("echo begun\nwhile [ ! -e $TEST_DIR/go ]; do sleep 0.02; done\n");
    node.start("a");
    node.wait_for("a", |record| record.log_lines == 1);
    kill(&node.runner("a"));
    assert_eq!(node.read("a").state, InitState::Running);
    assert_eq!(node.start("b"), InitStart::Busy);
    fs::write(node.file("go"), "").unwrap();
    node.wait_for("a", |record| record.state == InitState::Vanished);
}

#[test]
fn completion_text_counts_without_an_exit_and_an_exit_without_it() {
    let hangs = Node::with_script(&format!("{BANNER}sleep 600\n"));
    hangs.start("a");
    let record = hangs.wait_for("a", |record| record.completed);
    assert_eq!(record.state, InitState::Running);
    kill(&format!("-{}", hangs.runner("a")));
    let record = hangs.wait_for("a", |record| record.state != InitState::Running);
    assert_eq!(
        (record.state, record.completed),
        (InitState::Vanished, true)
    );

    let lies = Node::with_script("echo 'ERROR 1064'\nexit 0\n");
    lies.start("a");
    let record = lies.wait_for("a", is_exited);
    assert_eq!(
        (record.state, record.completed),
        (InitState::Exited { code: 0 }, false)
    );
}

#[test]
fn completion_text_in_the_scripts_own_log_counts_when_it_is_new() {
    let node = Node::with_script(
        "[ -e $TEST_DIR/write ] || exit 0\ntouch $TEST_DIR/later; sleep 0.1\n\
        echo '# [Completed] All initialization steps are executed.' > $TEST_DIR/logs/docker_init.log.2022-12-01.10\n",
    );
    let old = node.logs().join("docker_init.log.2022-11-01.10");
    fs::write(
        &old,
        "# [Completed] All initialization steps are executed.\n",
    )
    .unwrap();
    node.start("a");
    assert!(
        !node.wait_for("a", is_exited).completed,
        "the log of an earlier run proves nothing"
    );
    fs::write(node.file("write"), "").unwrap();
    node.start("b");
    assert!(node.wait_for("b", is_exited).completed);
}

#[test]
fn restarted_container_is_vanished_even_when_process_ids_repeat() {
    let node = Node::with_script("sleep 600\n");
    node.start("a");
    node.wait_for("a", |record| record.state == InitState::Running);
    let pid = node.runner("a");
    let started = node.logs().join("oms-operator/a/started");
    let text = fs::read_to_string(&started).unwrap();
    let words: Vec<&str> = text.split_whitespace().collect();
    // The same process id, under a process 1 that was born at another time.
    fs::write(
        &started,
        format!("{} {} {}0 {}\n", words[0], words[1], words[2], words[3]),
    )
    .unwrap();
    assert_eq!(node.read("a").state, InitState::Vanished);
    fs::write(
        &started,
        format!("{} {} {} other-boot\n", words[0], words[1], words[2]),
    )
    .unwrap();
    assert_eq!(node.read("a").state, InitState::Vanished);
    // Nor does that record keep another attempt out.
    assert_eq!(node.start("b"), InitStart::Started);
    kill(&format!("-{}", node.runner("b")));
    kill(&format!("-{pid}"));
}

#[test]
fn claim_without_a_beginning_is_starting_then_vanished() {
    let node = Node::with_script("exit 0\n");
    let claim = node.logs().join("oms-operator/a");
    fs::create_dir_all(&claim).unwrap();
    assert_eq!(node.read("a").state, InitState::Starting);
    assert!(
        Command::new("touch")
            .args(["-d", "1 minute ago"])
            .arg(&claim)
            .status()
            .unwrap()
            .success()
    );
    assert_eq!(node.read("a").state, InitState::Vanished);
}

#[test]
fn missing_script_and_missing_volume_are_told() {
    let node = Node::with_script("");
    fs::remove_file(node.file("docker_init.sh")).unwrap();
    node.start("a");
    assert_eq!(
        node.wait_for("a", is_exited).state,
        InitState::Exited { code: 127 }
    );

    let no_volume = Node::with_script("");
    fs::remove_dir(no_volume.logs()).unwrap();
    fs::write(no_volume.logs(), "a file where the volume should be").unwrap();
    let argv = no_volume.command().start_argv(&id("a"));
    let output = Command::new(&argv[0]).args(&argv[1..]).output().unwrap();
    let answer = ExecAnswer {
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        exit_code: output.status.code(),
    };
    assert!(
        parse_init_start(&answer)
            .unwrap_err()
            .to_string()
            .contains("logs volume")
    );
}

#[test]
fn odd_paths_are_only_paths() {
    let folder = tempfile::tempdir().unwrap();
    let odd = folder.path().join("a b'\"$(touch x);*");
    fs::create_dir_all(odd.join("logs")).unwrap();
    let script = odd.join("docker init.sh");
    fs::write(&script, BANNER).unwrap();
    let command = InitCommand::at(
        script.to_str().unwrap(),
        odd.join("logs/oms-operator").to_str().unwrap(),
    );
    let run = |argv: Vec<String>| {
        let output = Command::new(&argv[0])
            .args(&argv[1..])
            .current_dir(&folder)
            .output()
            .unwrap();
        ExecAnswer {
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            exit_code: output.status.code(),
        }
    };
    assert_eq!(
        parse_init_start(&run(command.start_argv(&id("a")))),
        Ok(InitStart::Started)
    );
    let record = wait(|| {
        parse_init_record(&run(command.read_argv(&id("a"))))
            .ok()
            .filter(is_exited)
    });
    assert!(record.completed);
    assert!(!folder.path().join("x").exists());
    for name in ["", ".", "..", "a/b", "-a", "a b", "a\n", "$(x)"] {
        assert_eq!(AttemptId::new(name), None, "{name:?}");
    }
}
