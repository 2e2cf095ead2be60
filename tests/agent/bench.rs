//! What proofs cost: dump, verify and restore beside the plain clients on the same server, in turn. Measures, judges
//! nothing; run by `make bench-agent`.

use crate::engines::world::World;
use crate::engines::{Kind, dump_client};
use serde_json::json;
use std::process::Stdio;
use std::time::Instant;

const ROUNDS: usize = 3;

fn read_number(name: &str, default: usize) -> usize {
    std::env::var(name)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(default)
}

/// Rows like OMS's own: keys, names, JSON as text, times. About 1 KB each.
fn fill(world: &World, tables: usize, megabytes: usize) {
    let rows = megabytes * 1024 / tables;
    world.server.sql(
        "CREATE DATABASE oms_rm DEFAULT CHARACTER SET utf8mb4; CREATE DATABASE oms_cm DEFAULT CHARACTER SET utf8mb4; \
         CREATE DATABASE oms_cm_hb DEFAULT CHARACTER SET utf8mb4; CREATE TABLE oms_cm.host (ip VARCHAR(40) PRIMARY KEY); \
         CREATE TABLE oms_cm_hb.heart_beat (t INT PRIMARY KEY);",
    );
    for table in 0..tables {
        let name = format!("oms_rm.t{table}");
        world.server.sql(&format!(
            "CREATE TABLE {name} (id INT PRIMARY KEY AUTO_INCREMENT, k VARCHAR(64), at DATETIME, note TEXT, KEY (k)); \
             INSERT INTO {name} (k, at, note) VALUES (MD5('1'), '2026-01-01 00:00:00', REPEAT(SHA2('1', 256), 14));"
        ));
        let mut there = 1;
        while there < rows {
            let more = there.min(rows - there);
            world.server.sql(&format!(
                "INSERT INTO {name} (k, at, note) SELECT MD5(id + {there}), at, REPEAT(SHA2(id + {there}, 256), 14) FROM {name} LIMIT {more}"
            ));
            there += more;
        }
    }
}

fn seconds(work: impl FnOnce()) -> f64 {
    let began = Instant::now();
    work();
    began.elapsed().as_secs_f64()
}

fn dump_plainly(world: &World, file: &std::path::Path) {
    let output = std::fs::File::create(file).unwrap();
    let status = world
        .server
        .client(dump_client(world.server.kind).to_str().unwrap())
        .args([
            "--single-transaction",
            "--hex-blob",
            "--no-tablespaces",
            "oms_rm",
        ])
        .stdout(output)
        .status()
        .unwrap();
    assert!(status.success());
}

fn load_plainly(world: &World, file: &std::path::Path) {
    world
        .server
        .sql("DROP DATABASE IF EXISTS plain; CREATE DATABASE plain");
    let status = world
        .server
        .client("mariadb")
        .arg("plain")
        .stdin(std::fs::File::open(file).unwrap())
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success());
    world.server.sql("DROP DATABASE plain");
}

#[test]
#[ignore = "measures"]
fn compare_with_the_plain_clients() {
    let megabytes = read_number("SIZE_MB", 300);
    for kind in [Kind::MariaDb, Kind::MySql, Kind::Seekdb] {
        for tables in [60, 1] {
            let world = World::empty(kind);
            fill(&world, tables, megabytes);
            let file = world.directory().with_extension("sql");
            let mut times: [Vec<f64>; 5] = Default::default();
            for round in 0..ROUNDS {
                let attempt = i32::try_from(round).unwrap() * 2 + 1;
                times[0].push(seconds(|| dump_plainly(&world, &file)));
                let mut digest = String::new();
                times[1].push(seconds(|| digest = world.dump(attempt)));
                times[2].push(seconds(|| load_plainly(&world, &file)));
                let mut request = world.trusting(attempt, &digest);
                request["scratchRestore"] = json!({"mode": "Always", "budgetSeconds": 36000});
                times[3].push(seconds(|| {
                    world.run("verify", &request).succeeded();
                }));
                world
                    .server
                    .sql("UPDATE oms_rm.t0 SET k = 'other' WHERE id = 1");
                let request = world.trusting(attempt + 1, &digest);
                times[4].push(seconds(|| {
                    world.run("restore", &request).succeeded();
                }));
                let copies: Vec<String> = world.beside();
                for name in copies {
                    world.server.sql(&format!("DROP DATABASE `{name}`"));
                }
            }
            let [plain, dump, load, verify, restore] = times.map(|mut all| {
                all.sort_by(f64::total_cmp);
                all[ROUNDS / 2]
            });
            println!(
                "{kind:?} {megabytes} MB, {tables} table(s), medians of {ROUNDS}: dump {dump:.1} s / client {plain:.1} s = {:.2}; \
                 verify {verify:.1} s / load {load:.1} s = {:.2}; restore {restore:.1} s / load = {:.2}",
                dump / plain,
                verify / load,
                restore / load
            );
        }
    }
}
