//! Words of others, for the messages of ours: cut, on one line, and without what may be a secret. Pure.
//!
//! Storage drivers and webhooks write what they like into events and conditions, down to the options of a mount with
//! the password in it.
use crate::protocol::sentence::drop_full_stop;

/// Stands for what is not told.
const HIDDEN: &str = "***";

/// Names whose value is not told, wherever they stand in a longer one, in lower case.
const SECRET_NAMES: [&str; 11] = [
    "password",
    "passwd",
    "passphrase",
    "pwd",
    "secret",
    "token",
    "credential",
    "apikey",
    "api_key",
    "accesskey",
    "private_key",
];

/// Names whose value may stand after a colon. Of the others a colon begins a sentence more often than a value.
const COLON_NAMES: [&str; 4] = ["password", "passwd", "passphrase", "pwd"];

/// What somebody else said, in at most so many bytes.
pub fn tell_words(text: &str, limit: usize) -> String {
    let line: Vec<&str> = text.split_whitespace().collect();
    let told = hide_bearers(&hide_values(&hide_accounts(&line.join(" "))));
    cut_text(drop_full_stop(&told), limit)
}

/// Cuts on the border of a character.
pub fn cut_text(text: &str, limit: usize) -> String {
    if text.len() <= limit {
        return text.to_owned();
    }
    let mut end = limit.saturating_sub('…'.len_utf8());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}…", &text[..end])
}

/// Accounts in URLs.
fn hide_accounts(text: &str) -> String {
    let mut parts = text.split("://");
    let mut told = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        told.push_str("://");
        let end = part.find(['/', '?', '#', ' ', '"', '\'']);
        let (authority, rest) = part.split_at(end.unwrap_or(part.len()));
        match authority.rsplit_once('@') {
            Some((_, host)) => told.push_str(&format!("{HIDDEN}@{host}")),
            None => told.push_str(authority),
        }
        told.push_str(rest);
    }
    told
}

/// Values of names that sound like a secret.
fn hide_values(text: &str) -> String {
    let mut told = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['=', ':']) {
        let (head, tail) = rest.split_at(at + 1);
        told.push_str(head);
        rest = tail;
        let value = tail.trim_start_matches(' ');
        let length = measure_value(value);
        if length > 0 && hides_value(head) {
            told.push_str(&tail[..tail.len() - value.len()]);
            told.push_str(HIDDEN);
            rest = &value[length..];
        }
    }
    told.push_str(rest);
    told
}

/// Whether what stands before a value, its sign included, names a secret.
fn hides_value(head: &str) -> bool {
    let colon = head.ends_with(':');
    let head = head.trim_end_matches(['=', ':', '"', '\'']);
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let name = head.rsplit(|c| !is_part(c)).next().unwrap_or_default();
    let name = name.to_ascii_lowercase();
    let names: &[&str] = if colon { &COLON_NAMES } else { &SECRET_NAMES };
    names.iter().any(|secret| name.contains(secret))
}

/// Bytes of a value: to its closing quote, or to where another word begins.
fn measure_value(text: &str) -> usize {
    match text.chars().next() {
        Some(quote @ ('"' | '\'')) => {
            let end = text[1..].find(quote);
            end.map_or(text.len(), |end| end + 2)
        }
        _ => {
            let ends = [' ', ',', ';', '&', '"', '\'', ')', ']', '}'];
            text.find(ends).unwrap_or(text.len())
        }
    }
}

/// What follows the kind of an authorization.
fn hide_bearers(text: &str) -> String {
    let mut words: Vec<&str> = text.split(' ').collect();
    for at in 1..words.len() {
        if matches!(words[at - 1], "Bearer" | "Basic") {
            words[at] = HIDDEN;
        }
    }
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_secret_is_told_and_nothing_else_is_lost() {
        let same = [
            r#"MountVolume.SetUp failed for volume "credentials" : secret "oms-metadb" not found"#,
            "Multi-Attach error for volume \"pvc-1\" Volume is already used by pod(s) oms-0",
            "0/3 nodes are available: 3 Insufficient memory",
            "pods \"x\" is forbidden: exceeded quota: q, requested: pods=1, used: pods=0, limited: pods=0",
        ];
        for text in same {
            assert_eq!(tell_words(text, 400), text);
        }
        let canary = "c4n4ry";
        for text in [
            format!("mount -t cifs -o username=u,password={canary},vers=3 //h/s"),
            format!("mount failed: options 'user=u,PASSWD=\"{canary} 2\"'"),
            format!("cannot reach https://user:{canary}@registry:5000/v2/"),
            format!("{{\"password\": \"{canary}\"}} was refused"),
            format!("login with AWS_SECRET_ACCESS_KEY={canary} failed"),
            format!("Authorization: Bearer {canary} is too old"),
            format!("password: {canary}\n was wrong"),
        ] {
            let told = tell_words(&text, 400);
            assert!(!told.contains(canary) && told.contains(HIDDEN), "{told}");
        }
    }

    #[test]
    fn words_are_cut_on_a_character_border_and_end_without_a_full_stop() {
        assert_eq!(tell_words("It failed.\n", 20), "It failed");
        let cut = tell_words(&"ä".repeat(50), 20);
        assert!(cut.len() <= 20 && cut.ends_with('…'), "{cut}");
        // Nothing is cut open that was hidden.
        assert_eq!(tell_words("password=abcdefgh", 13), "password=***");
    }
}
