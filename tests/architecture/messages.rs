//! How messages end.
use super::judge;
use super::source::read_sources;
use std::collections::BTreeSet;

/// A text for people: more than one word, and no number before its full stop.
fn ends_in_full_stop(token: &str) -> bool {
    token.strip_suffix(".\"").is_some_and(|text| {
        text.contains(' ') && !text.ends_with(|last: char| last == '.' || last.is_ascii_digit())
    })
}

#[test]
fn no_message_ends_in_a_full_stop() {
    let mut broken = BTreeSet::new();
    // The resource describes its fields in whole sentences, which nobody goes on after.
    for source in read_sources("src") {
        if source.path.starts_with("src/api/") {
            continue;
        }
        for token in source.tokens {
            if ends_in_full_stop(&token) {
                broken.insert(format!("{}: {token}", source.path));
            }
        }
    }
    let rule = "A message has no full stop at its end: whoever repeats it goes on after it, and people would read \".;\".";
    judge("full-stops", rule, &broken);
}
