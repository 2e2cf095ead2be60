//! Who is connected.
use std::time::Duration;

use mysql_async::prelude::Queryable;
use oms_operator::oms::metadb::{ServerCoverage, SessionQuery, SessionVisibility};

use crate::facts::create;
use crate::support::{ADMIN, PASSWORD, Server};

fn query(account: &str) -> SessionQuery {
    SessionQuery {
        account: account.into(),
        databases: vec!["SES_rm".into(), "ses_cm".into()],
        own_addresses: Vec::new(),
    }
}

/// Looks until the number of foreign sessions is as expected: servers notice a closed connection late.
async fn wait_for(
    server: &Server,
    query: &SessionQuery,
    count: usize,
) -> Vec<(String, Option<String>)> {
    let metadb = server.open("ses");
    for _ in 0..200 {
        let report = metadb.list_sessions(query).await.unwrap();
        if report.foreign.len() == count {
            assert!(report.sees_oms_account);
            assert_eq!(report.visibility, SessionVisibility::AllAccounts);
            // Both stand alone, and are known to.
            assert_eq!(report.coverage, ServerCoverage::AllServers);
            return report
                .foreign
                .into_iter()
                .map(|s| (s.user, s.database))
                .collect();
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!(
        "never {count} foreign sessions: {:?}",
        metadb.list_sessions(query).await
    );
}

pub async fn foreign_and_own(server: &Server) {
    let mut statements = create("ses");
    statements.extend([
        "create user 'oms' identified by 'p'".into(),
        "grant all on ses_rm.* to 'oms'".into(),
        "create user 'dba' identified by 'p'".into(),
        "grant select on ses_rm.* to 'dba'".into(),
    ]);
    server.run(&statements).await;
    assert_eq!(wait_for(server, &query("oms"), 0).await, []);
    // OMS's account on no database, and another account on one of its databases.
    let oms = server.connect("oms", "p").await;
    assert_eq!(
        wait_for(server, &query("oms"), 1).await,
        [("oms".to_owned(), None)]
    );
    let mut dba = server.connect("dba", "p").await;
    dba.query_drop("use ses_rm").await.unwrap();
    assert_eq!(wait_for(server, &query("oms"), 2).await.len(), 2);
    // Our own Job from the same address.
    let own = SessionQuery {
        own_addresses: vec!["127.0.0.1".parse().unwrap()],
        ..query("oms")
    };
    wait_for(server, &own, 0).await;
    let other = SessionQuery {
        own_addresses: vec!["10.9.9.9".parse().unwrap()],
        ..query("oms")
    };
    wait_for(server, &other, 2).await;
    oms.disconnect().await.unwrap();
    assert_eq!(
        wait_for(server, &query("oms"), 1).await,
        [("dba".to_owned(), Some("ses_rm".to_owned()))]
    );
    dba.disconnect().await.unwrap();
    wait_for(server, &query("oms"), 0).await;
    // The operator uses OMS's own account: its sessions are told apart from another client's.
    let second = server.admin().await;
    wait_for(server, &query(ADMIN), 1).await;
    second.disconnect().await.unwrap();
    wait_for(server, &query(ADMIN), 0).await;
    let metadb = server.open("ses");
    let many = (0..6).map(|_| {
        let metadb = metadb.clone();
        tokio::spawn(async move { metadb.list_sessions(&query(ADMIN)).await })
    });
    for task in many.collect::<Vec<_>>() {
        assert_eq!(
            task.await.unwrap().unwrap().foreign,
            [],
            "calls at the same time are not foreign to one another"
        );
    }
}

pub async fn visibility(server: &Server) {
    server
        .run(&[
            "create user 'blind' identified by 'p'".into(),
            "grant select on *.* to 'blind'".into(),
        ])
        .await;
    let admin = server.admin().await;
    let report = server
        .open_as("blind", "p", "ses", Duration::from_secs(20))
        .list_sessions(&query(ADMIN))
        .await
        .unwrap();
    assert_eq!(report.visibility, SessionVisibility::OwnAccountOnly);
    assert!(!report.sees_oms_account);
    let report = server
        .open_as("blind", "p", "ses", Duration::from_secs(20))
        .list_sessions(&query("blind"))
        .await
        .unwrap();
    assert!(report.sees_oms_account);
    // It takes no privilege to see that there is one server.
    assert_eq!(report.coverage, ServerCoverage::AllServers);
    admin.disconnect().await.unwrap();
    let report = server
        .open_as(ADMIN, PASSWORD, "ses", Duration::from_secs(20))
        .list_sessions(&query(ADMIN))
        .await
        .unwrap();
    assert_eq!(report.visibility, SessionVisibility::AllAccounts);
}
