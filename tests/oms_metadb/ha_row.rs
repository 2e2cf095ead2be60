//! The HA parameter's row.
use mysql_async::prelude::Queryable;
use oms_operator::oms::ha::{ENABLE, HaPatch};
use oms_operator::oms::metadb::{HaRow, HaRowOutcome, HaRowWrite, MetaDb, MetaDbError};

use crate::facts::create;
use crate::support::Server;

const TEXT: &str =
    "{\n \"enable\": true, \"Ünknown\\\\\": \"it's 名\",\n \"refetchStoreIntervalMin\": 30 }";

async fn prepare(server: &Server, prefix: &str, rows: &[(&str, &str)]) {
    let mut statements = create(prefix);
    statements.push(format!(
        "create table {prefix}_rm.oms_normal_config (cfg_name varchar(64), cfg_value text)"
    ));
    server.run(&statements).await;
    let mut admin = server.admin().await;
    for row in rows {
        admin
            .exec_drop(
                format!("insert into {prefix}_rm.oms_normal_config values (?, ?)"),
                *row,
            )
            .await
            .unwrap();
    }
    admin.disconnect().await.unwrap();
}

fn off(expected: &str) -> HaRowWrite {
    HaRowWrite {
        expected: HaRow::Text(expected.into()),
        patch: HaPatch::new().with_bool(ENABLE, false),
        insert_if_missing: false,
    }
}

async fn read(metadb: &dyn MetaDb) -> HaRow {
    metadb.read_ha_row().await.unwrap()
}

pub async fn reads(server: &Server) {
    server.run(&create("har")).await;
    let metadb = server.open("har");
    assert_eq!(read(&*metadb).await, HaRow::NoTable);
    server
        .run(&[
            "create table har_rm.oms_normal_config (cfg_name varchar(64), cfg_value text)".into(),
        ])
        .await;
    assert_eq!(read(&*metadb).await, HaRow::NoRow);
    server.run(&["insert into har_rm.oms_normal_config values ('HA.CONFIG', '{}'), ('ha.config.x', '{}')".into()]).await;
    assert_eq!(read(&*metadb).await, HaRow::NoRow);
    let error = server.open("absent").read_ha_row().await.unwrap_err();
    assert!(matches!(error, MetaDbError::Missing { .. }), "{error}");
}

pub async fn writes_single_keys(server: &Server) {
    prepare(
        server,
        "haw",
        &[("ha.config", TEXT), ("other", "{\"enable\": true}")],
    )
    .await;
    let metadb = server.open("haw");
    assert_eq!(read(&*metadb).await, HaRow::Text(TEXT.into()));
    let wanted = TEXT.replace("\"enable\": true", "\"enable\": false");
    assert_eq!(
        metadb.write_ha_row(&off(TEXT)).await.unwrap(),
        HaRowOutcome::Written(wanted.clone())
    );
    assert_eq!(read(&*metadb).await, HaRow::Text(wanted.clone()));
    // Asked again, as after a lost answer.
    assert_eq!(
        metadb.write_ha_row(&off(TEXT)).await.unwrap(),
        HaRowOutcome::Unchanged(wanted.clone())
    );
    // Somebody else changed it meanwhile: not a byte is written.
    let on = HaRowWrite {
        patch: HaPatch::new().with_bool(ENABLE, true),
        ..off(TEXT)
    };
    assert_eq!(
        metadb.write_ha_row(&on).await.unwrap(),
        HaRowOutcome::Contended(HaRow::Text(wanted.clone()))
    );
    // Letters and blanks count: a comparison by collation would let both of these pass.
    for other in [wanted.replace("Ünknown", "ünknown"), format!("{wanted} ")] {
        let on = HaRowWrite {
            expected: HaRow::Text(other),
            ..on.clone()
        };
        assert!(matches!(
            metadb.write_ha_row(&on).await.unwrap(),
            HaRowOutcome::Contended(_)
        ));
    }
    let on = HaRowWrite {
        expected: HaRow::Text(wanted),
        ..on
    };
    assert_eq!(
        metadb.write_ha_row(&on).await.unwrap(),
        HaRowOutcome::Written(TEXT.into())
    );
    let mut admin = server.admin().await;
    let other: Option<String> = admin
        .query_first("select cfg_value from haw_rm.oms_normal_config where cfg_name = 'other'")
        .await
        .unwrap();
    assert_eq!(other.as_deref(), Some("{\"enable\": true}"));
}

pub async fn inserts_only_if_asked(server: &Server) {
    prepare(server, "hai", &[]).await;
    let metadb = server.open("hai");
    let write = HaRowWrite {
        expected: HaRow::NoRow,
        ..off("")
    };
    assert_eq!(
        metadb.write_ha_row(&write).await.unwrap(),
        HaRowOutcome::Missing
    );
    let write = HaRowWrite {
        insert_if_missing: true,
        ..write
    };
    let text = "{\"enable\":false}".to_owned();
    assert_eq!(
        metadb.write_ha_row(&write).await.unwrap(),
        HaRowOutcome::Written(text.clone())
    );
    assert_eq!(
        metadb.write_ha_row(&write).await.unwrap(),
        HaRowOutcome::Unchanged(text.clone())
    );
    assert_eq!(read(&*metadb).await, HaRow::Text(text));
}

pub async fn refuses_odd_rows(server: &Server) {
    prepare(
        server,
        "hao",
        &[
            ("ha.config", "{\"enable\":true}"),
            ("ha.config", "{\"enable\":false}"),
        ],
    )
    .await;
    let metadb = server.open("hao");
    assert!(matches!(
        metadb.read_ha_row().await,
        Err(MetaDbError::SchemaDiffers { .. })
    ));
    assert!(matches!(
        metadb.write_ha_row(&off("{\"enable\":true}")).await,
        Err(MetaDbError::SchemaDiffers { .. })
    ));
    prepare(server, "hap", &[("ha.config", "enable=true")]).await;
    let metadb = server.open("hap");
    assert_eq!(read(&*metadb).await, HaRow::Text("enable=true".into()));
    let error = metadb.write_ha_row(&off("enable=true")).await.unwrap_err();
    assert!(error.to_string().contains("not a JSON object"), "{error}");
}

pub async fn one_of_many_writers_wins(server: &Server) {
    prepare(server, "han", &[("ha.config", "{\"n\":0}")]).await;
    let metadb = server.open("han");
    let mut tasks = Vec::new();
    for n in 1..=6u64 {
        let metadb = metadb.clone();
        tasks.push(tokio::spawn(async move {
            let write = HaRowWrite {
                expected: HaRow::Text("{\"n\":0}".into()),
                patch: HaPatch::new().with_number("n", n),
                insert_if_missing: false,
            };
            metadb.write_ha_row(&write).await
        }));
    }
    let mut won = Vec::new();
    for task in tasks {
        match task.await.unwrap() {
            Ok(HaRowOutcome::Written(text)) => won.push(text),
            Ok(HaRowOutcome::Contended(_)) => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(won.len(), 1, "{won:?}");
    assert_eq!(read(&*metadb).await, HaRow::Text(won.remove(0)));
}
