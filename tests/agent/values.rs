//! Values of which the text of a dump says something else: none is lost without a word.

use crate::engines::Kind;
use crate::engines::world::World;
use crate::faults::assert_no_backup;
use oms_operator::protocol::report::{CommandResult, CompareReport, Reason};
use serde_json::json;

/// Values that a dump does not carry, each with the way to put it, the word that names it, and the way to take it back.
fn cases(kind: Kind) -> Vec<(&'static str, &'static str, &'static str, &'static str)> {
    let mut cases = vec![(
        "CREATE TABLE oms_rm.e (id INT PRIMARY KEY, e ENUM('a', '')); INSERT INTO oms_rm.e VALUES (1, 'a'), (2, ''), (3, NULL)",
        "SET sql_mode = ''; UPDATE oms_rm.e SET e = 'unknown' WHERE id = 1",
        "column e in table oms_rm.e",
        "UPDATE oms_rm.e SET e = 'a' WHERE id = 1",
    )];
    if !kind.is_mariadb() {
        // MariaDB keeps JSON as text.
        for (value, name) in [
            ("JSON_OBJECT('d', CAST('2026-01-01' AS DATE))", "j"),
            ("JSON_OBJECT('d', CAST(1.10 AS DECIMAL(10, 2)))", "k"),
        ] {
            let text = |text: String| -> &'static str { Box::leak(text.into_boxed_str()) };
            cases.push((
                text(format!("CREATE TABLE oms_rm.{name} (id INT PRIMARY KEY, {name} JSON); \
                     INSERT INTO oms_rm.{name} VALUES (1, '{{\"d\": [1, 2.5, \"x\", null]}}'), (2, NULL)")),
                text(format!("UPDATE oms_rm.{name} SET {name} = {value} WHERE id = 1")),
                text(format!("column {name} in table oms_rm.{name}")),
                text(format!("UPDATE oms_rm.{name} SET {name} = '{{\"d\": [1, 2.5, \"x\", null]}}' WHERE id = 1")),
            ));
        }
    }
    if kind != Kind::Seekdb {
        // OceanBase's stand-alone engine has utf8mb4 alone.
        cases.push((
            "CREATE TABLE oms_rm.g (id INT PRIMARY KEY, v VARCHAR(10) CHARACTER SET gbk); INSERT INTO oms_rm.g VALUES (1, '誠'), (2, NULL)",
            "UPDATE oms_rm.g SET v = x'FEFE' WHERE id = 1",
            "column v in table oms_rm.g",
            "UPDATE oms_rm.g SET v = '誠' WHERE id = 1",
        ));
    }
    if kind.is_mariadb() {
        cases.push((
            "CREATE TABLE oms_rm.d (id INT PRIMARY KEY, v VARCHAR(10) DEFAULT 'why?') DEFAULT CHARSET = utf8mb4",
            "ALTER TABLE oms_rm.d ALTER v SET DEFAULT '😀'",
            "the default of column v in table oms_rm.d",
            "ALTER TABLE oms_rm.d ALTER v SET DEFAULT 'why?'",
        ));
    }
    cases
}

/// Each is refused by name, by the probe and by the dump; and where it came after the dump, it is a difference, and is
/// put back.
pub fn values_that_no_dump_carries_are_refused(kind: Kind) {
    let world = World::small(kind);
    for (attempt, (make, put, name, take)) in (1..).zip(cases(kind)) {
        world.server.sql(make);
        world.server.sql(put);
        let CommandResult::Probe(found) =
            world.run("probe", &world.request(attempt)).result().clone()
        else {
            panic!()
        };
        assert!(
            found.unsupported_objects.len() == 1 && found.unsupported_objects[0].contains(name),
            "{name}: {:?}",
            found.unsupported_objects
        );
        let dump = world.run("dump", &world.request(attempt));
        let message = &dump.failed(Reason::UnsupportedObjects).message;
        assert!(message.contains(name), "{message}");
        assert_no_backup(&world);

        world.server.sql(take);
        let digest = world.dump(attempt);
        let old = world.text();
        world
            .run("verify", &world.trusting(attempt, &digest))
            .succeeded();
        world.server.sql(put);
        let compare = world.run("compare", &world.trusting(attempt, &digest));
        assert!(
            matches!(compare.result(), CommandResult::Compare(CompareReport::Different { summary, .. })
                if summary.contains(name)),
            "{name}: {:?}",
            compare.result()
        );
        for method in ["Swap", "DropAndLoad"] {
            world.server.sql(put);
            let mut request = world.trusting(attempt, &digest);
            request["restoreMethod"] = json!(method);
            world.run("restore", &request).succeeded();
            assert_eq!(world.text(), old, "{name} {method}");
        }
        let mut request = world.request(attempt);
        request["safetyCopies"] = json!(world.beside());
        world.run("drop-safety-copies", &request).succeeded();
        let _ = std::fs::remove_dir_all(world.directory());
    }
}

