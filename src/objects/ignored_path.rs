//! A path that Argo CD is told to ignore, as JSON pointer (RFC 6901) or as an expression of jq, and whether a field
//! lies on it. Pure.
//!
//! Of jq only what walks to a field is understood, which is what such expressions are made of: keys, elements, all
//! elements, and elements of a name. A whole jq would come with a language that is run on what others wrote.

/// One step on the way to a field of a live object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FieldStep {
    Key(String),
    /// Of a list, by its place and by its field `name`.
    Element {
        index: usize,
        name: String,
    },
}

impl FieldStep {
    pub(crate) fn key(name: &str) -> Self {
        Self::Key(name.to_owned())
    }
}

/// One part of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Key(String),
    Index(usize),
    All,
    Named(String),
    /// What a JSON pointer says: a key or a place in a list.
    Token(String),
}

/// A path that is ignored, with all that lies below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IgnoredPath(Vec<Part>);

impl IgnoredPath {
    /// Of a JSON pointer. One that does not begin with a slash leads nowhere.
    pub fn from_pointer(pointer: &str) -> Self {
        let tokens = pointer.split('/').skip(1);
        Self(
            tokens
                .map(|token| Part::Token(token.replace("~1", "/").replace("~0", "~")))
                .collect(),
        )
    }

    /// Of an expression of jq; `None` where it is not understood.
    pub fn from_jq(expression: &str) -> Option<Self> {
        let mut parts = Vec::new();
        let mut rest = expression.trim_start();
        while !rest.is_empty() {
            rest = read_part(rest, &mut parts)?.trim_start();
        }
        (!parts.is_empty()).then_some(Self(parts))
    }

    /// Whether a field is ignored by it.
    pub fn covers(&self, field: &[FieldStep]) -> bool {
        let Self(parts) = self;
        !parts.is_empty()
            && parts.len() <= field.len()
            && parts.iter().zip(field).all(|(part, step)| match step {
                FieldStep::Key(key) => match part {
                    Part::Key(word) | Part::Token(word) => word == key,
                    Part::All => true,
                    Part::Index(_) | Part::Named(_) => false,
                },
                FieldStep::Element { index, name } => match part {
                    Part::All => true,
                    Part::Index(place) => place == index,
                    Part::Token(word) => word.parse() == Ok(*index),
                    Part::Named(word) => word == name,
                    Part::Key(_) => false,
                },
            })
    }
}

/// Takes one part off the beginning; what is left.
fn read_part<'a>(text: &'a str, parts: &mut Vec<Part>) -> Option<&'a str> {
    if let Some(rest) = text.strip_prefix('?') {
        return (!parts.is_empty()).then_some(rest);
    }
    if let Some(rest) = text.strip_prefix('|') {
        let rest = rest.trim_start();
        return match rest.strip_prefix("select(") {
            Some(condition) => read_select(condition, parts),
            None => (!parts.is_empty() && rest.starts_with('.')).then_some(rest),
        };
    }
    // Of a bracket the dot before it is none of its own, but only at the beginning and after a part.
    let (dotted, rest) = match text.strip_prefix('.') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    if let Some(inner) = rest.strip_prefix('[') {
        return (dotted || !parts.is_empty())
            .then(|| read_bracket(inner, parts))
            .flatten();
    }
    if !dotted {
        return None;
    }
    if rest.starts_with('"') {
        let (key, rest) = read_quoted(rest)?;
        parts.push(Part::Key(key));
        return Some(rest);
    }
    let is_word = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let end = rest.find(|letter| !is_word(letter)).unwrap_or(rest.len());
    let (key, rest) = rest.split_at(end);
    if key.is_empty() || key.starts_with(|letter: char| letter.is_ascii_digit()) {
        return None;
    }
    parts.push(Part::Key(key.to_owned()));
    Some(rest)
}

