//! The record of upgrades: rows that are added under the lock, and read.
use super::super::metadb::{
    LockClaim, LockRow, MetaDbError, RecordClaim, RecordOutcome, RecordRow, UpgradeRecord,
};
use super::lock_row::{check_holder, explain_grant, read_lock};
use super::rows::Cells;
use super::session::Session;
use crate::metadb::record::{APPEND, FORGET, ROWS_MAX, RecordFact, UPGRADES_MAX, choose_forgotten};
use crate::metadb::{LOCK_DATABASE, Meaning, RECORD_TABLE, judge_code, pins, quote_table};

const WHAT: &str = "the record of upgrades";

/// How often an addition is tried that lost to another statement, which the server then took back whole.
const TRIES: usize = 5;

fn table() -> String {
    quote_table(LOCK_DATABASE, RECORD_TABLE)
}

fn write_select() -> String {
    format!(
        "select r.uid, r.seq, r.ordinal, r.epoch, r.fact, r.detail, unix_timestamp(r.written_at) from {} r",
        table()
    )
}

pub(super) async fn read_record(
    session: &mut Session,
    uid: &str,
) -> Result<UpgradeRecord, MetaDbError> {
    require_primary(session).await?;
    let sql = format!(
        "{} where r.uid = ? order by r.seq limit {}",
        write_select(),
        ROWS_MAX + 1
    );
    let rows = match read_rows(session, &sql, (uid,), ROWS_MAX).await {
        Ok(rows) => rows,
        // Nobody has ever taken the lock here.
        Err(MetaDbError::Missing { .. }) => return Ok(UpgradeRecord::default()),
        Err(error) => return Err(error),
    };
    for (row, seq) in rows.iter().zip(1..) {
        if row.seq != seq {
            return Err(session.differs(format!(
                "row {seq} of upgrade {uid} is missing in {LOCK_DATABASE}.{RECORD_TABLE}, and a later one is there; \
                 rows are never removed by the operator"
            )));
        }
    }
    let sql = format!(
        "{} where r.fact = 'Verdict' order by r.ordinal desc limit 1",
        write_select()
    );
    let newest_verdict = read_rows(session, &sql, (), 1).await?.pop();
    let sql = format!(
        "{} join (select uid, max(seq) as seq from {} where uid <> ? group by uid) last \
         on r.uid = last.uid and r.seq = last.seq where r.fact <> 'Verdict' order by r.ordinal desc limit {}",
        write_select(),
        table(),
        UPGRADES_MAX + 1
    );
    let unfinished = read_rows(session, &sql, (uid,), UPGRADES_MAX).await?;
    Ok(UpgradeRecord {
        rows,
        newest_verdict,
        unfinished,
    })
}

async fn read_rows(
    session: &mut Session,
    sql: &str,
    params: impl Into<mysql_async::Params> + Send,
    most: usize,
) -> Result<Vec<RecordRow>, MetaDbError> {
    let cells = session
        .read(WHAT, sql, params)
        .await
        .map_err(explain_grant)?;
    if cells.len() > most {
        return Err(session.differs(format!(
            "{LOCK_DATABASE}.{RECORD_TABLE} has more than {most} rows where fewer are written; \
             look into it and take out what is not of the operator"
        )));
    }
    cells.iter().map(|row| read_row(session, row)).collect()
}

fn read_row(session: &Session, row: &Cells) -> Result<RecordRow, MetaDbError> {
    let uid = row.text(0)?;
    let seq = u32::try_from(row.unsigned(1)?).map_err(|_| {
        session.differs(format!(
            "a row of upgrade {uid} in {LOCK_DATABASE}.{RECORD_TABLE} has a number that no operator gives"
        ))
    })?;
    let fact = RecordFact::from_columns(&row.text(4)?, &row.text(5)?).map_err(|unknown| {
        session.differs(format!(
            "row {seq} of upgrade {uid} in {LOCK_DATABASE}.{RECORD_TABLE}: {unknown}; \
             use the version of the operator that wrote it, or a newer one"
        ))
    })?;
    Ok(RecordRow {
        uid,
        seq,
        ordinal: row.unsigned(2)?,
        epoch: row.signed(3)?,
        fact,
        written: row.signed(6)?,
    })
}

/// A replica may lag behind, and what it does not tell yet would be taken for not having happened.
async fn require_primary(session: &mut Session) -> Result<(), MetaDbError> {
    let rows = session
        .read_plain("read_only", "select @@global.read_only")
        .await?;
    let value = rows.first().and_then(|row| row.optional_text(0));
    if value.is_some_and(|value| pins::is_on(&value)) {
        return Err(MetaDbError::ReadOnlyServer {
            call: session.call.to_owned(),
        });
    }
    Ok(())
}

