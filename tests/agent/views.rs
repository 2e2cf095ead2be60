//! Views and foreign keys that reach from one database into another, in whatever direction.
//!
//! Dumps are loaded one database after another; what an earlier one needs of a later one must not end a restore, least
//! of all after the live databases were dropped.

use crate::engines::Kind;
use crate::engines::proxy::{Proxy, Strike};
use crate::engines::world::World;
use oms_operator::protocol::report::{CommandResult, Reason, Trial};
use serde_json::{Value, json};

/// A view of the first database that needs the second one, and a chain from the first to the second and back. With a
/// foreign key to a later database.
const CHAIN: &str = "
CREATE DATABASE oms_rm DEFAULT CHARACTER SET utf8mb4;
CREATE DATABASE oms_cm DEFAULT CHARACTER SET utf8mb4;
CREATE DATABASE oms_cm_hb DEFAULT CHARACTER SET utf8mb4;
CREATE TABLE oms_cm.machine (id INT NOT NULL PRIMARY KEY, ip VARCHAR(40), state VARCHAR(20));
CREATE TABLE oms_rm.job (id INT NOT NULL PRIMARY KEY, machine_id INT,
  CONSTRAINT fk_job_machine FOREIGN KEY (machine_id) REFERENCES oms_cm.machine (id));
CREATE TABLE oms_cm_hb.heart_beat (t INT NOT NULL PRIMARY KEY);
INSERT INTO oms_cm.machine VALUES (1, '10.1.0.1', 'ONLINE'), (2, '10.1.0.2', 'OFFLINE');
INSERT INTO oms_rm.job VALUES (10, 1), (11, 2), (12, NULL);
INSERT INTO oms_cm_hb.heart_beat VALUES (1);
CREATE VIEW oms_rm.a_machines AS SELECT m.id AS id, m.ip AS ip FROM oms_cm.machine m;
CREATE VIEW oms_rm.low AS SELECT j.id AS id, j.machine_id AS machine_id FROM oms_rm.job j;
CREATE VIEW oms_cm.mid AS SELECT l.id AS id, m.ip AS ip FROM oms_rm.low l JOIN oms_cm.machine m ON m.id = l.machine_id;
CREATE VIEW oms_rm.top AS SELECT x.ip AS ip, COUNT(*) AS jobs FROM oms_cm.mid x GROUP BY x.ip;
";

/// The new version dropped both ends of the chain and changed a table.
const MIGRATE: &str = "DROP VIEW oms_rm.top; DROP VIEW oms_cm.mid; ALTER TABLE oms_cm.machine ADD COLUMN note VARCHAR(10);";

fn chain(kind: Kind) -> World {
    let world = World::empty(kind);
    world.server.sql(CHAIN);
    world
}

fn restoring(world: &World, attempt: i32, digest: &str, method: &str) -> Value {
    let mut request = world.trusting(attempt, digest);
    request["restoreMethod"] = json!(method);
    request
}

fn assert_chain_works(world: &World) {
    assert_eq!(
        world.server.sql(
            "SELECT ip, jobs FROM oms_rm.top ORDER BY ip; SELECT COUNT(*) FROM oms_rm.a_machines"
        ),
        "10.1.0.1\t1\n10.1.0.2\t1\n2\n"
    );
    let orphan = "INSERT INTO oms_rm.job VALUES (99, 99)";
    assert!(world.server.try_sql(orphan).is_err());
}

/// Verified, and back at the first attempt, by both methods.
pub fn there_and_back(kind: Kind) {
    let world = chain(kind);
    let old = world.text();
    let digest = world.dump(1);
    let verified = world.run("verify", &world.trusting(1, &digest));
    let CommandResult::Verify(proof) = verified.succeeded().result.clone().unwrap() else {
        panic!()
    };
    assert_eq!(proof.scratch_restore, Trial::Works);
    assert_eq!(world.beside(), Vec::<String>::new());
    // The views of a verification read its own tables, not the live ones.
    world.server.sql(MIGRATE);
    world.run("verify", &world.trusting(1, &digest)).succeeded();
    world.server.sql("DROP VIEW oms_rm.a_machines, oms_rm.low");
    world.run("verify", &world.trusting(1, &digest)).succeeded();
    for (attempt, method) in [(2, "DropAndLoad"), (3, "Swap")] {
        world
            .run("restore", &restoring(&world, attempt, &digest, method))
            .succeeded();
        assert_eq!(world.text(), old, "{method}");
        assert_chain_works(&world);
        world.server.sql(MIGRATE);
    }
}

#[test]
fn there_and_back_on_mariadb() {
    there_and_back(Kind::MariaDb);
}

#[test]
fn there_and_back_on_seekdb() {
    there_and_back(Kind::Seekdb);
}

