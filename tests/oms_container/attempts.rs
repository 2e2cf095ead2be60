//! One run at a time, and what becomes of it.
use super::node::{BANNER, Node, is_exited, kill, wait};
use oms_operator::oms::container::{InitStart, InitState};
use std::fs;
use std::process::Command;

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
