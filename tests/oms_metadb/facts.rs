//! Reading facts.
use oms_operator::metadb::Engine;
use oms_operator::oms::metadb::{ConnectorReport, DbType, MetaDbError};
use oms_operator::oms::project::{ProjectKind, ProjectStatus};

use crate::support::{ADMIN, Kind, Server};

/// `create database` for rm, cm and heartbeat database of a check.
pub fn create(prefix: &str) -> Vec<String> {
    ["rm", "cm", "hb"]
        .iter()
        .map(|name| format!("create database {prefix}_{name} character set utf8mb4"))
        .collect()
}

fn with(prefix: &str, statements: &[&str]) -> Vec<String> {
    let mut all = create(prefix);
    all.extend(statements.iter().map(|s| {
        s.replace("RM.", &format!("{prefix}_rm."))
            .replace("CM.", &format!("{prefix}_cm."))
            .replace("HB.", &format!("{prefix}_hb."))
    }));
    all
}

pub async fn identity(server: &Server) {
    let identity = server.open("none").identify().await.unwrap();
    let (engine, offset) = match server.kind {
        Kind::SeekDb => (Engine::SeekDb, 8 * 3600),
        Kind::MariaDb => (Engine::MariaDb, 0),
    };
    assert_eq!(identity.engine, engine);
    if server.kind == Kind::SeekDb {
        assert_eq!(identity.utc_offset_seconds, offset);
    }
    assert_eq!(identity.account, format!("{ADMIN}@%"));
    assert!(identity.server.is_some(), "{identity:?}");
    // The server runs on this machine; no test is that slow.
    let now = std::time::SystemTime::UNIX_EPOCH
        .elapsed()
        .unwrap()
        .as_secs();
    assert!(
        identity.clock.unsigned_abs().abs_diff(now) < 3600,
        "{identity:?}"
    );
    assert!(
        identity
            .version
            .starts_with(if server.kind == Kind::SeekDb {
                "5.7.25-OceanBase"
            } else {
                "10."
            })
    );
    assert_eq!(
        server.open("none").identify().await.unwrap(),
        identity,
        "asked twice, the same server"
    );
}

pub async fn projects(server: &Server) {
    server.run(&with("prj", &[
        "create table RM.oms_project (id varchar(64) primary key, project_name varchar(128), project_status varchar(32), extra int)",
        "insert into RM.oms_project values ('p_b', '名 \"b\"', 'RUNNING', 1), ('p_a', null, 'deleted', 1)",
    ])).await;
    let metadb = server.open("prj");
    // The second table is missing: nothing may be concluded from the first alone.
    let error = metadb.list_projects().await.unwrap_err();
    assert!(
        matches!(&error, MetaDbError::SchemaDiffers { reason, .. } if reason.contains("oms_sync_project")),
        "{error}"
    );
    server.run(&["create table prj_rm.oms_sync_project (id varchar(64) primary key, name varchar(128), project_status varchar(32))".into()]).await;
    let error = metadb.list_projects().await.unwrap_err();
    assert!(
        matches!(&error, MetaDbError::SchemaDiffers { reason, .. } if reason.contains("project_name")),
        "{error}"
    );
    server.run(&[
        "drop table prj_rm.oms_sync_project".into(),
        "create table prj_rm.oms_sync_project (id bigint primary key, project_name varchar(128), project_status varchar(32))".into(),
        "insert into prj_rm.oms_sync_project values (7, 's', 'MERGING')".into(),
    ]).await;
    let projects = metadb.list_projects().await.unwrap();
    let seen: Vec<_> = projects
        .iter()
        .map(|p| {
            (
                p.key.kind,
                p.key.id.as_str(),
                p.name.as_str(),
                p.status.clone(),
            )
        })
        .collect();
    assert_eq!(
        seen,
        [
            (ProjectKind::Migration, "p_a", "", ProjectStatus::Deleted),
            (
                ProjectKind::Migration,
                "p_b",
                "名 \"b\"",
                ProjectStatus::Running
            ),
            (
                ProjectKind::Sync,
                "7",
                "s",
                ProjectStatus::Other("MERGING".into())
            ),
        ]
    );
}

