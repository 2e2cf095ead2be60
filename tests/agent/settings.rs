//! Server-wide settings that change what a session reads, keeps or waits for: no row is lost to them, and what the dump
//! client cannot set for itself is refused by name while OMS still runs.

use crate::engines::Kind;
use crate::engines::proxy::Proxy;
use crate::engines::world::World;
use crate::faults::assert_no_backup;
use oms_operator::protocol::report::{CommandResult, CompareReport, ProbeReport, Reason};
use serde_json::{Value, json};
use std::process::Stdio;

/// 200 rows in two tables each. No database has 60 columns, so that a limit of 60 cuts rows and no lists.
fn world(kind: Kind) -> World {
    let world = World::empty(kind);
    world.server.sql(
        "CREATE DATABASE oms_rm DEFAULT CHARACTER SET utf8mb4; CREATE DATABASE oms_cm DEFAULT CHARACTER SET utf8mb4; \
         CREATE DATABASE oms_cm_hb DEFAULT CHARACTER SET utf8mb4; \
         CREATE TABLE oms_rm.digit (d INT NOT NULL PRIMARY KEY); \
         INSERT INTO oms_rm.digit VALUES (0),(1),(2),(3),(4),(5),(6),(7),(8),(9); \
         CREATE TABLE oms_rm.task (id INT NOT NULL PRIMARY KEY, label VARCHAR(40) NOT NULL); \
         INSERT INTO oms_rm.task SELECT a.d + 10 * b.d + 100 * c.d + 1, CONCAT('task ', a.d, b.d, c.d) \
           FROM oms_rm.digit a JOIN oms_rm.digit b JOIN oms_rm.digit c WHERE c.d < 2; \
         CREATE TABLE oms_cm.setting (id INT NOT NULL PRIMARY KEY, v VARCHAR(40)); \
         INSERT INTO oms_cm.setting SELECT id, CONCAT('value ', id) FROM oms_rm.task; \
         CREATE TABLE oms_cm_hb.heart_beat (t INT NOT NULL PRIMARY KEY); INSERT INTO oms_cm_hb.heart_beat VALUES (1);",
    );
    world
}

/// What a failed upgrade may leave.
fn damage(world: &World) {
    world
        .server
        .sql("UPDATE oms_rm.task SET label = 'changed'; DELETE FROM oms_cm.setting; COMMIT;");
}

/// Rows of both tables, and how many of them are damaged.
fn count(world: &World) -> String {
    world.server.sql(
        "SET SESSION sql_select_limit = 9223372036854775807; \
         SELECT (SELECT COUNT(*) FROM oms_rm.task), (SELECT COUNT(*) FROM oms_cm.setting), \
         (SELECT COUNT(*) FROM oms_rm.task WHERE label = 'changed')",
    )
}

const WHOLE: &str = "200\t200\t0\n";

fn probe(world: &World) -> ProbeReport {
    match world.run("probe", &world.request(1)).succeeded().result {
        Some(CommandResult::Probe(ref found)) => (**found).clone(),
        ref other => panic!("{other:?}"),
    }
}

fn restoring(world: &World, attempt: i32, digest: &str, method: &str) -> Value {
    let mut request = world.trusting(attempt, digest);
    request["restoreMethod"] = json!(method);
    request
}

/// The statement that a message tells an administrator to run.
fn cure(message: &str) -> String {
    let begin = message.find("SET GLOBAL ").unwrap();
    message[begin..].split_inclusive(';').next().unwrap().into()
}

/// Verification, comparison and restore read every row, whatever the server's default is.
pub fn no_row_is_lost_to_a_limit(kind: Kind) {
    let world = world(kind);
    assert_eq!(count(&world), WHOLE);
    let digest = world.dump(1);
    for (attempt, limit, method) in [(2, 60, "Swap"), (3, 3, "DropAndLoad"), (4, 0, "Swap")] {
        world
            .server
            .sql(&format!("SET GLOBAL sql_select_limit = {limit}"));
        world
            .run("verify", &world.trusting(attempt, &digest))
            .succeeded();
        let compare = world.run("compare", &world.trusting(attempt, &digest));
        compare.succeeded();
        let equal = CommandResult::Compare(CompareReport::Equal);
        assert_eq!(*compare.result(), equal, "{limit}");
        damage(&world);
        world
            .run("restore", &restoring(&world, attempt, &digest, method))
            .succeeded();
        assert_eq!(count(&world), WHOLE, "{limit}, {method}");
    }
}

#[test]
fn no_row_is_lost_to_a_limit_on_mariadb() {
    no_row_is_lost_to_a_limit(Kind::MariaDb);
}

#[test]
fn no_row_is_lost_to_a_limit_on_seekdb() {
    no_row_is_lost_to_a_limit(Kind::Seekdb);
}

