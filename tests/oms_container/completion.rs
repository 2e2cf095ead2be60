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
    let failed = Node::with_script("echo one\necho 'ERROR 1060'\nexit 1\n");
    failed.start("a");
    let record = failed.wait_for("a", is_exited);
    assert_eq!(record.last_lines, ["one", "ERROR 1060"]);
}

/// The headings of both languages, as the deployment guides have them.
#[test]
fn the_step_that_it_has_announced_is_told() {
    for (text, step) in [
        (
            "# 【步骤一】校验 config.yaml 配置文件\\n# 【步骤四】重启 OMS 所有组件（大约需要两分钟，请耐心等待）",
            Some(4),
        ),
        (
            "# [Step 1] Verify the config.yaml configuration file.\\n# [Step 2] Create the OMS MetaDB.",
            Some(2),
        ),
        ("\\e[1m［步骤 ３］\\e[0m 创建 OMS 各组件的配置文件", Some(3)),
        (
            "步骤５：初始化 OMS 资源标签和资源组\\n初始化步骤执行中\\n步骤一览",
            Some(5),
        ),
        ("正在执行全部初始化步骤", None),
    ] {
        let node = Node::with_script(&format!("echo -e '{text}'\nsleep 600\n"));
        node.start("a");
        let record = node.wait_for("a", |record| record.log_lines > 0);
        assert_eq!(
            (record.state, record.step),
            (InitState::Running, step),
            "{text}"
        );
        assert!(!record.last_lines.is_empty(), "{record:?}");
        node.kill_all("a");
        let record = node.wait_for("a", |record| record.state == InitState::Vanished);
        assert_eq!(record.step, step);
        assert!(!record.last_lines.is_empty(), "{record:?}");
    }
}

/// Half a line may be half a password, which no list of words or values knows.
#[test]
fn a_line_that_is_still_being_written_is_not_told() {
    let node = Node::with_script("echo one\nprintf 'login with s3 c'\nsleep 600\n");
    fs::write(node.file("config.yaml"), "oms_meta_password: 's3 cret'\n").unwrap();
    node.start("a");
    let log = node.logs().join("oms-operator/a/log");
    super::node::wait(|| {
        fs::read_to_string(&log)
            .ok()
            .filter(|log| log.contains("s3 c"))
    });
    assert_eq!(node.read("a").last_lines, ["one"]);
    node.kill_all("a");
    let record = node.wait_for("a", |record| record.state == InitState::Vanished);
    assert_eq!(record.last_lines, ["one"]);
}

#[test]
fn texts_of_other_images_count_as_well() {
    let node = Node::with_script("echo -e '=== \\e[32m所有 步骤\\e[0m均已【执行】完成 ==='\n");
    node.start("a");
    assert!(!node.wait_for("a", is_exited).completed);
    for (text, completed) in [
        ("所有步骤均已[执行]完成", true),
        ("所有步骤均已失败告终", false),
    ] {
        let command = node.command().with_completion_texts(&[text.into()]);
        let answer = node.exec(&command.read_argv(&super::node::id("a")));
        assert_eq!(
            parse_init_record(&answer).unwrap().completed,
            completed,
            "{text}"
        );
    }
}

#[test]
fn an_answer_that_was_cut_is_read_as_far_as_it_goes() {
    let answer = |stdout: &str| ExecAnswer {
        stdout: stdout.into(),
        exit_code: 0,
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
