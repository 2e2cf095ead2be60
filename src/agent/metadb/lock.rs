//! Who may work on the MetaDB: the operator's lock row, and one agent at a time.
//!
//! Two agents are kept apart by a row lock in an open transaction, not by `GET_LOCK`: on OceanBase's engine a
//! named lock stays taken after its session has ended (seen on seekdb 1.4.0, also after a clean disconnect),
//! so that a killed attempt would lock out its successor for ever. A row lock goes with its session.

use super::connection::{HEARTBEAT, LOST_PATIENCE, MetaDbServer, ping};
use super::sessions::{list_account, say_kill};
use crate::agent::failure::{Failure, server_code};
use crate::metadb::lock_table::{AGENT_ROW, TABLE};
use crate::metadb::{Meaning, judge_code};
use crate::protocol::report::Reason;
use crate::protocol::request::Lock;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Row};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// Requires that the operator's row names this upgrade with this epoch.
///
/// # Errors
/// `LockLost` when the row is another one or missing.
pub async fn check_fence(connection: &mut Conn, lock: &Lock) -> Result<(), Failure> {
    let rows: Vec<(String, i64)> = match connection
        .query(format!("SELECT holder, epoch FROM {TABLE} WHERE id = 1"))
        .await
    {
        Ok(rows) => rows,
        Err(error) if server_code(&error).is_some_and(|code| judge_code(code).is_missing()) => {
            Vec::new()
        }
        Err(error) => {
            return Err(Failure::from_sql(
                "reading the lock row of the operator",
                &error,
            ));
        }
    };
    match rows.as_slice() {
        [(holder, epoch)] if *holder == lock.holder && *epoch == lock.epoch => Ok(()),
        [] => Err(lost(
            "the lock row in oms_operator_lock.upgrade_lock is missing",
        )),
        [(holder, epoch), ..] => Err(lost(&format!(
            "the lock row names {holder} with epoch {epoch}, this run was started for {} with epoch {}",
            lock.holder, lock.epoch
        ))),
    }
}

fn lost(what: &str) -> Failure {
    Failure::new(
        Reason::LockLost,
        format!(
            "This run no longer owns the MetaDB: {what}. It stopped before its next change. \
             Nothing is to be done when the operator has started another run since"
        ),
    )
}

/// The right to be the only agent at work; ends when it is dropped or its session breaks.
pub struct Exclusive {
    /// Dropping it ends the task that keeps the session alive.
    _release: oneshot::Sender<()>,
}

/// Takes the row lock, waiting a while for an attempt that is just dying.
///
/// Returns the lock and a receiver that yields when it is lost.
///
/// # Errors
/// `AgentBusy` when another agent keeps it, naming the sessions that may be its, `PrivilegeMissing` when the schema
/// cannot be written.
pub async fn take_exclusive(
    metadb: &MetaDbServer,
) -> Result<(Exclusive, oneshot::Receiver<Failure>), Failure> {
    let doing = "taking the lock that keeps agents apart";
    let mut connection = metadb.connect().await?;
    let failed = |error: &mysql_async::Error| Failure::from_sql(doing, error);
    // A plain read first: an INSERT that meets the row while it is locked would wait for the lock itself.
    let known: Option<u8> = connection
        .query_first(format!("SELECT id FROM {TABLE} WHERE id = {AGENT_ROW}"))
        .await
        .map_err(|e| failed(&e))?;
    if known.is_none() {
        let sql = format!(
            "INSERT IGNORE INTO {TABLE} (id, holder, epoch, note) VALUES ({AGENT_ROW}, 'agent', 0, '')"
        );
        connection.query_drop(sql).await.map_err(|e| failed(&e))?;
    }
    connection
        .query_drop("START TRANSACTION")
        .await
        .map_err(|e| failed(&e))?;
    let began = Instant::now();
    let mut clause = " NOWAIT";
    loop {
        let taken: Result<Option<Row>, _> = connection
            .query_first(format!(
                "SELECT id FROM {TABLE} WHERE id = {AGENT_ROW} FOR UPDATE{clause}"
            ))
            .await;
        match taken
            .as_ref()
            .map_err(|error| server_code(error).map(judge_code))
        {
            Ok(Some(_)) => break,
            // MySQL 5.7 knows no NOWAIT; a lock wait of one second comes closest.
            Err(Some(Meaning::NotUnderstood)) if !clause.is_empty() => {
                clause = "";
                connection
                    .query_drop("SET SESSION innodb_lock_wait_timeout = 1")
                    .await
                    .map_err(|e| failed(&e))?;
                continue;
            }
            Err(Some(Meaning::Locked)) if began.elapsed() < LOST_PATIENCE => {}
            Err(Some(Meaning::Locked)) => {
                return Err(describe_busy(metadb, &mut connection).await);
            }
            _ => {
                let text = taken.err().map_or_else(
                    || lost("the agents' row of upgrade_lock is missing"),
                    |e| failed(&e),
                );
                return Err(text);
            }
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    let (release, released) = oneshot::channel();
    let (report_loss, loss) = oneshot::channel();
    tokio::spawn(keep(connection, released, report_loss));
    Ok((Exclusive { _release: release }, loss))
}

async fn describe_busy(metadb: &MetaDbServer, connection: &mut Conn) -> Failure {
    let failure = Failure::new(
        Reason::AgentBusy,
        format!(
            "Another run works on this MetaDB and did not end within {} s. This one changed nothing. \
             Wait for the other run's Job to end, then try again",
            LOST_PATIENCE.as_secs()
        ),
    );
    // The list is a help; where it cannot be had the message is right all the same.
    let sessions = list_account(metadb, connection).await.unwrap_or_default();
    if sessions.is_empty() {
        return failure;
    }
    failure.and(&format!(
        "Where there is no such Job, end what it left: {}",
        say_kill(&sessions)
    ))
}

/// Asks the session again and again, so that it neither idles out nor is lost without notice.
async fn keep(
    mut connection: Conn,
    mut released: oneshot::Receiver<()>,
    report_loss: oneshot::Sender<Failure>,
) {
    loop {
        tokio::select! {
            _ = &mut released => {
                let _ = connection.query_drop("ROLLBACK").await;
                let _ = connection.disconnect().await;
                return;
            }
            () = tokio::time::sleep(HEARTBEAT) => {}
        }
        if let Err(failure) = ping(&mut connection).await {
            // Nobody took the MetaDB away: another attempt may have the lock again.
            let _ = report_loss.send(Failure {
                message: format!(
                    "The session with the lock that keeps agents apart ended. {}",
                    failure.message
                ),
                ..failure
            });
            return;
        }
    }
}
