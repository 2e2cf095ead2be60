//! What a server does not permit, does not take, or holds on to.

use crate::engines::Kind;
use crate::engines::proxy::{Proxy, Strike};
use crate::engines::world::World;
use crate::faults::{assert_no_backup, wait_for};
use oms_operator::protocol::report::{
    CommandResult, Privilege, PrivilegeState, ProbeReport, Reason, Trial,
};
use serde_json::json;

fn probe(world: &World, attempt: i32) -> ProbeReport {
    match world.run("probe", &world.request(attempt)).result() {
        CommandResult::Probe(found) => (**found).clone(),
        other => panic!("{other:?}"),
    }
}

/// Runs the statements of a report.
fn grant(world: &World, found: &ProbeReport) {
    for statement in found.privileges.iter().filter_map(|p| p.grant.as_ref()) {
        world.server.sql(&format!("{statement};"));
    }
}

#[test]
fn missing_privileges_come_with_their_statement() {
    let world = World::small(Kind::MariaDb);
    world.server.sql(
        "CREATE USER lim@'%' IDENTIFIED BY 'x'; GRANT SELECT ON `oms\\_rm`.* TO lim@'%'; GRANT SELECT ON `oms\\_cm`.* TO lim@'%'; \
         GRANT SELECT ON `oms\\_cm\\_hb`.* TO lim@'%'; GRANT ALL ON oms_operator_lock.* TO lim@'%';",
    );
    world.set_account("lim", "x");
    let found = probe(&world, 1);
    assert!(matches!(found.rename_across_databases, Trial::NotTried(_)));
    let missing: Vec<_> = found
        .privileges
        .iter()
        .filter(|p| p.state == PrivilegeState::Missing)
        .collect();
    assert!(
        missing.iter().any(|p| p.purpose == "dump oms_rm"),
        "{missing:?}"
    );
    // Without SHOW VIEW the dump ends after the data of other tables was written.
    world
        .run("dump", &world.request(1))
        .failed(Reason::PrivilegeMissing);
    assert_no_backup(&world);
    // What the report says is enough. Who may be a view's definer can be tried only where scratch databases can be
    // made.
    grant(&world, &found);
    let found = probe(&world, 2);
    let lacking: Vec<_> = found
        .privileges
        .iter()
        .filter(|p| p.state != PrivilegeState::Present)
        .collect();
    assert!(
        lacking.len() == 1 && lacking[0].purpose.contains("view oms_rm.v"),
        "{lacking:?}"
    );
    grant(&world, &found);
    let found = probe(&world, 2);
    assert!(
        found
            .privileges
            .iter()
            .all(|p| p.state == PrivilegeState::Present),
        "{:?}",
        found.privileges
    );
    assert_eq!(found.rename_across_databases, Trial::Works);
    let digest = world.dump(3);
    let before = world.text();
    world.server.sql("DROP TABLE oms_cm.host");
    world.run("verify", &world.trusting(3, &digest)).succeeded();
    world
        .run("restore", &world.trusting(3, &digest))
        .succeeded();
    assert_eq!(world.text(), before);
}

/// OceanBase's engine keeps views without a definer and lists the account that made them all the same. A restore names
/// nobody there, so nothing is to be granted for it.
#[test]
fn views_that_name_nobody_ask_for_no_privilege() {
    let world = World::small(Kind::Seekdb);
    world.server.sql(
        "CREATE USER lim IDENTIFIED BY 'x'; GRANT SELECT ON oms_rm.* TO lim; GRANT ALL ON oms_operator_lock.* TO lim;",
    );
    world.set_account("lim", "x");
    for attempt in 1..=2 {
        let found = probe(&world, attempt);
        let mighty = |p: &&Privilege| p.grant.as_ref().is_some_and(|grant| grant.contains("*.*"));
        assert_eq!(found.privileges.iter().find(mighty), None);
        grant(&world, &found);
    }
    let old = world.text();
    let digest = world.dump(3);
    world.migrate();
    world
        .run("restore", &world.trusting(3, &digest))
        .succeeded();
    assert_eq!(world.text(), old);
}

