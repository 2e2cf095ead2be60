//! The terminal that the script runs at, where there is one.
use super::node::{Node, is_exited, kill};
use oms_operator::oms::container::{InitStart, InitState};
use std::fs;
use std::process::Command;

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
