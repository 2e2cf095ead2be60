//! The fingerprint of the schema on real servers: what changes it, and what does not.
use crate::facts::create;
use crate::support::{ADMIN, Kind, PASSWORD, Server};
use oms_operator::metadb::SchemaFingerprint;
use oms_operator::oms::metadb::MetaDbError;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(120);

async fn read(server: &Server, prefix: &str) -> SchemaFingerprint {
    let metadb = server.open_as(ADMIN, PASSWORD, prefix, PATIENCE);
    metadb.read_fingerprint().await.unwrap()
}

/// Names and defaults with everything in them that trips careless readers.
fn build_schema() -> Vec<String> {
    let mut statements = create("fp");
    statements.extend(
        [
            "create table fp_rm.plain (id bigint not null auto_increment primary key, a varchar(32) default 'it''s', \
             b int unsigned default 7, c decimal(10,2) default '0.50', d datetime default current_timestamp on update current_timestamp, \
             e text, f enum('x','y') default 'x', key a_b (a, b), unique key u (c, b)) default character set utf8mb4",
            "create table fp_rm.`o'dd \"``t名` (`c``o'l` int not null, `空` varchar(8) collate utf8mb4_bin default '; --', \
             primary key (`c``o'l`)) default character set utf8mb4",
            "create table fp_rm.child (id int primary key, parent bigint, key p (parent), \
             constraint to_parent foreign key (parent) references fp_rm.plain (id))",
            "create view fp_rm.seen as select id, a from fp_rm.plain where b > 1",
            "create view fp_cm.across as select count(*) as n from fp_rm.seen",
            "create table fp_cm.host (ip varchar(32) primary key)",
            "create table fp_hb.beat (id int primary key)",
        ]
        .map(str::to_owned),
    );
    statements
}

pub async fn tells_what_a_migration_alters(server: &Server) {
    server.run(&build_schema()).await;
    let before = read(server, "fp").await;
    assert_eq!(read(server, "fp").await, before);
    server
        .run(
            &[
                "insert into fp_rm.plain (a, b) values ('1', 2), ('2', 3), ('3', 4)",
                "insert into fp_rm.child values (1, 2)",
                "alter table fp_rm.plain auto_increment = 5000",
                "analyze table fp_rm.plain",
                "create table fp_rm.passing (id int)",
                "drop table fp_rm.passing",
            ]
            .map(str::to_owned),
        )
        .await;
    assert_eq!(read(server, "fp").await, before, "rows and numbers count");
    let mut seen = vec![before.clone()];
    for (change, back) in [
        (
            "alter table fp_rm.plain add column g int",
            "alter table fp_rm.plain drop column g",
        ),
        (
            "alter table fp_rm.plain modify b bigint unsigned default 7",
            "alter table fp_rm.plain modify b int unsigned default 7",
        ),
        (
            "alter table fp_rm.plain modify b int unsigned default 8",
            "alter table fp_rm.plain modify b int unsigned default 7",
        ),
        (
            "alter table fp_rm.plain modify b int unsigned not null default 7",
            "alter table fp_rm.plain modify b int unsigned default 7",
        ),
        // Its first column is that of another index, so that no column says more than before.
        (
            "alter table fp_rm.plain add index more (a, c)",
            "alter table fp_rm.plain drop index more",
        ),
        (
            "create table fp_rm.`new``t'able` (id int)",
            "drop table fp_rm.`new``t'able`",
        ),
        (
            "create view fp_cm.more as select ip from fp_cm.host",
            "drop view fp_cm.more",
        ),
        // The same columns, another text.
        (
            "create or replace view fp_rm.seen as select id, a from fp_rm.plain where b > 2",
            "create or replace view fp_rm.seen as select id, a from fp_rm.plain where b > 1",
        ),
        (
            "alter table fp_rm.child drop foreign key to_parent",
            "alter table fp_rm.child add constraint to_parent foreign key (parent) references fp_rm.plain (id)",
        ),
    ] {
        server.run(&[change.into()]).await;
        let changed = read(server, "fp").await;
        assert!(!seen.contains(&changed), "{change} is not seen");
        server.run(&[back.into()]).await;
        assert_eq!(read(server, "fp").await, before, "after {back}");
        seen.push(changed);
    }
    a_restore_changes_nothing(server, &before).await;
    server.run(&["drop database fp_hb".into()]).await;
    let gone = read(server, "fp").await;
    server.run(&["create database fp_hb".into()]).await;
    let empty = read(server, "fp").await;
    assert!(gone != empty && !seen.contains(&gone) && !seen.contains(&empty));
}

fn run_client(
    server: &Server,
    program: &str,
    arguments: &[&str],
    input: Option<&std::path::Path>,
) -> Output {
    let stdin = input.map_or(Stdio::null(), |path| {
        std::fs::File::open(path).unwrap().into()
    });
    let output = Command::new(program)
        .args(["--no-defaults", "--protocol=tcp", "--host=127.0.0.1"])
        .arg(format!("--port={}", server.port))
        .arg(format!("--user={ADMIN}"))
        .args(arguments)
        .env("MYSQL_PWD", PASSWORD)
        .stdin(stdin)
        .output()
        .unwrap();
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program}: {words}");
    output
}

async fn a_restore_changes_nothing(server: &Server, before: &SchemaFingerprint) {
    let names = [
        "--skip-lock-tables",
        "--databases",
        "fp_rm",
        "fp_cm",
        "fp_hb",
    ];
    let dump = run_client(server, "mariadb-dump", &names, None);
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), dump.stdout).unwrap();
    server
        .run(&["fp_cm", "fp_rm", "fp_hb"].map(|name| format!("drop database {name}")))
        .await;
    assert_ne!(&read(server, "fp").await, before);
    run_client(server, "mariadb", &[], Some(file.path()));
    assert_eq!(&read(server, "fp").await, before, "after a restore");
}

/// What the account may not see is no schema without it.
pub async fn invisible_is_not_absent(server: &Server) {
    let mut statements = create("fpi");
    statements.push("create user 'fpi' identified by 'p'".into());
    server.run(&statements).await;
    let metadb = server.open_as("fpi", "p", "fpi", PATIENCE);
    let error = metadb.read_fingerprint().await.unwrap_err();
    assert!(
        matches!(error, MetaDbError::PrivilegeMissing { .. }),
        "{error:?}"
    );
}

/// Names with other letters than the server's, where it folds them.
pub async fn names_are_as_the_server_folds_them(server: &Server) {
    if server.kind != Kind::SeekDb {
        return;
    }
    server.run(&create("fold")).await;
    server
        .run(&["create table fold_rm.t (id int primary key)".into()])
        .await;
    let before = read(server, "FOLD").await;
    server
        .run(&["alter table fold_rm.t add column a int".into()])
        .await;
    assert_ne!(read(server, "FOLD").await, before);
}