#[test]
fn values_that_no_dump_carries_are_refused_on_mariadb() {
    values_that_no_dump_carries_are_refused(Kind::MariaDb);
}

#[test]
fn values_that_no_dump_carries_are_refused_on_seekdb() {
    values_that_no_dump_carries_are_refused(Kind::Seekdb);
}

#[test]
fn values_that_no_dump_carries_are_refused_on_mysql() {
    values_that_no_dump_carries_are_refused(Kind::MySql);
}

/// A FLOAT comes back with the digits that servers print. That it holds others is a difference all the same, and
/// nothing is called different that nobody touched.
pub fn a_float_is_compared_exactly(kind: Kind) {
    let world = World::small(kind);
    world.server.sql(
        "CREATE TABLE oms_rm.f (id INT PRIMARY KEY, f FLOAT, g FLOAT(7,4)); \
         INSERT INTO oms_rm.f VALUES (1, 1.2345678, 1.23456), (2, 0.1, NULL), (3, -3.4e38, -0.0), (4, NULL, 0)",
    );
    let digest = world.dump(1);
    world.run("verify", &world.trusting(1, &digest)).succeeded();
    let compare = || {
        world
            .run("compare", &world.trusting(1, &digest))
            .result()
            .clone()
    };
    assert_eq!(compare(), CommandResult::Compare(CompareReport::Equal));
    let old = world.text();
    world
        .server
        .sql("UPDATE oms_rm.f SET f = 1.2345699 WHERE id = 1");
    assert_eq!(world.text(), old);
    let CommandResult::Compare(CompareReport::Different {
        objects: 1,
        summary,
    }) = compare()
    else {
        panic!("a changed FLOAT was overlooked")
    };
    assert!(summary.contains("FLOAT"), "{summary}");
    world
        .run("restore", &world.trusting(1, &digest))
        .succeeded();
    assert_eq!(
        world
            .server
            .sql("SELECT f + 0e0 FROM oms_rm.f WHERE id = 1"),
        "1.234570026397705\n"
    );
    // A restore that is finished stays finished.
    let again = world.run("restore", &world.trusting(2, &digest));
    assert!(
        again.succeeded().message.contains("equal"),
        "{}",
        again.report().message
    );
}

#[test]
fn a_float_is_compared_exactly_on_mariadb() {
    a_float_is_compared_exactly(Kind::MariaDb);
}

#[test]
fn a_float_is_compared_exactly_on_seekdb() {
    a_float_is_compared_exactly(Kind::Seekdb);
}

/// A zero with a sign comes back as a zero, which SQL calls equal: no reason to refuse a backup.
pub fn a_negative_zero_is_a_zero(kind: Kind) {
    let world = World::small(kind);
    world.server.sql(
        "CREATE TABLE oms_rm.z (id INT PRIMARY KEY, d DOUBLE, f FLOAT, g DOUBLE(10,3), t VARCHAR(9)); \
         INSERT INTO oms_rm.z VALUES (1, -0e0, -0e0, -0e0, '-0'), (2, -1e-300, 0, 1, '0')",
    );
    let digest = world.dump(1);
    world.run("verify", &world.trusting(1, &digest)).succeeded();
    world.server.sql("UPDATE oms_rm.z SET d = 5, t = '0'");
    world
        .run("restore", &world.trusting(1, &digest))
        .succeeded();
    assert_eq!(
        world
            .server
            .sql("SELECT d = 0, f = 0, g = 0, t FROM oms_rm.z ORDER BY id"),
        "1\t1\t1\t-0\n0\t1\t0\t0\n"
    );
}

#[test]
fn a_negative_zero_is_a_zero_on_mysql() {
    a_negative_zero_is_a_zero(Kind::MySql);
}

#[test]
fn a_negative_zero_is_a_zero_on_seekdb() {
    a_negative_zero_is_a_zero(Kind::Seekdb);
}

#[test]
fn a_negative_zero_is_a_zero_on_mariadb() {
    a_negative_zero_is_a_zero(Kind::MariaDb);
}
