//! Who may reach the outside: the API server, the MetaDB, the network, the disk, the clock.
use super::judge;
use super::source::{Source, read_sources};
use std::collections::BTreeSet;

/// What a file may name only where it stands here: a path as it begins in the source, and the folders or files that
/// may name it.
const DOORS: [(&str, &[&str]); 11] = [
    // The derives of the custom resource are all that `api` takes of it.
    (
        "kube",
        &["src/api/", "src/controller/", "src/metrics", "src/runtime/"],
    ),
    (
        "tokio",
        &[
            "src/agent/",
            "src/controller/",
            "src/metadb/wire/",
            "src/oms/http",
            "src/oms/mysql/",
            "src/runtime/",
            "src/main.rs",
        ],
    ),
    (
        "mysql_async",
        &["src/agent/", "src/metadb/", "src/oms/mysql/"],
    ),
    ("hyper", &["src/oms/http", "src/runtime/"]),
    ("hyper_util", &["src/oms/http", "src/runtime/"]),
    ("std::fs", &["src/agent/", "src/runtime/"]),
    (
        "std::process",
        &["src/agent/", "src/runtime/", "src/main.rs"],
    ),
    ("std::env", &["src/agent/", "src/runtime/", "src/main.rs"]),
    (
        "TcpStream",
        &["src/metadb/wire/", "src/oms/http", "src/runtime/"],
    ),
    ("TcpListener", &["src/metadb/wire/", "src/runtime/"]),
    ("rustix", &["src/agent/"]),
];

/// What a pure room never names: whatever it decides follows from what it is given.
const IMPURE: [&str; 18] = [
    "kube",
    "tokio",
    "mysql_async",
    "hyper",
    "hyper_util",
    "rustix",
    "tracing",
    "std::fs",
    "std::process",
    "std::env",
    "std::thread",
    "TcpStream",
    "TcpListener",
    "UdpSocket",
    "SystemTime",
    "Instant",
    "Timestamp::now",
    "Utc::now",
];

/// Whether a path is named in a file, also as `std::{fs, env}`.
fn names(source: &Source, path: &str) -> bool {
    let parts: Vec<&str> = path.split("::").collect();
    let tokens = &source.tokens;
    (0..tokens.len()).any(|at| {
        // Behind a single colon, as in `field: kube::Client`, a path does begin.
        let behind_path = at > 1 && tokens[at - 1] == ":" && tokens[at - 2] == ":";
        let inside = behind_path || at > 0 && tokens[at - 1] == ".";
        match parts.as_slice() {
            [one] => {
                // A crate begins a path; a type may end one.
                let is_crate = one.starts_with(|first: char| first.is_ascii_lowercase());
                let goes_on = tokens.get(at + 1).is_some_and(|next| next == ":")
                    && tokens.get(at + 2).is_some_and(|next| next == ":");
                tokens[at] == *one && (!is_crate || goes_on && !inside)
            }
            [first, second] => {
                let behind = at + 3;
                tokens[at] == *first
                    && !(inside && first.starts_with(|c: char| c.is_ascii_lowercase()))
                    && tokens.get(at + 1).is_some_and(|next| next == ":")
                    && match tokens.get(behind).map(String::as_str) {
                        Some("{") => is_in_list(&tokens[behind..], second),
                        Some(word) => word == *second,
                        None => false,
                    }
            }
            _ => false,
        }
    })
}

/// Whether a name begins an entry of `{a::b, c}`.
fn is_in_list(tokens: &[String], name: &str) -> bool {
    let mut depth = 0;
    for (at, token) in tokens.iter().enumerate() {
        match token.as_str() {
            "{" => depth += 1,
            "}" if depth == 1 => return false,
            "}" => depth -= 1,
            word if depth == 1 && word == name => {
                return matches!(tokens[at - 1].as_str(), "{" | ",");
            }
            _ => {}
        }
    }
    false
}

#[test]
fn only_some_rooms_reach_the_outside() {
    let mut broken = BTreeSet::new();
    let mut seen = BTreeSet::new();
    for source in read_sources("src") {
        for (door, allowed) in DOORS {
            if names(&source, door) {
                seen.insert(door);
                if !allowed.iter().any(|place| source.path.starts_with(place)) {
                    broken.insert(format!("{} names {door}", source.path));
                }
            }
        }
    }
    assert!(seen.contains("kube") && seen.contains("mysql_async") && seen.contains("std::fs"));
    let rule = "Who can touch the cluster, the MetaDB, the network or the disk is seen by the folder that a file lies in \
        (DOORS in tests/architecture/reaching.rs).";
    judge("reaching", rule, &broken);
}

#[test]
fn decisions_and_builders_are_pure() {
    let mut broken = BTreeSet::new();
    let mut read = 0;
    for folder in [
        "src/upgrade",
        "src/objects",
        "src/facts",
        "src/protocol",
        "src/api",
        "src/import",
    ] {
        for source in read_sources(folder) {
            read += 1;
            // The custom resource is derived by kube's macros.
            let is_derived = folder == "src/api";
            for path in IMPURE {
                if names(&source, path) && !(is_derived && path == "kube") {
                    broken.insert(format!("{} names {path}", source.path));
                }
            }
            for word in ["async", "await", "println", "eprintln"] {
                if source.tokens.iter().any(|token| token == word) {
                    broken.insert(format!("{} has {word}", source.path));
                }
            }
        }
    }
    assert!(read > 40, "only {read} files were read");
    let rule = "src/upgrade, src/objects, src/facts, src/protocol, src/api and src/import have no I/O and no clock: what they decide follows from what they are given, \
        so that it can be tried in every world.";
    judge("impure", rule, &broken);
}

#[test]
fn paths_are_found_in_every_form() {
    let source = |text: &str| Source {
        path: String::new(),
        tokens: text.split(' ').map(str::to_owned).collect(),
    };
    for (text, path) in [
        ("use tokio : : sync ;", "tokio"),
        ("client : kube : : Client ,", "kube"),
        ("std : : fs : : read ( )", "std::fs"),
        ("use std : : { fmt , fs : : File } ;", "std::fs"),
        ("let now = Instant : : now ( )", "Instant"),
        ("use std : : time : : { Duration , Instant } ;", "Instant"),
        ("jiff : : Timestamp : : now ( )", "Timestamp::now"),
    ] {
        assert!(names(&source(text), path), "{text}");
    }
    for (text, path) in [
        ("use crate : : tokio : : x ;", "tokio"),
        ("let tokio = 1", "tokio"),
        ("use std : : { fmt , sync : : fs } ;", "std::fs"),
        ("Timestamp : : from_second ( now )", "Timestamp::now"),
    ] {
        assert!(!names(&source(text), path), "{text}");
    }
}
