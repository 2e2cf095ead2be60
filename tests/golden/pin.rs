//! Compares a text with the one that is checked in. `UPDATE_GOLDEN=1` writes the present one.
use std::path::{Path, PathBuf};

/// Lines of a difference that are shown.
const SHOWN: usize = 30;

pub fn locate(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

pub fn is_updating() -> bool {
    std::env::var_os("UPDATE_GOLDEN").is_some_and(|value| value == "1")
}

/// Fails when the text is not the stored one, with what a change of it means.
pub fn check(path: &str, fresh: &str, meaning: &str) {
    let file = locate(path);
    if is_updating() {
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, fresh).unwrap();
        return;
    }
    let stored = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(
        stored == fresh,
        "{path} is not what the sources say.\n{meaning}\n\
         When the change is meant: UPDATE_GOLDEN=1, the same test again, and look at the difference in git.\n{}",
        describe(&stored, fresh)
    );
}

/// Lines that went and lines that came.
fn describe(stored: &str, fresh: &str) -> String {
    let gone = missing_in(stored, fresh).map(|line| format!("- {line}"));
    let come = missing_in(fresh, stored).map(|line| format!("+ {line}"));
    let all: Vec<String> = gone.chain(come).collect();
    match all.len() {
        0 => "the same lines in another order or number".into(),
        count if count > SHOWN => {
            format!("{}\n… and {} more", all[..SHOWN].join("\n"), count - SHOWN)
        }
        _ => all.join("\n"),
    }
}

fn missing_in<'t>(one: &'t str, other: &'t str) -> impl Iterator<Item = &'t str> {
    let known: std::collections::BTreeSet<&str> = other.lines().collect();
    one.lines().filter(move |line| !known.contains(line))
}
