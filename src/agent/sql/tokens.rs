//! The tokens of a CREATE statement: strings, quoted names, words, anything else byte by byte. No I/O.

use super::statements::end_of_quoted;

/// A piece of a statement, as far as it matters for what is looked for in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Token {
    /// Between quotes: `'…'` or `"…"`.
    Text,
    /// A name in back-ticks.
    Name,
    /// A key word, number or bare name.
    Word,
    /// White space.
    Space,
    /// Anything else, one byte.
    Sign(u8),
}

/// The first token of `bytes`, which are not empty, and its length.
pub fn first_token(bytes: &[u8]) -> (Token, usize) {
    match bytes[0] {
        b'\'' | b'"' => (Token::Text, end_of_string(bytes)),
        b'`' => (Token::Name, end_of_quoted(bytes).unwrap_or(bytes.len())),
        byte if is_word(byte) => {
            let end = bytes.iter().position(|&b| !is_word(b));
            (Token::Word, end.unwrap_or(bytes.len()))
        }
        byte if byte.is_ascii_whitespace() => (Token::Space, 1),
        byte => (Token::Sign(byte), 1),
    }
}

/// Whether the next token of `bytes` that is no white space is this sign.
pub fn goes_on_with(bytes: &[u8], sign: u8) -> bool {
    bytes.iter().find(|b| !b.is_ascii_whitespace()) == Some(&sign)
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$' || byte >= 0x80
}

/// Length of the string at the start of `bytes`, with doubled quotes and back-slash escapes.
fn end_of_string(bytes: &[u8]) -> usize {
    let quote = bytes[0];
    let mut at = 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b if b == quote && bytes.get(at + 1) == Some(&quote) => at += 2,
            b if b == quote => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}
