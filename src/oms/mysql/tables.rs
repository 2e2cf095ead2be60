//! Which databases, tables and columns there are. A table that the account may not see is an error,
//! never "absent": absence has a meaning (HA is off), so it must be proven.
use super::super::metadb::MetaDbError;
use super::session::Session;
use crate::metadb::quote_table;

async fn has_database(session: &mut Session, wanted: &str) -> Result<bool, MetaDbError> {
    let rows = session
        .read(
            "information_schema.schemata",
            "select schema_name from information_schema.schemata",
            (),
        )
        .await?;
    for row in rows {
        // Servers with lower_case_table_names=1 show other letters than the configuration.
        if row.text(0)?.eq_ignore_ascii_case(wanted) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Columns of a table in lower case; `None` when the server itself says that there is no such table.
pub(super) async fn find_columns(
    session: &mut Session,
    database: &str,
    table: &'static str,
) -> Result<Option<Vec<String>>, MetaDbError> {
    match session
        .read(
            table,
            &format!("select 1 from {} where 1 = 0", quote_table(database, table)),
            (),
        )
        .await
    {
        Ok(_) => {}
        Err(MetaDbError::Missing { .. }) => {
            // Error 1049 and 1146 both mean missing; only the database tells them apart.
            return if has_database(session, database).await? {
                Ok(None)
            } else {
                Err(MetaDbError::Missing {
                    call: session.call.to_owned(),
                    object: format!("database {database}"),
                })
            };
        }
        Err(error) => return Err(error),
    }
    let rows = session
        .read(
            "information_schema.columns",
            "select column_name from information_schema.columns where table_schema = ? and table_name = ?",
            (database, table),
        )
        .await?;
    let mut columns = Vec::new();
    for row in rows {
        columns.push(row.text(0)?.to_ascii_lowercase());
    }
    Ok(Some(columns))
}

/// Fails unless the table is there with these columns.
pub(super) async fn require_columns(
    session: &mut Session,
    database: &str,
    table: &'static str,
    wanted: &[&str],
) -> Result<Vec<String>, MetaDbError> {
    let Some(columns) = find_columns(session, database, table).await? else {
        return Err(session.differs(format!(
            "the table {table} does not exist in database {database}"
        )));
    };
    let missing: Vec<&str> = wanted
        .iter()
        .copied()
        .filter(|name| !columns.iter().any(|column| column == name))
        .collect();
    if missing.is_empty() {
        Ok(columns)
    } else {
        Err(session.differs(format!(
            "the table {table} has no column {}",
            missing.join(", ")
        )))
    }
}