/// All views of the chain are gone, as after a kill between the two renames: each has to wait for another one.
#[test]
fn views_that_are_all_gone_come_back() {
    views_that_are_all_gone_come_back_on(&[Kind::MariaDb, Kind::Seekdb]);
}

/// See the test.
pub fn views_that_are_all_gone_come_back_on(kinds: &[Kind]) {
    for &kind in kinds {
        let world = chain(kind);
        let old = world.text();
        let digest = world.dump(1);
        world.server.sql(
            "DROP VIEW oms_rm.a_machines, oms_rm.low, oms_rm.top; DROP VIEW oms_cm.mid; DELETE FROM oms_rm.job WHERE id = 10",
        );
        world
            .run("restore", &restoring(&world, 2, &digest, "Swap"))
            .succeeded();
        assert_eq!(world.text(), old, "{kind:?}");
    }
}

/// Where something is made, moved or dropped: each rename, and some of the others; all of them with `OMS_TEST_ALL=1`.
fn points(statements: &[String], phase: usize) -> Vec<usize> {
    let is_decisive = |text: &str| {
        let begins = |verb: &&str| text.starts_with(*verb);
        ["CREATE ", "RENAME ", "DROP "].iter().any(begins) || text.contains("VIEW")
    };
    let decisive = statements
        .iter()
        .enumerate()
        .filter(|(_, text)| is_decisive(text));
    let all = std::env::var_os("OMS_TEST_ALL").is_some();
    decisive
        .enumerate()
        .filter(|(number, (_, text))| all || number % 4 == phase || text.starts_with("RENAME "))
        .map(|(_, (at, _))| at)
        .collect()
}

/// `kill -9` where views and tables are made and databases replaced: the next attempt ends right.
pub fn killed(kind: Kind, method: &str, strike: Strike, phase: usize) {
    let world = chain(kind);
    let old = world.text();
    let digest = world.dump(1);
    world.server.sql(MIGRATE);
    let counting = Proxy::start(world.server.port, Strike::Count, 0);
    let request = restoring(&world, 2, &digest, method);
    world.run("restore", &counting.through(request)).succeeded();
    let statements = counting.statements();
    let (mut attempt, mut kills) = (3, 0);
    for at in points(&statements, phase) {
        world.server.sql(MIGRATE);
        let proxy = Proxy::start(world.server.port, strike, at);
        let request = restoring(&world, attempt, &digest, method);
        let child = world.start("restore", &proxy.through(request));
        proxy.aim_at(child.id());
        kills += usize::from(!world.wait(child).status.success());
        let context = format!("{kind:?} {method} {strike:?} at {at}: {}", statements[at]);
        let next = world.run("restore", &restoring(&world, attempt + 1, &digest, method));
        assert!(
            next.status.success(),
            "{context}: {}",
            next.report().message
        );
        assert_eq!(world.text(), old, "{context}");
        attempt += 2;
    }
    assert!(kills > 2, "only {kills} runs were killed");
    assert_chain_works(&world);
}

#[test]
fn swap_on_mariadb_killed() {
    killed(Kind::MariaDb, "Swap", Strike::KillAfter, 1);
}

#[test]
fn swap_on_seekdb_killed() {
    killed(Kind::Seekdb, "Swap", Strike::KillAfter, 3);
}

#[test]
fn drop_and_load_on_mariadb_killed() {
    killed(Kind::MariaDb, "DropAndLoad", Strike::KillAfter, 0);
}

#[test]
fn drop_and_load_on_seekdb_killed() {
    killed(Kind::Seekdb, "DropAndLoad", Strike::KillBefore, 2);
}

