//! Definitions that a server shows otherwise, or refuses, when they are made anew from their own text.

use crate::engines::Kind;
use crate::engines::world::World;
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
