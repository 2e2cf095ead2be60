//! A server that cannot for a moment: its memory is full until it is flushed.

use crate::engines::Kind;
use crate::engines::proxy::{Proxy, Strike};
use crate::engines::world::World;
use oms_operator::protocol::report::Reason;
use serde_json::json;

/// Refused twice, done the third time.
fn passes(
    world: &World,
    command: &str,
    request: &serde_json::Value,
    code: u16,
    text: &'static str,
) {
    let proxy = Proxy::start_at_text(world.server.port, Strike::Refuse(code, 2), text);
    let ended = world.run(command, &proxy.through(request.clone()));
    assert!(proxy.has_struck(), "{code} {text}");
    ended.succeeded();
}

/// Every number that says so, at a load.
pub fn a_load_waits(kind: Kind) {
    let world = World::small(kind);
    let digest = world.dump(1);
    for code in [4030, 4013, 4038, 4119, 6002, 11049, 1213] {
        let request = world.trusting(1, &digest);
        passes(&world, "verify", &request, code, "INSERT INTO");
    }
}

#[test]
fn a_load_waits_on_mariadb() {
    a_load_waits(Kind::MariaDb);
}

/// Every kind of statement that a restore sends.
pub fn a_restore_waits(kind: Kind) {
    let world = World::small(kind);
    let old = world.text();
    let digest = world.dump(1);
    let mut attempt = 2;
    for (method, texts) in [
        (
            "Swap",
            [
                "CREATE DATABASE",
                "CREATE TABLE",
                "INSERT INTO",
                "RENAME TABLE",
                "REPLACE INTO",
            ]
            .as_slice(),
        ),
        (
            "DropAndLoad",
            &["DROP DATABASE", "CREATE TABLE", "INSERT INTO"],
        ),
    ] {
        for text in texts {
            world.migrate();
            let mut request = world.trusting(attempt, &digest);
            request["restoreMethod"] = json!(method);
            passes(&world, "restore", &request, 4030, text);
            assert_eq!(world.text(), old, "{method} {text}");
            attempt += 1;
        }
    }
}

#[test]
fn a_restore_waits_on_mariadb() {
    a_restore_waits(Kind::MariaDb);
}

/// What no waiting helps is not waited for.
#[test]
fn another_error_ends_the_run_at_once() {
    let world = World::small(Kind::MariaDb);
    let digest = world.dump(1);
    let proxy = Proxy::start_at_text(world.server.port, Strike::Refuse(1114, 1), "INSERT INTO");
    let request = proxy.through(world.trusting(1, &digest));
    world.run("verify", &request).failed(Reason::ServerError);
}
