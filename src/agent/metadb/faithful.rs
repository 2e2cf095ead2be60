//! Values that a dump does not carry as they are, whatever client writes it. Reads only.
//!
//! A dump is text in utf8mb4. What that text says of such a value is something else, so that digest and dump agree, a
//! restore succeeds, and the value is another one. They are named before the upgrade, and refused.

use super::content::Contents;
use crate::agent::failure::{Failure, server_code};
use crate::agent::manifest::{DatabaseShape, TableShape};
use crate::metadb::quote_name;
use mysql_async::Conn;
use mysql_async::prelude::Queryable;

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
    fn condition(&self) -> Option<String> {
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

    fn describe(&self) -> String {
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

/// Names what a dump of these tables would not carry, with its column. Empty: it carries all of it.
///
/// # Errors
/// Of the server.
pub async fn list_unfaithful(
    connection: &mut Conn,
    shape: &DatabaseShape,
) -> Result<Vec<String>, Failure> {
    let mut found = Vec::new();
    for table in &shape.tables {
        let place = format!("{}.{}", shape.name, table.name);
        for (column, count) in count_values(connection, &shape.name, table).await? {
            found.push(format!(
                "{count} value(s) of column {} in table {place} ({})",
                column.name,
                column.describe()
            ));
        }
        for column in list_long_defaults(connection, &shape.name, table).await? {
            found.push(format!(
                "the default of column {column} in table {place} (characters of four bytes, which become ? in a dump)"
            ));
        }
    }
    Ok(found)
}

async fn count_values<'t>(
    connection: &mut Conn,
    database: &str,
    table: &'t TableShape,
) -> Result<Vec<(&'t SpecialColumn, u64)>, Failure> {
    let asked: Vec<(&SpecialColumn, String)> = table
        .special
        .iter()
        .filter_map(|column| Some((column, column.condition()?)))
        .collect();
    if asked.is_empty() {
        return Ok(Vec::new());
    }
    let sums: Vec<String> = asked
        .iter()
        .map(|(_, condition)| format!("CAST(IFNULL(SUM({condition}), 0) AS UNSIGNED)"))
        .collect();
    let sql = format!(
        "SELECT {} FROM {}.{}",
        sums.join(", "),
        quote_name(database),
        quote_name(&table.name)
    );
    let row: Option<mysql_async::Row> = connection.query_first(sql).await.map_err(|e| {
        let doing = format!(
            "looking in table {database}.{} for values that a dump does not carry",
            table.name
        );
        Failure::from_sql(&doing, &e)
    })?;
    let count = |index| {
        row.as_ref()
            .and_then(|row| row.get_opt::<u64, _>(index)?.ok())
            .unwrap_or(0)
    };
    let counted = asked.into_iter().enumerate();
    Ok(counted
        .map(|(index, (column, _))| (column, count(index)))
        .filter(|(_, count)| *count > 0)
        .collect())
}

/// Columns whose default holds characters beyond utf8mb3. A row that is not there has every column's default.
async fn list_long_defaults(
    connection: &mut Conn,
    database: &str,
    table: &TableShape,
) -> Result<Vec<String>, Failure> {
    let mut found = Vec::new();
    for column in &table.special {
        if column.special != Special::LongDefault {
            continue;
        }
        let sql = format!(
            "SELECT DEFAULT(t.{}) FROM (SELECT 1) one LEFT JOIN {}.{} t ON FALSE",
            quote_name(&column.name),
            quote_name(database),
            quote_name(&table.name)
        );
        match connection.query_first::<Option<String>, _>(sql).await {
            Ok(Some(Some(text))) if text.chars().any(|c| c > '\u{ffff}') => {
                found.push(column.name.clone());
            }
            // Expressions have no such value, and are printed otherwise.
            Ok(_) => {}
            Err(error) if server_code(&error).is_some() => {}
            Err(error) => {
                let doing = format!("looking at the defaults of table {database}.{}", table.name);
                return Err(Failure::from_sql(&doing, &error));
            }
        }
    }
    Ok(found)
}

/// Tables that equal the backup as far as its dump tells, and hold other digits than at the time of the dump.
pub fn find_inexact(
    record: &crate::agent::manifest::DatabaseRecord,
    contents: &Contents,
) -> Vec<String> {
    record
        .tables
        .iter()
        .filter(|table| {
            let now = contents.exact.get(&table.shape.name);
            now != table.exact_digest.as_ref()
                && contents.records.get(&table.shape.name) == Some(&table.content)
        })
        .map(|table| {
            format!(
                "table {}.{} has FLOAT values that differ beyond the digits of the dump",
                record.name, table.shape.name
            )
        })
        .collect()
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