pub(super) async fn append_record(
    session: &mut Session,
    claim: &RecordClaim,
) -> Result<RecordOutcome, MetaDbError> {
    check_holder(session, &claim.holder)?;
    let call = session.call;
    let invalid = |reason: &str| {
        Err(MetaDbError::Invalid {
            call: call.to_owned(),
            reason: reason.to_owned(),
        })
    };
    let Some(columns) = claim.fact.to_columns() else {
        return invalid("the fact is too long for the record");
    };
    if claim.seq == 0 || i32::try_from(claim.seq).is_err() {
        return invalid("rows of the record are counted from 1");
    }
    let mut lost = None;
    for _ in 0..TRIES {
        let values = (
            claim.seq,
            columns.fact.as_str(),
            columns.detail.as_str(),
            claim.holder.as_str(),
            claim.epoch,
            claim.seq,
            claim.seq,
        );
        match session.write(WHAT, APPEND, values).await {
            Ok(0) => {}
            Ok(_) => return Ok(RecordOutcome::Appended),
            Err(MetaDbError::Server { code, .. }) if judge_code(code) == Meaning::DuplicateKey => {}
            Err(error) if is_taken_back(&error) => {
                lost = Some(error);
                continue;
            }
            Err(error) => return Err(explain_absence(session, error)),
        }
        if let Some(outcome) = judge_refusal(session, claim).await? {
            return Ok(outcome);
        }
    }
    Err(lost.unwrap_or_else(|| MetaDbError::NotAsWritten {
        call: session.call.to_owned(),
        reason: format!("other rows come into {LOCK_DATABASE}.{RECORD_TABLE} all the time"),
    }))
}

/// Why no row was added; `None` where it would be now.
async fn judge_refusal(
    session: &mut Session,
    claim: &RecordClaim,
) -> Result<Option<RecordOutcome>, MetaDbError> {
    let lock = read_lock(session).await?;
    if !lock.as_ref().is_some_and(|row| is_held(row, claim)) {
        return Ok(Some(RecordOutcome::NotOurs(lock)));
    }
    let sql = format!("{} where r.uid = ? and r.seq = ?", write_select());
    let there = read_rows(session, &sql, (claim.holder.as_str(), claim.seq), 1)
        .await
        .map_err(|error| explain_absence(session, error))?
        .pop();
    if let Some(row) = there {
        return Ok(Some(if row.fact == claim.fact {
            RecordOutcome::AlreadyThere
        } else {
            RecordOutcome::Conflict(row)
        }));
    }
    let sql = format!(
        "select coalesce(max(seq), 0) from {} where uid = ?",
        table()
    );
    let rows = session.read(WHAT, &sql, (claim.holder.as_str(),)).await?;
    let last = match rows.first() {
        Some(row) => u32::try_from(row.unsigned(0)?).unwrap_or(u32::MAX),
        None => 0,
    };
    Ok((claim.seq.saturating_sub(1) != last).then_some(RecordOutcome::Behind { last }))
}

fn is_held(row: &LockRow, claim: &RecordClaim) -> bool {
    row.holder == claim.holder && row.epoch == claim.epoch
}

/// A deadlock: the server has undone the whole statement, and says so (1213 of all of them).
fn is_taken_back(error: &MetaDbError) -> bool {
    matches!(error, MetaDbError::Server { code: 1213, .. })
}

/// The table is made before the lock is taken: who has the lock and finds none is told that somebody removed it.
fn explain_absence(session: &Session, error: MetaDbError) -> MetaDbError {
    match error {
        MetaDbError::Missing { .. } => session.differs(format!(
            "{LOCK_DATABASE}.{RECORD_TABLE} or {LOCK_DATABASE} is gone although an upgrade is under way; \
             find out who removed it"
        )),
        error => explain_grant(error),
    }
}

/// Takes out the record of upgrades long past. Only who has the lock does, and whatever fails is left to the next one.
pub(super) async fn forget_others(
    session: &mut Session,
    claim: &LockClaim,
) -> Result<(), MetaDbError> {
    let sql = format!(
        "select uid, max(ordinal), max(case when fact = 'Verdict' then ordinal end) from {} where uid <> ? \
         group by uid limit {UPGRADES_MAX}",
        table()
    );
    let rows = session.read(WHAT, &sql, (claim.holder.as_str(),)).await?;
    let mut others = Vec::new();
    for row in rows {
        let verdict = if row.is_null(2) {
            None
        } else {
            Some(row.unsigned(2)?)
        };
        others.push((row.text(0)?, row.unsigned(1)?, verdict));
    }
    for uid in choose_forgotten(&others) {
        session
            .write(WHAT, FORGET, (uid, claim.holder.as_str(), claim.epoch))
            .await?;
    }
    Ok(())
}
