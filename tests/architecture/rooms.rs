//! Rooms, the folders of `src`, know only those below them, and no two know each other.
use super::judge;
use super::source::{Source, read_sources};
use std::collections::{BTreeMap, BTreeSet};

/// From the ground up. A room may use those that stand before it.
pub const ROOMS: [&str; 12] = [
    "protocol",
    "api",
    "metadb",
    "oms",
    "facts",
    "objects",
    "import",
    "agent",
    "upgrade",
    "metrics",
    "controller",
    "runtime",
];

/// The room of a path such as `src/oms/mysql/lock.rs`; none for `main.rs` and `lib.rs`.
pub fn find_room(path: &str) -> Option<&str> {
    let rest = path.strip_prefix("src/")?;
    let name = rest.split('/').next()?.trim_end_matches(".rs");
    ROOMS.iter().copied().find(|room| *room == name)
}

/// How many `super` lead from a file of a room to the root of the crate.
fn count_levels(path: &str) -> usize {
    let rest = path.trim_start_matches("src/").trim_end_matches(".rs");
    let parts = rest.split('/').count();
    if rest.ends_with("/mod") {
        parts - 1
    } else {
        parts
    }
}

/// Rooms that a file names, by `crate::room` or by enough `super::`.
pub fn list_rooms(source: &Source) -> BTreeSet<&'static str> {
    let tokens = &source.tokens;
    let levels = count_levels(&source.path);
    let mut found = BTreeSet::new();
    for at in 0..tokens.len() {
        // Behind a single colon, as in `field: crate::api::Step`, a path does begin.
        let begins = at < 2 || tokens[at - 1] != ":" || tokens[at - 2] != ":";
        if !begins {
            continue;
        }
        let root = match tokens[at].as_str() {
            "crate" => Some(at),
            "super" => {
                let last = at + 3 * (levels - 1);
                (at..=last)
                    .step_by(3)
                    .all(|at| tokens.get(at).is_some_and(|token| token == "super"))
                    .then_some(last)
            }
            _ => None,
        };
        if let Some(root) = root {
            collect_heads(tokens, root + 1, &mut found);
        }
    }
    found
}

/// Rooms behind `::` at a place, also in `::{a::b, c}`.
fn collect_heads(tokens: &[String], at: usize, found: &mut BTreeSet<&'static str>) {
    let is = |at: usize, what: &str| tokens.get(at).is_some_and(|token| token == what);
    if !(is(at, ":") && is(at + 1, ":")) {
        return;
    }
    let mut depth = 0;
    let mut head = true;
    for token in &tokens[at + 2..] {
        match token.as_str() {
            "{" => depth += 1,
            "}" => depth -= 1,
            "," if depth == 1 => head = true,
            word => {
                if head && let Some(room) = ROOMS.iter().find(|room| *room == &word) {
                    found.insert(*room);
                }
                head = false;
            }
        }
        if depth <= 0 {
            return;
        }
    }
}

#[test]
fn no_room_knows_one_above_it() {
    let height = |room: &str| ROOMS.iter().position(|known| *known == room).unwrap();
    let sources = read_sources("src");
    let mut broken = BTreeSet::new();
    let mut seen = 0;
    for source in &sources {
        let Some(own) = find_room(&source.path) else {
            continue;
        };
        for other in list_rooms(source) {
            seen += 1;
            if height(other) > height(own) {
                broken.insert(format!("{} knows {other}", source.path));
            }
        }
    }
    assert!(seen > 100, "only {seen} imports were read");
    let rule = "A room of src knows only those below it (order: protocol, api, metadb, oms, facts, objects, import, agent, upgrade, metrics, controller, runtime), \
        so that each can be understood without those above.";
    judge("upward", rule, &broken);
}

#[test]
fn no_two_rooms_know_each_other() {
    let mut known: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let sources = read_sources("src");
    for source in &sources {
        if let Some(own) = find_room(&source.path) {
            known.entry(own).or_default().extend(list_rooms(source));
        }
    }
    // Everything that is reached, over whatever way.
    for _ in 0..ROOMS.len() {
        let before = known.clone();
        for rooms in known.values_mut() {
            let further: Vec<&str> = rooms
                .iter()
                .filter_map(|room| before.get(room))
                .flatten()
                .copied()
                .collect();
            rooms.extend(further);
        }
    }
    let reaches = |one: &str, other: &str| known.get(one).is_some_and(|all| all.contains(other));
    let mut circles = BTreeSet::new();
    for (number, one) in ROOMS.iter().enumerate() {
        for other in &ROOMS[number + 1..] {
            if reaches(one, other) && reaches(other, one) {
                circles.insert(format!("{one} and {other}"));
            }
        }
    }
    let rule = "No two rooms of src know each other, over whatever way: they would be one room with two doors.";
    judge("circles", rule, &circles);
}

#[test]
fn every_folder_has_its_place() {
    let sources = read_sources("src");
    for source in &sources {
        let outside = ["src/main.rs", "src/lib.rs"].contains(&source.path.as_str());
        assert!(
            outside || find_room(&source.path).is_some(),
            "{}: give its room a place in ROOMS",
            source.path
        );
    }
}

#[test]
fn imports_are_read_in_every_form() {
    let read = |path: &str, tokens: &str| {
        let tokens = tokens.split(' ').map(str::to_owned).collect();
        let path = path.to_owned();
        list_rooms(&Source { path, tokens })
            .into_iter()
            .collect::<Vec<_>>()
    };
    let file = "src/upgrade/decide.rs";
    assert_eq!(read(file, "use crate : : api : : Step ;"), ["api"]);
    assert_eq!(
        read(
            file,
            "use crate : : { api : : { Step , oms } , agent : : report } ;"
        ),
        ["agent", "api"]
    );
    assert_eq!(read(file, "super : : super : : oms : : ha ( )"), ["oms"]);
    assert_eq!(read(file, "step : crate : : api : : Step"), ["api"]);
    assert_eq!(
        read(file, "use super : : agent : : Context ;"),
        [] as [&str; 0]
    );
    assert_eq!(
        read("src/upgrade/mod.rs", "use super : : agent ;"),
        ["agent"]
    );
    assert_eq!(read(file, "other : : crate_ : : api"), [] as [&str; 0]);
}