/// A view needs what the backup does not hold and what is gone: verification names it while the old version can still
/// be started, also where rows are too many to load them. A restore brings the tables back, names it, and ends once it
/// is there.
pub fn refused_by_name(kind: Kind) {
    let world = chain(kind);
    world.server.sql(
        "CREATE DATABASE elsewhere; CREATE TABLE elsewhere.t (id INT PRIMARY KEY); \
         CREATE VIEW oms_cm.outward AS SELECT t.id AS id FROM elsewhere.t t; \
         CREATE VIEW oms_rm.on_outward AS SELECT o.id AS id FROM oms_cm.outward o;",
    );
    let old = world.text();
    let digest = world.dump(1);
    world.server.sql("DROP TABLE elsewhere.t");
    for budget in [
        json!({"mode": "Always", "budgetSeconds": 0}),
        json!({"mode": "Auto", "budgetSeconds": 0}),
    ] {
        let mut request = world.trusting(1, &digest);
        request["scratchRestore"] = budget;
        let ended = world.run("verify", &request);
        let message = &ended.failed(Reason::ServerError).message;
        for words in [
            "2 view(s)",
            "view oms_cm.outward",
            "view oms_rm.on_outward",
            "1146",
            "elsewhere.t",
            "live databases were not touched",
        ] {
            assert!(message.contains(words), "{words}: {message}");
        }
        assert!(!message.contains("oms_rm.top"), "{message}");
        assert_eq!(world.beside(), Vec::<String>::new());
    }
    for (attempt, method, meaning) in [
        (2, "Swap", "safety copies"),
        (4, "DropAndLoad", "only in the backup"),
    ] {
        // Views of the new version in the place of those that are refused.
        world.server.sql(
            "CREATE OR REPLACE VIEW oms_cm.outward AS SELECT 1 AS id; CREATE OR REPLACE VIEW oms_rm.on_outward AS SELECT 1 AS id; \
             ALTER TABLE oms_cm.machine ADD COLUMN note VARCHAR(10)",
        );
        let refused = world.run("restore", &restoring(&world, attempt, &digest, method));
        let message = &refused.failed(Reason::ServerError).message;
        for words in [
            "view oms_cm.outward",
            "view oms_rm.on_outward",
            "1146",
            meaning,
        ] {
            assert!(message.contains(words), "{words}: {message}");
        }
        assert_chain_works(&world);
        world
            .server
            .sql("CREATE TABLE elsewhere.t (id INT PRIMARY KEY)");
        world
            .run("restore", &restoring(&world, attempt + 1, &digest, method))
            .succeeded();
        assert_eq!(world.text(), old, "{method}");
        world.server.sql("DROP TABLE elsewhere.t");
    }
}

#[test]
fn refused_by_name_on_mariadb() {
    refused_by_name(Kind::MariaDb);
}

#[test]
fn refused_by_name_on_seekdb() {
    refused_by_name(Kind::Seekdb);
}

/// Nobody was granted anything in the databases of a verification, so definers of views cannot read there, and MariaDB
/// refuses a view on a view of theirs.
#[test]
fn definers_need_no_grants_beside_the_live_databases() {
    let world = World::small(Kind::MariaDb);
    world.server.sql(
        "CREATE USER theirs@'%' IDENTIFIED BY 'x'; GRANT SELECT, CREATE VIEW, SHOW VIEW ON oms_rm.* TO theirs@'%'; \
         CREATE DEFINER = theirs@'%' SQL SECURITY DEFINER VIEW oms_rm.of_theirs AS SELECT p.id AS id FROM oms_rm.parent p; \
         CREATE VIEW oms_rm.on_theirs AS SELECT t.id AS id FROM oms_rm.of_theirs t;",
    );
    let old = world.text();
    let digest = world.dump(1);
    world.run("verify", &world.trusting(1, &digest)).succeeded();
    world
        .server
        .sql("DROP VIEW oms_rm.on_theirs, oms_rm.of_theirs");
    world
        .run("restore", &restoring(&world, 2, &digest, "Swap"))
        .succeeded();
    assert_eq!(world.text(), old);
}

/// OceanBase builds a ring of foreign keys across databases by ALTER TABLE and takes none back from a dump. Constraints
/// and tables are named before anything is replaced.
#[test]
fn a_ring_of_foreign_keys_is_refused_by_name() {
    let world = chain(Kind::Seekdb);
    world.server.sql(
        "ALTER TABLE oms_cm.machine ADD COLUMN job_id INT; \
         ALTER TABLE oms_cm.machine ADD CONSTRAINT fk_machine_job FOREIGN KEY (job_id) REFERENCES oms_rm.job (id);",
    );
    let old = world.text();
    let digest = world.dump(1);
    let mut fileonly = world.trusting(1, &digest);
    fileonly["scratchRestore"] = json!({"mode": "Never", "budgetSeconds": 0});
    let requests = [
        ("verify", world.trusting(1, &digest)),
        ("verify", fileonly),
        ("restore", restoring(&world, 2, &digest, "Swap")),
        ("restore", restoring(&world, 3, &digest, "DropAndLoad")),
    ];
    for (command, request) in requests {
        let ended = world.run(command, &request);
        let message = &ended.failed(Reason::UnsupportedObjects).message;
        for words in [
            "constraint fk_job_machine of oms_rm.job refers to oms_cm.machine",
            "constraint fk_machine_job of oms_cm.machine refers to oms_rm.job",
            "DROP FOREIGN KEY",
        ] {
            assert!(message.contains(words), "{words}: {message}");
        }
        assert_eq!(world.text(), old);
        assert_eq!(world.beside(), Vec::<String>::new());
    }
    // What the message says is enough.
    world
        .server
        .sql("ALTER TABLE oms_cm.machine DROP FOREIGN KEY fk_machine_job");
    let digest = world.dump(4);
    world.run("verify", &world.trusting(4, &digest)).succeeded();
}
