//! Columns whose values the text of a dump may not tell whole. Pure.
//!
//! A dump is text in utf8mb4. Of some values that text says something else.

use crate::metadb::quote_name;

/// A column whose values the text of a dump may not tell whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpecialColumn {
    pub name: String,
    pub special: Special,
}

/// In what way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Special {
    /// Servers print six significant digits. A dump has those, and so has a restore; what is live is known exactly.
    Float,
    /// Characters that Unicode lacks become `?`.
    CharacterSet(String),
    /// The number 0, which stands for no label, reads like the label `''`.
    EmptyLabel,
    /// Dates, decimals and bytes inside become strings and floats.
    Json,
    /// MariaDB prints defaults, which it lists between quotes, in utf8mb3: longer characters become `?`.
    LongDefault,
}

impl SpecialColumn {
    /// Judges a column by what information_schema says of it.
    pub fn judge(column: &ColumnFacts) -> Option<Self> {
        let data_type = column.data_type.to_ascii_lowercase();
        let character_set = column.character_set.as_deref().unwrap_or_default();
        let special = if data_type == "float" {
            Special::Float
        } else if data_type == "json" {
            Special::Json
        } else if data_type == "enum" && has_empty_label(&column.column_type) {
            Special::EmptyLabel
        } else if !UNICODE.contains(&character_set.to_ascii_lowercase().as_str()) {
            Special::CharacterSet(character_set.to_owned())
        } else if column
            .default
            .as_deref()
            .is_some_and(|text| text.starts_with('\'') && text.contains('?'))
        {
            Special::LongDefault
        } else {
            return None;
        };
        let name = column.name.clone();
        Some(Self { name, special })
    }

    /// An expression that is true for a value that a dump does not carry.
    pub fn condition(&self) -> Option<String> {
        let column = quote_name(&self.name);
        match &self.special {
            Special::Float | Special::LongDefault => None,
            Special::CharacterSet(set) => Some(format!(
                "HEX({column}) <> HEX(CONVERT(CONVERT({column} USING utf8mb4) USING {set}))"
            )),
            Special::EmptyLabel => Some(format!("{column} + 0 = 0")),
            Special::Json => Some(format!(
                "{column} <> CAST(CAST({column} AS CHAR) AS JSON) OR CAST({column} AS CHAR) <> \
                 CAST(CAST(CAST({column} AS CHAR) AS JSON) AS CHAR)"
            )),
        }
    }

    /// What such values are, for people.
    pub fn describe(&self) -> String {
        match &self.special {
            Special::Float => "digits that a dump lacks".to_owned(),
            Special::CharacterSet(set) => {
                format!("characters of {set} that Unicode lacks, and that become ? in a dump")
            }
            Special::EmptyLabel => {
                "no label of the ENUM (number 0), which a dump takes for the label ''".to_owned()
            }
            Special::Json => {
                "dates, decimals or bytes inside JSON, which a dump makes strings and floats"
                    .to_owned()
            }
            Special::LongDefault => "a default".to_owned(),
        }
    }
}

/// What information_schema says of a column.
#[derive(Clone, Debug, Default)]
pub struct ColumnFacts {
    pub name: String,
    pub data_type: String,
    pub column_type: String,
    pub character_set: Option<String>,
    pub default: Option<String>,
}

/// No character set, those that Unicode has all of, and bytes. Every byte of latin1 has its character.
const UNICODE: [&str; 11] = [
    "", "utf8mb4", "utf8mb3", "utf8", "ucs2", "utf16", "utf16le", "utf32", "ascii", "latin1",
    "binary",
];

/// Labels stand in quotes, and a quote in a label is doubled.
fn has_empty_label(column_type: &str) -> bool {
    let Some((_, labels)) = column_type.split_once('(') else {
        return false;
    };
    let mut chars = labels.chars().peekable();
    let mut length = None;
    while let Some(c) = chars.next() {
        length = match (length, c) {
            (None, '\'') => Some(0),
            (None, _) => None,
            (Some(letters), '\'') if chars.peek() == Some(&'\'') => {
                chars.next();
                Some(letters + 1)
            }
            (Some(0), '\'') => return true,
            (Some(_), '\'') => None,
            (Some(letters), _) => Some(letters + 1),
        };
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(
        data_type: &str,
        column_type: &str,
        set: Option<&str>,
        default: Option<&str>,
    ) -> Option<Special> {
        let facts = ColumnFacts {
            name: "c".into(),
            data_type: data_type.into(),
            column_type: column_type.into(),
            character_set: set.map(str::to_owned),
            default: default.map(str::to_owned),
        };
        SpecialColumn::judge(&facts).map(|column| column.special)
    }

    #[test]
    fn columns_are_judged_by_their_type() {
        for (given, special) in [
            (("float", "float(7,4)", None, None), Some(Special::Float)),
            (("double", "double", None, Some("0")), None),
            (("json", "json", None, None), Some(Special::Json)),
            (("varchar", "varchar(9)", Some("utf8mb4"), Some("x")), None),
            (("varchar", "varchar(9)", Some("utf8mb4"), Some("a?")), None),
            (
                ("varchar", "varchar(9)", Some("utf8mb4"), Some("'a?'")),
                Some(Special::LongDefault),
            ),
            (
                ("text", "text", Some("gbk"), None),
                Some(Special::CharacterSet("gbk".into())),
            ),
            (("enum", "enum('a','b')", Some("utf8mb4"), None), None),
            (
                ("enum", "enum('','b')", Some("utf8mb4"), None),
                Some(Special::EmptyLabel),
            ),
        ] {
            assert_eq!(
                judge(given.0, given.1, given.2, given.3),
                special,
                "{given:?}"
            );
        }
    }

    #[test]
    fn an_empty_label_is_told_from_a_quote() {
        for (labels, empty) in [
            ("enum('a','')", true),
            ("enum('')", true),
            ("enum('a','','b')", true),
            ("enum('''')", false),
            ("enum('it''s','''','a''''')", false),
            ("enum('a,b',' ')", false),
            ("enum", false),
        ] {
            assert_eq!(has_empty_label(labels), empty, "{labels}");
        }
    }
}