pub async fn hosts_beats_regions(server: &Server) {
    server.run(&with("hst", &[
        "create table CM.host (ip varchar(32), host_status varchar(16), resource_group_id int)",
        "insert into CM.host values ('10.0.0.2', 'OFFLINE', 1), ('10.0.0.1', 'online', 1)",
        "create table HB.heart_beat (task_type varchar(32), task_name varchar(64), host_ip varchar(32), gmt_created datetime, gmt_modified datetime)",
        "insert into HB.heart_beat values ('supervisor', 'supervisor', '10.0.0.1', now(), now() - interval 90 second), \
         ('x', 'other', '10.0.0.1', now(), now()), ('supervisor', 'supervisor', '10.0.0.2', now(), now() + interval 1 hour)",
        "create table RM.cluster_info (region varchar(32), region_cn varchar(32), cm_url varchar(128), code int, is_default_cm tinyint)",
        "insert into RM.cluster_info values ('a', 'a', 'http://user:canary@10.0.0.1:8088', 0, 1), ('b', 'b', null, 1, null)",
    ])).await;
    let metadb = server.open("hst");
    let hosts = metadb.list_hosts().await.unwrap();
    assert_eq!(
        hosts
            .iter()
            .map(|h| (h.ip.as_str(), h.is_online()))
            .collect::<Vec<_>>(),
        [("10.0.0.1", true), ("10.0.0.2", false)]
    );
    let beats = metadb.list_heart_beats("hst_hb").await.unwrap();
    assert_eq!(beats.len(), 2);
    assert!((90..150).contains(&beats[0].age_seconds), "{beats:?}");
    let ahead = -beats[1].age_seconds;
    assert!(
        (3500..=3600).contains(&ahead),
        "a clock ahead is told: {ahead}"
    );
    let regions = metadb.list_regions().await.unwrap();
    assert_eq!(regions[0].cm_url, "http://10.0.0.1:8088");
    assert_eq!(
        (regions[0].is_default, regions[1].is_default),
        (Some(true), None)
    );
    let error = metadb.list_heart_beats("absent_hb").await.unwrap_err();
    assert!(
        matches!(&error, MetaDbError::Missing { object, .. } if object.contains("absent_hb")),
        "{error}"
    );
}

pub async fn connectors(server: &Server) {
    server.run(&create("con")).await;
    let metadb = server.open("con");
    let unknown = |report| matches!(report, ConnectorReport::Unknown { .. });
    assert!(unknown(metadb.list_connectors().await.unwrap()));
    server
        .run(&[
            "create table con_cm.config_job (who varchar(64), `key` varchar(128), `value` text)"
                .into(),
        ])
        .await;
    assert!(unknown(metadb.list_connectors().await.unwrap()));
    server.run(&[
        "drop table con_cm.config_job".into(),
        "create table con_cm.config_job (job_name varchar(64), `key` varchar(128), `value` text)".into(),
        "insert into con_cm.config_job values ('a', 'sourceFile.password', 'canary'), ('a', 'sourceFile.dbType', ' OB_MYSQL '), \
         ('b', 'sourceFile.subtopics', 'x'), ('c', 'sourceFile.db_type', 'MYSQL'), ('d', 'sinkFile.dbType', 'MYSQL'), ('e', 'sourceFile.dbType', '')".into(),
    ]).await;
    let ConnectorReport::Known(found) = metadb.list_connectors().await.unwrap() else {
        panic!("unknown")
    };
    let seen: Vec<_> = found
        .iter()
        .map(|c| (c.name.as_str(), c.db_type.clone()))
        .collect();
    assert_eq!(
        seen,
        [
            ("a", DbType::Named("OB_MYSQL".into())),
            ("b", DbType::Missing),
            ("c", DbType::Named("MYSQL".into())),
            ("e", DbType::Missing)
        ]
    );
}

pub async fn query_timeout(server: &Server) {
    let metadb = server.open("none");
    match server.kind {
        Kind::MariaDb => {
            assert_eq!(metadb.read_query_timeout().await.unwrap(), None);
            assert!(matches!(
                metadb.set_query_timeout(1).await,
                Err(MetaDbError::Invalid { .. })
            ));
        }
        Kind::SeekDb => {
            assert_eq!(metadb.read_query_timeout().await.unwrap(), Some(10_000_000));
            metadb.set_query_timeout(3_600_000_000).await.unwrap();
            assert_eq!(
                metadb.read_query_timeout().await.unwrap(),
                Some(3_600_000_000)
            );
            metadb.set_query_timeout(10_000_000).await.unwrap();
        }
    }
}
