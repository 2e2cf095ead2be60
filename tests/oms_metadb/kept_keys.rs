//! Recovery keys that were left in `ha.config`, written down beside the lock.
use mysql_async::prelude::Queryable;
use oms_operator::api::KeptKey;
use oms_operator::metadb::{KEPT_TABLE, LOCK_DATABASE};
use oms_operator::oms::metadb::{KeptKeys, LockClaim, LockOutcome};

use crate::support::Server;

fn kept(value: &str, original: Option<&str>) -> KeptKeys {
    KeptKeys {
        note: "oms/to-4-0-0".into(),
        keys: vec![KeptKey {
            key: "refetchStoreIntervalMin".into(),
            value: value.into(),
            original: original.map(str::to_owned),
        }],
    }
}

async fn has_table(server: &Server) -> bool {
    let mut admin = server.admin().await;
    let sql = format!(
        "select count(*) from information_schema.tables where table_schema = '{LOCK_DATABASE}' and table_name = '{KEPT_TABLE}'"
    );
    let count: Option<u64> = admin.query_first(sql).await.unwrap();
    admin.disconnect().await.unwrap();
    count == Some(1)
}

/// They outlive the lock, whoever holds it, and go only when they are withdrawn.
pub async fn outlive_the_lock(server: &Server) {
    let metadb = server.open("none");
    let none = KeptKeys {
        note: "oms/to-4-0-0".into(),
        keys: vec![],
    };
    assert_eq!(metadb.read_kept_keys().await.unwrap(), None);
    metadb.write_kept_keys(&none).await.unwrap();
    assert!(!has_table(server).await, "nothing is made for nothing");
    let claim = |holder: &str| LockClaim {
        holder: holder.into(),
        epoch: 1,
        note: "oms/up".into(),
    };
    metadb.acquire_lock(&claim("a")).await.unwrap();
    let first = kept("120", Some("30"));
    metadb.write_kept_keys(&first).await.unwrap();
    // Absolute: once more is the same.
    metadb.write_kept_keys(&first).await.unwrap();
    assert_eq!(
        metadb.release_lock("a", "a").await.unwrap(),
        LockOutcome::Free
    );
    assert!(has_table(server).await);
    assert_eq!(metadb.read_lock().await.unwrap(), None);
    assert_eq!(metadb.read_kept_keys().await.unwrap(), Some(first));
    // The next upgrade.
    assert!(matches!(
        metadb.acquire_lock(&claim("b")).await.unwrap(),
        LockOutcome::Held(_)
    ));
    let second = kept(r#""it's \\ 名""#, None);
    metadb.write_kept_keys(&second).await.unwrap();
    assert_eq!(metadb.read_kept_keys().await.unwrap(), Some(second));
    metadb.write_kept_keys(&none).await.unwrap();
    assert_eq!(metadb.read_kept_keys().await.unwrap(), None);
    metadb.release_lock("b", "b").await.unwrap();
    assert!(!has_table(server).await);
    // Without a lock as well: a status that was lost may have lost it.
    let third = kept("true", None);
    metadb.write_kept_keys(&third).await.unwrap();
    assert_eq!(metadb.read_kept_keys().await.unwrap(), Some(third));
    server
        .run(&[format!(
            "update {LOCK_DATABASE}.{KEPT_TABLE} set kept = 'of another version'"
        )])
        .await;
    let error = metadb.read_kept_keys().await.unwrap_err().to_string();
    let words = "delete from oms_operator_lock.kept_recovery_keys where rm = 'none_rm'";
    assert!(error.contains(words), "{error}");
    server
        .run(&[format!("drop database {LOCK_DATABASE}")])
        .await;
}

/// Several OMS share a server: what one left is nothing to another.
pub async fn are_of_one_installation(server: &Server) {
    let (one, other) = (server.open("one"), server.open("One"));
    let none = KeptKeys {
        note: "oms/to-4-0-0".into(),
        keys: vec![],
    };
    let first = kept("120", Some("30"));
    one.write_kept_keys(&first).await.unwrap();
    assert_eq!(other.read_kept_keys().await.unwrap(), None);
    other.write_kept_keys(&none).await.unwrap();
    assert_eq!(one.read_kept_keys().await.unwrap(), Some(first.clone()));
    let second = kept("240", None);
    other.write_kept_keys(&second).await.unwrap();
    assert_eq!(one.read_kept_keys().await.unwrap(), Some(first));
    one.write_kept_keys(&none).await.unwrap();
    assert_eq!(one.read_kept_keys().await.unwrap(), None);
    assert_eq!(other.read_kept_keys().await.unwrap(), Some(second));
    assert!(has_table(server).await);
    other.write_kept_keys(&none).await.unwrap();
    assert!(!has_table(server).await);
    server
        .run(&[format!("drop database {LOCK_DATABASE}")])
        .await;
}
