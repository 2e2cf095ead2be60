//! Definitions that a server shows otherwise, or refuses, when they are made anew from their own text.

use crate::engines::Kind;
use crate::engines::world::World;
use oms_operator::protocol::report::{CommandResult, Trial};
use serde_json::json;

/// Verified with a restore into scratch databases, and back at the first attempt by both methods.
fn comes_back(world: &World) {
    let old = world.text();
    let digest = world.dump(1);
    world.run("verify", &world.trusting(1, &digest)).succeeded();
    for (attempt, method) in [(2, "Swap"), (3, "DropAndLoad")] {
        world.migrate();
        let mut request = world.trusting(attempt, &digest);
        request["restoreMethod"] = json!(method);
        world.run("restore", &request).succeeded();
        assert_eq!(plain(&world.text()), plain(&old), "{method}");
    }
}

/// Without remarks on old storage formats.
fn plain(text: &str) -> String {
    text.replace(" /* mariadb-5.3 */", "")
}

/// Tables that lived through an upgrade from before MariaDB 10.1.2.
#[test]
fn old_temporals_on_mariadb() {
    for kind in [Kind::MariaDb, Kind::MariaDb11] {
        let world = World::small(kind);
        world.server.sql(
            "SET GLOBAL mysql56_temporal_format = OFF; \
             CREATE TABLE oms_rm.old_times (id INT NOT NULL PRIMARY KEY, t TIME(3), d DATETIME, ts TIMESTAMP(2) NULL); \
             SET GLOBAL mysql56_temporal_format = ON; \
             INSERT INTO oms_rm.old_times VALUES (1, '01:02:03.456', '2024-05-06 07:08:09', '2024-05-06 07:08:09.12');",
        );
        assert!(world.text().contains("/* mariadb-5.3 */"));
        comes_back(&world);
    }
}

/// Columns that took their collation from their database, which is not the one that MySQL takes by itself.
#[test]
fn collations_of_the_database_on_mysql() {
    let world = World::small(Kind::MySql);
    for (number, collation) in ["utf8mb4_general_ci", "utf8mb4_bin", "gbk_bin"]
        .iter()
        .enumerate()
    {
        world.server.sql(&format!(
            "ALTER DATABASE oms_rm COLLATE {collation}; \
             CREATE TABLE oms_rm.taken{number} (a VARCHAR(40) PRIMARY KEY, b TEXT, e ENUM('a', 'b') NOT NULL DEFAULT 'b', \
             g VARCHAR(90) GENERATED ALWAYS AS (CONCAT(a, 'x')) VIRTUAL, CHECK (a <> 'no')); \
             INSERT INTO oms_rm.taken{number} (a, b) VALUES ('x', 'y');"
        ));
    }
    comes_back(&world);
}

/// What the probe says that a backup would not carry.
fn probe(world: &World) -> Vec<String> {
    match world.run("probe", &world.request(1)).succeeded().result {
        Some(CommandResult::Probe(ref found)) => {
            assert_eq!(found.rename_across_databases, Trial::Works);
            found.unsupported_objects.clone()
        }
        ref other => panic!("{other:?}"),
    }
}

/// The probe names one object with these words, and leaves nothing behind; after `cure` it names none.
fn is_named(world: &World, words: &[&str], cure: &str) {
    let found = probe(world);
    assert!(
        found.len() == 1 && words.iter().all(|word| found[0].contains(word)),
        "{words:?}: {found:?}"
    );
    assert_eq!(world.beside(), Vec::<String>::new());
    world.server.sql(cure);
    assert_eq!(probe(world), Vec::<String>::new());
}

/// A view of which a table or a column is gone: no client dumps it. One whose definer is gone is carried like any
/// other.
pub fn broken_views_are_named(kind: Kind) {
    let world = World::small(kind);
    world.server.sql(
        "CREATE TABLE oms_rm.report_source (id INT NOT NULL PRIMARY KEY, v VARCHAR(20)); \
         CREATE VIEW oms_rm.report AS SELECT id AS id, v AS v FROM oms_rm.report_source; \
         RENAME TABLE oms_rm.report_source TO oms_rm.report_source_bak;",
    );
    is_named(&world, &["view oms_rm.report"], "DROP VIEW oms_rm.report");
    world.server.sql(
        "CREATE TABLE oms_cm.machine_info (id INT NOT NULL PRIMARY KEY, rack VARCHAR(20)); \
         CREATE VIEW oms_cm.racks AS SELECT id AS id, rack AS rack FROM oms_cm.machine_info; \
         ALTER TABLE oms_cm.machine_info DROP COLUMN rack;",
    );
    is_named(&world, &["view oms_cm.racks"], "DROP VIEW oms_cm.racks");
    if kind != Kind::Seekdb {
        world.server.sql(
            "CREATE USER 'left_the_team'@'%' IDENTIFIED BY 'x'; GRANT SELECT, CREATE VIEW ON oms_rm.* TO 'left_the_team'@'%'; \
             CREATE DEFINER = 'left_the_team'@'%' SQL SECURITY DEFINER VIEW oms_rm.of_theirs AS SELECT id AS id FROM oms_rm.parent; \
             DROP USER 'left_the_team'@'%';",
        );
        assert_eq!(probe(&world), Vec::<String>::new());
    }
    if kind == Kind::MySql {
        // It is shown to the account that dumps, and not to the one of the test.
        world.dump(9);
        world.server.sql("DROP VIEW oms_rm.of_theirs");
    }
    comes_back(&world);
}

