//! Lists what the databases consist of. Reads only.

use super::sessions::text_of;
use crate::agent::failure::{Failure, server_code};
use crate::agent::manifest::{DatabaseShape, TableShape, ViewShape};
use crate::agent::special::{ColumnFacts, SpecialColumn};
use crate::agent::sql::names::literal;
use crate::agent::sql::rewrite::{rename_references, split_auto_increment};
use crate::agent::sql::spelling::normalize_spelling;
use crate::metadb::{Meaning, judge_code, quote_name};
use crate::protocol::hex::hash_bytes;
use crate::protocol::report::Reason;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Row};
use std::collections::BTreeMap;

/// All databases of the server that this account can see.
///
/// # Errors
/// Of the server.
pub async fn list_databases(connection: &mut Conn) -> Result<Vec<String>, Failure> {
    connection
        .query("SHOW DATABASES")
        .await
        .map_err(|e| Failure::from_sql("listing the databases", &e))
}

/// Describes databases, in their order.
///
/// # Errors
/// As [`describe_database`].
pub async fn describe_databases(
    connection: &mut Conn,
    names: &[String],
) -> Result<Vec<DatabaseShape>, Failure> {
    let mut shapes = Vec::new();
    for name in names {
        shapes.push(describe_database(connection, name, &|_| None).await?);
    }
    Ok(shapes)
}

/// Describes database `name`. References of its tables to databases that `original` knows are written with
/// the original name, so that a database aside can be compared with the live one it stands for.
///
/// # Errors
/// `DatabaseMissing`, or of the server.
pub async fn describe_database(
    connection: &mut Conn,
    name: &str,
    original: &dyn Fn(&str) -> Option<String>,
) -> Result<DatabaseShape, Failure> {
    let doing = format!("describing database {name}");
    let failed = |e: &mysql_async::Error| Failure::from_sql(&doing, e);
    let quoted = literal(name);
    // All columns: which there are differs from server to server.
    let defaults: Option<Row> = connection
        .query_first(format!(
            "SELECT * FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = {quoted}"
        ))
        .await
        .map_err(|e| failed(&e))?;
    let options = defaults.as_ref().map(list_options).unwrap_or_default();
    let texts = defaults.and_then(|row| {
        let set = text_of(&row, "DEFAULT_CHARACTER_SET_NAME")?;
        Some((set, text_of(&row, "DEFAULT_COLLATION_NAME")?))
    });
    let Some((character_set, collation)) = texts else {
        return Err(Failure::new(
            Reason::DatabaseMissing,
            format!(
                "Database {name} does not exist, or the account may not see it. Nothing was changed. \
                 Check the database names in OMS's config.yaml and the grants of the account"
            ),
        ));
    };
    let mut shape = DatabaseShape {
        name: name.to_owned(),
        character_set,
        collation,
        options,
        ..DatabaseShape::default()
    };
    let mut columns = read_columns(connection, &quoted)
        .await
        .map_err(|e| failed(&e))?;
    let objects: Vec<(String, String)> = connection
        .query(format!("SHOW FULL TABLES FROM {}", quote_name(name)))
        .await
        .map_err(|e| failed(&e))?;
    for (object, kind) in objects {
        match kind.to_ascii_uppercase().as_str() {
            "BASE TABLE" => {
                let sql = format!(
                    "SHOW CREATE TABLE {}.{}",
                    quote_name(name),
                    quote_name(&object)
                );
                let text = show_create(connection, &sql, "Create Table")
                    .await
                    .map_err(|e| failed(&e))?;
                let Columns { names, special } = columns.remove(&object).unwrap_or_default();
                shape.tables.push(TableShape {
                    special,
                    ..describe_table(&object, names, &text, original)
                });
            }
            "VIEW" => {
                let sql = format!(
                    "SHOW CREATE VIEW {}.{}",
                    quote_name(name),
                    quote_name(&object)
                );
                let text = show_create(connection, &sql, "Create View")
                    .await
                    .map_err(|e| failed(&e))?;
                shape.views.push(ViewShape {
                    name: object,
                    definition_sha256: hash_bytes(text.as_bytes()),
                });
            }
            other => shape
                .others
                .push(format!("{} {object}", other.to_ascii_lowercase())),
        }
    }
    shape.tables.sort_by(|a, b| a.name.cmp(&b.name));
    shape.views.sort_by(|a, b| a.name.cmp(&b.name));
    shape.others.extend(
        list_programs(connection, name)
            .await?
            .into_iter()
            .map(|p| format!("{} {}", p.kind, p.name)),
    );
    Ok(shape)
}

/// What the manifest keeps of a table, from its CREATE statement.
pub fn describe_table(
    name: &str,
    columns: Vec<String>,
    create: &str,
    original: &dyn Fn(&str) -> Option<String>,
) -> TableShape {
    let (text, auto_increment) = split_auto_increment(create);
    let text = rename_references(normalize_spelling(&text).as_bytes(), original);
    TableShape {
        name: name.to_owned(),
        columns,
        create_sha256: hash_bytes(&text),
        auto_increment,
        special: Vec::new(),
    }
}

/// Runs a SHOW CREATE statement and takes the text out of `column`.
///
/// # Errors
/// Of the server.
pub async fn show_create(
    connection: &mut Conn,
    sql: &str,
    column: &str,
) -> Result<String, mysql_async::Error> {
    let row: Option<Row> = connection.query_first(sql).await?;
    Ok(row
        .and_then(|row| text_of(&row, column))
        .unwrap_or_default())
}

/// The columns of a table that hold data.
#[derive(Default)]
struct Columns {
    names: Vec<String>,
    special: Vec<SpecialColumn>,
}

