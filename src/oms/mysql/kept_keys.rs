//! Which recovery keys an upgrade has left in `ha.config`: one row per OMS beside the lock, for the upgrade that comes
//! next. A server may have the databases of several; the rm database is what tells them apart.
use super::super::metadb::{KeptKeys, MetaDbError};
use super::lock_row::{create_database, explain_grant};
use super::session::Session;
use crate::metadb::{KEPT_TABLE, LOCK_DATABASE, describe_removal, quote_table};

/// Longest name of a database on OceanBase.
const RM_MAX: usize = 128;
const NOTE_MAX: usize = 255;
const WHAT: &str = "the kept recovery keys";

fn table() -> String {
    quote_table(LOCK_DATABASE, KEPT_TABLE)
}

pub(super) async fn read_kept(
    session: &mut Session,
    rm: &str,
) -> Result<Option<KeptKeys>, MetaDbError> {
    let sql = format!("select note, kept from {} where rm = ?", table());
    let rows = match session.read(WHAT, &sql, (rm,)).await {
        Ok(rows) => rows,
        Err(MetaDbError::Missing { .. }) => return Ok(None),
        // As with the lock: an account that could not see it is told so of a table that does not exist, too.
        Err(error) => return Err(explain_grant(error)),
    };
    let Some(row) = rows.first() else {
        return Ok(None);
    };
    let keys = serde_json::from_str(&row.text(1)?).map_err(|_| {
        session.differs(format!(
            "{LOCK_DATABASE}.{KEPT_TABLE} is not as the operator wrote it; look into it, \
             put the recovery keys of ha.config right by hand, then: {}",
            describe_removal(rm)
        ))
    })?;
    Ok(Some(KeptKeys {
        note: row.text(0)?,
        keys,
    }))
}

pub(super) async fn write_kept(
    session: &mut Session,
    rm: &str,
    kept: &KeptKeys,
) -> Result<(), MetaDbError> {
    if kept.keys.is_empty() {
        remove(session, rm).await?;
    } else {
        insert(session, rm, kept).await?;
    }
    let keys = read_kept(session, rm)
        .await?
        .map_or_else(Vec::new, |found| found.keys);
    if keys == kept.keys {
        return Ok(());
    }
    Err(MetaDbError::NotAsWritten {
        call: session.call.to_owned(),
        reason: format!("{LOCK_DATABASE}.{KEPT_TABLE} holds other keys than were written"),
    })
}

/// The table goes with its last row.
async fn remove(session: &mut Session, rm: &str) -> Result<(), MetaDbError> {
    let sql = format!("select rm from {} where rm <> ?", table());
    let others = match session.read(WHAT, &sql, (rm,)).await {
        Ok(others) => others,
        Err(MetaDbError::Missing { .. }) => return Ok(()),
        Err(error) => return Err(explain_grant(error)),
    };
    if others.is_empty() {
        let sql = format!("drop table if exists {}", table());
        return session
            .write_plain("drop table kept_recovery_keys", &sql)
            .await;
    }
    let sql = format!("delete from {} where rm = ?", table());
    session.write(WHAT, &sql, (rm,)).await?;
    Ok(())
}

async fn insert(session: &mut Session, rm: &str, kept: &KeptKeys) -> Result<(), MetaDbError> {
    create_database(session).await?;
    let sql = format!(
        "create table if not exists {} (rm varchar({RM_MAX}) collate utf8mb4_bin not null primary key, note varchar({NOTE_MAX}) not null, \
         kept text not null) default character set utf8mb4",
        table()
    );
    session
        .write_plain("create table kept_recovery_keys", &sql)
        .await
        .map_err(explain_grant)?;
    let text = serde_json::to_string(&kept.keys).map_err(|error| MetaDbError::Invalid {
        call: session.call.to_owned(),
        reason: error.to_string(),
    })?;
    let note: String = kept.note.chars().take(NOTE_MAX).collect();
    let sql = format!(
        "insert into {} (rm, note, kept) values (?, ?, ?) on duplicate key update note = values(note), kept = values(kept)",
        table()
    );
    session.write(WHAT, &sql, (rm, note, text)).await?;
    Ok(())
}
