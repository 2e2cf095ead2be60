//! What says that `docker_init.sh` is complete, and what is told of its log.
use super::node::{BANNER, Node, is_exited};
use oms_operator::oms::container::{ExecAnswer, InitState, parse_init_record};
use std::fs;

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
