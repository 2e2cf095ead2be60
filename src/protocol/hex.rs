//! Bytes and their hashes as text: what a manifest, a status and a record are held against. No I/O.
use sha2::{Digest, Sha256};
use std::fmt::Write;

/// Bytes in lower-case hexadecimal digits.
pub fn write_hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// Whether a text is this many hexadecimal digits, as [`write_hex`] writes them.
pub fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits
        && text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

/// sha256 in hexadecimal digits.
pub fn hash_bytes(bytes: &[u8]) -> String {
    write_hex(&Sha256::digest(bytes))
}

/// sha256 of a text, in hexadecimal digits.
pub fn hash_text(text: &str) -> String {
    hash_bytes(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_what_is_known_again() {
        // FIPS 180-2, the empty message.
        let known = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(hash_text(""), known);
        assert!(is_hex(known, 64) && !is_hex(known, 63) && !is_hex("AB", 2));
        assert_eq!(write_hex(&[0, 15, 255]), "000fff");
    }
}
