//! Where script and record lie, and how they are named.
use super::node::{BANNER, Node, id, is_exited, wait};
use oms_operator::oms::container::{
    AttemptId, ExecAnswer, InitCommand, InitStart, InitState, parse_init_record, parse_init_start,
};
use std::fs;
use std::process::Command;

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
        exit_code: output.status.code().unwrap(),
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
            exit_code: output.status.code().unwrap(),
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
