//! The record of upgrades and the id of the installation on real servers.
use crate::record_rules;
use crate::support::{ADMIN, Kind, PASSWORD, Server};
use mysql_async::prelude::Queryable;
use oms_operator::metadb::record::{RecordFact, RecordedOutcome, VERDICTS_KEPT};
use oms_operator::metadb::{INSTALLATION_TABLE, LOCK_DATABASE, RECORD_TABLE};
use oms_operator::oms::metadb::{LockClaim, MetaDb, MetaDbError, RecordClaim, RecordOutcome};
use std::sync::Arc;
use std::time::Duration;

/// What is tested is who gets through, not how soon on a busy machine.
const PATIENCE: Duration = Duration::from_secs(300);

fn open(server: &Server) -> Arc<dyn MetaDb> {
    server.open_as(ADMIN, PASSWORD, "none", PATIENCE)
}

async fn take(metadb: &dyn MetaDb, holder: &str, epoch: i64) {
    let claim = LockClaim {
        holder: holder.into(),
        epoch,
        note: String::new(),
    };
    metadb.acquire_lock(&claim).await.unwrap();
}

fn claim(holder: &str, seq: u32, fact: RecordFact) -> RecordClaim {
    RecordClaim {
        holder: holder.into(),
        epoch: 1,
        seq,
        fact,
    }
}

fn restore(attempt: i32) -> RecordFact {
    RecordFact::RestoreBegun { attempt }
}

fn verdict() -> RecordFact {
    RecordFact::Verdict {
        outcome: RecordedOutcome::Succeeded,
        fingerprint: None,
    }
}

async fn forget_all(server: &Server) {
    let sql = format!("delete from {LOCK_DATABASE}.{RECORD_TABLE}");
    server.run(&[sql]).await;
}

/// The same list that the explorer's double is held to.
pub async fn rules(server: &Server) {
    let metadb = open(server);
    record_rules::check(&*metadb).await;
    forget_all(server).await;
}

/// Adds at the same moment; how many of each outcome.
async fn race(metadb: &Arc<dyn MetaDb>, claims: Vec<RecordClaim>) -> (usize, usize, usize) {
    let tasks: Vec<_> = claims
        .into_iter()
        .map(|claim| {
            let metadb = metadb.clone();
            tokio::spawn(async move { metadb.append_record(&claim).await })
        })
        .collect();
    let mut counts = (0, 0, 0);
    for task in tasks {
        match task.await.unwrap().unwrap() {
            RecordOutcome::Appended => counts.0 += 1,
            RecordOutcome::AlreadyThere => counts.1 += 1,
            RecordOutcome::Conflict(_) => counts.2 += 1,
            other => panic!("{other:?}"),
        }
    }
    counts
}

pub async fn one_of_many_writers_adds(server: &Server) {
    let metadb = open(server);
    take(&*metadb, "race", 1).await;
    let others = (1..=6).map(|attempt| claim("race", 1, restore(attempt)));
    assert_eq!(race(&metadb, others.collect()).await, (1, 0, 5));
    let same = (1..=6).map(|_| claim("race", 2, RecordFact::Line {}));
    assert_eq!(race(&metadb, same.collect()).await, (1, 5, 0));
    let record = metadb.read_record("race").await.unwrap();
    assert_eq!(record.rows.len(), 2);
    metadb.release_lock("race", "race").await.unwrap();
    forget_all(server).await;
}

/// The epoch is raised while the row is on its way in: it waits, sees the new epoch, and stays out.
pub async fn a_fenced_writer_stays_out(server: &Server) {
    let metadb = open(server);
    take(&*metadb, "fenced", 1).await;
    let mut raising = server.admin().await;
    raising.query_drop("begin").await.unwrap();
    raising
        .query_drop(format!(
            "update {LOCK_DATABASE}.upgrade_lock set epoch = 2 where id = 1"
        ))
        .await
        .unwrap();
    let late = {
        let metadb = metadb.clone();
        tokio::spawn(async move { metadb.append_record(&claim("fenced", 1, restore(1))).await })
    };
    let mut watching = server.admin().await;
    let sql = "select count(*) from information_schema.processlist where info like 'insert into oms_operator_lock%'";
    while watching.query_first(sql).await.unwrap() != Some(1) {
        assert!(!late.is_finished(), "it did not wait");
        tokio::task::yield_now().await;
    }
    raising.query_drop("commit").await.unwrap();
    let outcome = late.await.unwrap().unwrap();
    assert!(
        matches!(&outcome, RecordOutcome::NotOurs(Some(row)) if row.epoch == 2),
        "{outcome:?}"
    );
    let record = metadb.read_record("fenced").await.unwrap();
    assert_eq!(record.rows, []);
    raising.disconnect().await.unwrap();
    watching.disconnect().await.unwrap();
    metadb.release_lock("fenced", "fenced").await.unwrap();
}