/// The columns that hold data, per table. Generated ones are left out: dump clients do not write them.
async fn read_columns(
    connection: &mut Conn,
    schema: &str,
) -> Result<BTreeMap<String, Columns>, mysql_async::Error> {
    type Text = Option<String>;
    let rows: Vec<(String, String, Text, String, String, Text, Text)> = connection
        .query(format!(
            "SELECT TABLE_NAME, COLUMN_NAME, EXTRA, DATA_TYPE, COLUMN_TYPE, CHARACTER_SET_NAME, COLUMN_DEFAULT \
             FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = {schema} ORDER BY TABLE_NAME, ORDINAL_POSITION"
        ))
        .await?;
    let mut columns: BTreeMap<String, Columns> = BTreeMap::new();
    for (table, name, extra, data_type, column_type, character_set, default) in rows {
        let extra = extra.unwrap_or_default().to_ascii_uppercase();
        let is_generated = extra.contains("GENERATED") && !extra.contains("DEFAULT_GENERATED");
        let list = columns.entry(table).or_default();
        if !is_generated {
            let facts = ColumnFacts {
                name,
                data_type,
                column_type,
                character_set,
                default,
            };
            list.special.extend(SpecialColumn::judge(&facts));
            list.names.push(facts.name);
        }
    }
    Ok(columns)
}

/// A trigger, routine or event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// `trigger`, `procedure`, `function` or `event`.
    pub kind: String,
    pub name: String,
}

/// Triggers, routines and events of a database, which the documented backup does not carry.
///
/// # Errors
/// Of the server; a server that does not know a kind has none of it.
pub async fn list_programs(connection: &mut Conn, database: &str) -> Result<Vec<Program>, Failure> {
    let schema = literal(database);
    let queries = [
        format!(
            "SELECT 'trigger', TRIGGER_NAME FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = {schema}"
        ),
        format!(
            "SELECT LOWER(ROUTINE_TYPE), ROUTINE_NAME FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = {schema}"
        ),
        format!(
            "SELECT 'event', EVENT_NAME FROM information_schema.EVENTS WHERE EVENT_SCHEMA = {schema}"
        ),
    ];
    // OceanBase lists what else goes with its database neither among tables nor among programs. Other servers have no
    // such views; an account that may not read them is answered as if it were another server.
    let of_oceanbase = [
        format!(
            "SELECT 'sequence', SEQUENCE_NAME FROM oceanbase.DBA_OB_SEQUENCE_OBJECTS \
             WHERE DATABASE_NAME = {schema}"
        ),
        format!(
            "SELECT 'outline', OUTLINE_NAME FROM oceanbase.DBA_OB_OUTLINES WHERE DATABASE_NAME = {schema}"
        ),
    ];
    let all = queries
        .into_iter()
        .map(|query| (query, false))
        .chain(of_oceanbase.into_iter().map(|query| (query, true)));
    let mut found = Vec::new();
    for (query, may_be_denied) in all {
        match connection.query::<(String, String), _>(query).await {
            Ok(rows) => found.extend(rows.into_iter().map(|(kind, name)| Program { kind, name })),
            Err(error) if server_code(&error).is_some_and(is_of_no_such_list) => {}
            Err(error)
                if may_be_denied
                    && server_code(&error).map(judge_code) == Some(Meaning::PrivilegeMissing) => {}
            Err(error) => {
                return Err(Failure::from_sql(
                    &format!("listing the programs of database {database}"),
                    &error,
                ));
            }
        }
    }
    Ok(found)
}

/// Some versions of OceanBase have no events, some no triggers: the list is missing, is shaped otherwise, or is no
/// feature.
fn is_of_no_such_list(code: u16) -> bool {
    let meaning = judge_code(code);
    meaning.is_missing()
        || matches!(
            meaning,
            Meaning::ColumnMissing | Meaning::NotUnderstood | Meaning::NotSupported
        )
}

/// What a database is made with beside its character set: MariaDB's comment, MySQL's encryption.
fn list_options(row: &Row) -> Vec<String> {
    let comment = text_of(row, "SCHEMA_COMMENT").filter(|text| !text.is_empty());
    let encrypted =
        text_of(row, "DEFAULT_ENCRYPTION").filter(|text| text.eq_ignore_ascii_case("YES"));
    let comment = comment.map(|text| format!("COMMENT = {}", literal(&text)));
    let encrypted = encrypted.map(|_| "ENCRYPTION = 'Y'".to_owned());
    comment.into_iter().chain(encrypted).collect()
}

/// Bytes of the databases by the server's own estimate, and rows of `heatbeat_sequence`.
///
/// # Errors
/// Of the server.
pub async fn estimate_size(
    connection: &mut Conn,
    databases: &[String],
) -> Result<(u64, u64), Failure> {
    // An empty list is no list in SQL.
    if databases.is_empty() {
        return Ok((0, 0));
    }
    let list = databases
        .iter()
        .map(|name| literal(name))
        .collect::<Vec<_>>()
        .join(", ");
    let rows: Vec<(String, Option<u64>, Option<u64>)> = connection
        .query(format!(
            "SELECT TABLE_NAME, CAST(DATA_LENGTH AS UNSIGNED), CAST(TABLE_ROWS AS UNSIGNED) FROM information_schema.TABLES \
             WHERE TABLE_SCHEMA IN ({list})"
        ))
        .await
        .map_err(|e| Failure::from_sql("estimating the size of the databases", &e))?;
    let bytes = rows.iter().filter_map(|(_, bytes, _)| *bytes).sum();
    let heartbeats = rows
        .iter()
        .filter(|(name, ..)| name == "heatbeat_sequence")
        .filter_map(|(_, _, rows)| *rows)
        .sum();
    Ok((bytes, heartbeats))
}