/// Two upgrades that look at one MetaDB hold no lock yet: neither drops what the other tries. What a former version
/// left under the number of an attempt goes.
#[test]
fn a_probe_leaves_the_scratch_of_another_upgrade() {
    let world = World::small(Kind::MariaDb);
    let others = "oms_rm__omsprobe_99999";
    for name in [others, "oms_rm__omsprobe_1", "oms_cm__omsprobe_7_2"] {
        world.server.sql(&format!("CREATE DATABASE {name}"));
    }
    assert_eq!(probe(&world, 1).rename_across_databases, Trial::Works);
    assert_eq!(world.beside(), [others]);
}

/// A connection that breaks says nothing about what the server can do, nor about what the account may.
#[test]
fn a_trial_that_breaks_off_is_no_finding() {
    let world = World::small(Kind::MariaDb);
    for statement in [
        "CREATE TABLE `oms_rm__omsprobe_",
        "RENAME TABLE",
        "SHOW GRANTS",
    ] {
        let proxy = Proxy::start_at_text(world.server.port, Strike::Cut, statement);
        let request = proxy.through(world.request(1));
        world.run("probe", &request).failed(Reason::ConnectionLost);
        assert!(proxy.has_struck(), "{statement}");
    }
    assert_eq!(probe(&world, 2).rename_across_databases, Trial::Works);
    assert_eq!(world.beside(), Vec::<String>::new());
}

/// A binary value is twice as long in a dump. What the server would refuse to load is no backup, and is found while
/// OMS's old version can still be started.
pub fn long_rows(kind: Kind) {
    let world = World::small(kind);
    world.server.sql(
        "CREATE TABLE oms_rm.large (id INT PRIMARY KEY, b LONGBLOB); INSERT INTO oms_rm.large VALUES (1, REPEAT('x', 700000));",
    );
    let digest = world.dump(1);
    world.server.sql("SET GLOBAL max_allowed_packet = 1048576");
    // Said at once by the dump itself.
    let dump = world.run("dump", &world.request(7));
    let refusal = &dump.failed(Reason::PacketTooSmall).message;
    assert!(refusal.contains("SET GLOBAL max_allowed_packet = "));
    assert!(!world.directory().join("attempt-7/manifest.json").exists());
    let mut request = world.trusting(1, &digest);
    request["scratchRestore"] = json!({"mode": "Never", "budgetSeconds": 0});
    let ended = world.run("verify", &request);
    let message = ended.failed(Reason::PacketTooSmall).message.clone();
    world.migrate();
    let migrated = world.text();
    for method in ["Swap", "DropAndLoad"] {
        let mut restore = world.trusting(1, &digest);
        restore["restoreMethod"] = json!(method);
        world
            .run("restore", &restore)
            .failed(Reason::PacketTooSmall);
    }
    assert_eq!(world.text(), migrated);
    assert_eq!(world.beside(), Vec::<String>::new());
    // What the message says is enough.
    let begin = message.find("SET GLOBAL max_allowed_packet = ").unwrap();
    let statement: String = message[begin..].chars().take_while(|c| *c != '(').collect();
    world.server.sql(statement.trim());
    world.run("verify", &world.trusting(2, &digest)).succeeded();
    world
        .run("restore", &world.trusting(2, &digest))
        .succeeded();
}

#[test]
fn long_rows_on_mariadb() {
    long_rows(Kind::MariaDb);
}

#[test]
fn long_rows_on_seekdb() {
    long_rows(Kind::Seekdb);
}

/// A node is lost in the middle of a load: its sessions and its lock stay open, and the next attempt gets past them.
pub fn lost_node(kind: Kind) {
    let world = World::small(kind);
    let old = world.text();
    let digest = world.dump(1);
    world.migrate();
    let proxy = Proxy::start_at_text(world.server.port, Strike::Freeze, "INSERT INTO `parent`");
    let request = proxy.through(world.trusting(2, &digest));
    let mut frozen = world.start("restore", &request);
    proxy.aim_at(frozen.id());
    wait_for("the stop of the agent", || proxy.has_struck());
    let next = world.run("restore", &world.trusting(3, &digest));
    frozen.kill().unwrap();
    frozen.wait().unwrap();
    next.succeeded();
    assert_eq!(world.text(), old);
}