pub async fn old_verdicts_are_forgotten(server: &Server) {
    let metadb = open(server);
    take(&*metadb, "left", 1).await;
    metadb
        .append_record(&claim("left", 1, restore(1)))
        .await
        .unwrap();
    metadb.release_lock("left", "left").await.unwrap();
    let all = VERDICTS_KEPT + 3;
    for n in 1..=all {
        let uid = format!("ended-{n}");
        take(&*metadb, &uid, 1).await;
        for (seq, fact) in [(1, RecordFact::Line {}), (2, verdict())] {
            let outcome = metadb.append_record(&claim(&uid, seq, fact)).await.unwrap();
            assert_eq!(outcome, RecordOutcome::Appended);
        }
        metadb.release_lock(&uid, &uid).await.unwrap();
    }
    take(&*metadb, "last", 1).await;
    for (uid, rows) in [
        ("left", 0),
        ("ended-1", 0),
        ("ended-3", 0),
        ("ended-4", 2),
        ("ended-23", 2),
    ] {
        let record = metadb.read_record(uid).await.unwrap();
        assert_eq!(record.rows.len(), rows, "{uid}");
    }
    let record = metadb.read_record("last").await.unwrap();
    let newest = record.newest_verdict.unwrap();
    // Numbers go on, whatever was taken out.
    assert_eq!(
        (newest.uid, newest.ordinal),
        (format!("ended-{all}"), 2 * 23 + 1)
    );
    metadb.release_lock("last", "last").await.unwrap();
    forget_all(server).await;
}

/// Reads what `statement` has left of the record of "odd", then takes it all out.
async fn spoil(server: &Server, metadb: &dyn MetaDb, uid: &str, statements: &[String]) -> String {
    server.run(statements).await;
    let answer = metadb.read_record(uid).await;
    forget_all(server).await;
    let error = answer.unwrap_err();
    assert!(
        matches!(error, MetaDbError::SchemaDiffers { .. }),
        "{error:?}"
    );
    error.to_string()
}

pub async fn what_is_not_ours_is_told(server: &Server) {
    let metadb = open(server);
    let insert = |uid: &str, seq: usize, ordinal: usize, fact: &str, detail: &str| {
        format!(
            "insert into {LOCK_DATABASE}.{RECORD_TABLE} (uid, seq, ordinal, epoch, fact, detail) \
             values ('{uid}', {seq}, {ordinal}, 1, '{fact}', '{detail}')"
        )
    };
    let newer = insert("odd", 1, 1, "Adopted", "{}");
    for uid in ["odd", "another"] {
        let words = spoil(server, &*metadb, uid, std::slice::from_ref(&newer)).await;
        assert!(
            words.contains("\"Adopted\"") && words.contains("newer"),
            "{words}"
        );
    }
    let odd = insert("odd", 1, 1, "Verdict", "{\"outcome\":\"Adopted\"}");
    let words = spoil(server, &*metadb, "another", &[odd]).await;
    assert!(words.contains("\"Verdict\""), "{words}");
    let gap = [
        insert("odd", 1, 1, "Line", "{}"),
        insert("odd", 3, 2, "Line", "{}"),
    ];
    let words = spoil(server, &*metadb, "odd", &gap).await;
    assert!(words.contains("row 2 of upgrade odd is missing"), "{words}");
    let many: Vec<String> = (1..=201)
        .map(|n| insert("odd", n, n, "Line", "{}"))
        .collect();
    let words = spoil(server, &*metadb, "odd", &many).await;
    assert!(words.contains("more than 200"), "{words}");
    let hostile = metadb.read_record("odd' or '1'='1").await.unwrap();
    assert_eq!(hostile.rows, []);
}

