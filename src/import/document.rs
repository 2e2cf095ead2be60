//! A manifest with the places that a person has to fill in, and its YAML.
use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};
use serde_json::Value;
use serde_saphyr::Commented;
use std::collections::BTreeMap;

/// What begins the comment at such a place; people and scripts look for it.
pub(crate) const MARK: &str = "CHANGE ME";

/// One manifest. Places are JSON pointers.
pub(crate) struct Document {
    pub value: Value,
    marks: BTreeMap<String, String>,
}

impl Document {
    pub(crate) fn new(value: Value) -> Self {
        let marks = BTreeMap::new();
        Self { value, marks }
    }

    /// Marks the text at a place, with what belongs there.
    pub(crate) fn mark(&mut self, place: &str, words: impl Into<String>) {
        self.marks.insert(place.to_owned(), words.into());
    }

    pub(crate) fn count_marks(&self) -> usize {
        self.marks.len()
    }

    /// YAML with a comment at each marked place.
    pub(crate) fn write(&self) -> Result<String, serde_saphyr::ser::Error> {
        let options = serde_saphyr::ser_options! { prefer_block_scalars: false };
        let node = Node {
            value: &self.value,
            place: String::new(),
            marks: &self.marks,
        };
        serde_saphyr::to_string_with_options(&node, options)
    }
}

struct Node<'d> {
    value: &'d Value,
    place: String,
    marks: &'d BTreeMap<String, String>,
}

impl<'d> Node<'d> {
    fn below(&self, value: &'d Value, name: &str) -> Node<'d> {
        Node {
            value,
            place: format!("{}/{name}", self.place),
            marks: self.marks,
        }
    }
}

impl Serialize for Node<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.value {
            Value::Object(fields) => {
                let mut map = serializer.serialize_map(Some(fields.len()))?;
                for (name, value) in fields {
                    let escaped = name.replace('~', "~0").replace('/', "~1");
                    map.serialize_entry(name, &self.below(value, &escaped))?;
                }
                map.end()
            }
            Value::Array(entries) => {
                let mut list = serializer.serialize_seq(Some(entries.len()))?;
                for (number, value) in entries.iter().enumerate() {
                    list.serialize_element(&self.below(value, &number.to_string()))?;
                }
                list.end()
            }
            scalar => match self.marks.get(&self.place) {
                Some(words) => Commented(scalar, format!("{MARK}: {words}")).serialize(serializer),
                None => scalar.serialize(serializer),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_mark_is_a_comment_at_its_place() {
        let mut document = Document::new(json!({"a": {"b/c": "x", "d": ["1", "y"]}, "e": true}));
        document.mark("/a/b~1c", "the x");
        document.mark("/a/d/0", "the one");
        let text = document.write().unwrap();
        assert!(text.contains("b/c: x # CHANGE ME: the x\n"), "{text}");
        assert!(text.contains("- \"1\" # CHANGE ME: the one\n"), "{text}");
        let read: Value = serde_saphyr::from_str(&text).unwrap();
        assert_eq!(read, document.value);
    }
}
