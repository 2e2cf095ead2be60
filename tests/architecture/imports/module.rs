//! What a file defines, what it imports, and the paths that it names.
use crate::source::Source;
use std::collections::BTreeSet;

/// A file of the library as a module.
pub struct Module {
    pub file: String,
    /// From the root: `["crate", "upgrade", "decide"]`.
    pub place: Vec<String>,
    /// Items that stand in the file.
    pub items: BTreeSet<String>,
    pub imports: Vec<Import>,
    /// Paths in code, as they are written.
    pub paths: Vec<Vec<String>>,
    /// Words in code that may name an item without a path.
    pub words: BTreeSet<String>,
}

/// One name of a `use`.
pub struct Import {
    /// Absolute; ends in `*` for all that is there.
    pub path: Vec<String>,
    /// What it is called here.
    pub name: String,
    /// Passed on to others: no use of its own.
    pub is_door: bool,
}

const ITEMS: [&str; 9] = [
    "fn",
    "struct",
    "enum",
    "union",
    "trait",
    "type",
    "const",
    "static",
    "macro_rules",
];

impl Module {
    /// None for the program, which is a crate of its own.
    pub fn read(source: &Source) -> Option<Self> {
        let place = find_place(&source.path)?;
        let tokens = &source.tokens;
        let mut module = Self {
            file: source.path.clone(),
            place,
            items: BTreeSet::new(),
            imports: Vec::new(),
            paths: Vec::new(),
            words: BTreeSet::new(),
        };
        let mut at = 0;
        while at < tokens.len() {
            match tokens[at].as_str() {
                "use" => at = module.read_use(tokens, at),
                word if ITEMS.contains(&word) => {
                    module.items.extend(read_name(tokens, at + 1));
                    at += 1;
                }
                word if is_word(word) && !is_behind_path(tokens, at) => {
                    at = module.read_path(tokens, at);
                }
                _ => at += 1,
            }
        }
        Some(module)
    }

    /// `use a::{b, c as d};` Gives the place behind it.
    fn read_use(&mut self, tokens: &[String], at: usize) -> usize {
        let is_door = is_public(tokens, at);
        let end = (at..tokens.len())
            .find(|end| tokens[*end] == ";")
            .unwrap_or(tokens.len());
        let mut paths = Vec::new();
        read_tree(&tokens[at + 1..end], &[], &mut paths);
        for (path, name) in paths {
            self.imports.push(Import {
                path: self.make_absolute(&path),
                name,
                is_door,
            });
        }
        end + 1
    }

    /// A word, with what follows it by `::`. Gives the place behind it.
    fn read_path(&mut self, tokens: &[String], at: usize) -> usize {
        let mut path = vec![tokens[at].clone()];
        let mut end = at + 1;
        while is_separator(tokens, end) && tokens.get(end + 2).is_some_and(|word| is_word(word)) {
            path.push(tokens[end + 2].clone());
            end += 3;
        }
        let behind = tokens.get(end).map(String::as_str);
        let first = path[0].clone();
        let is_field = at > 0 && tokens[at - 1] == ".";
        let is_named = first.starts_with(|letter: char| letter.is_ascii_uppercase())
            || path.len() > 1
            || behind == Some("(");
        if is_named && !is_field {
            self.words.insert(first);
        }
        if path.len() > 1 && !is_field {
            self.paths.push(path);
        }
        end
    }

    /// From the root, where it begins with a word that leads there; else as it is.
    pub fn make_absolute(&self, path: &[String]) -> Vec<String> {
        let mut base = self.place.clone();
        let mut rest = path;
        match path.first().map(String::as_str) {
            Some("super") => {
                while rest.first().is_some_and(|word| word == "super") {
                    base.pop();
                    rest = &rest[1..];
                }
            }
            Some("self") => rest = &rest[1..],
            _ => return path.to_vec(),
        }
        base.extend_from_slice(rest);
        base
    }
}

/// `src/oms/mod.rs` and `src/oms.rs` are both `crate::oms`.
fn find_place(path: &str) -> Option<Vec<String>> {
    let inside = path.strip_prefix("src/")?.strip_suffix(".rs")?;
    let mut place = vec!["crate".to_owned()];
    match inside {
        "main" => return None,
        "lib" => {}
        _ => {
            let inside = inside.strip_suffix("/mod").unwrap_or(inside);
            place.extend(inside.split('/').map(str::to_owned));
        }
    }
    Some(place)
}

fn is_word(token: &str) -> bool {
    token.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
}

fn is_separator(tokens: &[String], at: usize) -> bool {
    tokens.get(at).is_some_and(|token| token == ":")
        && tokens.get(at + 1).is_some_and(|token| token == ":")
}

fn is_behind_path(tokens: &[String], at: usize) -> bool {
    at >= 2 && is_separator(tokens, at - 2)
}

/// Whether `pub`, `pub(crate)` or the like stands before.
fn is_public(tokens: &[String], at: usize) -> bool {
    let before = |steps: usize| at.checked_sub(steps).map(|at| tokens[at].as_str());
    before(1) == Some("pub") || (before(1) == Some(")") && before(4) == Some("pub"))
}

/// The name of an item behind its keyword: `const fn name`, `macro_rules ! name`.
fn read_name(tokens: &[String], at: usize) -> Option<String> {
    let skipped = ["!", "mut", "fn", "unsafe", "async"];
    let name = tokens[at..]
        .iter()
        .find(|token| !skipped.contains(&token.as_str()))?;
    is_word(name).then(|| name.clone())
}

/// Every path of a tree of a `use`, with the name that it gets.
fn read_tree(tokens: &[String], before: &[String], found: &mut Vec<(Vec<String>, String)>) {
    let mut path = before.to_vec();
    let mut name = None;
    let mut at = 0;
    while at < tokens.len() {
        match tokens[at].as_str() {
            ":" => {}
            "{" => {
                for branch in split_branches(&tokens[at + 1..tokens.len() - 1]) {
                    read_tree(branch, &path, found);
                }
                return;
            }
            "as" => {
                name = tokens.get(at + 1).cloned();
                break;
            }
            "self" if !path.is_empty() => {}
            word => path.push(word.to_owned()),
        }
        at += 1;
    }
    if let Some(last) = path.last().cloned() {
        found.push((path, name.unwrap_or(last)));
    }
}

fn split_branches(tokens: &[String]) -> Vec<&[String]> {
    let mut depth = 0;
    let comma = |token: &String| {
        match token.as_str() {
            "{" => depth += 1,
            "}" => depth -= 1,
            _ => {}
        }
        depth == 0 && token == ","
    };
    let branches = tokens.split(comma);
    branches.filter(|branch| !branch.is_empty()).collect()
}