/// The dump client cannot be given a setting: a limit that would cut its rows is named, with the statement that takes
/// it away.
pub fn a_limit_is_refused_by_name(kind: Kind) {
    let world = world(kind);
    for (attempt, limit) in [(1, 60), (2, 3), (3, 0)] {
        world
            .server
            .sql(&format!("SET GLOBAL sql_select_limit = {limit}"));
        let found = probe(&world);
        assert_eq!(found.missing_databases, Vec::<String>::new());
        let [said] = found.unsuited_settings.as_slice() else {
            panic!("{limit}: {:?}", found.unsuited_settings)
        };
        assert!(
            said.contains(&format!("sql_select_limit is {limit} ")),
            "{said}"
        );
        let dump = world.run("dump", &world.request(attempt));
        let refusal = &dump.failed(Reason::UnsuitedSetting).message;
        assert!(refusal.contains(said), "{refusal}");
        assert_no_backup(&world);
        // What the message says is enough.
        world.server.sql(&cure(said));
        assert_eq!(probe(&world).unsuited_settings, Vec::<String>::new());
    }
    let digest = world.dump(9);
    world.run("verify", &world.trusting(9, &digest)).succeeded();
    damage(&world);
    world
        .run("restore", &restoring(&world, 9, &digest, "Swap"))
        .succeeded();
    assert_eq!(count(&world), WHOLE);
}

#[test]
fn a_limit_is_refused_by_name_on_mariadb() {
    a_limit_is_refused_by_name(Kind::MariaDb);
}

#[test]
fn a_limit_is_refused_by_name_on_seekdb() {
    a_limit_is_refused_by_name(Kind::Seekdb);
}

/// Other settings that end a dump or make it another one. What `init_connect` sets counts as well.
#[test]
fn other_settings_of_the_dump_client_are_refused_on_mariadb() {
    let world = World::small(Kind::MariaDb);
    world.server.sql("SET GLOBAL max_join_size = 5");
    let found = probe(&world).unsuited_settings;
    assert!(
        found.len() == 1 && found[0].contains("max_join_size is 5 "),
        "{found:?}"
    );
    world.server.sql(&cure(&found[0]));
    assert_eq!(probe(&world).unsuited_settings, Vec::<String>::new());

    // Accounts without SUPER get what it says.
    world.server.sql(
        "CREATE USER lim@'%' IDENTIFIED BY 'x'; GRANT SELECT, SHOW VIEW, TRIGGER, EVENT, EXECUTE ON `oms%`.* TO lim@'%'; \
         GRANT ALL ON oms_operator_lock.* TO lim@'%'; \
         SET GLOBAL init_connect = 'SET sql_select_limit = 7, NAMES latin1';",
    );
    world.set_account("lim", "x");
    let found = probe(&world).unsuited_settings;
    assert!(
        found.len() == 2
            && found
                .iter()
                .any(|said| said.contains("sql_select_limit is 7 "))
            && found
                .iter()
                .any(|said| said.contains("character_set_client is latin1 ")),
        "{found:?}"
    );
    world
        .run("dump", &world.request(1))
        .failed(Reason::UnsuitedSetting);
    assert_no_backup(&world);
}

#[test]
fn other_settings_of_the_dump_client_are_refused_on_seekdb() {
    let world = World::small(Kind::Seekdb);
    for (setting, said) in [
        ("ob_trx_timeout = 1000000", "ob_trx_timeout is 1000000 "),
        (
            "ob_read_consistency = 'WEAK'",
            "ob_read_consistency is WEAK ",
        ),
    ] {
        world.server.sql(&format!("SET GLOBAL {setting}"));
        let found = probe(&world).unsuited_settings;
        assert!(found.len() == 1 && found[0].contains(said), "{found:?}");
        world.server.sql(&cure(&found[0]));
        assert_eq!(probe(&world).unsuited_settings, Vec::<String>::new());
    }
    world.dump(1);
}

/// Where transactions are the house rule: what the agent wrote is there for everybody, and no session of its own keeps
/// an old view of the databases.
pub fn autocommit_off(kind: Kind) {
    for (method, init) in [
        ("Swap", false),
        ("DropAndLoad", false),
        ("DropAndLoad", true),
    ] {
        // OceanBase's engine has no such thing.
        if init && kind == Kind::Seekdb {
            continue;
        }
        let world = World::small(kind);
        let old = world.text();
        if init {
            let privilege = match kind {
                Kind::MySql => "CONNECTION_ADMIN",
                _ => "CONNECTION ADMIN",
            };
            world.server.sql(&format!(
                "CREATE USER lim@'%' IDENTIFIED BY 'x'; GRANT ALL ON *.* TO lim@'%'; \
                 REVOKE SUPER, {privilege} ON *.* FROM lim@'%'; SET GLOBAL init_connect = 'SET autocommit = 0';",
            ));
            world.set_account("lim", "x");
        } else {
            world.server.sql("SET GLOBAL autocommit = 0");
        }
        let found = probe(&world);
        assert_eq!(found.unsuited_settings, Vec::<String>::new());
        let digest = world.dump(1);
        world.run("verify", &world.trusting(1, &digest)).succeeded();
        // DDL commits; rows do not.
        world.migrate();
        world
            .run("restore", &restoring(&world, 1, &digest, method))
            .succeeded();
        assert_eq!(world.text(), old, "{method}");
        // The record of the restore is there too, not only what DDL committed by the way.
        let record = world
            .server
            .sql("SELECT note FROM oms_operator_lock.upgrade_lock WHERE id = 3");
        assert!(record.starts_with("Done "), "{method}: {record}");
    }
}

