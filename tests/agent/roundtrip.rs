//! The whole way there and back, on every engine.

use crate::engines::world::{DATABASES, PASSWORD, USER, World};
use crate::engines::{Kind, Server};
use oms_operator::protocol::report::{
    CommandResult, CompareReport, Engine, PrivilegeState, Reason, Report, RestoreMethodUsed, Trial,
};
use serde_json::json;
use std::process::{Command, Stdio};

pub fn there_and_back(kind: Kind) {
    let world = World::nasty(kind);
    let before = world.text();

    let probe = world.run("probe", &world.request(1));
    let CommandResult::Probe(found) = probe.succeeded().result.clone().unwrap() else {
        panic!()
    };
    assert_eq!(found.claim, Trial::Works);
    assert_eq!(found.rename_across_databases, Trial::Works);
    assert!(
        found
            .privileges
            .iter()
            .all(|p| p.state == PrivilegeState::Present),
        "{:?}",
        found.privileges
    );
    assert_eq!(found.heartbeat_sequence_rows, 2);
    assert!(
        found.free_bytes > 0
            && found.missing_databases.is_empty()
            && found.unsupported_objects.is_empty()
    );
    match kind {
        Kind::Seekdb => {
            assert_eq!(
                (found.engine, found.ob_query_timeout_micros),
                (Engine::OceanBase, Some(10_000_000))
            );
            assert_eq!(found.may_set_ob_query_timeout, Some(true));
        }
        Kind::MariaDb | Kind::MariaDb11 => assert_eq!(
            (found.engine, found.ob_query_timeout_micros),
            (Engine::MariaDb, None)
        ),
        Kind::MySql => assert_eq!(
            (found.engine, found.ob_query_timeout_micros),
            (Engine::MySql, None)
        ),
    }
    assert_eq!(world.beside(), Vec::<String>::new());
    assert_eq!(std::fs::read_dir(world.directory()).unwrap().count(), 0);

    let digest = world.dump(1);
    let verified = world.run("verify", &world.trusting(1, &digest));
    let CommandResult::Verify(proof) = verified.succeeded().result.clone().unwrap() else {
        panic!()
    };
    assert_eq!((proof.files, proof.scratch_restore), (3, Trial::Works));
    assert_eq!(world.beside(), Vec::<String>::new());
    let compare = || {
        world
            .run("compare", &world.trusting(1, &digest))
            .succeeded()
            .result
            .clone()
            .unwrap()
    };
    assert_eq!(compare(), CommandResult::Compare(CompareReport::Equal));

    change_everything(&world.server);
    let after = world.text();
    let CommandResult::Compare(CompareReport::Different { objects, summary }) = compare() else {
        panic!("differences overlooked")
    };
    assert!(objects >= 8, "{objects}: {summary}");

    let restored = world.run("restore", &world.trusting(1, &digest));
    let CommandResult::Restore(report) = restored.succeeded().result.clone().unwrap() else {
        panic!()
    };
    assert_eq!(
        (report.method, report.resumed_attempt),
        (RestoreMethodUsed::Swap, None)
    );
    assert_eq!(world.text(), before);
    assert_eq!(compare(), CommandResult::Compare(CompareReport::Equal));
    // Foreign keys hold within the live databases again, and across them.
    assert!(
        world
            .server
            .try_sql("INSERT INTO oms_rm.child (parent_id) VALUES (99)")
            .is_err()
    );
    assert!(
        world
            .server
            .try_sql("INSERT INTO oms_cm.across VALUES (99, 99)")
            .is_err()
    );
    assert_eq!(
        world.server.sql(
            "SELECT COUNT(*) FROM oms_rm.v_children; SELECT COUNT(*) FROM oms_rm.a_view_of_view"
        ),
        "3\n3\n"
    );

    // What was replaced is all there, under the names that the report gives.
    let copies = DATABASES.map(|d| format!("{d}__omsnew_1"));
    let told: Vec<&str> = report
        .safety_copies
        .iter()
        .map(|copy| copy.database.as_str())
        .collect();
    assert_eq!(told, copies);
    for copy in &report.safety_copies {
        let counted = world.server.sql(&format!(
            "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = '{}' AND TABLE_NAME <> 'oms_operator_safety_copy'",
            copy.database
        ));
        assert_eq!(format!("{}\n", copy.tables.unwrap()), counted);
        assert_ne!(copy.bytes, Some(0), "unknown is not zero");
    }
    assert_eq!(
        world
            .server
            .sql("SELECT v FROM oms_rm__omsnew_1.of_new_version"),
        "kept\n"
    );
    assert!(after.contains("of_new_version"));
    let definitions =
        std::fs::read_to_string(world.directory().join("replaced-definitions-1.sql")).unwrap();
    assert!(definitions.contains("v_of_new_version"), "{definitions}");

    // Asked once more there is nothing to do; the safety copies go when they are told to.
    let again = world.run("restore", &world.trusting(2, &digest));
    let CommandResult::Restore(report) = again.succeeded().result.clone().unwrap() else {
        panic!()
    };
    assert_eq!(
        (report.method, report.resumed_attempt),
        (RestoreMethodUsed::AlreadyRestored, Some(1))
    );
    assert_eq!(report.safety_copies.len(), copies.len());
    let mut request = world.request(3);
    request["safetyCopies"] = json!(copies);
    let dropped = world.run("drop-safety-copies", &request);
    assert_eq!(list_dropped(dropped.succeeded()), (copies.to_vec(), vec![]));
    assert_eq!(world.beside(), Vec::<String>::new());
    assert_eq!(world.text(), before);
    // Asked once more, as after a lost report, nothing is left.
    let again = world.run("drop-safety-copies", &request);
    assert_eq!(list_dropped(again.succeeded()), (vec![], vec![]));
}

