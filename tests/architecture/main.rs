//! Rules of the house that no compiler keeps: who may reach the outside, who may know whom, how long a file and a
//! line may be.
//!
//! What breaks a rule today stands in a list under `allowed`, which only shrinks: what is not in the list fails, and
//! so does an entry that no longer occurs. `UPDATE_GOLDEN=1` writes the lists anew; an entry that comes needs a
//! reason in the commit.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod comments;
mod imports;
mod messages;
#[path = "../golden/pin.rs"]
mod pin;
mod reaching;
mod rooms;
mod shape;
mod source;

use std::collections::BTreeSet;

/// Compares what breaks a rule with what is allowed to.
pub fn judge(list: &str, rule: &str, broken: &BTreeSet<String>) {
    let mut text = String::new();
    for entry in broken {
        text.push_str(&format!("{entry}\n"));
    }
    let meaning = format!(
        "{rule}\nA line that comes breaks the rule: write it in another way. A line that went is good news: take it off the list."
    );
    pin::check(
        &format!("tests/architecture/allowed/{list}.txt"),
        &text,
        &meaning,
    );
}
