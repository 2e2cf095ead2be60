//! Digest of the content of a table, independent of the order of its rows. No I/O.

use crate::protocol::hex::write_hex;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Hash over the values of one row, in the order of the columns.
#[derive(Clone, Default)]
pub struct RowHash(Sha256);

impl RowHash {
    /// Adds a value; `None` is NULL. Lengths are hashed too, so that ("ab","c") differs from ("a","bc").
    pub fn add(&mut self, value: Option<&[u8]>) {
        match value {
            None => self.0.update([0]),
            Some(bytes) => {
                let mut frame = [1; 9];
                frame[1..].copy_from_slice(&(bytes.len() as u64).to_le_bytes());
                self.0.update(frame);
                self.0.update(bytes);
            }
        }
    }
}

/// A number without the sign of a zero. Dumps write `-0`, which MySQL and OceanBase take for the whole number 0 when
/// they load it; in SQL both are equal.
pub fn without_sign_of_zero(number: &[u8]) -> &[u8] {
    match number {
        [b'-', digits @ ..] if digits.iter().all(|digit| matches!(digit, b'0' | b'.')) => digits,
        _ => number,
    }
}

/// Number of rows and the sum of their sha256 modulo 2²⁵⁶.
///
/// A sum rather than an exclusive or: two equal rows must not cancel each other out, because tables without a
/// primary key may hold them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ContentDigest {
    rows: u64,
    sum: [u64; 4],
}

impl ContentDigest {
    /// Adds a row; the order of rows does not matter.
    pub fn add_row(&mut self, row: RowHash) {
        let hash = row.0.finalize();
        let mut carry = false;
        for (word, bytes) in self.sum.iter_mut().zip(hash.as_chunks::<8>().0) {
            let (first, over) = word.overflowing_add(u64::from_le_bytes(*bytes));
            let (second, over_again) = first.overflowing_add(u64::from(carry));
            *word = second;
            carry = over || over_again;
        }
        self.rows += 1;
    }

    /// What the manifest records.
    pub fn to_record(self) -> ContentRecord {
        let sum: Vec<u8> = self.sum.into_iter().flat_map(u64::to_le_bytes).collect();
        ContentRecord {
            rows: self.rows,
            content_digest: write_hex(&sum),
        }
    }
}

/// The digest of a table in the manifest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ContentRecord {
    /// Exact number of rows.
    pub rows: u64,
    /// Sum of the sha256 of all rows modulo 2²⁵⁶, little endian, hex. A row's hash covers, per column, a byte
    /// 0 for NULL, or a byte 1, the length (8 bytes, little endian) and the text that the server sends for
    /// the value with time zone +00:00 and character set utf8mb4; a zero has no sign.
    pub content_digest: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::hex::hash_bytes;

    fn row(values: &[Option<&[u8]>]) -> RowHash {
        let mut hash = RowHash::default();
        for value in values {
            hash.add(*value);
        }
        hash
    }

    fn digest(rows: &[&[Option<&[u8]>]]) -> ContentRecord {
        let mut digest = ContentDigest::default();
        for values in rows {
            digest.add_row(row(values));
        }
        digest.to_record()
    }

    #[test]
    fn the_order_of_rows_does_not_matter_and_everything_else_does() {
        let (a, b): (&[_], &[_]) = (
            &[Some(b"1".as_slice()), None],
            &[Some(b"2".as_slice()), Some(b"x".as_slice())],
        );
        assert_eq!(digest(&[a, b]), digest(&[b, a]));
        assert_ne!(digest(&[a, b]), digest(&[a]));
        assert_ne!(digest(&[a, a]), digest(&[]));
        assert_ne!(digest(&[a, a]), digest(&[b, b]));
        assert_ne!(
            digest(&[&[Some(b"ab"), Some(b"c")]]),
            digest(&[&[Some(b"a"), Some(b"bc")]])
        );
        assert_ne!(digest(&[&[None]]), digest(&[&[Some(b"")]]));
        assert_ne!(
            digest(&[&[Some(b"1"), Some(b"2")]]),
            digest(&[&[Some(b"2"), Some(b"1")]])
        );
    }

    #[test]
    fn only_a_zero_loses_its_sign() {
        for (number, plain) in [("-0", "0"), ("-0.000", "0.000"), ("0", "0")] {
            assert_eq!(without_sign_of_zero(number.as_bytes()), plain.as_bytes());
        }
        for number in ["-1", "-0.01", "-1e-320", "12"] {
            assert_eq!(without_sign_of_zero(number.as_bytes()), number.as_bytes());
        }
    }

    #[test]
    fn a_known_value() {
        // sha256 of 01 0100000000000000 61, once and twice.
        let once = digest(&[&[Some(b"a")]]);
        assert_eq!(
            once.content_digest,
            hash_bytes(&[1, 1, 0, 0, 0, 0, 0, 0, 0, b'a'])
        );
        assert_eq!(once.rows, 1);
    }
}
