//! Connectors' source `dbType` from `config_job` (cm database).
//!
//! The key names are known from the vendor's precheck statements; which column names the connector is
//! not documented, so known candidates are tried and anything else is reported as unknown.
use std::collections::BTreeMap;

use super::super::metadb::{ConnectorFact, ConnectorReport, DbType, MetaDbError};
use super::session::Session;
use super::tables::find_columns;
use crate::metadb::{quote_name, quote_table};

const TABLE: &str = "config_job";
const OWNER_COLUMNS: [&str; 6] = [
    "job_name",
    "task_name",
    "connector_name",
    "name",
    "job_id",
    "task_id",
];
const TYPE_KEYS: [&str; 2] = ["sourceFile.dbType", "sourceFile.db_type"];

pub(super) async fn list_connectors(
    session: &mut Session,
    cm: &str,
) -> Result<ConnectorReport, MetaDbError> {
    let unknown = |reason: String| Ok(ConnectorReport::Unknown { reason });
    let Some(columns) = find_columns(session, cm, TABLE).await? else {
        return unknown(format!("the table {TABLE} does not exist"));
    };
    let has = |name: &str| columns.iter().any(|column| column == name);
    if !has("key") || !has("value") {
        return unknown(format!(
            "the table {TABLE} has no columns `key` and `value`"
        ));
    }
    let Some(owner) = OWNER_COLUMNS.into_iter().find(|name| has(name)) else {
        return unknown(format!(
            "no column of {TABLE} is known to name the connector"
        ));
    };
    // Only keys of connectors, and of values only the database type: others hold passwords.
    let sql = format!(
        "select {owner}, `key`, case when `key` in (?, ?) then `value` end from {} where `key` like 'sourceFile.%'",
        quote_table(cm, TABLE),
        owner = quote_name(owner)
    );
    let mut found: BTreeMap<String, DbType> = BTreeMap::new();
    for row in session
        .read(TABLE, &sql, (TYPE_KEYS[0], TYPE_KEYS[1]))
        .await?
    {
        let entry = found.entry(row.text(0)?).or_insert(DbType::Missing);
        let key = row.text(1)?;
        let value = row
            .optional_text(2)
            .map(|text| text.trim().to_owned())
            .filter(|text| !text.is_empty());
        if let (true, Some(value)) = (TYPE_KEYS.contains(&key.as_str()), value) {
            // A word such as OB_MYSQL; cut, because it goes into messages.
            *entry = DbType::Named(value.chars().filter(|c| !c.is_control()).take(40).collect());
        }
    }
    Ok(ConnectorReport::Known(
        found
            .into_iter()
            .map(|(name, db_type)| ConnectorFact { name, db_type })
            .collect(),
    ))
}
