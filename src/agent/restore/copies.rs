//! Safety copies: the databases that hold what a restore replaced, and whose they are. Writes to them and to nothing
//! else.
//!
//! A name says which attempt made a copy, and not of which upgrade: once a copy was dropped, a later upgrade may make
//! one of the same name. So each holds an empty table whose comment names its upgrade.

use crate::agent::failure::Failure;
use crate::agent::metadb::catalogue::list_databases;
use crate::agent::metadb::patience::run_patiently;
use crate::agent::sql::names::{Beside, literal};
use crate::metadb::quote_name;
use crate::protocol::report::SafetyCopy;
use mysql_async::Conn;
use mysql_async::prelude::Queryable;

/// The table whose comment names the upgrade. It goes with its database.
pub const MARK: &str = "oms_operator_safety_copy";

/// Writes down whose copy a database is. It is made once, and never changed.
///
/// # Errors
/// Of the server.
pub async fn mark(connection: &mut Conn, database: &str, upgrade_uid: &str) -> Result<(), Failure> {
    let sql = format!(
        "CREATE TABLE IF NOT EXISTS {}.{MARK} (id INT PRIMARY KEY) COMMENT = {}",
        quote_name(database),
        literal(upgrade_uid)
    );
    run_patiently(connection, sql, &format!("marking safety copy {database}")).await
}

/// Whose copy a database is; `None` where nothing in it says so.
///
/// # Errors
/// Of the server.
pub async fn read_mark(connection: &mut Conn, database: &str) -> Result<Option<String>, Failure> {
    let sql = format!(
        "SELECT TABLE_COMMENT FROM information_schema.TABLES WHERE TABLE_SCHEMA = {} AND TABLE_NAME = {}",
        literal(database),
        literal(MARK)
    );
    connection
        .query_first(sql)
        .await
        .map_err(|e| Failure::from_sql(&format!("reading whose safety copy {database} is"), &e))
}

/// Whether a name is that of a copy of one of these databases.
pub fn is_copy_name(databases: &[String], name: &str) -> bool {
    let mut databases = databases.iter();
    databases.any(|live| Beside::Safety.suffix_of(live, name).is_some())
}

/// The copies of an upgrade, of all its attempts.
///
/// # Errors
/// Of the server.
pub async fn list_copies(
    connection: &mut Conn,
    databases: &[String],
    upgrade_uid: &str,
) -> Result<Vec<SafetyCopy>, Failure> {
    let mut found = Vec::new();
    for database in list_databases(connection).await? {
        if is_copy_name(databases, &database)
            && read_mark(connection, &database).await?.as_deref() == Some(upgrade_uid)
        {
            found.push(measure(connection, database).await?);
        }
    }
    // In the order of the databases, as everything else is told of them.
    let place = |copy: &SafetyCopy| {
        let mut all = databases.iter();
        all.position(|live| Beside::Safety.suffix_of(live, &copy.database).is_some())
    };
    found.sort_by(|a, b| (place(a), &a.database).cmp(&(place(b), &b.database)));
    Ok(found)
}

async fn measure(connection: &mut Conn, database: String) -> Result<SafetyCopy, Failure> {
    let sql = format!(
        "SELECT TABLE_NAME, CAST(DATA_LENGTH AS UNSIGNED) FROM information_schema.TABLES WHERE TABLE_SCHEMA = {}",
        literal(&database)
    );
    let rows: Vec<(String, Option<u64>)> = connection
        .query(sql)
        .await
        .map_err(|e| Failure::from_sql(&format!("measuring safety copy {database}"), &e))?;
    let tables = || rows.iter().filter(|(name, _)| name != MARK);
    let bytes: u64 = tables().filter_map(|(_, bytes)| *bytes).sum();
    Ok(SafetyCopy {
        tables: u64::try_from(tables().count()).ok(),
        // OceanBase's engine tells a length of zero for tables whose rows it has not flushed yet.
        bytes: Some(bytes).filter(|bytes| *bytes > 0),
        database,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_live_database_has_the_name_of_a_copy() {
        let databases = ["oms_rm".to_owned(), "oms_cm".to_owned()];
        for copy in ["oms_rm__omsnew_1", "oms_cm__omsnew_3_2"] {
            assert!(is_copy_name(&databases, copy));
        }
        for other in [
            "oms_rm",
            "oms_rm__omsnew_",
            "oms_rm__omsrestore_1",
            "oms_rm__omsnew_x",
            "other__omsnew_1",
            "oms_operator_lock",
        ] {
            assert!(!is_copy_name(&databases, other), "{other}");
        }
    }
}
