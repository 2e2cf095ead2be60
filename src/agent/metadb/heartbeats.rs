//! Shortens the table from which heart beats take their numbers, which grows for ever. Deletes rows of that one table.

use super::patience::run_patiently;
use crate::agent::failure::Failure;
use crate::metadb::quote_name;
use mysql_async::Conn;
use mysql_async::prelude::Queryable;

/// The name is spelt so (OMS upgrade guide, single node, step 2).
const TABLE: &str = "heatbeat_sequence";

/// Rows that one statement deletes: a transaction that OceanBase does not end for its length.
const BATCH: u64 = 20_000;

/// Deletes all rows but the newest, in whichever of the databases has such a table. The guide's own statement reads the
/// table that it deletes from, which MySQL refuses.
///
/// # Errors
/// Of the server. What was deleted stays deleted, which costs nothing.
pub async fn trim_heartbeat_sequence(
    connection: &mut Conn,
    databases: &[String],
) -> Result<(), Failure> {
    for database in databases {
        let doing = format!("shortening {database}.{TABLE}");
        let failed = |e: &mysql_async::Error| Failure::from_sql(&doing, e);
        let there: Option<String> = connection
            .query_first(format!(
                "SHOW TABLES FROM {} LIKE '{TABLE}'",
                quote_name(database)
            ))
            .await
            .map_err(|e| failed(&e))?;
        if there.is_none() {
            continue;
        }
        let table = format!("{}.{TABLE}", quote_name(database));
        let newest: Option<Option<u64>> = connection
            .query_first(format!("SELECT MAX(id) FROM {table}"))
            .await
            .map_err(|e| failed(&e))?;
        let Some(newest) = newest.flatten() else {
            continue;
        };
        loop {
            let sql = format!("DELETE FROM {table} WHERE id < {newest} LIMIT {BATCH}");
            run_patiently(connection, sql, &doing).await?;
            if connection.affected_rows() < BATCH {
                break;
            }
        }
    }
    Ok(())
}
