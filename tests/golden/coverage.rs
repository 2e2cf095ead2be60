//! The list of what the upgrade guide says names tests and mutants that are there.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// All sources below a folder of the project, as one text.
fn read_below(folder: &str) -> String {
    let mut text = String::new();
    let mut folders = vec![PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|is| is == "rs" || is == "py") {
                text.push_str(&std::fs::read_to_string(path).unwrap());
            }
        }
    }
    text
}

fn is_there(kind: &str, name: &str) -> bool {
    let function = format!("fn {name}(");
    match kind {
        "unit" => read_below("src").contains(&function),
        "brain" | "explorer" | "agent" => read_below(&format!("tests/{kind}")).contains(&function),
        "oms" => ["tests/oms_container", "tests/oms_http", "tests/oms_metadb"]
            .iter()
            .any(|folder| read_below(folder).contains(&function)),
        "e2e" => read_below("tests/e2e/scenarios").contains(&format!("\"{name}\"")),
        "mutant" => Path::new(env!("CARGO_MANIFEST_DIR"))
            .join(format!("tests/mutants/{name}.patch"))
            .exists(),
        other => panic!("nobody knows tests of {other}"),
    }
}

#[test]
fn every_test_that_covers_the_guide_is_there() {
    let text = include_str!("../../docs/guide-coverage.md");
    let named: BTreeSet<(&str, &str)> = text
        .split('`')
        .skip(1)
        .step_by(2)
        .filter_map(|word| word.split_once(':'))
        .filter(|(kind, name)| !kind.contains('.') && !name.starts_with(' '))
        .collect();
    assert!(named.len() > 60, "only {} are named", named.len());
    let lost: Vec<_> = named
        .iter()
        .filter(|(kind, name)| !is_there(kind, name))
        .collect();
    assert!(lost.is_empty(), "{lost:?}");
}

/// A row without a test says what is open.
#[test]
fn every_row_has_a_test_or_is_open() {
    let rows = include_str!("../../docs/guide-coverage.md").lines();
    let bare: Vec<&str> = rows
        .filter(|row| {
            row.starts_with("| ") && !row.starts_with("| Sentence") && !row.starts_with("| Answer")
        })
        .filter(|row| !row.contains("**open**") && !row.contains("as above"))
        .filter(|row| {
            !["unit:", "brain:", "e2e:", "oms:", "agent:", "explorer:"]
                .iter()
                .any(|kind| row.contains(kind))
        })
        .collect();
    assert!(bare.is_empty(), "{bare:#?}");
}
