//! A statement of the dump that is longer than the server takes: said before anything rests on the backup.

use crate::engines::Kind;
use crate::engines::world::World;
use crate::faults::assert_no_backup;
use oms_operator::agent::report::Reason;
use serde_json::json;

/// The server's default on OceanBase, MySQL and MariaDB.
const USUAL_LIMIT: u64 = 16 << 20;

fn set_limit(world: &World, bytes: u64) {
    world
        .server
        .sql(&format!("SET GLOBAL max_allowed_packet = {bytes}"));
}

/// Nine mebibytes fit into a packet; as the hex digits of a dump they do not.
fn long_statements(kind: Kind) {
    let world = World::small(kind);
    set_limit(&world, 64 << 20);
    world.server.sql(
        "CREATE TABLE oms_rm.files (id INT PRIMARY KEY, b LONGBLOB); \
         INSERT INTO oms_rm.files VALUES (1, REPEAT(UNHEX('00FF27'), 3 << 20));",
    );
    set_limit(&world, USUAL_LIMIT);
    let refused = world.run("dump", &world.request(1));
    let message = &refused.failed(Reason::PacketTooLarge).message;
    assert!(message.contains("oms_rm"), "{message}");
    let cure = message
        .split_once("SET GLOBAL max_allowed_packet = ")
        .unwrap()
        .1;
    let wanted: u64 = cure
        .split(|c: char| !c.is_ascii_digit())
        .next()
        .unwrap()
        .parse()
        .unwrap();
    assert_no_backup(&world);

    set_limit(&world, wanted);
    let digest = world.dump(2);
    let before = world.text();
    set_limit(&world, USUAL_LIMIT);
    let mut request = world.trusting(3, &digest);
    request["scratchRestore"] = json!({"mode": "Never", "budgetSeconds": 0});
    for (command, method) in [
        ("verify", "Swap"),
        ("restore", "Swap"),
        ("restore", "DropAndLoad"),
    ] {
        request["restoreMethod"] = json!(method);
        let ended = world.run(command, &request);
        let message = &ended.failed(Reason::PacketTooLarge).message;
        assert!(
            message.contains(&format!("SET GLOBAL max_allowed_packet = {wanted}")),
            "{message}"
        );
        assert_eq!(world.beside(), Vec::<String>::new());
    }
    // What the message asks for is enough.
    set_limit(&world, wanted);
    assert!(world.text() == before, "{kind:?}");
    world.run("verify", &world.trusting(4, &digest)).succeeded();
    world.server.sql("DROP TABLE oms_rm.files");
    world
        .run("restore", &world.trusting(5, &digest))
        .succeeded();
    assert!(world.text() == before, "{kind:?}");
}

#[test]
fn long_statements_on_seekdb() {
    long_statements(Kind::Seekdb);
}

#[test]
fn long_statements_on_mariadb() {
    long_statements(Kind::MariaDb);
}
