//! Reads tables and computes the digests of their content. Reads only.

use crate::agent::digest::{ContentDigest, ContentRecord, RowHash, without_sign_of_zero};
use crate::agent::failure::Failure;
use crate::agent::manifest::{DatabaseShape, TableShape};
use crate::agent::meter::Meter;
use crate::agent::special::Special;
use crate::metadb::quote_name;
use crate::protocol::report::Reason;
use mysql_async::consts::ColumnType;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Row, Value};
use std::collections::BTreeMap;

/// What the tables of a database hold, by their names.
#[derive(Default)]
pub struct Contents {
    /// As text, which is what a dump carries.
    pub records: BTreeMap<String, ContentRecord>,
    /// With the exact values of FLOAT columns, for tables that have some.
    pub exact: BTreeMap<String, String>,
}

/// The digest of every table of a database.
///
/// # Errors
/// Of the server: a result that is cut is an error, never a short table.
pub async fn read_database(
    connection: &mut Conn,
    shape: &DatabaseShape,
    meter: &Meter,
) -> Result<Contents, Failure> {
    let mut contents = Contents::default();
    for table in &shape.tables {
        meter.at(&shape.name, Some(&table.name));
        let (digest, exact) = read_table(connection, &shape.name, table, meter).await?;
        let name = table.name.clone();
        contents.records.insert(name.clone(), digest.to_record());
        if let Some(exact) = exact {
            let sum = exact.to_record().content_digest;
            contents.exact.insert(name, sum);
        }
    }
    Ok(contents)
}

/// How many rows every table of a database has.
///
/// # Errors
/// Of the server.
pub async fn count_rows(
    connection: &mut Conn,
    shape: &DatabaseShape,
) -> Result<BTreeMap<String, u64>, Failure> {
    let mut counts = BTreeMap::new();
    for table in &shape.tables {
        let sql = format!(
            "SELECT COUNT(*) FROM {}.{}",
            quote_name(&shape.name),
            quote_name(&table.name)
        );
        let doing = format!("counting the rows of {}.{}", shape.name, table.name);
        let rows: Option<u64> = connection
            .query_first(sql)
            .await
            .map_err(|e| Failure::from_sql(&doing, &e))?;
        counts.extend(rows.map(|rows| (table.name.clone(), rows)));
    }
    Ok(counts)
}

/// Bytes after which the meter is told; a lock per row would cost more than the hash.
const REPORT_EVERY: u64 = 1 << 20;

async fn read_table(
    connection: &mut Conn,
    database: &str,
    table: &TableShape,
    meter: &Meter,
) -> Result<(ContentDigest, Option<ContentDigest>), Failure> {
    let doing = format!("reading table {database}.{}", table.name);
    let failed = |e: &mysql_async::Error| Failure::from_sql(&doing, e);
    let floats = table
        .special
        .iter()
        .filter(|column| column.special == Special::Float);
    // As a DOUBLE, which is printed with every digit.
    let exact_list: Vec<String> = floats
        .map(|column| format!("{} + 0e0", quote_name(&column.name)))
        .collect();
    let has_exact = !exact_list.is_empty();
    let list: Vec<String> = table
        .columns
        .iter()
        .map(|name| quote_name(name))
        .chain(exact_list)
        .collect();
    let mut digest = ContentDigest::default();
    let mut exact = has_exact.then(ContentDigest::default);
    let sql = format!(
        "SELECT {} FROM {}.{}",
        list.join(", "),
        quote_name(database),
        quote_name(&table.name)
    );
    let mut result = connection.query_iter(sql).await.map_err(|e| failed(&e))?;
    let mut unreported = 0;
    while let Some(row) = result.next().await.map_err(|e| failed(&e))? {
        let other_protocol = || {
            Failure::new(
                Reason::Internal,
                format!(
                    "While {doing} a value came in another protocol than text. Nothing was changed"
                ),
            )
        };
        let (hash, bytes) = hash_row(&row, table.columns.len()).ok_or_else(other_protocol)?;
        digest.add_row(hash);
        if let Some(exact) = &mut exact {
            let (hash, _) = hash_row(&row, row.len()).ok_or_else(other_protocol)?;
            exact.add_row(hash);
        }
        unreported += bytes;
        if unreported >= REPORT_EVERY {
            meter.add(std::mem::take(&mut unreported));
        }
    }
    meter.add(unreported);
    Ok((digest, exact))
}

/// The first values of a row. In the text protocol every value is NULL or bytes.
fn hash_row(row: &Row, values: usize) -> Option<(RowHash, u64)> {
    let mut hash = RowHash::default();
    let mut bytes = 0;
    for index in 0..values {
        match row.as_ref(index)? {
            Value::NULL => hash.add(None),
            Value::Bytes(value) => {
                bytes += value.len() as u64;
                hash.add(Some(match row.columns_ref().get(index)?.column_type() {
                    ColumnType::MYSQL_TYPE_FLOAT | ColumnType::MYSQL_TYPE_DOUBLE => {
                        without_sign_of_zero(value)
                    }
                    _ => value,
                }));
            }
            _ => return None,
        }
    }
    Some((hash, bytes))
}
