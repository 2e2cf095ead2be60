//! What goes wrong, and what is said about it.
use std::time::Duration;

use mysql_async::prelude::Queryable;
use oms_operator::metadb::LoginRules;
use oms_operator::oms::ha::{ENABLE, HaPatch};
use oms_operator::oms::installation::Address;
use oms_operator::oms::metadb::{
    HaRow, HaRowWrite, LockClaim, MetaDbError, MetaDbOpener, WriteFate,
};
use oms_operator::oms::mysql::MySqlOpener;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

use crate::facts::create;
use crate::support::{ADMIN, Kind, PASSWORD, Server, credentials, databases};

const LIMIT: Duration = Duration::from_secs(20);

pub async fn login(server: &Server) {
    for (user, password) in [
        (ADMIN, "canary-wrong"),
        ("nobody", "canary-wrong"),
        (ADMIN, ""),
    ] {
        let error = server
            .open_as(user, password, "none", LIMIT)
            .identify()
            .await
            .unwrap_err();
        assert!(
            matches!(&error, MetaDbError::LoginRefused { user: u, .. } if u == user),
            "{error:?}"
        );
        assert!(!format!("{error} {error:?}").contains("canary"));
        assert!(!error.is_transient());
    }
}

pub async fn privileges(server: &Server) {
    let mut statements = create("prv");
    statements.extend([
        "create table prv_rm.oms_normal_config (cfg_name varchar(64), cfg_value text)".into(),
        "insert into prv_rm.oms_normal_config values ('ha.config', '{\"enable\":true}')".into(),
        "create user 'reader' identified by 'p'".into(),
        "grant select on prv_rm.* to 'reader'".into(),
    ]);
    server.run(&statements).await;
    let metadb = server.open_as("reader", "p", "prv", LIMIT);
    let row = metadb.read_ha_row().await.unwrap();
    let write = HaRowWrite {
        expected: row,
        patch: HaPatch::new().with_bool(ENABLE, false),
        insert_if_missing: false,
    };
    let error = metadb.write_ha_row(&write).await.unwrap_err();
    assert!(
        matches!(error, MetaDbError::PrivilegeMissing { .. }),
        "{error:?}"
    );
    let lock = LockClaim {
        holder: "a".into(),
        epoch: 1,
        note: String::new(),
    };
    let error = metadb.acquire_lock(&lock).await.unwrap_err();
    assert!(error.to_string().contains("oms_operator_lock.*"), "{error}");
    if server.kind == Kind::SeekDb {
        let error = metadb.set_query_timeout(20_000_000).await.unwrap_err();
        assert!(
            error
                .to_string()
                .contains("set global ob_query_timeout = 20000000"),
            "{error}"
        );
    }
}

/// A table that the account may not see must not be taken for one that is not there: that would
/// read as "HA is off".
pub async fn invisible_is_not_absent(server: &Server) {
    let mut statements = create("inv");
    statements.extend([
        "create table inv_rm.oms_normal_config (cfg_name varchar(64), cfg_value text)".into(),
        "create table inv_rm.visible (id int)".into(),
        "create user 'narrow' identified by 'p'".into(),
        "grant select on inv_rm.visible to 'narrow'".into(),
        "create user 'nothing' identified by 'p'".into(),
    ]);
    server.run(&statements).await;
    for user in ["narrow", "nothing"] {
        let answer = server.open_as(user, "p", "inv", LIMIT).read_ha_row().await;
        assert!(
            matches!(&answer, Err(MetaDbError::PrivilegeMissing { .. })),
            "{user}: {answer:?}"
        );
    }
}

/// A write that the caller gave up on must not be done by the server afterwards.
pub async fn stuck_write_does_not_happen_later(server: &Server) {
    let mut statements = create("stk");
    let text = "{\"enable\":true}";
    statements.extend([
        "create table stk_rm.oms_normal_config (cfg_name varchar(64) primary key, cfg_value text)"
            .into(),
        format!("insert into stk_rm.oms_normal_config values ('ha.config', '{text}')"),
    ]);
    server.run(&statements).await;
    let mut blocker = server.admin().await;
    blocker.query_drop("begin").await.unwrap();
    blocker
        .query_drop(
            "update stk_rm.oms_normal_config set cfg_value = '{}' where cfg_name = 'ha.config'",
        )
        .await
        .unwrap();
    let metadb = server.open_as(ADMIN, PASSWORD, "stk", Duration::from_secs(2));
    let write = HaRowWrite {
        expected: HaRow::Text(text.into()),
        patch: HaPatch::new().with_bool(ENABLE, false),
        insert_if_missing: false,
    };
    let error = metadb.write_ha_row(&write).await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("the write may or may not have happened"),
        "{error:?}"
    );
    // Until the server has given the statement up, too.
    let mut admin = server.admin().await;
    for round in 0.. {
        let busy: Option<u64> = admin
            .query_first("select count(*) from information_schema.processlist where info like 'update `stk_rm`%'")
            .await
            .unwrap();
        if busy == Some(0) {
            break;
        }
        assert!(round < 400, "the server still waits");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    blocker.query_drop("rollback").await.unwrap();
    assert_eq!(
        server.open("stk").read_ha_row().await.unwrap(),
        HaRow::Text(text.into())
    );
}

pub async fn nobody_there() {
    let open = |port: u16, limit| {
        MySqlOpener::default().open(
            &Address {
                host: "127.0.0.1".into(),
                port,
            },
            &credentials(ADMIN, PASSWORD),
            &LoginRules::default(),
            &databases("none"),
            limit,
        )
    };
    let free = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let error = open(free, LIMIT).identify().await.unwrap_err();
    assert!(
        matches!(error, MetaDbError::Unreachable { .. }) && error.is_transient(),
        "{error:?}"
    );

    let unknown = MySqlOpener::default().open(
        &Address {
            host: "metadb.invalid".into(),
            port: 1,
        },
        &credentials(ADMIN, PASSWORD),
        &LoginRules::default(),
        &databases("none"),
        LIMIT,
    );
    assert!(matches!(
        unknown.identify().await,
        Err(MetaDbError::Unreachable { .. })
    ));

    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let error = open(
        silent.local_addr().unwrap().port(),
        Duration::from_millis(300),
    )
    .read_ha_row()
    .await
    .unwrap_err();
    assert!(
        matches!(
            &error,
            MetaDbError::TimedOut {
                fate: WriteFate::NotWritten,
                ..
            }
        ),
        "{error:?}"
    );

    // Something else than a database.
    let web = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = web.local_addr().unwrap().port();
    let talk = tokio::spawn(async move {
        let (mut stream, _) = web.accept().await.unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut stream, b"HTTP/1.1 400 canary\r\n\r\n")
            .await
            .unwrap();
        let mut seen = Vec::new();
        let _ = stream.read_to_end(&mut seen).await;
        seen
    });
    let error = open(port, Duration::from_secs(2))
        .identify()
        .await
        .unwrap_err();
    assert!(!format!("{error}").contains("canary"), "{error}");
    assert!(error.is_transient());
    let seen = talk.await.unwrap();
    let password = PASSWORD.as_bytes();
    assert!(!seen.windows(password.len()).any(|w| w == password));
}
