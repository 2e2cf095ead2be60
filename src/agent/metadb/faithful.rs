//! Looks for values that a dump does not carry as they are, whatever client writes it. Reads only.
//!
//! Digest and dump would agree, a restore would succeed, and the value would be another one. So they are named before
//! the upgrade, and refused.

use super::content::Contents;
use crate::agent::failure::{Failure, server_code};
use crate::agent::manifest::{DatabaseRecord, DatabaseShape, TableShape};
use crate::agent::special::{Special, SpecialColumn};
use crate::metadb::quote_name;
use mysql_async::Conn;
use mysql_async::prelude::Queryable;

/// Names what a dump of these tables would not carry, with its column. Empty: it carries all of it.
///
/// # Errors
/// Of the server.
pub async fn list_unfaithful(
    connection: &mut Conn,
    shape: &DatabaseShape,
) -> Result<Vec<String>, Failure> {
    let mut found = list_unfaithful_values(connection, shape).await?;
    found.extend(list_unfaithful_defaults(connection, shape).await?);
    Ok(found)
}

/// The same of rows.
///
/// # Errors
/// Of the server.
pub async fn list_unfaithful_values(
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
    }
    Ok(found)
}

/// The same of definitions. Reads no row.
///
/// # Errors
/// Of the server.
pub async fn list_unfaithful_defaults(
    connection: &mut Conn,
    shape: &DatabaseShape,
) -> Result<Vec<String>, Failure> {
    let mut found = Vec::new();
    for table in &shape.tables {
        let place = format!("{}.{}", shape.name, table.name);
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
pub fn find_inexact(record: &DatabaseRecord, contents: &Contents) -> Vec<String> {
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
