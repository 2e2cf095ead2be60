//! The words by which people, scripts and alerts know what happens: condition types, reasons, names of effects and of
//! checks.
use super::pin;
use super::source::{Source, read_sources};
use oms_operator::api::{CheckName, ConditionReason, Reason};
use oms_operator::oms::project::ProjectKind;
use oms_operator::protocol::report::{Outcome, Reason as AgentReason};
use oms_operator::protocol::request::RestoreMethod;
use oms_operator::upgrade::list_check_names;
use std::collections::BTreeSet;

const MEANING: &str = "These words stand in conditions, in events, in the status of upgrades that are under way, and in the scripts, \
    alerts and runbooks of others. Words that come are free (docs/troubleshooting.md needs a line for a new reason). A word that went or \
    was renamed: the operator that follows meets the old one in intents and stalls and must still understand it, and CHANGELOG.md says so \
    to those who wait for it.";

/// A literal of two letters or more a word, each word with a capital: `TargetContended`, not `GiB`.
fn read_word(token: &str) -> Option<&str> {
    let text = token.strip_prefix('"')?.strip_suffix('"')?;
    let mut length = 2;
    for letter in text.chars() {
        match letter {
            'A'..='Z' if length >= 2 => length = 1,
            'a'..='z' if length >= 1 => length += 1,
            _ => return None,
        }
    }
    (text.starts_with(|first: char| first.is_ascii_uppercase()) && length >= 2).then_some(text)
}

fn list_words(sources: &[Source]) -> BTreeSet<String> {
    let tokens = sources.iter().flat_map(|source| &source.tokens);
    tokens
        .filter_map(|token| read_word(token))
        .map(str::to_owned)
        .collect()
}

/// The variants of an enum without fields, as they are written in Rust.
fn list_variants(sources: &[Source], name: &str) -> Vec<String> {
    let tokens = sources
        .iter()
        .map(|source| &source.tokens)
        .find_map(|tokens| {
            let at = tokens
                .windows(3)
                .position(|three| three[0] == "enum" && three[1] == name && three[2] == "{")?;
            Some(&tokens[at + 3..])
        })
        .unwrap_or_else(|| panic!("there is no enum {name}"));
    let end = tokens.iter().position(|token| token == "}").unwrap();
    tokens[..end]
        .iter()
        .filter(|token| token.starts_with(|first: char| first.is_ascii_uppercase()))
        .cloned()
        .collect()
}

fn write_section(text: &mut String, title: &str, words: impl IntoIterator<Item = String>) {
    text.push_str(&format!("# {title}\n"));
    for word in words {
        text.push_str(&format!("{word}\n"));
    }
}

#[test]
fn words_of_conditions_reasons_and_effects() {
    let mut conditions = list_words(&read_files("src/api", "conditions.rs"));
    conditions.retain(|word| word != "True" && word != "False");
    let sources = read_sources("src/upgrade");
    let mut brain = list_words(&sources);
    brain.extend(list_variants(&sources, "IntentKind"));
    let methods = [RestoreMethod::Swap, RestoreMethod::DropAndLoad];
    brain.extend(methods.map(|method| method.as_str().to_owned()));
    brain.extend(ProjectKind::ALL.iter().map(ToString::to_string));
    brain.extend(Reason::ALL.iter().map(ToString::to_string));
    brain.extend(ConditionReason::ALL.iter().map(ToString::to_string));
    assert!(conditions.len() >= 13 && brain.len() > 100);
    let mut text = String::new();
    write_section(&mut text, "Condition types", conditions);
    write_section(
        &mut text,
        "Words of the procedure: reasons, effects, checks",
        brain,
    );
    pin::check("tests/golden/files/words.txt", &text, MEANING);
}

fn read_files(folder: &str, name: &str) -> Vec<Source> {
    let mut sources = read_sources(folder);
    sources.retain(|source| source.path.ends_with(name));
    sources
}

#[test]
fn words_of_the_agent() {
    let reports = read_files("src", "/report.rs");
    let reasons = list_variants(&reports, "Reason");
    assert!(
        reasons
            .iter()
            .eq(AgentReason::ALL.iter().map(|reason| reason.as_str())),
        "Reason::ALL is not the enum"
    );
    let mut text = String::new();
    write_section(&mut text, "Reasons of a report", reasons);
    write_section(
        &mut text,
        "Outcomes of a report",
        list_variants(&reports, "Outcome"),
    );
    let path = "tests/golden/files/agent-words.txt";
    pin::check(path, &text, MEANING);
    let (reasons, outcomes) = text.split_once("# Outcomes").unwrap();
    for word in reasons.lines().skip(1) {
        let read: AgentReason = serde_json::from_str(&format!("{word:?}")).unwrap();
        assert_eq!(serde_json::to_value(read).unwrap(), word);
    }
    for word in outcomes.lines().skip(1) {
        let read: Outcome = serde_json::from_str(&format!("{word:?}")).unwrap();
        assert_eq!(serde_json::to_value(read).unwrap(), word);
    }
}

#[test]
fn no_fixed_check_is_left_out_of_the_list() {
    let sources = read_files("src/upgrade/steps/preflight", "check.rs");
    let mut written = list_variants(&sources, "CheckId");
    written.retain(|name| !["Named", "CheckName"].contains(&name.as_str()));
    let negotiable: Vec<&str> = CheckName::ALL.iter().map(|check| check.as_str()).collect();
    let listed: BTreeSet<&str> = list_check_names()
        .filter(|name| !negotiable.contains(name))
        .collect();
    assert!(written.len() > 15);
    assert_eq!(
        written.iter().map(String::as_str).collect::<BTreeSet<_>>(),
        listed
    );
}

#[test]
fn a_word_is_told_from_other_literals() {
    for word in ["\"Ready\"", "\"TargetContended\""] {
        assert!(read_word(word).is_some(), "{word}");
    }
    for other in [
        "\"GiB\"",
        "\"RUNNING\"",
        "\"a b\"",
        "\"ready\"",
        "Ready",
        "\"\"",
    ] {
        assert!(read_word(other).is_none(), "{other}");
    }
}