/// What a report says was dropped, and what was left because it is not the upgrade's.
fn list_dropped(report: &Report) -> (Vec<String>, Vec<String>) {
    match report.result.clone().unwrap() {
        CommandResult::DropSafetyCopies(done) => (done.dropped, done.foreign),
        other => panic!("{other:?}"),
    }
}

fn change_everything(server: &Server) {
    server.sql(
        "DROP VIEW oms_rm.a_view_of_view; CREATE TABLE oms_rm.of_new_version (v VARCHAR(20)); INSERT INTO oms_rm.of_new_version VALUES ('kept'); \
         CREATE VIEW oms_rm.v_of_new_version AS SELECT v AS v FROM oms_rm.of_new_version; \
         DROP TABLE oms_rm.empty; CREATE TABLE oms_rm.a_view_of_view (id INT); \
         INSERT INTO oms_rm.parent (id, v) VALUES (99, 'new'); UPDATE oms_rm.types SET tx = 'changed' WHERE id = 4; \
         ALTER TABLE oms_rm.`order` ADD COLUMN z INT; DELETE FROM oms_rm.`back``tick`; DELETE FROM oms_cm.across WHERE id = 2; \
         ALTER TABLE oms_cm.host MODIFY host_status LONGTEXT; DROP TABLE oms_cm_hb.heart_beat; \
         ALTER DATABASE oms_rm DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci; \
         DROP VIEW oms_cm.v_across; CREATE VIEW oms_cm.v_across AS SELECT 1 AS id;",
    );
    if server.kind != Kind::Seekdb {
        server.sql("CREATE TRIGGER oms_cm.tr BEFORE INSERT ON oms_cm.host FOR EACH ROW SET NEW.ip = 'x'; CREATE PROCEDURE oms_cm.pr() SELECT 1;");
    }
}

#[test]
fn there_and_back_on_seekdb() {
    there_and_back(Kind::Seekdb);
}

#[test]
fn there_and_back_on_mariadb() {
    there_and_back(Kind::MariaDb);
}

#[test]
fn there_and_back_on_mariadb_11() {
    there_and_back(Kind::MariaDb11);
}

#[test]
fn there_and_back_on_mysql() {
    there_and_back(Kind::MySql);
}

pub fn drop_and_load(kind: Kind) {
    let world = World::nasty(kind);
    let before = world.text();
    let digest = world.dump(1);
    change_everything(&world.server);
    let mut request = world.trusting(1, &digest);
    request["restoreMethod"] = json!("DropAndLoad");
    let restored = world.run("restore", &request);
    let CommandResult::Restore(report) = restored.succeeded().result.clone().unwrap() else {
        panic!()
    };
    assert_eq!(
        (report.method, report.safety_copies.len()),
        (RestoreMethodUsed::DropAndLoad, 0)
    );
    assert_eq!(world.text(), before);
    assert_eq!(world.beside(), Vec::<String>::new());
}

#[test]
fn drop_and_load_on_seekdb() {
    drop_and_load(Kind::Seekdb);
}

#[test]
fn drop_and_load_on_mariadb() {
    drop_and_load(Kind::MariaDb);
}

