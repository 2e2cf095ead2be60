//! What a running upgrade or another program reads back, pinned: no move and no renaming changes it unseen.
//!
//! An upgrade may be under way while the operator is replaced by its next version. Whatever the former one has
//! written, to the status, to Deployments, to the MetaDB, to the volume, the next one must find and understand; and
//! people's scripts and alerts know reasons and conditions by name. Each file under `files` is one such text. The
//! tests compare it with what the sources say, and read the stored text with the present types wherever something
//! reads it back.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod assumptions;
mod backup;
mod coverage;
mod definition;
mod import;
mod intents;
mod metadb;
mod metrics;
mod names;
mod objects;
mod pin;
mod protocol;
mod record;
mod reference;
mod samples;
#[path = "../architecture/source.rs"]
mod source;
mod states;
mod troubleshooting;
mod words;

use serde_json::Value;

/// A uid as API servers give it.
pub const UID: &str = "0f7c2a1e-6a55-4c1e-9a5e-000000000001";

/// What was stored, when there is something to read.
pub fn read_stored(path: &str) -> String {
    std::fs::read_to_string(pin::locate(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// JSON as it is stored: indented, keys in their order, with a line end.
pub fn to_text(value: &Value) -> String {
    format!("{}\n", serde_json::to_string_pretty(value).unwrap())
}

/// Everything of the old is in the new, as it was; the new may have more.
pub fn find_loss(old: &Value, new: &Value, at: &str) -> Option<String> {
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => old.iter().find_map(|(key, value)| {
            let at = format!("{at}.{key}");
            match new.get(key) {
                None => Some(format!("{at} is lost")),
                Some(now) => find_loss(value, now, &at),
            }
        }),
        (Value::Array(old), Value::Array(new)) if old.len() == new.len() => old
            .iter()
            .zip(new)
            .enumerate()
            .find_map(|(number, (old, new))| find_loss(old, new, &format!("{at}[{number}]"))),
        (old, new) => (old != new).then(|| format!("{at}: {old} has become {new}")),
    }
}

#[test]
fn a_loss_is_found_and_an_addition_is_none() {
    let old = serde_json::json!({"a": [{"b": 1}], "c": "x"});
    let more = serde_json::json!({"a": [{"b": 1, "new": 2}], "c": "x", "d": true});
    assert_eq!(find_loss(&old, &more, ""), None);
    assert_eq!(
        find_loss(&more, &old, "").as_deref(),
        Some(".a[0].new is lost")
    );
    let other = serde_json::json!({"a": [{"b": 2}], "c": "x"});
    assert_eq!(
        find_loss(&old, &other, "").as_deref(),
        Some(".a[0].b: 1 has become 2")
    );
}
