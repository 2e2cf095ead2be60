//! Which recovery keys an upgrade has left in `ha.config`: one row beside the lock, for the upgrade that comes next.
use super::super::metadb::{KEPT_TABLE, KeptKeys, LOCK_DATABASE, MetaDbError};
use super::lock::{create_database, explain_grant};
use super::session::{Session, quote_table};

const NOTE_MAX: usize = 255;
const WHAT: &str = "the kept recovery keys";

fn table() -> String {
    quote_table(LOCK_DATABASE, KEPT_TABLE)
}

pub(super) async fn read_kept(session: &mut Session) -> Result<Option<KeptKeys>, MetaDbError> {
    let sql = format!("select note, kept from {} where id = 1", table());
    let rows = match session.read(WHAT, &sql, ()).await {
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
            "{LOCK_DATABASE}.{KEPT_TABLE} is not as the operator wrote it; look into it, put the recovery keys of ha.config right by hand, then drop this table"
        ))
    })?;
    Ok(Some(KeptKeys {
        note: row.text(0)?,
        keys,
    }))
}

pub(super) async fn write_kept(session: &mut Session, kept: &KeptKeys) -> Result<(), MetaDbError> {
    if kept.keys.is_empty() {
        let dropped = session
            .write_plain(
                "drop table kept_recovery_keys",
                &format!("drop table if exists {}", table()),
            )
            .await;
        // Some servers want the database to be there.
        match dropped {
            Ok(()) | Err(MetaDbError::Missing { .. }) => {}
            Err(error) => return Err(error),
        }
    } else {
        insert(session, kept).await?;
    }
    let keys = read_kept(session)
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

async fn insert(session: &mut Session, kept: &KeptKeys) -> Result<(), MetaDbError> {
    create_database(session).await?;
    let sql = format!(
        "create table if not exists {} (id tinyint not null primary key, note varchar({NOTE_MAX}) not null, \
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
        "insert into {} (id, note, kept) values (1, ?, ?) on duplicate key update note = values(note), kept = values(kept)",
        table()
    );
    session.write(WHAT, &sql, (note, text)).await?;
    Ok(())
}