/// What stands behind an opening bracket: nothing, a number, or a key.
fn read_bracket<'a>(text: &'a str, parts: &mut Vec<Part>) -> Option<&'a str> {
    let text = text.trim_start();
    let (part, rest) = if text.starts_with('"') {
        let (key, rest) = read_quoted(text)?;
        (Part::Key(key), rest)
    } else {
        let end = text.find(|letter: char| !letter.is_ascii_digit())?;
        let (number, rest) = text.split_at(end);
        match number.is_empty() {
            true => (Part::All, rest),
            false => (Part::Index(number.parse().ok()?), rest),
        }
    };
    parts.push(part);
    rest.trim_start().strip_prefix(']')
}

/// `.name == "…")` after all elements of a list.
fn read_select<'a>(text: &'a str, parts: &mut [Part]) -> Option<&'a str> {
    let text = text.trim_start().strip_prefix(".name")?.trim_start();
    let (name, rest) = read_quoted(text.strip_prefix("==")?.trim_start())?;
    let last = parts.last_mut().filter(|part| **part == Part::All)?;
    *last = Part::Named(name);
    rest.trim_start().strip_prefix(')')
}

/// A text in quotes. With a backslash in it, it is not one that anybody writes here.
fn read_quoted(text: &str) -> Option<(String, &str)> {
    let (word, rest) = text.strip_prefix('"')?.split_once('"')?;
    (!word.contains('\\')).then(|| (word.to_owned(), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field() -> Vec<FieldStep> {
        let element = FieldStep::Element {
            index: 12,
            name: "oms".into(),
        };
        vec![
            FieldStep::key("spec"),
            FieldStep::key("a/b~"),
            element,
            FieldStep::key("image"),
        ]
    }

    #[test]
    fn pointers() {
        for (pointer, covers) in [
            ("/spec", true),
            ("/spec/a~1b~0", true),
            ("/spec/a~1b~0/12/image", true),
            ("/spec/a~1b~0/12/image/more", false),
            ("/spec/a~1b~0/1/image", false),
            ("/spec/a~1b~0/-/image", false),
            ("/spec/a", false),
            ("spec", false),
            ("", false),
            ("/", false),
        ] {
            let path = IgnoredPath::from_pointer(pointer);
            assert_eq!(path.covers(&field()), covers, "{pointer}");
        }
    }

    #[test]
    fn expressions_that_are_understood() {
        for (expression, covers) in [
            (".spec", true),
            (r#".spec."a/b~""#, true),
            (r#".spec["a/b~"][].image"#, true),
            (r#" .spec."a/b~"[ ] | .image "#, true),
            (r#".spec."a/b~" | .[12] | .image"#, true),
            (r#".spec."a/b~".[].image?"#, true),
            (r#".spec[][]"#, true),
            (r#".spec."a/b~"[] | select(.name == "oms") | .image"#, true),
            (r#".spec."a/b~"[]|select( .name=="oms" ).image"#, true),
            (r#".spec."a/b~"[] | select(.name == "x") | .image"#, false),
            (r#".spec."a/b~"[1].image"#, false),
            (".spec.image", false),
            (r#".spec."a/b~"[].image.more"#, false),
        ] {
            let path = IgnoredPath::from_jq(expression).expect(expression);
            assert_eq!(path.covers(&field()), covers, "{expression}");
        }
    }

    #[test]
    fn expressions_that_are_not() {
        for expression in [
            "",
            ".",
            "spec",
            "..image",
            ".spec, .status",
            ".spec | keys",
            ".spec[0:2]",
            ".spec[-1]",
            ".spec[",
            ".spec[1",
            r#".spec[] | select(.name != "oms")"#,
            r#".spec | select(.name == "oms")"#,
            r#".spec[] | select(.name == "oms") and true"#,
            r#".spec["a\"b"]"#,
            "if .spec then .spec else .status end",
            "del(.spec)",
            ". | .spec",
            "| .spec",
            "?",
            ".1a",
            "..",
        ] {
            assert_eq!(IgnoredPath::from_jq(expression), None, "{expression}");
        }
    }
}
