//! The upgrade lock.
use mysql_async::prelude::Queryable;
use oms_operator::metadb::{LOCK_DATABASE, LOCK_TABLE};
use oms_operator::oms::metadb::{LockClaim, LockOutcome};

use crate::support::{ADMIN, PASSWORD, Server};
use std::time::Duration;

fn claim(holder: &str, epoch: i64) -> LockClaim {
    LockClaim {
        holder: holder.into(),
        epoch,
        note: "oms/to-4-0-0 名".repeat(40),
    }
}

/// Rows of the lock's table, the agents' among them.
async fn row_count(server: &Server) -> u64 {
    let mut admin = server.admin().await;
    let sql = format!("select count(*) from {LOCK_DATABASE}.{LOCK_TABLE}");
    let count = admin.query_first(sql).await.unwrap().unwrap();
    admin.disconnect().await.unwrap();
    count
}

/// Longer than six sessions need that make a database and a table at once on a busy machine: what is tested is who gets
/// the lock, not how soon.
const PATIENCE: Duration = Duration::from_secs(300);

pub async fn one_of_many_gets_it(server: &Server) {
    let metadb = server.open_as(ADMIN, PASSWORD, "none", PATIENCE);
    assert_eq!(metadb.read_lock().await.unwrap(), None);
    assert_eq!(
        metadb.release_lock("nobody", "nobody").await.unwrap(),
        LockOutcome::Free
    );
    let mut tasks = Vec::new();
    for n in 0..6 {
        let metadb = metadb.clone();
        tasks.push(tokio::spawn(async move {
            metadb.acquire_lock(&claim(&format!("uid-{n}"), 1)).await
        }));
    }
    let mut held = Vec::new();
    for task in tasks {
        match task.await.unwrap() {
            Ok(LockOutcome::Held(row)) => held.push(row),
            Ok(LockOutcome::HeldByOther(_)) => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(held.len(), 1, "{held:?}");
    let row = metadb.read_lock().await.unwrap().unwrap();
    assert_eq!(
        (&row.holder, row.epoch, row.note.chars().count()),
        (&held[0].holder, 1, 255)
    );
    // The offset of the server's time zone would be hours.
    assert!(row.age_seconds < 3600);
    // Again by the same holder: nothing changes. By another: refused, also in releasing.
    assert!(matches!(
        metadb.acquire_lock(&claim(&row.holder, 1)).await.unwrap(),
        LockOutcome::Held(_)
    ));
    assert!(
        matches!(metadb.acquire_lock(&claim("other", 9)).await.unwrap(), LockOutcome::HeldByOther(r) if r.holder == row.holder)
    );
    assert!(matches!(
        metadb.release_lock("other", "other").await.unwrap(),
        LockOutcome::HeldByOther(_)
    ));
    assert_eq!(
        metadb.release_lock(&row.holder, &row.holder).await.unwrap(),
        LockOutcome::Free
    );
    assert_eq!(row_count(server).await, 0);
    assert_eq!(
        metadb.release_lock(&row.holder, &row.holder).await.unwrap(),
        LockOutcome::Free
    );
}

pub async fn epochs_fence(server: &Server) {
    let metadb = server.open("none");
    assert_eq!(
        metadb.raise_lock(&claim("a", 2)).await.unwrap(),
        LockOutcome::Free
    );
    metadb.acquire_lock(&claim("a", 1)).await.unwrap();
    let epoch = |outcome| match outcome {
        LockOutcome::Held(row) => row.epoch,
        other => panic!("{other:?}"),
    };
    assert_eq!(epoch(metadb.raise_lock(&claim("a", 3)).await.unwrap()), 3);
    assert_eq!(epoch(metadb.raise_lock(&claim("a", 3)).await.unwrap()), 3);
    assert!(
        matches!(metadb.raise_lock(&claim("a", 2)).await.unwrap(), LockOutcome::Fenced(row) if row.epoch == 3)
    );
    assert!(
        matches!(metadb.acquire_lock(&claim("a", 1)).await.unwrap(), LockOutcome::Fenced(row) if row.epoch == 3)
    );
    assert!(matches!(
        metadb.raise_lock(&claim("b", 9)).await.unwrap(),
        LockOutcome::HeldByOther(_)
    ));
    assert_eq!(epoch(metadb.acquire_lock(&claim("a", 4)).await.unwrap()), 4);
    for odd in ["", "ü", &"x".repeat(65)] {
        assert!(metadb.acquire_lock(&claim(odd, 1)).await.is_err());
    }
    metadb.release_lock("a", "a").await.unwrap();
}

/// Its own row, and what its own restore has left; not what is of others.
pub async fn release_takes_out_its_own_rows(server: &Server) {
    let metadb = server.open("none");
    for (marks, restored_by, left) in [
        ("a", "a", 1),
        ("a", "A", 2),
        ("a", "b", 2),
        ("b", "b", 1),
        ("b", "a", 2),
    ] {
        metadb.acquire_lock(&claim("a", 1)).await.unwrap();
        server
            .run(&[
                format!("create table if not exists {LOCK_DATABASE}.somebody_elses (id int)"),
                format!(
                    "replace into {LOCK_DATABASE}.{LOCK_TABLE} (id, holder, epoch, note) \
                     values (2, 'agent', 0, ''), (3, '{restored_by}', 1, 'Done 1 d')"
                ),
            ])
            .await;
        assert_eq!(
            metadb.release_lock("a", marks).await.unwrap(),
            LockOutcome::Free
        );
        assert_eq!(metadb.read_lock().await.unwrap(), None);
        assert_eq!(row_count(server).await, left, "{restored_by}");
    }
    assert!(matches!(
        metadb.acquire_lock(&claim("b", 1)).await.unwrap(),
        LockOutcome::Held(_)
    ));
    metadb.release_lock("b", "b").await.unwrap();
    server
        .run(&[
            format!("drop table {LOCK_DATABASE}.somebody_elses"),
            format!("delete from {LOCK_DATABASE}.{LOCK_TABLE}"),
        ])
        .await;
}