/// A person with `zstd` and `mariadb` needs nothing of ours. (Generated columns are the exception on OceanBase's
/// engine: MariaDB's client writes their values, and only our loader leaves them out.)
pub fn by_hand(kind: Kind) {
    let world = World::small(kind);
    world.dump(1);
    let before = world.text();
    for database in DATABASES {
        world.server.sql(&format!("SET foreign_key_checks = 0; DROP DATABASE {database}; CREATE DATABASE {database} DEFAULT CHARACTER SET utf8mb4"));
    }
    for database in DATABASES {
        let bytes = std::fs::read(
            world
                .directory()
                .join(format!("attempt-1/{database}.sql.zst")),
        )
        .unwrap();
        let text = zstd::decode_all(bytes.as_slice()).unwrap();
        let mut client = world
            .server
            .client("mariadb")
            .arg(database)
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        std::io::Write::write_all(&mut client.stdin.take().unwrap(), &text).unwrap();
        assert!(client.wait().unwrap().success());
    }
    assert_eq!(world.text(), before);
}

#[test]
fn by_hand_on_seekdb() {
    by_hand(Kind::Seekdb);
}

#[test]
fn by_hand_on_mariadb() {
    by_hand(Kind::MariaDb);
}

#[test]
fn the_account_of_oms_is_taken_from_its_config() {
    let world = World::small(Kind::MariaDb);
    let config = world.secret.path().join("config.yaml");
    let text = json!({"oms_meta_host": "elsewhere", "oms_meta_user": USER, "oms_meta_password": PASSWORD, "drc_password": "no"});
    std::fs::write(&config, text.to_string()).unwrap();
    let mut request = world.request(1);
    request["credentials"] = json!({"configYaml": {"path": config}});
    world.run("dump", &request).succeeded();
}

/// Two upgrades of the same MetaDB one after another, both rolled back: names never collide.
#[test]
fn safety_copies_of_an_earlier_upgrade_stay() {
    let world = World::small(Kind::MariaDb);
    for uid in ["first", "second"] {
        let mut request = world.request(1);
        request["upgradeUid"] = json!(uid);
        request["directory"] = json!(world.claim.path().join(uid));
        let digest = world
            .run("dump", &request)
            .succeeded()
            .manifest_digest
            .clone();
        let before = world.text();
        world.migrate();
        request["expectedManifestDigest"] = json!(digest);
        world.run("restore", &request).succeeded();
        assert_eq!(world.text(), before);
    }
    let holds = |copy: &str| {
        let sql = format!("SELECT id FROM {copy}.of_new_version");
        world.server.try_sql(&sql).is_ok_and(|text| text == "1\n")
    };
    assert!(holds("oms_rm__omsnew_1") && holds("oms_rm__omsnew_1_2"));

    // The first one drops what is its own, whatever it is asked to drop.
    let before = world.text();
    world
        .server
        .sql("CREATE DATABASE oms_rm__omsnew_9; CREATE TABLE oms_rm__omsnew_9.t (id INT)");
    let mut request = world.request(2);
    request["upgradeUid"] = json!("first");
    for live in [
        "oms_rm",
        "oms_rm__omsrestore_1",
        "oms_operator_lock",
        "mysql",
    ] {
        request["safetyCopies"] = json!(["oms_rm__omsnew_1", live]);
        world
            .run("drop-safety-copies", &request)
            .failed(Reason::InvalidRequest);
    }
    assert!(holds("oms_rm__omsnew_1"), "something was dropped");
    request["safetyCopies"] = json!(["oms_rm__omsnew_1", "oms_rm__omsnew_1_2", "oms_rm__omsnew_9"]);
    let done = world.run("drop-safety-copies", &request);
    let foreign = ["oms_rm__omsnew_1_2", "oms_rm__omsnew_9"].map(str::to_owned);
    assert_eq!(
        list_dropped(done.succeeded()),
        (vec!["oms_rm__omsnew_1".to_owned()], foreign.to_vec())
    );
    let left = world.beside();
    assert!(!left.contains(&"oms_rm__omsnew_1".to_owned()));
    assert!(left.contains(&"oms_rm__omsnew_9".to_owned()) && holds("oms_rm__omsnew_1_2"));
    assert_eq!(world.text(), before);
}

