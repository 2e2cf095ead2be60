//! The row of `ha.config`: read, and changed by compare-and-set.
use super::super::ha::{HA_CONFIG_NAME, HaConfig};
use super::super::metadb::{HaRow, HaRowOutcome, HaRowWrite, MetaDbError};
use super::session::Session;
use super::tables::{find_columns, require_columns};
use crate::metadb::quote_table;

const TABLE: &str = "oms_normal_config";

pub(super) async fn read_row(session: &mut Session, rm: &str) -> Result<HaRow, MetaDbError> {
    read_parameter(session, rm, HA_CONFIG_NAME).await
}

/// The row of one system parameter.
pub(super) async fn read_parameter(
    session: &mut Session,
    rm: &str,
    name: &str,
) -> Result<HaRow, MetaDbError> {
    if find_columns(session, rm, TABLE).await?.is_none() {
        return Ok(HaRow::NoTable);
    }
    require_columns(session, rm, TABLE, &["cfg_name", "cfg_value"]).await?;
    read_text(session, rm, name).await
}

async fn read_text(session: &mut Session, rm: &str, name: &str) -> Result<HaRow, MetaDbError> {
    let sql = format!(
        "select cfg_name, cfg_value from {} where cfg_name = ?",
        quote_table(rm, TABLE)
    );
    let mut rows = session.read(TABLE, &sql, (name,)).await?;
    // The column's collation may take `HA.config` for equal.
    rows.retain(|row| row.optional_text(0).as_deref() == Some(name));
    match rows.as_slice() {
        [] => Ok(HaRow::NoRow),
        [row] => Ok(HaRow::Text(row.text(1)?)),
        _ => Err(session.differs(format!("{TABLE} has several rows named {name}"))),
    }
}

pub(super) async fn write_row(
    session: &mut Session,
    rm: &str,
    write: &HaRowWrite,
) -> Result<HaRowOutcome, MetaDbError> {
    let current = read_row(session, rm).await?;
    let config = match &current {
        HaRow::Text(text) => Some(parse(session, text)?),
        HaRow::NoTable | HaRow::NoRow => None,
    };
    // Asked again after an answer was lost, the write may be done already.
    if let Some(config) = &config
        && config.satisfies(&write.patch)
    {
        return Ok(HaRowOutcome::Unchanged(config.as_str().to_owned()));
    }
    if current != write.expected {
        return Ok(HaRowOutcome::Contended(current));
    }
    let target = match &config {
        Some(config) => config.apply_patch(&write.patch),
        None if current == HaRow::NoRow && write.insert_if_missing => {
            HaConfig::empty().apply_patch(&write.patch)
        }
        None => return Ok(HaRowOutcome::Missing),
    }
    .map_err(|error| MetaDbError::Invalid {
        call: session.call.to_owned(),
        reason: error.to_string(),
    })?;
    let table = quote_table(rm, TABLE);
    let changed = match &config {
        Some(config) => {
            let sql = format!(
                "update {table} set cfg_value = ? where cfg_name = ? \
                 and cast(convert(cfg_value using utf8mb4) as binary) = cast(convert(? using utf8mb4) as binary)"
            );
            session
                .write(
                    TABLE,
                    &sql,
                    (target.as_str(), HA_CONFIG_NAME, config.as_str()),
                )
                .await?
        }
        None => {
            let sql = format!(
                "insert into {table} (cfg_name, cfg_value) select ?, ? from dual \
                 where not exists (select 1 from {table} where cfg_name = ?)"
            );
            session
                .write(
                    TABLE,
                    &sql,
                    (HA_CONFIG_NAME, target.as_str(), HA_CONFIG_NAME),
                )
                .await?
        }
    };
    let after = read_text(session, rm, HA_CONFIG_NAME).await?;
    match (changed, &after) {
        (0, _) => Ok(HaRowOutcome::Contended(after)),
        (_, HaRow::Text(text)) if text == target.as_str() => {
            Ok(HaRowOutcome::Written(text.clone()))
        }
        _ => Err(MetaDbError::NotAsWritten {
            call: session.call.to_owned(),
            reason: format!("the row {HA_CONFIG_NAME} holds another text than was written"),
        }),
    }
}

fn parse(session: &Session, text: &str) -> Result<HaConfig, MetaDbError> {
    HaConfig::parse(text).map_err(|error| session.differs(error.to_string()))
}
