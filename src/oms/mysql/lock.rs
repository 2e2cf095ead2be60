//! The lock that admits one upgrade per meta database: one row in a database of our own, beside the record of upgrades.
use super::super::metadb::{LockClaim, LockOutcome, LockRow, MetaDbError, TakeOverClaim};
use super::lock_row::{check_holder, create_database, explain_grant, read_lock, table};
use super::session::Session;
use super::{installation_id, record};
use crate::metadb::lock_table::{HOLDER_MAX, NOTE_MAX, RESTORE_ROW};
use crate::metadb::record::{CREATE_RECORD, TAKE_OVER};
use crate::metadb::{INSTALLATION_TABLE, LOCK_DATABASE, LOCK_TABLE, RECORD_TABLE};
use std::collections::BTreeSet;

pub(super) async fn acquire_lock(
    session: &mut Session,
    claim: &LockClaim,
) -> Result<LockOutcome, MetaDbError> {
    check_holder(session, &claim.holder)?;
    if let Some(row) = read_lock(session).await? {
        return if row.holder == claim.holder && row.epoch < claim.epoch {
            raise_lock(session, claim).await
        } else {
            Ok(judge(row, claim))
        };
    }
    create_tables(session).await?;
    let note = cut_note(claim);
    let sql = format!(
        "insert into {} (id, holder, epoch, note) values (1, ?, ?, ?)",
        table()
    );
    match session
        .write(
            "the upgrade lock",
            &sql,
            (claim.holder.as_str(), claim.epoch, note),
        )
        .await
    {
        // 1062: somebody was faster; who it is, the read below tells.
        Ok(_) | Err(MetaDbError::Server { code: 1062, .. }) => {}
        Err(error) => return Err(error),
    }
    let outcome = read_outcome(session, claim).await?;
    // The lock is taken, whatever becomes of this.
    if matches!(outcome, LockOutcome::Held(_))
        && let Err(error) = record::forget_others(session, claim).await
    {
        tracing::debug!(%error, "the record of upgrades long past stays");
    }
    Ok(outcome)
}

/// Makes what is not there yet of our own, before the row that stands for the lock: who has the lock finds all of it.
/// What is there is left alone, so that from the second upgrade on no definition is written.
async fn create_tables(session: &mut Session) -> Result<(), MetaDbError> {
    let rows = session
        .read(
            "information_schema.tables",
            "select table_name from information_schema.tables where table_schema = ?",
            (LOCK_DATABASE,),
        )
        .await?;
    let mut there = BTreeSet::new();
    for row in rows {
        there.insert(row.text(0)?);
    }
    // InnoDB by name: the lock rests on rows that can be locked, whatever the server makes by default.
    let lock = format!(
        "create table if not exists {} (id tinyint not null primary key, holder varchar({HOLDER_MAX}) not null, \
         epoch bigint not null, note varchar({NOTE_MAX}) not null, \
         updated_at timestamp not null default current_timestamp on update current_timestamp) \
         engine = InnoDB default character set utf8mb4",
        table()
    );
    let tables = [
        (LOCK_TABLE, "create table upgrade_lock", lock),
        (
            RECORD_TABLE,
            "create table upgrade_record",
            CREATE_RECORD.to_owned(),
        ),
        (
            INSTALLATION_TABLE,
            "create table installation",
            installation_id::write_create(),
        ),
    ];
    if there.is_empty() {
        create_database(session).await?;
    }
    for (name, doing, sql) in tables {
        if !there.contains(name) {
            session
                .write_plain(doing, &sql)
                .await
                .map_err(explain_grant)?;
        }
    }
    installation_id::ensure_id(session).await
}

pub(super) async fn raise_lock(
    session: &mut Session,
    claim: &LockClaim,
) -> Result<LockOutcome, MetaDbError> {
    check_holder(session, &claim.holder)?;
    let Some(row) = read_lock(session).await? else {
        return Ok(LockOutcome::Free);
    };
    if row.holder != claim.holder || row.epoch >= claim.epoch {
        return Ok(judge(row, claim));
    }
    let sql = format!(
        "update {} set epoch = ? where id = 1 and holder = ? and epoch < ?",
        table()
    );
    session
        .write(
            "the upgrade lock",
            &sql,
            (claim.epoch, claim.holder.as_str(), claim.epoch),
        )
        .await?;
    read_outcome(session, claim).await
}

/// Gives lock and record to another object. Where the lock is not held as the claim says, nothing is written.
pub(super) async fn take_over_lock(
    session: &mut Session,
    claim: &TakeOverClaim,
) -> Result<LockOutcome, MetaDbError> {
    let to = &claim.to;
    check_holder(session, &claim.from)?;
    check_holder(session, &to.holder)?;
    if to.holder == claim.from || to.epoch <= claim.from_epoch {
        return Err(MetaDbError::Invalid {
            call: session.call.to_owned(),
            reason: "a take-over is by another holder, at a higher epoch".to_owned(),
        });
    }
    let note = cut_note(to);
    let values = (
        claim.from.as_str(),
        to.holder.as_str(),
        to.epoch,
        note,
        to.holder.as_str(),
        claim.from.as_str(),
        claim.from_epoch,
    );
    session
        .write("the upgrade lock", TAKE_OVER, values)
        .await
        .map_err(explain_grant)?;
    read_outcome(session, to).await
}

/// Takes out the row, and only this holder's, with what restores of its upgrade have left there: one statement, so that
/// whoever wants the lock meets either the row or none. Tables stay: the record has to outlive what it tells of.
pub(super) async fn release_lock(
    session: &mut Session,
    holder: &str,
    marks: &str,
) -> Result<LockOutcome, MetaDbError> {
    check_holder(session, holder)?;
    match read_lock(session).await? {
        Some(row) if row.holder != holder => return Ok(LockOutcome::HeldByOther(row)),
        Some(_) => {}
        None => return Ok(LockOutcome::Free),
    }
    let sql = format!(
        "delete from {} where (id = 1 and cast(holder as binary) = cast(? as binary)) \
         or (id = {RESTORE_ROW} and cast(holder as binary) = cast(? as binary))",
        table()
    );
    session
        .write("the upgrade lock", &sql, (holder, marks))
        .await
        .map_err(explain_grant)?;
    match read_lock(session).await? {
        None => Ok(LockOutcome::Free),
        Some(row) if row.holder == holder => Err(MetaDbError::NotAsWritten {
            call: session.call.to_owned(),
            reason: "the lock row is still there".to_owned(),
        }),
        // Released, and taken by the next one at once.
        Some(_) => Ok(LockOutcome::Free),
    }
}

/// As much of the note as its column takes.
fn cut_note(claim: &LockClaim) -> String {
    claim.note.chars().take(NOTE_MAX).collect()
}

/// Who holds the lock after a write.
async fn read_outcome(
    session: &mut Session,
    claim: &LockClaim,
) -> Result<LockOutcome, MetaDbError> {
    Ok(match read_lock(session).await? {
        Some(row) => judge(row, claim),
        None => LockOutcome::Free,
    })
}

fn judge(row: LockRow, claim: &LockClaim) -> LockOutcome {
    if row.holder != claim.holder {
        LockOutcome::HeldByOther(row)
    } else if row.epoch > claim.epoch {
        LockOutcome::Fenced(row)
    } else {
        LockOutcome::Held(row)
    }
}
