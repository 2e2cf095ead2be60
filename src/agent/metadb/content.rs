//! Reads tables and computes the digests of their content. Reads only.

use crate::agent::digest::{ContentDigest, ContentRecord, RowHash};
use crate::agent::failure::Failure;
use crate::agent::manifest::DatabaseShape;
use crate::agent::meter::Meter;
use crate::metadb::quote_name;
use crate::protocol::report::Reason;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Row, Value};
use std::collections::BTreeMap;

/// The digest of every table of a database.
///
/// # Errors
/// Of the server: a result that is cut is an error, never a short table.
pub async fn read_database(
    connection: &mut Conn,
    shape: &DatabaseShape,
    meter: &Meter,
) -> Result<BTreeMap<String, ContentRecord>, Failure> {
    let mut contents = BTreeMap::new();
    for table in &shape.tables {
        meter.at(&shape.name, Some(&table.name));
        let digest =
            read_table(connection, &shape.name, &table.name, &table.columns, meter).await?;
        contents.insert(table.name.clone(), digest.to_record());
    }
    Ok(contents)
}

/// Bytes after which the meter is told; a lock per row would cost more than the hash.
const REPORT_EVERY: u64 = 1 << 20;

async fn read_table(
    connection: &mut Conn,
    database: &str,
    table: &str,
    columns: &[String],
    meter: &Meter,
) -> Result<ContentDigest, Failure> {
    let doing = format!("reading table {database}.{table}");
    let failed = |e: &mysql_async::Error| Failure::from_sql(&doing, e);
    let list = columns
        .iter()
        .map(|name| quote_name(name))
        .collect::<Vec<_>>()
        .join(", ");
    let mut digest = ContentDigest::default();
    let sql = format!(
        "SELECT {list} FROM {}.{}",
        quote_name(database),
        quote_name(table)
    );
    let mut result = connection.query_iter(sql).await.map_err(|e| failed(&e))?;
    let mut unreported = 0;
    while let Some(row) = result.next().await.map_err(|e| failed(&e))? {
        let (hash, bytes) = hash_row(&row).ok_or_else(|| {
            Failure::new(
                Reason::Internal,
                format!(
                    "While {doing} a value came in another protocol than text. Nothing was changed"
                ),
            )
        })?;
        digest.add_row(hash);
        unreported += bytes;
        if unreported >= REPORT_EVERY {
            meter.add(std::mem::take(&mut unreported));
        }
    }
    meter.add(unreported);
    Ok(digest)
}

/// In the text protocol every value is NULL or bytes.
fn hash_row(row: &Row) -> Option<(RowHash, u64)> {
    let mut hash = RowHash::default();
    let mut bytes = 0;
    for index in 0..row.len() {
        match row.as_ref(index)? {
            Value::NULL => hash.add(None),
            Value::Bytes(value) => {
                bytes += value.len() as u64;
                hash.add(Some(value));
            }
            _ => return None,
        }
    }
    Some((hash, bytes))
}
