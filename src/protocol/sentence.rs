//! Messages go from the agent to the operator and on to people, and get longer on the way. No I/O.

/// A message that can be gone on after: whoever wrote it may have ended it by a full stop.
pub fn drop_full_stop(message: &str) -> &str {
    let message = message.trim_end();
    match message.strip_suffix('.') {
        // Three of them say that something was left out.
        Some(open) if !open.ends_with('.') => open,
        _ => message,
    }
}

/// Goes on after a message: `it broke; attempt 3 was the last`.
pub fn join_clause(message: &str, clause: &str) -> String {
    format!("{}; {clause}", drop_full_stop(message))
}

/// Goes on after a message with a sentence: `It broke. Try again`.
pub fn join_sentence(message: &str, sentence: &str) -> String {
    format!("{}. {sentence}", drop_full_stop(message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_goes_on_however_it_was_ended() {
        for said in ["it broke", "it broke.", "it broke. ", "it broke.\n"] {
            assert_eq!(join_clause(said, "again"), "it broke; again");
            assert_eq!(join_sentence(said, "Again"), "it broke. Again");
        }
        assert_eq!(join_clause("and so on...", "again"), "and so on...; again");
        assert_eq!(
            join_clause("It broke. Look.", "again"),
            "It broke. Look; again"
        );
    }
}
