//! The table from which heart beats take their numbers is shortened where that is asked for.

use crate::engines::Kind;
use crate::engines::world::World;
use serde_json::json;

/// Batch by batch, to the newest row; what was shortened is what is dumped.
pub fn only_the_newest_row_is_left(kind: Kind) {
    let world = World::small(kind);
    world.server.sql(
        "CREATE TABLE oms_cm_hb.heatbeat_sequence (id BIGINT AUTO_INCREMENT PRIMARY KEY, gmt_created DATETIME); \
         CREATE TABLE oms_cm.heatbeat_sequence (id BIGINT AUTO_INCREMENT PRIMARY KEY, gmt_created DATETIME);",
    );
    let values = vec!["(NOW())"; 1000].join(",");
    let insert = format!("INSERT INTO oms_cm_hb.heatbeat_sequence (gmt_created) VALUES {values};");
    world.server.sql(&insert.repeat(25));
    let rows = || {
        let counts = world.server.sql(
            "SELECT COUNT(*) FROM oms_cm_hb.heatbeat_sequence; SELECT COUNT(*) FROM oms_cm.heatbeat_sequence",
        );
        counts.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    world.dump(1);
    assert_eq!(rows(), ["25000", "0"], "nobody asked for it");
    let newest = || {
        world
            .server
            .sql("SELECT MAX(id) FROM oms_cm_hb.heatbeat_sequence")
    };
    let before = newest();
    let mut request = world.request(2);
    request["trimHeartbeatSequence"] = json!(true);
    let dump = world.run("dump", &request);
    let digest = dump.succeeded().manifest_digest.clone().unwrap();
    assert_eq!((rows(), newest()), (vec!["1".into(), "0".into()], before));
    world.run("verify", &world.trusting(2, &digest)).succeeded();
}

#[test]
fn only_the_newest_row_is_left_on_mariadb() {
    only_the_newest_row_is_left(Kind::MariaDb);
}

#[test]
fn only_the_newest_row_is_left_on_seekdb() {
    only_the_newest_row_is_left(Kind::Seekdb);
}
