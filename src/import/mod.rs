//! The way in from docker: what `docker inspect` prints, or a `docker run` line, becomes manifests of a Deployment on
//! the same data. Text in, text out; no I/O.
//!
//! Nothing is made up: what is not known is marked `CHANGE ME`, what has no place is told with the reason, and an
//! option that is none ends it. Values of the environment and of `config.yaml` are never printed, for they are secrets.
mod choices;
mod container;
mod document;
mod error;
mod inspect;
mod manifests;
mod names;
mod notes;
mod run_line;
mod upgrade;
mod why;

use self::inspect::read_inspect;
use self::manifests::{Source, build_manifests};
use self::names::Names;
use self::notes::write_notes;
use self::run_line::read_run_line;
use self::upgrade::build_upgrade;
pub use choices::Choices;
pub use error::ImportError;

/// Writes the manifests of a container, given as JSON of `docker inspect` or as a `docker run` line.
///
/// # Errors
/// What is wrong with the text, and where.
pub fn import_container(text: &str, choices: &Choices) -> Result<String, ImportError> {
    let text = text.trim_start_matches('\u{feff}');
    let container = if text.trim_start().starts_with(['[', '{']) && !is_prompt(text) {
        read_inspect(text)?
    } else {
        read_run_line(text)?
    };
    let source = Source {
        names: Names::find(choices, &container),
        container: &container,
        choices,
    };
    let mut documents = build_manifests(&source);
    documents.extend(build_upgrade(&source));
    let marks = documents
        .iter()
        .map(|document| document.count_marks())
        .sum();
    let mut text = write_notes(&source, marks);
    for document in &documents {
        let yaml = document.write().map_err(|_| ImportError::Unwritable)?;
        text.push_str("---\n");
        text.push_str(&yaml);
    }
    Ok(text)
}

/// `[root@box ~]# docker run …` begins like a list.
fn is_prompt(text: &str) -> bool {
    let first = text.trim_start().lines().next().unwrap_or_default();
    first.contains(" run ") && !first.contains('"')
}

#[cfg(test)]
mod tests;
