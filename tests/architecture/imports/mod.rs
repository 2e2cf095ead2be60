//! Files know those that they are made of, and those do not know them: no circle of imports, also inside a room.
mod graph;
mod module;

use super::judge;
use super::rooms::{ROOMS, find_room};
use super::source::{Source, read_sources};
use graph::{Graph, Modules, list_circles};
use module::Module;
use std::collections::BTreeSet;
use std::sync::OnceLock;

fn read_graph() -> &'static Graph {
    static GRAPH: OnceLock<Graph> = OnceLock::new();
    GRAPH.get_or_init(|| {
        let modules = read_sources("src");
        Modules::new(modules.iter().filter_map(Module::read)).build_graph()
    })
}

#[test]
fn no_files_import_each_other() {
    let graph = read_graph();
    let edges: usize = graph.values().map(|taken| taken.len()).sum();
    assert!(graph.len() > 150 && edges > 600, "{} {edges}", graph.len());
    let rule = "No file of src takes something of one that takes something of it, over whatever way: neither could be understood, tested or \
        moved without the other. What both need belongs into a file below both.";
    judge("file-circles", rule, &list_circles(graph));
}

/// Also where a door of a lower room passes on what a higher one defines.
#[test]
fn no_file_takes_from_a_room_above() {
    let height = |file: &str| {
        let room = find_room(file)?;
        ROOMS.iter().position(|known| *known == room)
    };
    let mut broken = BTreeSet::new();
    for (file, taken) in read_graph() {
        for (other, names) in taken {
            if height(file) < height(other) && height(file).is_some() {
                broken.insert(format!("{file} takes {names:?} of {other}"));
            }
        }
    }
    let rule = "A file takes only of its own room and of those below it (ROOMS in tests/architecture/rooms.rs).";
    judge("upward-files", rule, &broken);
}

fn build(files: &[(&str, &str)]) -> Graph {
    let modules = files.iter().map(|(path, text)| {
        let source = Source::parse((*path).into(), text);
        Module::read(&source).unwrap()
    });
    Modules::new(modules).build_graph()
}

fn list_edges(graph: &Graph) -> Vec<String> {
    let mut edges = Vec::new();
    for (file, taken) in graph {
        for (other, names) in taken {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            edges.push(format!("{file} > {other}: {}", names.join(" ")));
        }
    }
    edges
}

#[test]
fn names_are_followed_to_their_files() {
    let files = [
        ("src/lib.rs", "pub mod a; pub mod b;"),
        (
            "src/a/mod.rs",
            "mod one; mod two; pub use one::{One, make as build}; pub use two::*; pub struct Own;",
        ),
        (
            "src/a/one.rs",
            "pub struct One; pub fn make(own: super::Two) {}",
        ),
        ("src/a/two.rs", "pub struct Two; pub const MOST: u8 = 1;"),
    ];
    let of = |text| {
        let mut files = files.to_vec();
        files.push(("src/b.rs", text));
        let edges = list_edges(&build(&files));
        let edges = edges.into_iter().filter(|edge| edge.starts_with("src/b"));
        edges
            .map(|edge| edge.replace("src/b.rs > src/a/", ""))
            .collect::<Vec<_>>()
            .join("; ")
    };
    assert_eq!(of("use crate::a::One;"), "one.rs: One");
    assert_eq!(
        of("use crate::a::{Own, Two as T};"),
        "mod.rs: Own; two.rs: Two"
    );
    assert_eq!(of("fn f(x: crate::a::One) {}"), "one.rs: One");
    assert_eq!(of("use crate::a; fn f() { a::build(1); }"), "one.rs: make");
    assert_eq!(
        of("use super::a::{self, Own}; const X: u8 = a::MOST;"),
        "mod.rs: Own; two.rs: MOST"
    );
    assert_eq!(
        of("use crate::a::*; fn f(x: Two) -> One {}"),
        "one.rs: One; two.rs: Two"
    );
    assert_eq!(of("pub use crate::a::One; struct Two;"), "");
    assert_eq!(of("use crate::a; use std::fmt::Two; fn f() { x.a(); }"), "");
    assert_eq!(
        list_edges(&build(&files)),
        ["src/a/one.rs > src/a/two.rs: Two"]
    );
}

#[test]
fn a_circle_is_told_in_words() {
    let circles = list_circles(&build(&[
        ("src/a.rs", "use crate::b::B; pub struct A;"),
        ("src/b.rs", "pub struct B(crate::c::C);"),
        ("src/c/mod.rs", "mod d; pub use d::C;"),
        ("src/c/d.rs", "use crate::a::A; pub struct C;"),
        ("src/e.rs", "use crate::a::A;"),
    ]));
    let told =
        "src/a.rs takes B of src/b.rs, which takes C of src/c/d.rs, which takes A of src/a.rs";
    assert_eq!(circles.into_iter().collect::<Vec<_>>(), [told]);
}
