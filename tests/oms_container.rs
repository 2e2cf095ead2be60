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
    /// Where programs are looked for, when not where this test looks.
    path: Option<String>,
}

impl Node {
    fn with_script(script: &str) -> Self {
        let node = Self {
            folder: tempfile::tempdir().unwrap(),
            path: None,
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
            self.file("config.yaml").to_str().unwrap(),
        )
    }

    fn exec(&self, argv: &[String]) -> ExecAnswer {
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

    /// Kills everything of an attempt, as the end of the container does: the runner, and the script at its terminal.
    fn kill_all(&self, attempt: &str) {
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
    fn without(mut self, missing: &str) -> Self {
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

/// The texts of the documents, and how they may look in a log.
const TEXTS: [&str; 8] = [
    "【结束】全部初始化步骤执行成功",
    "# [Completed] All initialization steps are executed.",
    "2026-11-28 12:00:00 INFO 【结束】 全部初始化步骤执行成功！",
    "[结束] 全部初始化步骤执行成功",
    "【Completed】All initialization steps are executed.",
    "\\e[1;32m【结束】\\e[0m全部初始化步骤执行成功\\e(B\\e[m",
    "［结束］　全部初始化步骤执行成功\\r",
    "[OK] [\\e[32mCompleted\\e[0m]  All initialization steps are executed.",
];

#[test]
fn both_documented_texts_count_however_they_are_dressed() {
    for (at, text) in TEXTS.into_iter().enumerate() {
        // The exit status is not documented to mean anything.
        let node = Node::with_script(&format!("echo one\necho -e '{text}'\nexit {at}\n"));
        node.start("a");
        let record = node.wait_for("a", is_exited);
        assert!(record.completed, "{text}");
        let code = i32::try_from(at).unwrap();
        assert_eq!(record.state, InitState::Exited { code });
        assert!(record.last_lines.is_empty(), "{record:?}");
    }
    for text in [
        "【步骤】全部初始化步骤",
        "[Completed] Some initialization steps are executed.",
        "[Failed]",
    ] {
        let node = Node::with_script(&format!("echo '{text}'\n"));
        node.start("a");
        let record = node.wait_for("a", is_exited);
        assert!(!record.completed, "{text}");
        assert_eq!(record.last_lines, [text]);
    }
}

/// It is written in pieces, amid a log that is longer than anything that an exec brings back.
#[test]
fn a_text_in_pieces_in_a_long_log_is_found() {
    let long = "seq -f '初始化 %0200g' 3000\n";
    let node = Node::with_script(&format!(
        "{long}printf '\\xe3\\x80'; sleep 0.1; printf '\\x90结束】全部'; sleep 0.1; echo '初始化步骤执行成功'\n{long}"
    ));
    node.start("a");
    let record = node.wait_for("a", is_exited);
    assert!(record.completed, "{record:?}");
    assert_eq!(record.log_lines, 6001);
}

/// As a person would run it; and where the image has no script(1), without a terminal and otherwise the same.
#[test]
fn it_runs_at_a_terminal_where_there_is_one() {
    let script = "[ -t 1 ] && [ -t 2 ] && echo terminal || echo none\nread -r line && echo input\n\
        echo \"$PYTHONIOENCODING $(env | grep -c OMS_OPERATOR) $(umask)\"\necho 结束\nexit 0\n";
    let mask = String::from_utf8(
        Command::new("bash")
            .args(["-c", "umask"])
            .output()
            .unwrap()
            .stdout,
    )
    .unwrap();
    let end = format!("utf-8 0 {}", mask.trim());
    let with = Node::with_script(script);
    let without = Node::with_script(script).without("script");
    for (node, first) in [(with, "terminal"), (without, "none")] {
        node.start("a");
        let record = node.wait_for("a", is_exited);
        assert_eq!(record.state, InitState::Exited { code: 0 });
        assert_eq!(record.last_lines, [first, &end, "结束"]);
        assert_eq!(node.start("a"), InitStart::Already);
    }
}

/// A script(1) that does nothing, or nothing useful, keeps nobody waiting, and nothing runs twice.
#[test]
fn a_terminal_that_fails_is_done_without() {
    let node = Node::with_script("echo run >> $TEST_DIR/runs\n").without("script");
    let broken = node.file("bin/script");
    fs::write(
        &broken,
        "#!/bin/bash\necho 'script: openpty failed' >&2\nexit 1\n",
    )
    .unwrap();
    fs::set_permissions(&broken, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    node.start("a");
    let record = node.wait_for("a", is_exited);
    assert_eq!(record.state, InitState::Exited { code: 0 });
    assert_eq!(fs::read_to_string(node.file("runs")).unwrap(), "run\n");
}

/// Nor does one that does not notice its child's end.
#[test]
fn a_terminal_that_never_ends_is_not_waited_for() {
    let node =
        Node::with_script("echo '【结束】全部初始化步骤执行成功'\nexit 3\n").without("script");
    let endless = node.file("bin/script");
    fs::write(
        &endless,
        "#!/bin/bash\n/usr/bin/script \"$@\"\nexec sleep 600\n",
    )
    .unwrap();
    fs::set_permissions(
        &endless,
        std::os::unix::fs::PermissionsExt::from_mode(0o755),
    )
    .unwrap();
    node.start("a");
    let record = node.wait_for("a", is_exited);
    assert_eq!(record.state, InitState::Exited { code: 3 });
    assert!(record.completed);
    kill(&format!("-{}", node.runner("a")));
}

#[test]
fn the_end_of_a_log_is_told_without_secrets() {
    let node = Node::with_script(
        "for i in $(seq 20); do echo \"line $i\"; done\necho 'oms_meta_password: abc'\necho 'login with s3 cret'\n\
        echo 'mysql -uroot -pabc'\necho 'jdbc://oms:abc@db'\necho '设置密码 abc'\necho\necho -e '\\e[32m[步骤 5/5]\\e[0m 完成'\nexit 0\n",
    );
    fs::write(
        node.file("config.yaml"),
        "oms_meta_host: db\noms_meta_password: \"s3 cret\"   # of root\ndrc_password: ''\n",
    )
    .unwrap();
    node.start("a");
    let record = node.wait_for("a", is_exited);
    let mut wanted: Vec<String> = (12..=20).map(|number| format!("line {number}")).collect();
    wanted.push("[步骤 5/5] 完成".into());
    assert_eq!(record.last_lines, wanted);
    // One that says that it failed needs nobody to judge it.
    let failed = Node::with_script("echo done\nexit 1\n");
    failed.start("a");
    assert!(failed.wait_for("a", is_exited).last_lines.is_empty());
}

#[test]
fn an_answer_that_was_cut_is_read_as_far_as_it_goes() {
    let answer = |stdout: &str| ExecAnswer {
        stdout: stdout.into(),
        exit_code: None,
    };
    let record = parse_init_record(&answer(
        "init=exited exit=0 banner=0 lines=2 age=1 quiet=1\none\ntw\u{fffd}",
    ))
    .unwrap();
    assert_eq!(record.last_lines, ["one", "tw\u{fffd}"]);
    assert!(parse_init_record(&answer("init=exited exit=0 banner=0 li")).is_err());
    let long = "x".repeat(1000);
    let many = format!("init=exited exit=0 banner=0 lines=2 age=1 quiet=1\n{long}\n").to_owned()
        + &"\u{1b}[0mb\n".repeat(100);
    let record = parse_init_record(&answer(&many)).unwrap();
    assert_eq!(record.last_lines.len(), 10);
    assert_eq!(record.last_lines[0].len(), 300);
    assert_eq!(record.last_lines[1], "[0mb");
}

/// A log that was there before the start may be gone on with: what it said then proves nothing.
#[test]
fn a_log_of_an_earlier_run_that_is_gone_on_with_proves_nothing() {
    let node = Node::with_script("echo more >> $TEST_DIR/logs/docker_init.log.20221101\n");
    fs::write(
        node.logs().join("docker_init.log.20221101"),
        "【结束】全部初始化步骤执行成功\n",
    )
    .unwrap();
    node.start("a");
    assert!(!node.wait_for("a", is_exited).completed);
}

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
    node.kill_all("a");
    let record = node.wait_for("a", |record| record.state != InitState::Running);
    assert_eq!(record.state, InitState::Vanished);
    assert_eq!(
        node.start("a"),
        InitStart::Already,
        "a vanished attempt is not repeated by itself"
    );
    assert_eq!(node.start("b"), InitStart::Started);
    node.kill_all("b");
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
    let record = node.wait_for("a", |record| record.state != InitState::Running);
    assert_eq!(record.state, InitState::Exited { code: 0 });
}

/// Also with all that ran beside it: a second one would meet the first.
#[test]
fn script_that_outlives_its_terminal_is_still_running() {
    let node = Node::with_script("echo begun\nwhile [ ! -e $TEST_DIR/go ]; do sleep 0.02; done\n");
    node.start("a");
    node.wait_for("a", |record| record.log_lines == 1);
    let session = fs::read_to_string(node.logs().join("oms-operator/a/session")).unwrap();
    assert_ne!(
        session.trim(),
        node.runner("a"),
        "it has no terminal of its own"
    );
    kill(&format!("-{}", node.runner("a")));
    assert_eq!(node.read("a").state, InitState::Running);
    assert_eq!(node.start("b"), InitStart::Busy);
    fs::write(node.file("go"), "").unwrap();
    let record = node.wait_for("a", |record| record.state != InitState::Running);
    assert_eq!(record.state, InitState::Exited { code: 0 });
}

#[test]
fn completion_text_counts_without_an_exit_and_an_exit_without_it() {
    let hangs = Node::with_script(&format!("{BANNER}sleep 600\n"));
    hangs.start("a");
    let record = hangs.wait_for("a", |record| record.completed);
    assert_eq!(record.state, InitState::Running);
    hangs.kill_all("a");
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
    node.kill_all("b");
    let session = fs::read_to_string(node.logs().join("oms-operator/a/session")).unwrap();
    kill(&format!("-{pid}"));
    kill(&format!("-{}", session.trim()));
}

/// A full volume leaves an empty file where a number should be. The text in the log is a proof without it.
#[test]
fn an_empty_exit_status_hides_no_completion() {
    for (end, state) in [("exit", "Exited"), ("code", "Vanished")] {
        let node = Node::with_script(&format!("{BANNER}exit 0\n"));
        node.start("a");
        node.wait_for("a", is_exited);
        let folder = node.logs().join("oms-operator/a");
        fs::write(folder.join("exit"), "").unwrap();
        if end == "code" {
            fs::write(folder.join("code"), "").unwrap();
        }
        let record = node.read("a");
        assert!(record.completed, "{record:?}");
        assert!(
            format!("{:?}", record.state).starts_with(state),
            "{record:?}"
        );
    }
}

/// Not every process 1 takes note of the dead.
#[test]
fn a_dead_process_is_not_at_work() {
    let node = Node::with_script("exit 0\n");
    node.start("a");
    node.wait_for("a", is_exited);
    let folder = node.logs().join("oms-operator/a");
    let mut dead = Command::new("setsid").arg("true").spawn().unwrap();
    let stat = format!("/proc/{}/stat", dead.id());
    wait(|| Some(()).filter(|()| fs::read_to_string(&stat).unwrap().contains(") Z ")));
    let text = fs::read_to_string(folder.join("started")).unwrap();
    let (_, rest) = text.split_once(' ').unwrap();
    fs::write(folder.join("started"), format!("{} {rest}", dead.id())).unwrap();
    for end in ["exit", "code", "session"] {
        fs::remove_file(folder.join(end)).unwrap();
    }
    assert_eq!(node.read("a").state, InitState::Vanished);
    assert_eq!(node.start("b"), InitStart::Started);
    node.wait_for("b", is_exited);
    dead.wait().unwrap();
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

/// A command travels in the address of a request, where each byte that is no letter or digit may take three.
#[test]
fn command_lines_are_short_enough_for_a_proxy() {
    let command = InitCommand::default();
    let attempt = id(&"a".repeat(100));
    for argv in [command.start_argv(&attempt), command.read_argv(&attempt)] {
        let length: usize = argv
            .concat()
            .bytes()
            .map(|byte| if byte.is_ascii_alphanumeric() { 1 } else { 3 })
            .sum();
        assert!(length < 7500, "{length}");
    }
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
        odd.join("config.yaml").to_str().unwrap(),
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
