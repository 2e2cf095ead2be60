//! Server-wide settings that change what a session reads or keeps.
use oms_operator::metadb::pins::{self, Purpose};
use oms_operator::oms::ha::{ENABLE, HaPatch};
use oms_operator::oms::metadb::{HaRow, HaRowOutcome, HaRowWrite, LockClaim, LockOutcome};

use crate::facts::create;
use crate::support::{Kind, Server};

/// Where transactions are the house rule: what was answered as done is there for the next session.
pub async fn autocommit_off(server: &Server) {
    let text = "{\"enable\":true}";
    let mut statements = create("aut");
    statements.extend([
        "create table aut_rm.oms_normal_config (cfg_name varchar(64), cfg_value text)".into(),
        format!("insert into aut_rm.oms_normal_config values ('ha.config', '{text}')"),
        "set global autocommit = 0".into(),
    ]);
    server.run(&statements).await;
    let metadb = server.open("aut");
    let claim = LockClaim {
        holder: "a".into(),
        epoch: 1,
        note: String::new(),
    };
    let taken = metadb.acquire_lock(&claim).await.unwrap();
    let kept = metadb.read_lock().await.unwrap();
    let write = HaRowWrite {
        expected: HaRow::Text(text.into()),
        patch: HaPatch::new().with_bool(ENABLE, false),
        insert_if_missing: false,
    };
    let written = metadb.write_ha_row(&write).await.unwrap();
    let row = metadb.read_ha_row().await.unwrap();
    server
        .run(&[
            "set autocommit = 1".into(),
            "set global autocommit = 1".into(),
        ])
        .await;
    assert!(matches!(taken, LockOutcome::Held(_)), "{taken:?}");
    assert_eq!(kept.map(|row| row.holder), Some("a".into()));
    assert!(matches!(written, HaRowOutcome::Written(_)), "{written:?}");
    assert_eq!(row, HaRow::Text("{\"enable\":false}".into()));
    metadb.release_lock("a", "a").await.unwrap();
}

/// Lists are whole, and an answer of one row is one, whatever the server's default is.
pub async fn select_limit(server: &Server) {
    server
        .run(&[
            "create database lim_rm".into(),
            "create database lim_cm".into(),
            "create table lim_cm.host (ip varchar(32), host_status varchar(16))".into(),
            "insert into lim_cm.host values ('10.0.0.1', 'ONLINE'), ('10.0.0.2', 'ONLINE'), ('10.0.0.3', 'ONLINE')".into(),
        ])
        .await;
    let metadb = server.open("lim");
    let engine = metadb.identify().await.unwrap().engine;
    let mut found = Vec::new();
    for limit in [2, 0] {
        server
            .run(&[format!("set global sql_select_limit = {limit}")])
            .await;
        found.push((metadb.identify().await, metadb.list_hosts().await));
    }
    server
        .run(&["set global sql_select_limit = 9223372036854775807".into()])
        .await;
    for (identity, hosts) in found {
        assert_eq!(identity.unwrap().engine, engine);
        assert_eq!(hosts.unwrap().len(), 3);
    }
}

/// OceanBase's engine takes InnoDB's limit and keeps its own, as a proxy may do with any setting: that is found out.
pub async fn a_setting_that_is_not_kept(server: &Server) {
    if server.kind != Kind::SeekDb {
        return;
    }
    let mut conn = server.admin().await;
    pins::begin(&mut conn).await.unwrap();
    let pinned = pins::pin(&mut conn, Purpose::Work, false).await;
    // Only a wait: it is known, and the server is worked with.
    assert_eq!(pinned.unwrap(), ["innodb_lock_wait_timeout"]);
    let pinned = pins::pin(&mut conn, Purpose::Work, true).await;
    assert!(pinned.unwrap().is_empty());
    conn.disconnect().await.unwrap();
}
