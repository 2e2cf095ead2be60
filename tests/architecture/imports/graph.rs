//! Which file takes what of which other file: each name is followed to the file that defines it.
use super::module::{Import, Module};
use std::collections::{BTreeMap, BTreeSet};

/// Re-exports of re-exports are followed so far.
const DEEPEST: usize = 8;

pub struct Modules {
    all: BTreeMap<Vec<String>, Module>,
}

/// From file to file, with the names that are taken.
pub type Graph = BTreeMap<String, BTreeMap<String, BTreeSet<String>>>;

impl Modules {
    pub fn new(modules: impl IntoIterator<Item = Module>) -> Self {
        let by_place = modules.into_iter().map(|one| (one.place.clone(), one));
        Self {
            all: by_place.collect(),
        }
    }

    pub fn build_graph(&self) -> Graph {
        let mut graph = Graph::new();
        for module in self.all.values() {
            let taken = graph.entry(module.file.clone()).or_default();
            for (file, name) in self.list_taken(module) {
                if file != module.file {
                    taken.entry(file).or_default().insert(name);
                }
            }
        }
        graph
    }

    fn list_taken(&self, module: &Module) -> Vec<(String, String)> {
        let mut taken = Vec::new();
        for import in &module.imports {
            let is_glob = import.name == "*";
            if is_glob {
                let place = &import.path[..import.path.len() - 1];
                taken.extend(self.list_taken_by_glob(module, place));
            } else if !import.is_door {
                taken.extend(self.find(&self.begin(module, &import.path), 0));
            }
        }
        for path in &module.paths {
            taken.extend(self.find(&self.begin(module, path), 0));
        }
        taken
    }

    /// Words that are no name of the file's own, and one behind the glob.
    fn list_taken_by_glob(&self, module: &Module, place: &[String]) -> Vec<(String, String)> {
        let place = self.begin(module, place);
        let Some(from) = self.all.get(&place) else {
            return Vec::new();
        };
        let is_own = |word: &str| {
            module.items.contains(word) || module.imports.iter().any(|import| import.name == word)
        };
        let words = module.words.iter().filter(|word| !is_own(word));
        words
            .filter_map(|word| self.find_in(from, std::slice::from_ref(word), 0))
            .collect()
    }

    /// A path from the root: its first word may be a child, or a module that was imported.
    fn begin(&self, module: &Module, path: &[String]) -> Vec<String> {
        let path = module.make_absolute(path);
        let Some(first) = path.first() else {
            return path;
        };
        if first == "crate" {
            return path;
        }
        let mut child = module.place.clone();
        child.push(first.clone());
        if self.all.contains_key(&child) {
            child.extend_from_slice(&path[1..]);
            return child;
        }
        let known = |import: &&Import| &import.name == first && import.path != path;
        match module.imports.iter().find(known) {
            Some(import) if path.len() > 1 => {
                let mut whole = self.begin(module, &import.path);
                if self.all.contains_key(&whole) {
                    whole.extend_from_slice(&path[1..]);
                    return whole;
                }
                path
            }
            _ => path,
        }
    }

    /// The file that defines what a path from the root leads to, and its name. None for a module itself, and for what
    /// is not ours.
    fn find(&self, path: &[String], depth: usize) -> Option<(String, String)> {
        if path.first().is_none_or(|first| first != "crate") {
            return None;
        }
        let length = (1..=path.len())
            .rev()
            .find(|length| self.all.contains_key(&path[..*length]))?;
        self.find_in(&self.all[&path[..length]], &path[length..], depth)
    }

    fn find_in(&self, module: &Module, rest: &[String], depth: usize) -> Option<(String, String)> {
        let name = rest.first()?;
        if module.items.contains(name) {
            return Some((module.file.clone(), name.clone()));
        }
        if depth == DEEPEST {
            return None;
        }
        let mut imports = module.imports.iter();
        if let Some(import) = imports.clone().find(|import| &import.name == name) {
            let mut path = self.begin(module, &import.path);
            path.extend_from_slice(&rest[1..]);
            return self.find(&path, depth + 1);
        }
        imports.find_map(|import| {
            let mut path = import.path.clone();
            (path.pop()? == "*").then_some(())?;
            let mut path = self.begin(module, &path);
            path.extend_from_slice(rest);
            self.find(&path, depth + 1)
        })
    }
}

/// Circles, told: for each file on one, a shortest one that it lies on and that was not told yet.
pub fn list_circles(graph: &Graph) -> BTreeSet<String> {
    let mut told = BTreeSet::new();
    let mut circles = BTreeSet::new();
    for file in graph.keys() {
        if told.contains(file) {
            continue;
        }
        if let Some(circle) = find_circle(graph, file) {
            circles.insert(describe(graph, &circle));
            told.extend(circle);
        }
    }
    circles
}

/// The shortest way from a file back to it.
fn find_circle(graph: &Graph, start: &String) -> Option<Vec<String>> {
    let mut before: BTreeMap<&String, &String> = BTreeMap::new();
    let mut open = std::collections::VecDeque::from([start]);
    while let Some(file) = open.pop_front() {
        for next in graph.get(file)?.keys() {
            if next == start {
                let mut circle = vec![file.clone()];
                let mut at = file;
                while at != start {
                    at = before[at];
                    circle.push(at.clone());
                }
                circle.reverse();
                return Some(circle);
            }
            if !before.contains_key(next) && graph.contains_key(next) {
                before.insert(next, file);
                open.push_back(next);
            }
        }
    }
    None
}

/// `a.rs takes X of b.rs, which takes Y of a.rs`.
fn describe(graph: &Graph, circle: &[String]) -> String {
    let mut text = circle[0].clone();
    for (number, file) in circle.iter().enumerate() {
        let next = &circle[(number + 1) % circle.len()];
        let names = &graph[file][next];
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let which = if number == 0 {
            " takes"
        } else {
            ", which takes"
        };
        text.push_str(&format!("{which} {} of {next}", names.join(", ")));
    }
    text
}