#[test]
fn autocommit_off_on_mariadb() {
    autocommit_off(Kind::MariaDb);
}

#[test]
fn autocommit_off_on_seekdb() {
    autocommit_off(Kind::Seekdb);
}

/// A transaction of somebody whose current database is elsewhere is seen by nobody, and keeps the tables from being
/// renamed: that is said instead of waited out, and nothing was moved.
#[test]
fn a_table_that_stays_locked_is_said() {
    let world = World::small(Kind::MariaDb);
    let old = world.text();
    let digest = world.dump(1);
    world.migrate();
    let migrated = world.text();
    let mut holder = world
        .server
        .client("mariadb")
        .args(["--unbuffered", "--skip-column-names", "--batch"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let stdin = holder.stdin.as_mut().unwrap();
    std::io::Write::write_all(
        stdin,
        b"START TRANSACTION; SELECT COUNT(*) FROM oms_cm.host;\n",
    )
    .unwrap();
    std::io::Write::flush(stdin).unwrap();
    // Its answer, not INNODB_TRX: that view is a copy which MariaDB renews only when nobody has read
    // it for 0.1 s, so a quick look again and again never sees anything new.
    let mut answer = String::new();
    let stdout = holder.stdout.as_mut().unwrap();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(stdout), &mut answer).unwrap();
    assert_ne!(answer.trim(), "", "the open transaction read nothing");
    let mut request = world.trusting(1, &digest);
    request["deadlineSeconds"] = json!(240);
    let restore = world.run("restore", &request);
    let failure = restore.failed(Reason::RenameFailed);
    assert!(
        failure.message.contains("1205") && failure.message.contains("KILL"),
        "{}",
        failure.message
    );
    let moved = world
        .server
        .sql("SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA LIKE '%omsnew%' AND TABLE_NAME <> 'oms_operator_safety_copy'");
    assert_eq!(moved, "0\n");
    assert!(migrated.contains("of_new_version"));
    holder.kill().unwrap();
    holder.wait().unwrap();
    world
        .run("restore", &world.trusting(2, &digest))
        .succeeded();
    assert_eq!(world.text(), old);
}

/// OceanBase up to 4.3.2 has no `sql_big_selects`, and no server has all of the others.
pub fn without(kind: Kind, name: &'static str) {
    let world = world(kind);
    let proxy = Proxy::without(world.server.port, name);
    let probed = world.run("probe", &proxy.through(world.request(1)));
    let Some(CommandResult::Probe(report)) = &probed.succeeded().result else {
        panic!("no report of a probe");
    };
    assert_eq!(report.unsuited_settings, Vec::<String>::new(), "{name}");
    let digest = world
        .run("dump", &proxy.through(world.request(1)))
        .succeeded()
        .manifest_digest
        .clone()
        .unwrap();
    damage(&world);
    let request = proxy.through(restoring(&world, 1, &digest, "DropAndLoad"));
    world.run("restore", &request).succeeded();
    assert_eq!(count(&world), WHOLE, "{name}");
}

#[test]
fn a_server_without_a_setting_is_served_mariadb() {
    for name in ["sql_big_selects", "sql_safe_updates", "lock_wait_timeout"] {
        without(Kind::MariaDb, name);
    }
}

#[test]
fn a_server_without_a_setting_is_served_seekdb() {
    without(Kind::Seekdb, "sql_big_selects");
}

/// Something in between that changes what is set: what would change data without a word is not worked with.
#[test]
fn a_decisive_setting_that_is_not_kept_is_refused_on_mariadb() {
    let world = world(Kind::MariaDb);
    let proxy = Proxy::altering(world.server.port, "time_zone = '+00:00", b'1');
    let ended = world.run("probe", &proxy.through(world.request(1)));
    let report = ended.failed(Reason::UnsuitedSetting);
    assert!(report.message.contains("time_zone"), "{}", report.message);
    assert!(report.message.contains("+00:01"), "{}", report.message);
}