#[test]
fn lost_node_on_mariadb() {
    lost_node(Kind::MariaDb);
}

#[test]
fn lost_node_on_seekdb() {
    lost_node(Kind::Seekdb);
}

/// What the dump would leave out is found before anything is touched.
#[test]
fn sequences_are_told_by_the_probe() {
    let world = World::small(Kind::MariaDb);
    world.server.sql("CREATE SEQUENCE oms_rm.numbers");
    assert_eq!(
        probe(&world, 1).unsupported_objects,
        ["sequence oms_rm.numbers"]
    );
    world
        .run("dump", &world.request(1))
        .failed(Reason::UnsupportedObjects);
    assert_no_backup(&world);
}

/// MySQL asks for more where the definer is an account of the system, and says for what once the first is granted: the
/// report follows it, statement by statement.
#[test]
fn definers_of_the_system_ask_for_their_privilege_on_mysql() {
    let world = World::small(Kind::MySql);
    world.server.sql(
        "CREATE USER mighty@'%' IDENTIFIED BY 'x'; GRANT SYSTEM_USER ON *.* TO mighty@'%'; GRANT ALL ON oms_rm.* TO mighty@'%'; \
         CREATE DEFINER = mighty@'%' VIEW oms_rm.of_mighty AS SELECT id AS id FROM oms_rm.parent; \
         CREATE USER lim@'%' IDENTIFIED BY 'x'; GRANT ALL ON `oms%`.* TO lim@'%';",
    );
    world.set_account("lim", "x");
    let lacking = |found: &ProbeReport| -> Vec<String> {
        let missing = found
            .privileges
            .iter()
            .filter(|p| p.state != PrivilegeState::Present);
        missing.filter_map(|p| p.grant.clone()).collect()
    };
    let mut said = Vec::new();
    for attempt in 1..=4 {
        let found = probe(&world, attempt);
        let statements = lacking(&found);
        assert!(
            statements.iter().all(|one| !said.contains(one)),
            "{said:?}, then {statements:?}"
        );
        if statements.is_empty() {
            break;
        }
        grant(&world, &found);
        said.extend(statements);
    }
    assert!(
        said.iter().any(|one| one.contains("SYSTEM_USER")),
        "{said:?}"
    );
    let old = world.text();
    let digest = world.dump(9);
    world.server.sql("DROP VIEW oms_rm.of_mighty");
    world
        .run("restore", &world.trusting(9, &digest))
        .succeeded();
    assert_eq!(world.text(), old);
}

/// Neither among the tables of OceanBase nor among its programs, and gone with the database. seekdb has no sequences,
/// which are listed in the same way.
#[test]
fn outlines_are_told_on_seekdb() {
    let world = World::small(Kind::Seekdb);
    world
        .server
        .sql("USE oms_rm; CREATE OUTLINE plan_of_ours ON SELECT /*+ FULL(parent) */ * FROM parent");
    assert_eq!(
        probe(&world, 1).unsupported_objects,
        ["outline oms_rm.plan_of_ours"]
    );
    world
        .run("dump", &world.request(1))
        .failed(Reason::UnsupportedObjects);
}

/// What scratch databases held is not kept in the bin, where it would lie with the passwords of data sources.
#[test]
fn nothing_of_ours_is_left_in_the_recycle_bin() {
    let world = World::small(Kind::Seekdb);
    world.server.sql("SET GLOBAL recyclebin = ON");
    probe(&world, 1);
    let digest = world.dump(1);
    world.run("verify", &world.trusting(1, &digest)).succeeded();
    assert_eq!(world.server.sql("SHOW RECYCLEBIN"), "");
}
