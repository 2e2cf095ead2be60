//! What a comment says that the name does not.
use super::judge;
use super::source::read_sources;
use proc_macro2::{Delimiter, TokenStream, TokenTree};
use std::collections::BTreeSet;
use std::path::Path;

/// Words that say nothing by themselves.
const EMPTY: [&str; 31] = [
    "a", "an", "and", "as", "at", "by", "for", "from", "has", "have", "in", "is", "it", "its",
    "of", "on", "one", "or", "so", "that", "the", "their", "them", "these", "they", "this", "to",
    "was", "were", "what", "with",
];

/// What stands between a comment and the name that it is about.
const KEYWORDS: [&str; 14] = [
    "pub", "const", "async", "unsafe", "extern", "fn", "struct", "enum", "union", "trait", "type",
    "static", "mod", "mut",
];

/// Names with what is said about them.
fn collect_comments(stream: TokenStream, found: &mut Vec<(String, String)>) {
    let mut comment = String::new();
    let mut is_name_due = false;
    let mut trees = stream.into_iter().peekable();
    while let Some(tree) = trees.next() {
        match tree {
            TokenTree::Punct(punct) if punct.as_char() == '#' => {
                // `#![…]` is about the file.
                if let Some(TokenTree::Group(group)) = trees.peek() {
                    if let Some(text) = read_comment(group.stream()) {
                        comment.push_str(&text);
                        is_name_due = true;
                    }
                    trees.next();
                }
            }
            TokenTree::Ident(word) if is_name_due => {
                let word = word.to_string();
                if !KEYWORDS.contains(&word.as_str()) {
                    found.push((word, std::mem::take(&mut comment)));
                    is_name_due = false;
                }
            }
            TokenTree::Group(group) => {
                let is_visibility = is_name_due && group.delimiter() == Delimiter::Parenthesis;
                if !is_visibility {
                    collect_comments(group.stream(), found);
                }
            }
            _ => {}
        }
    }
}

/// The text of `[doc = "…"]`.
fn read_comment(attribute: TokenStream) -> Option<String> {
    let mut trees = attribute.into_iter();
    let is_comment = trees
        .next()
        .is_some_and(|tree| matches!(&tree, TokenTree::Ident(word) if word == "doc"));
    match trees.nth(1) {
        Some(TokenTree::Literal(text)) if is_comment => Some(text.to_string()),
        _ => None,
    }
}

/// Words in lower case and in the singular, those of a name as well: `keptKeys`, `kept_keys` and `KeptKeys` are two.
fn list_words(text: &str) -> BTreeSet<String> {
    let mut words = BTreeSet::new();
    let mut word = String::new();
    let mut before = ' ';
    for letter in text.chars().chain([' ']) {
        let begins = letter.is_ascii_uppercase() && before.is_ascii_lowercase();
        if (!letter.is_alphanumeric() || begins) && !word.is_empty() {
            let known = word.to_lowercase();
            words.insert(known.strip_suffix('s').unwrap_or(&known).to_owned());
            word.clear();
        }
        if letter.is_alphanumeric() {
            word.push(letter);
        }
        before = letter;
    }
    words
}

fn repeats(name: &str, comment: &str) -> bool {
    let name = list_words(name);
    let empty = list_words(&EMPTY.join(" "));
    let mut said = list_words(comment);
    said.retain(|word| !empty.contains(word));
    said.is_subset(&name)
}

#[test]
fn no_comment_only_repeats_the_name() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut broken = BTreeSet::new();
    let mut read = 0;
    for source in read_sources("src") {
        // There they are the descriptions of the definition: every field has one.
        if source.path.starts_with("src/api/") {
            continue;
        }
        let text = std::fs::read_to_string(root.join(&source.path)).unwrap();
        let mut found = Vec::new();
        collect_comments(text.parse().unwrap(), &mut found);
        read += found.len();
        for (name, comment) in found {
            if repeats(&name, &comment) {
                broken.insert(format!("{}: {name}, {}", source.path, comment.trim()));
            }
        }
    }
    assert!(read > 1000, "only {read} comments were read");
    let rule = "A comment says what the name does not: meaning, unit, reason, what follows. Where there is nothing to say there is no comment.";
    judge("comments", rule, &broken);
}

#[test]
fn a_repetition_is_told_from_a_meaning() {
    for (name, comment) in [
        ("name", "Name."),
        ("uid", " The uid."),
        ("kept_keys", "Keys that were kept"),
        ("Preflight", " `preflight`"),
    ] {
        assert!(repeats(name, comment), "{comment}");
    }
    for (name, comment) in [("name", "Name of the Deployment."), ("limit", "Seconds.")] {
        assert!(!repeats(name, comment), "{comment}");
    }
    let text = "//! File.\n/// One.\n#[derive(A)]\npub(crate) struct One {\n/// Two.\npub two: u8, three: u8 }\n/// F.\npub const fn f() {}";
    let mut found = Vec::new();
    collect_comments(text.parse().unwrap(), &mut found);
    let names: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["One", "two", "f"]);
}
