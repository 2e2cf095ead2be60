//! How long a file and a line may be, and what may end a process.
use super::judge;
use super::source::{list_files, read_sources};
use proc_macro2::{TokenStream, TokenTree};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

const LONGEST_FILE: usize = 500;
const LONGEST_LINE: usize = 120;

/// Files that people write, by their paths from the root of the project.
fn list_written(folders: &[&str], endings: &[&str]) -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths: Vec<PathBuf> = Vec::new();
    for folder in folders {
        list_files(&root.join(folder), &mut paths);
    }
    paths.sort();
    paths
        .iter()
        .filter(|path| {
            let ending = path.extension().and_then(|ending| ending.to_str());
            ending.is_some_and(|ending| endings.contains(&ending))
        })
        .map(|path| {
            let name = path.strip_prefix(root).unwrap().display().to_string();
            (name, std::fs::read_to_string(path).unwrap())
        })
        .collect()
}

#[test]
fn no_file_is_too_long() {
    let mut broken = BTreeSet::new();
    for (path, text) in list_written(&["src", "tests", "scripts"], &["rs", "py", "go", "sh"]) {
        if text.lines().count() > LONGEST_FILE {
            broken.insert(path);
        }
    }
    let rule = "No file has more than 500 lines; one that needs a table of contents is two files.";
    judge("long-files", rule, &broken);
}

/// Lines on which a string lies that goes over several lines, or that is the reason for their length.
fn drop_strings(text: &str) -> Vec<String> {
    let mut literals = Vec::new();
    collect_literals(text.parse().unwrap(), &mut literals);
    let mut rest = text;
    let mut plain = String::new();
    for literal in literals {
        let Some(at) = rest.find(&literal) else {
            continue;
        };
        plain.push_str(&rest[..at]);
        // The lines stay as many as they were.
        plain.extend(literal.chars().filter(|letter| *letter == '\n'));
        rest = &rest[at + literal.len()..];
    }
    plain.push_str(rest);
    plain.lines().map(str::to_owned).collect()
}

/// String literals in their order; those that stand for comments are none.
fn collect_literals(stream: TokenStream, found: &mut Vec<String>) {
    let mut is_doc = false;
    for tree in stream {
        match tree {
            TokenTree::Group(group) => collect_literals(group.stream(), found),
            TokenTree::Literal(literal) if !is_doc => {
                let text = literal.to_string();
                if text.contains('"') {
                    found.push(text);
                }
            }
            TokenTree::Ident(word) if word == "doc" => is_doc = true,
            _ => {}
        }
    }
}

#[test]
fn no_line_is_too_long() {
    let mut broken = BTreeMap::new();
    let mut read = 0;
    for (path, text) in list_written(&["src", "tests"], &["rs"]) {
        read += 1;
        let long = drop_strings(&text)
            .iter()
            .filter(|line| line.chars().count() > LONGEST_LINE)
            .filter(|line| !is_table(line))
            .count();
        if long > 0 {
            broken.insert(path, long);
        }
    }
    assert!(read > 200, "only {read} files were read");
    let broken = broken
        .iter()
        .map(|(path, count)| format!("{path}: {count}"))
        .collect();
    let rule =
        "No line of a source has more than 120 columns, strings and tables in comments aside.";
    judge("long-lines", rule, &broken);
}

fn is_table(line: &str) -> bool {
    line.trim_start_matches([' ', '/', '!']).starts_with('|')
}

#[test]
fn strings_and_tables_are_told_from_other_lines() {
    let text = "let a = \"x\";\n// \"a comment\"\nlet b = \"one\\\n    two\";\nlet c = 1;\n";
    assert_eq!(
        drop_strings(text),
        [
            "let a = ;",
            "// \"a comment\"",
            "let b = ",
            ";",
            "let c = 1;"
        ]
    );
    assert!(is_table("/// | a | b |") && !is_table("/// a | b"));
}

#[test]
fn nothing_ends_the_process_by_surprise() {
    let mut broken = BTreeMap::new();
    for source in read_sources("src") {
        let tokens = &source.tokens;
        for three in tokens.windows(3) {
            let what = match [three[0].as_str(), three[1].as_str(), three[2].as_str()] {
                [".", "unwrap", "("] => "unwrap",
                [".", "expect", "("] => "expect",
                ["panic", "!", "("] => "panic",
                ["unreachable", "!", "("] => "unreachable",
                ["todo", "!", "("] | ["unimplemented", "!", "("] => "todo",
                _ => continue,
            };
            *broken.entry((source.path.clone(), what)).or_insert(0) += 1;
        }
    }
    let broken = broken
        .iter()
        .map(|((path, what), count)| format!("{path}: {what} {count}"))
        .collect();
    let rule = "What runs for users answers with an error: no unwrap, expect, panic, unreachable, todo outside tests.";
    judge("panics", rule, &broken);
}
