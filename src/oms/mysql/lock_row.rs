//! The row of the lock as it reads, and the database of our own around it: what lock, record and kept keys rest on.
use super::super::metadb::{LockRow, MetaDbError};
use super::session::Session;
use crate::metadb::lock_table::HOLDER_MAX;
use crate::metadb::{LOCK_DATABASE, LOCK_TABLE, quote_name, quote_table};

pub(super) fn table() -> String {
    quote_table(LOCK_DATABASE, LOCK_TABLE)
}

pub(super) async fn read_lock(session: &mut Session) -> Result<Option<LockRow>, MetaDbError> {
    let sql = format!(
        "select holder, epoch, note, timestampdiff(second, updated_at, now()) from {} where id = 1",
        table()
    );
    let rows = match session.read("the upgrade lock", &sql, ()).await {
        Ok(rows) => rows,
        Err(MetaDbError::Missing { .. }) => return Ok(None),
        // MariaDB says so of tables that do not exist, too, to accounts that could not see them.
        Err(error) => return Err(explain_grant(error)),
    };
    let Some(row) = rows.first() else {
        return Ok(None);
    };
    Ok(Some(LockRow {
        holder: row.text(0)?,
        epoch: row.signed(1)?,
        note: row.text(2)?,
        age_seconds: u64::try_from(row.signed(3)?).unwrap_or(0),
    }))
}

/// Makes the database of our own, when it is not there.
pub(super) async fn create_database(session: &mut Session) -> Result<(), MetaDbError> {
    session
        .write_plain(
            "create database oms_operator_lock",
            &format!(
                "create database if not exists {} character set utf8mb4",
                quote_name(LOCK_DATABASE)
            ),
        )
        .await
        .map_err(explain_grant)
}

pub(super) fn check_holder(session: &Session, holder: &str) -> Result<(), MetaDbError> {
    let plain = !holder.is_empty() && holder.len() <= HOLDER_MAX && holder.is_ascii();
    if plain {
        return Ok(());
    }
    Err(MetaDbError::Invalid {
        call: session.call.to_owned(),
        reason: format!("a lock holder is 1 to {HOLDER_MAX} ASCII characters"),
    })
}

pub(super) fn explain_grant(error: MetaDbError) -> MetaDbError {
    match error {
        MetaDbError::PrivilegeMissing { call, code, .. } => MetaDbError::PrivilegeMissing {
            call,
            code,
            grant: format!(
                "GRANT CREATE, DROP, SELECT, INSERT, UPDATE, DELETE ON {LOCK_DATABASE}.* TO the account"
            ),
        },
        error => error,
    }
}
