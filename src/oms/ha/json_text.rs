//! Where the members of a JSON object lie in its text, so that one can be changed without touching
//! the rest. No I/O.
use std::ops::Range;

/// One member of the outermost object, by byte positions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Member {
    /// Key, unescaped.
    pub key: String,
    /// White space before the key, back to the `{` or `,`.
    pub gap: Range<usize>,
    /// The value, without white space around it.
    pub value: Range<usize>,
}

/// Finds the members of the object that `text` is. The text must be valid JSON.
pub(super) fn find_members(text: &str) -> Result<Vec<Member>, String> {
    // The scan below relies on valid JSON; the parser is the judge of that.
    match serde_json::from_str::<serde_json::Value>(text) {
        Ok(serde_json::Value::Object(_)) => {}
        Ok(_) => return Err("it is JSON, but not an object".to_owned()),
        Err(error) => return Err(format!("line {}, column {}", error.line(), error.column())),
    }
    let bytes = text.as_bytes();
    let mut members = Vec::new();
    let mut at = skip_space(bytes, 0) + 1;
    loop {
        let gap_start = at;
        at = skip_space(bytes, at);
        let gap = gap_start..at;
        if bytes.get(at) != Some(&b'"') {
            return Ok(members);
        }
        let key_end = skip_string(bytes, at);
        let key = text
            .get(at..key_end)
            .and_then(|quoted| serde_json::from_str::<String>(quoted).ok())
            .ok_or_else(|| format!("unreadable key at byte {at}"))?;
        // Past the colon, which valid JSON has here.
        let value_start = skip_space(bytes, skip_space(bytes, key_end) + 1);
        let value_end = skip_value(bytes, value_start);
        members.push(Member {
            key,
            gap,
            value: value_start..value_end,
        });
        at = skip_space(bytes, value_end) + 1;
    }
}

fn skip_space(bytes: &[u8], mut at: usize) -> usize {
    while matches!(bytes.get(at), Some(b' ' | b'\t' | b'\r' | b'\n')) {
        at += 1;
    }
    at
}

/// Position after the string that starts at `at`.
fn skip_string(bytes: &[u8], at: usize) -> usize {
    let mut at = at + 1;
    loop {
        match bytes.get(at) {
            Some(b'\\') => at += 2,
            Some(b'"') => return at + 1,
            Some(_) => at += 1,
            None => return bytes.len(),
        }
    }
}

/// Position after the value that starts at `at`.
fn skip_value(bytes: &[u8], mut at: usize) -> usize {
    let mut depth = 0usize;
    loop {
        match bytes.get(at) {
            None => return bytes.len(),
            Some(b'"') => {
                at = skip_string(bytes, at);
                if depth == 0 {
                    return at;
                }
            }
            Some(b'{' | b'[') => {
                depth += 1;
                at += 1;
            }
            Some(b'}' | b']') if depth == 0 => return at,
            Some(b'}' | b']') => {
                depth -= 1;
                at += 1;
                if depth == 0 {
                    return at;
                }
            }
            Some(b',' | b' ' | b'\t' | b'\r' | b'\n') if depth == 0 => return at,
            Some(_) => at += 1,
        }
    }
}