/// Who has the lock has the record; without it nothing may go on as if it were empty.
pub async fn a_record_that_was_removed_is_told(server: &Server) {
    let metadb = open(server);
    take(&*metadb, "gone", 1).await;
    server
        .run(&[format!("drop table {LOCK_DATABASE}.{RECORD_TABLE}")])
        .await;
    let answer = metadb.append_record(&claim("gone", 1, restore(1))).await;
    let error = answer.unwrap_err();
    assert!(error.to_string().contains("is gone"), "{error}");
    metadb.release_lock("gone", "gone").await.unwrap();
    // The next one has one again.
    take(&*metadb, "next", 1).await;
    let outcome = metadb.append_record(&claim("next", 1, restore(1))).await;
    assert_eq!(outcome.unwrap(), RecordOutcome::Appended);
    metadb.release_lock("next", "next").await.unwrap();
    forget_all(server).await;
}

/// On a server where nothing of ours is: all agree on one id, whoever gets the lock.
pub async fn racing_writers_agree_on_one_id(server: &Server) {
    server
        .run(&[format!("drop database if exists {LOCK_DATABASE}")])
        .await;
    let metadb = open(server);
    assert_eq!(metadb.read_installation_id().await.unwrap(), None);
    assert_eq!(metadb.read_record("nobody").await.unwrap().next_seq(), 1);
    let tasks: Vec<_> = (0..4)
        .map(|n| {
            let metadb = metadb.clone();
            tokio::spawn(async move {
                take(&*metadb, &format!("id-{n}"), 1).await;
                metadb.read_installation_id().await.unwrap().unwrap()
            })
        })
        .collect();
    let mut ids = Vec::new();
    for task in tasks {
        ids.push(task.await.unwrap());
    }
    ids.dedup();
    assert_eq!(ids.len(), 1, "{ids:?}");
    let holder = metadb.read_lock().await.unwrap().unwrap().holder;
    metadb.release_lock(&holder, &holder).await.unwrap();
    server
        .run(&[format!(
            "update {LOCK_DATABASE}.{INSTALLATION_TABLE} set installation = 'metadb-0.example.com'"
        )])
        .await;
    let error = metadb.read_installation_id().await.unwrap_err();
    assert!(error.to_string().contains("32 hexadecimal"), "{error}");
    server
        .run(&[format!("drop database {LOCK_DATABASE}")])
        .await;
}

/// A replica may not know yet what happened.
pub async fn a_read_only_server_is_not_believed(server: &Server) {
    let metadb = open(server);
    take(&*metadb, "replica", 1).await;
    server.run(&["set global read_only = 1".into()]).await;
    let answer = metadb.read_record("replica").await;
    server.run(&["set global read_only = 0".into()]).await;
    let error = answer.unwrap_err();
    assert!(
        matches!(error, MetaDbError::ReadOnlyServer { .. }),
        "{error:?}"
    );
    metadb.read_record("replica").await.unwrap();
    metadb.release_lock("replica", "replica").await.unwrap();
}

/// The tables are those that can lock rows, whatever the server makes by default.
pub async fn tables_lock_rows(server: &Server) {
    if server.kind != Kind::MariaDb {
        return;
    }
    server
        .run(&[
            format!("drop database if exists {LOCK_DATABASE}"),
            "set global default_storage_engine = MyISAM".into(),
        ])
        .await;
    let metadb = open(server);
    take(&*metadb, "engine", 1).await;
    server
        .run(&["set global default_storage_engine = InnoDB".into()])
        .await;
    let mut admin = server.admin().await;
    let engines: Vec<String> = admin
        .query(format!(
            "select distinct engine from information_schema.tables where table_schema = '{LOCK_DATABASE}'"
        ))
        .await
        .unwrap();
    assert_eq!(engines, ["InnoDB"]);
    admin.disconnect().await.unwrap();
    metadb.release_lock("engine", "engine").await.unwrap();
}