#[test]
fn the_report_is_in_the_termination_log_too() {
    let world = World::small(Kind::MariaDb);
    let ended = world.run("dump", &world.request(1));
    assert!(ended.stdout.contains(&ended.termination_log) && ended.termination_log.len() <= 4096);
    assert_eq!(
        serde_json::from_str::<oms_operator::protocol::report::Report>(&ended.termination_log)
            .unwrap(),
        *ended.succeeded()
    );
    assert_eq!(ended.stderr, "");
}

/// Large values, many rows: everything that only shows beyond one packet, one chunk, one statement.
pub fn large(kind: Kind) {
    let world = World::small(kind);
    world.server.sql(
        "CREATE TABLE oms_rm.big (id INT PRIMARY KEY AUTO_INCREMENT, a VARCHAR(100), b LONGBLOB, KEY (a)); \
         INSERT INTO oms_rm.big (a, b) VALUES (REPEAT('x', 90), REPEAT(UNHEX('00FF27225C0A'), 500000)); \
         INSERT INTO oms_rm.big (a, b) VALUES ('y', 'z'), ('', ''), (NULL, NULL), ('\\\\', '\\'');",
    );
    for _ in 0..13 {
        world.server.sql("INSERT INTO oms_rm.big (a, b) SELECT CONCAT(IFNULL(a, 'n'), id), LEFT(b, 50) FROM oms_rm.big WHERE id > 1 LIMIT 5000");
    }
    let before = world.text();
    let digest = world.dump(1);
    world.run("verify", &world.trusting(1, &digest)).succeeded();
    world.server.sql(
        "UPDATE oms_rm.big SET b = CONCAT(LEFT(b, 1000000), 'x', SUBSTR(b, 1000002)) WHERE id = 1",
    );
    let CommandResult::Compare(CompareReport::Different { objects: 1, .. }) = world
        .run("compare", &world.trusting(1, &digest))
        .succeeded()
        .result
        .clone()
        .unwrap()
    else {
        panic!("one changed byte was overlooked")
    };
    let restored = world.run("restore", &world.trusting(1, &digest));
    restored.succeeded();
    assert!(!restored.progress.is_empty());
    assert!(world.text() == before);
}

#[test]
fn large_on_seekdb() {
    large(Kind::Seekdb);
}

#[test]
fn large_on_mariadb() {
    large(Kind::MariaDb);
}

/// A value that is nothing but back-slashes, as text becomes that is escaped again and again.
pub fn backslashes(kind: Kind) {
    let world = World::small(kind);
    world.server.sql(
        "CREATE TABLE oms_rm.step_log (id INT NOT NULL PRIMARY KEY, content LONGTEXT); \
         INSERT INTO oms_rm.step_log VALUES (1, CONCAT('{\"error\":\"', REPEAT('\\\\', 200000), '\"}')), (2, REPEAT('\\\\', 99999));",
    );
    let old = world.text();
    let digest = world.dump(1);
    world.run("verify", &world.trusting(1, &digest)).succeeded();
    world
        .server
        .sql("UPDATE oms_rm.step_log SET content = REPEAT('\\\\', 100000) WHERE id = 2");
    world
        .run("restore", &world.trusting(1, &digest))
        .succeeded();
    assert!(world.text() == old);
}

#[test]
fn backslashes_on_mariadb() {
    backslashes(Kind::MariaDb);
}

#[test]
fn backslashes_on_seekdb() {
    backslashes(Kind::Seekdb);
}

/// What cannot be carried is said before anything is written.
#[test]
fn triggers_are_refused() {
    let world = World::small(Kind::MariaDb);
    world
        .server
        .sql("CREATE TRIGGER oms_cm.tr BEFORE INSERT ON oms_cm.host FOR EACH ROW SET NEW.ip = 'x'");
    let report = world.run("dump", &world.request(1));
    assert!(
        report
            .failed(Reason::UnsupportedObjects)
            .message
            .contains("trigger tr in oms_cm")
    );
    let CommandResult::Probe(found) = world
        .run("probe", &world.request(1))
        .succeeded()
        .result
        .clone()
        .unwrap()
    else {
        panic!()
    };
    assert_eq!(found.unsupported_objects, ["trigger oms_cm.tr"]);
}

#[test]
fn help_names_every_command() {
    let output = Command::new(env!("CARGO_BIN_EXE_oms-operator"))
        .args(["agent", "--help"])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    for command in [
        "probe",
        "dump",
        "verify",
        "compare",
        "restore",
        "drop-safety-copies",
    ] {
        assert!(text.contains(command), "{text}");
    }
}
