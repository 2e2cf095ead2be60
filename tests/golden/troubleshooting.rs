//! `docs/troubleshooting.md` has a line for every reason and every check, and for none that is no more. Each reason
//! is an anchor of it, in lower case: `runbook_url` of the alerts leads there.
use super::read_stored;
use oms_operator::api::{ConditionReason, Reason};
use oms_operator::protocol::report::Reason as AgentReason;
use oms_operator::upgrade::list_check_names;
use std::collections::BTreeSet;

/// The page without its anchors, and what they are called.
fn split_anchors(page: &str) -> (String, Vec<String>) {
    let mut parts = page.split("<a id=\"");
    let mut text = parts.next().unwrap_or_default().to_owned();
    let mut anchors = Vec::new();
    for part in parts {
        let (name, rest) = part.split_once("\"></a>").expect("an anchor is empty");
        anchors.push(name.to_owned());
        text.push_str(rest);
    }
    (text, anchors)
}

/// Words in back-ticks that stand alone in the first column of a table.
fn list_first_column(text: &str) -> BTreeSet<String> {
    let rows = text.lines().filter(|line| line.starts_with("| `"));
    let cells = rows.filter_map(|line| line[2..].split(" | ").next());
    let alone = cells.filter(|cell| {
        let outside: String = cell.split('`').step_by(2).collect();
        outside.chars().all(|letter| ", ".contains(letter))
    });
    let words = alone.flat_map(|cell| cell.split('`').skip(1).step_by(2));
    words
        .filter(|word| word.starts_with(|letter: char| letter.is_ascii_uppercase()))
        .map(str::to_owned)
        .collect()
}

fn list_reasons() -> BTreeSet<String> {
    let own = Reason::ALL.iter().map(|reason| reason.to_string());
    let of_jobs = AgentReason::ALL
        .iter()
        .filter(|reason| **reason != AgentReason::Completed)
        .map(|reason| reason.as_str().to_owned());
    own.chain(of_jobs).collect()
}

#[test]
fn every_reason_and_check_is_explained() {
    let (text, _) = split_anchors(&read_stored("docs/troubleshooting.md"));
    let (page, _) = text.split_once("## Alerts").expect("alerts come last");
    let told = list_first_column(page);
    let reasons = list_reasons();
    let missing: Vec<_> = reasons.difference(&told).collect();
    assert!(missing.is_empty(), "without a line: {missing:?}");
    let missing: Vec<_> = list_check_names()
        .filter(|check| !text.contains(&format!("`{check}`")))
        .collect();
    assert!(missing.is_empty(), "checks without a word: {missing:?}");
    let known: BTreeSet<String> = reasons
        .into_iter()
        .chain(ConditionReason::ALL.iter().map(|reason| reason.to_string()))
        .chain(list_check_names().map(str::to_owned))
        .collect();
    let stale: Vec<_> = told.difference(&known).collect();
    assert!(stale.is_empty(), "nothing says these any more: {stale:?}");
}

#[test]
fn every_reason_is_an_anchor() {
    let (_, anchors) = split_anchors(&read_stored("docs/troubleshooting.md"));
    let once: BTreeSet<&String> = anchors.iter().collect();
    assert_eq!(once.len(), anchors.len(), "an anchor stands twice");
    let missing: Vec<_> = list_reasons()
        .into_iter()
        .filter(|reason| !once.contains(&reason.to_lowercase()))
        .collect();
    assert!(missing.is_empty(), "without an anchor: {missing:?}");
}