#[test]
fn broken_views_are_named_on_mariadb() {
    broken_views_are_named(Kind::MariaDb);
}

#[test]
fn broken_views_are_named_on_seekdb() {
    broken_views_are_named(Kind::Seekdb);
}

/// Tables older than a rule of the server that they break.
pub fn a_rule_that_tables_break_is_named(kind: Kind) {
    let world = World::small(kind);
    world.server.sql(
        "CREATE TABLE oms_rm.no_key (a INT, b VARCHAR(20)); INSERT INTO oms_rm.no_key VALUES (1, 'x'), (1, 'x');",
    );
    assert_eq!(probe(&world), Vec::<String>::new());
    let rule = match kind {
        Kind::MySql => "sql_require_primary_key",
        _ => "innodb_force_primary_key",
    };
    // An account that may set it for its own session is not stopped by MySQL's.
    world.server.sql(&format!(
        "SET GLOBAL {rule} = 1; CREATE USER lim@'%' IDENTIFIED BY 'x'; GRANT SELECT, SHOW VIEW, CREATE VIEW, CREATE, ALTER, DROP, \
         INSERT, UPDATE, DELETE, INDEX, REFERENCES, TRIGGER, EVENT, EXECUTE ON `oms%`.* TO lim@'%';"
    ));
    world.set_account("lim", "x");
    is_named(
        &world,
        &["table oms_rm.no_key", "refuses to make anew"],
        &format!("SET GLOBAL {rule} = 0"),
    );
}

#[test]
fn a_rule_that_tables_break_is_named_on_mariadb() {
    a_rule_that_tables_break_is_named(Kind::MariaDb);
}

#[test]
fn a_rule_that_tables_break_is_named_on_mysql() {
    a_rule_that_tables_break_is_named(Kind::MySql);
}

/// Rules that a session can set aside do not stand in the way of an account that may do so.
#[test]
fn rules_are_set_aside_on_mysql() {
    let world = World::small(Kind::MySql);
    // A session has what was set when it began.
    for statements in [
        "SET GLOBAL sql_generate_invisible_primary_key = 1",
        "CREATE TABLE oms_rm.hidden_key (a INT); INSERT INTO oms_rm.hidden_key VALUES (1), (1); \
         SET GLOBAL sql_generate_invisible_primary_key = 0",
        "CREATE TABLE oms_rm.no_key (a INT, b VARCHAR(20)); INSERT INTO oms_rm.no_key VALUES (1, 'x'), (1, 'x'); \
         SET GLOBAL sql_require_primary_key = 1; SET GLOBAL sql_generate_invisible_primary_key = 1;",
    ] {
        world.server.sql(statements);
    }
    assert_eq!(probe(&world), Vec::<String>::new());
    comes_back(&world);
    assert_eq!(
        world
            .server
            .sql("SELECT GROUP_CONCAT(my_row_id ORDER BY my_row_id) FROM oms_rm.hidden_key"),
        "1,2\n"
    );
}

/// OceanBase's engine writes quotes in some places so that nobody can read them back.
#[test]
fn texts_that_nobody_reads_back_are_named_on_seekdb() {
    let world = World::small(Kind::Seekdb);
    for definition in [
        "e ENUM('a', 'it''s') NOT NULL",
        "e SET('a', 'it''s') NOT NULL",
        "e ENUM('a', 'back\\\\slash')",
    ] {
        world
            .server
            .sql(&format!("CREATE TABLE oms_rm.quoted ({definition})"));
        is_named(&world, &["table oms_rm.quoted"], "DROP TABLE oms_rm.quoted");
    }
    // A line end is written as it is.
    world.server.sql(
        "CREATE TABLE oms_rm.lines (e ENUM('a', 'two\\nlines')); INSERT INTO oms_rm.lines VALUES ('two\\nlines')",
    );
    assert_eq!(probe(&world), Vec::<String>::new());
    comes_back(&world);
}

/// A comment of a database, which is no part of a dump.
#[test]
fn options_of_a_database_come_back() {
    for kind in [Kind::MariaDb, Kind::MariaDb11] {
        let world = World::small(kind);
        let comment = |text: &str| {
            world
                .server
                .sql(&format!("ALTER DATABASE oms_rm COMMENT = '{text}'"));
        };
        let read = || {
            world.server.sql("SELECT SCHEMA_COMMENT FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = 'oms_rm'")
        };
        comment("kept by hand, isn''t it");
        let before = read();
        assert!(before.contains("isn't"), "{before}");
        comes_back(&world);
        assert_eq!(read(), before);
        let digest = world.dump(7);
        comment("");
        let differs = world.run("compare", &world.trusting(7, &digest));
        assert!(
            differs.report().message.contains("options"),
            "{}",
            differs.report().message
        );
        let mut request = world.trusting(8, &digest);
        request["restoreMethod"] = json!("Swap");
        world.run("restore", &request).succeeded();
        assert_eq!(read(), before);
    }
}
