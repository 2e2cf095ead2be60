//! One hash over all that a schema consists of, so that two looks at the same server tell whether a migration has
//! altered anything in between. Pure.
//!
//! What data changes does not count: rows, sizes, statistics, the next AUTO_INCREMENT. What a restore changes does not
//! count either: the order of tables, and the gaps in the positions of columns that dropped ones leave.
use crate::protocol::hex::{is_hex, write_hex};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// Length of a fingerprint.
const DIGITS: usize = 16;

/// Version of what is hashed: fingerprints of different ones are never equal.
const FORM: &str = "schema 1";

/// The first 64 bits of the sha256 of a schema, in hexadecimal digits: it stands in each status, and nobody makes a
/// schema to meet another's. Comparable only with others of the same server.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SchemaFingerprint(String);

impl TryFrom<String> for SchemaFingerprint {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if is_hex(&text, DIGITS) {
            Ok(Self(text))
        } else {
            Err("a fingerprint is 16 hexadecimal digits")
        }
    }
}

impl From<SchemaFingerprint> for String {
    fn from(fingerprint: SchemaFingerprint) -> Self {
        fingerprint.0
    }
}

/// One thing that a schema consists of, in the server's own words: a table, a column, a part of an index, a view.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SchemaItem {
    /// Which kind of thing.
    pub kind: String,
    /// Table or view that it belongs to.
    pub table: String,
    /// Its own name.
    pub name: String,
    /// Where it stands among its like. Only the order counts.
    pub position: u64,
    /// What else is told of it; `None` is NULL, which is not the empty text.
    pub words: Vec<Option<String>>,
}

/// The fingerprint of databases by name; `None` for one that does not exist.
pub fn hash_schema(databases: BTreeMap<String, Option<Vec<SchemaItem>>>) -> SchemaFingerprint {
    let mut hash = Sha256::new();
    add(&mut hash, Some(FORM));
    for (name, items) in databases {
        add(&mut hash, Some(&name));
        let Some(mut items) = items else {
            add(&mut hash, None);
            continue;
        };
        number_columns(&mut items);
        items.sort();
        add(&mut hash, Some(&items.len().to_string()));
        for item in items {
            for word in [&item.kind, &item.table, &item.name] {
                add(&mut hash, Some(word));
            }
            add(&mut hash, Some(&item.position.to_string()));
            add(&mut hash, Some(&item.words.len().to_string()));
            for word in &item.words {
                add(&mut hash, word.as_deref());
            }
        }
    }
    let mut text = write_hex(&hash.finalize());
    text.truncate(DIGITS);
    SchemaFingerprint(text)
}

/// Counts the columns of each table through, from 1.
fn number_columns(items: &mut [SchemaItem]) {
    items.sort_by(|one, other| {
        (&one.kind, &one.table, one.position).cmp(&(&other.kind, &other.table, other.position))
    });
    let mut last: Option<(String, String)> = None;
    let mut count = 0;
    for item in items.iter_mut().filter(|item| item.kind == "column") {
        let place = (item.kind.clone(), item.table.clone());
        if last.as_ref() != Some(&place) {
            count = 0;
            last = Some(place);
        }
        count += 1;
        item.position = count;
    }
}

/// Lengths stand before the words, so that no two lists of words read alike.
fn add(hash: &mut Sha256, word: Option<&str>) {
    match word {
        Some(word) => {
            hash.update(b"+");
            hash.update(word.len().to_be_bytes());
            hash.update(word.as_bytes());
        }
        None => hash.update(b"-"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(kind: &str, table: &str, name: &str, position: u64, word: &str) -> SchemaItem {
        SchemaItem {
            kind: kind.into(),
            table: table.into(),
            name: name.into(),
            position,
            words: vec![Some(word.into()), None],
        }
    }

    fn hash(items: Vec<SchemaItem>) -> SchemaFingerprint {
        hash_schema(BTreeMap::from([("rm".into(), Some(items))]))
    }

    fn sample() -> Vec<SchemaItem> {
        vec![
            item("table", "a", "", 0, "BASE TABLE"),
            item("column", "a", "id", 1, "bigint"),
            item("column", "a", "b", 2, "int"),
            item("column", "c", "id", 1, "int"),
        ]
    }

    #[test]
    fn order_and_gaps_do_not_count() {
        let mut other = sample();
        other.reverse();
        assert_eq!(hash(sample()), hash(other));
        let mut gap = sample();
        gap[2].position = 5;
        assert_eq!(hash(sample()), hash(gap));
    }

    #[test]
    fn everything_else_does() {
        let known = hash(sample());
        let changes: [fn(&mut Vec<SchemaItem>); 7] = [
            |items| items[1].words[0] = Some("int".into()),
            |items| items[1].words[1] = Some(String::new()),
            |items| items[1].name = "ID".into(),
            |items| items[1].table = "c".into(),
            |items| items.swap_remove(3).words.clear(),
            |items| items[1].position = 9,
            |items| items[1].words.push(None),
        ];
        for (index, change) in changes.iter().enumerate() {
            let mut items = sample();
            change(&mut items);
            assert_ne!(hash(items), known, "{index}");
        }
    }

    #[test]
    fn a_database_that_is_gone_is_no_empty_one() {
        let of = |items| hash_schema(BTreeMap::from([("rm".to_owned(), items)]));
        assert_ne!(of(None), of(Some(Vec::new())));
        assert_ne!(of(None), hash_schema(BTreeMap::new()));
    }

    #[test]
    fn words_do_not_run_together() {
        let two = |one: &str, other: &str| {
            let mut items = sample();
            items[0].words = vec![Some(one.into()), Some(other.into())];
            hash(items)
        };
        assert_ne!(two("ab", "c"), two("a", "bc"));
    }
}
