//! The product's sources as tokens: without comments, and without what only tests compile.
use proc_macro2::{Delimiter, TokenStream, TokenTree};
use std::path::Path;

/// One file of `src`.
pub struct Source {
    /// Path from the root of the project.
    pub path: String,
    pub tokens: Vec<String>,
}

/// Every file of a folder that users run, in the order of their paths.
pub fn read_sources(folder: &str) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = Vec::new();
    list_files(&root.join(folder), &mut paths);
    paths.sort();
    paths
        .iter()
        .map(|path| path.strip_prefix(root).unwrap().display().to_string())
        .filter(|path| path.ends_with(".rs") && !is_for_tests(path))
        .map(|path| {
            let text = std::fs::read_to_string(root.join(&path)).unwrap();
            Source::parse(path, &text)
        })
        .collect()
}

impl Source {
    pub fn parse(path: String, text: &str) -> Self {
        let stream: TokenStream = text.parse().unwrap_or_else(|_| panic!("{path}"));
        let mut tokens = Vec::new();
        flatten(stream, &mut tokens);
        let tokens = drop_tests(tokens);
        Self { path, tokens }
    }
}

pub fn list_files(folder: &Path, found: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            list_files(&path, found);
        } else {
            found.push(path);
        }
    }
}

fn is_for_tests(path: &str) -> bool {
    path.ends_with("_tests.rs") || path.ends_with("/tests.rs") || path.ends_with("/double.rs")
}

/// Groups become their brackets with what is between them.
fn flatten(stream: TokenStream, tokens: &mut Vec<String>) {
    for tree in stream {
        match tree {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::None => ("", ""),
                };
                tokens.push(open.into());
                let start = tokens.len();
                flatten(group.stream(), tokens);
                // A comment for rustdoc is an attribute here.
                if open == "[" && tokens.get(start).is_some_and(|first| first == "doc") {
                    tokens.truncate(start);
                }
                tokens.push(close.into());
            }
            other => tokens.push(other.to_string()),
        }
    }
}

/// Drops each item behind `#[cfg(test)]`.
fn drop_tests(tokens: Vec<String>) -> Vec<String> {
    const MARK: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let mut kept = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        if tokens[at..].iter().take(MARK.len()).eq(MARK.iter()) {
            at = end_of_item(&tokens, at + MARK.len());
        } else {
            kept.push(tokens[at].clone());
            at += 1;
        }
    }
    kept
}

/// Behind the semicolon or the closing brace of the item that begins here.
fn end_of_item(tokens: &[String], from: usize) -> usize {
    let mut depth = 0;
    for (at, token) in tokens.iter().enumerate().skip(from) {
        match token.as_str() {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" => depth -= 1,
            "}" => {
                depth -= 1;
                if depth == 0 {
                    return at + 1;
                }
            }
            ";" if depth == 0 => return at + 1,
            _ => {}
        }
    }
    tokens.len()
}
