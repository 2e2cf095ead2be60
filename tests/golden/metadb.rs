//! What we leave in the MetaDB and in the OMS container while an upgrade is under way: the lock, the record of a
//! restore, the record of `docker_init.sh`.
use super::pin;
use super::source::read_sources;
use oms_operator::agent::restore::record::Step;
use oms_operator::metadb::record::{RecordFact, RecordedOutcome, TargetImage};
use oms_operator::metadb::{LOCK_DATABASE, LOCK_TABLE, SchemaFingerprint};
use oms_operator::oms::container::{
    AttemptId, ExecAnswer, InitCommand, InitState, parse_init_record,
};
use std::collections::BTreeSet;

const LOCK: &str = "Operator and agent of different versions meet in this table, and so do two operators. A column that changes locks out \
    every upgrade that is under way; `create table if not exists` does not change a table that is there. Statements that come are free as long as \
    they go well on a table of the version before.";
const RECORD: &str = "The next operator reads what this one has written, and refuses what it does not know. A word or a field that goes \
    stalls every upgrade whose record holds it.";
const INIT: &str = "The next operator reads what this one has started. Where it does not find this folder, or reads it in another way, it \
    starts docker_init.sh a second time beside the first.";

/// A literal as the compiler reads it, as far as our statements need.
fn read_text(token: &str) -> Option<String> {
    let text = token.strip_prefix('"')?.strip_suffix('"')?;
    let mut read = String::new();
    let mut lines = text.split("\\\n");
    read.push_str(lines.next().unwrap_or_default());
    for line in lines {
        read.push_str(line.trim_start());
    }
    Some(read)
}

/// `const NAME: usize = 64;`
fn read_number<'t>(tokens: &'t [String], name: &str) -> Option<&'t str> {
    let six = tokens
        .windows(6)
        .find(|six| six[0] == "const" && six[1] == name && six[4] == "=")?;
    Some(six[5].as_str())
}

#[test]
fn statements_on_the_lock() {
    let mut statements = BTreeSet::new();
    let sources = read_sources("src");
    let mut text = format!("table: {LOCK_DATABASE}.{LOCK_TABLE}\n");
    for name in ["HOLDER_MAX", "NOTE_MAX", "AGENT_ROW", "RESTORE_ROW"] {
        let value = sources
            .iter()
            .find_map(|source| read_number(&source.tokens, name));
        text.push_str(&format!("{name}: {}\n", value.unwrap_or("gone")));
    }
    for source in &sources {
        let texts = source.tokens.iter().filter_map(|token| read_text(token));
        statements.extend(texts.filter(|text| {
            let lower = text.to_lowercase();
            let about = lower.contains("holder") || lower.contains("oms_operator_lock");
            let verbs = [
                "select ", "insert ", "replace ", "update ", "delete ", "create ", "drop ",
                "grant ",
            ];
            about && verbs.iter().any(|verb| lower.starts_with(verb))
        }));
    }
    assert!(statements.len() >= 8, "{statements:?}");
    for statement in statements {
        text.push_str(&format!("{statement}\n"));
    }
    pin::check("tests/golden/files/lock.txt", &text, LOCK);
}

#[test]
fn facts_of_the_record() {
    let fingerprint = || SchemaFingerprint::try_from("0f".repeat(8)).unwrap();
    let facts = [
        RecordFact::Locked {
            ha: Some("{\"enable\":true}".into()),
            images: vec![TargetImage {
                target: "oms".into(),
                image: "oms:3.3.1".into(),
                image_id: Some("sha256:1".into()),
            }],
        },
        RecordFact::Stopped {
            fingerprint: fingerprint(),
        },
        RecordFact::BackupVerified {
            manifest_digest: "ab".repeat(32),
        },
        RecordFact::Line {},
        RecordFact::NewImageSeen {
            target: "oms".into(),
            image_id: "sha256:2".into(),
        },
        RecordFact::RestoreBegun { attempt: 1 },
        RecordFact::Swapped { attempt: 1 },
        RecordFact::Verdict {
            outcome: RecordedOutcome::RolledBack,
            fingerprint: Some(fingerprint()),
        },
    ];
    let mut text = String::new();
    for fact in facts {
        let columns = fact.to_columns().unwrap();
        text.push_str(&format!("{} {}\n", columns.fact, columns.detail));
    }
    for outcome in [
        RecordedOutcome::Succeeded,
        RecordedOutcome::Aborted,
        RecordedOutcome::RolledBack,
        RecordedOutcome::Failed,
    ] {
        text.push_str(&format!("{}\n", serde_json::to_string(&outcome).unwrap()));
    }
    pin::check("tests/golden/files/record.txt", &text, RECORD);
}

#[test]
fn steps_of_a_restore() {
    let stored = ["Loading", "Swapping", "Dropping", "Done", "Differed"];
    for word in stored {
        let step = Step::from_text(word).unwrap_or_else(|| panic!("{word} is not read any more"));
        assert_eq!(step.to_text(), word);
    }
}

/// Files that the scripts name in the folder of an attempt.
fn list_files(script: &str) -> BTreeSet<&str> {
    script
        .split("$dir/")
        .skip(1)
        .filter_map(|rest| {
            rest.split(|c: char| !c.is_ascii_alphanumeric() && c != '.')
                .next()
        })
        .filter(|name| !name.is_empty())
        .collect()
}

#[test]
fn the_record_of_docker_init() {
    let attempt = AttemptId::new("f86381adde-0a1b2c3d-2").unwrap();
    let command = InitCommand::default();
    let mut text = String::new();
    for (name, argv) in [
        ("start", command.start_argv(&attempt)),
        ("read", command.read_argv(&attempt)),
    ] {
        let shown: Vec<&str> = argv
            .iter()
            .map(|word| {
                if word.contains('\n') {
                    "(script)"
                } else {
                    word
                }
            })
            .collect();
        text.push_str(&format!("{name}: {shown:?}\n"));
        for script in argv.iter().filter(|word| word.contains('\n')) {
            for file in list_files(script) {
                text.push_str(&format!("  {file}\n"));
            }
        }
    }
    pin::check("tests/golden/files/init-record.txt", &text, INIT);
}

#[test]
fn a_line_about_docker_init_is_read() {
    let line = "init=exited exit=0 banner=1 lines=30 age=400 quiet=5\n";
    let answer = ExecAnswer {
        stdout: line.into(),
        ..ExecAnswer::default()
    };
    let record = parse_init_record(&answer).unwrap();
    assert_eq!(record.state, InitState::Exited { code: 0 });
    assert!(record.completed);
}
