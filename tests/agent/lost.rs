//! A node that is lost: its agent says nothing any more, and nobody tells the server. A stopped process is the same to
//! the server, which still has the connections.

use crate::engines::Kind;
use crate::engines::proxy::{Proxy, Strike};
use crate::engines::world::{PASSWORD, USER, World};
use crate::faults::wait_for;
use oms_operator::agent::report::Reason;
use serde_json::json;
use std::io::{Read, Write};
use std::process::{Command, Stdio};

fn lose_a_restore(kind: Kind) {
    let world = World::small(kind);
    let old = world.text();
    let digest = world.dump(1);
    world.migrate();
    let proxy = Proxy::start(world.server.port, Strike::Count, 0);
    let mut request = world.trusting(2, &digest);
    request["metadb"]["port"] = json!(proxy.port);
    let mut lost = world.start("restore", &request);
    wait_for("the first load", || {
        proxy
            .statements()
            .iter()
            .any(|s| s.starts_with("INSERT INTO `parent`"))
    });
    let stopped = Command::new("kill")
        .args(["-STOP", &lost.id().to_string()])
        .status()
        .unwrap();
    assert!(stopped.success());
    // The server frees lock and sessions by itself, in time for the next attempt.
    let next = world.run("restore", &world.trusting(3, &digest));
    next.succeeded();
    assert_eq!(world.text(), old);
    lost.kill().unwrap();
    lost.wait().unwrap();
}

#[test]
fn a_lost_node_does_not_keep_the_next_restore_out_on_seekdb() {
    lose_a_restore(Kind::Seekdb);
}

#[test]
fn a_lost_node_does_not_keep_the_next_restore_out_on_mariadb() {
    lose_a_restore(Kind::MariaDb);
}

/// A session that the server does not end by itself: the message says how to.
#[test]
fn who_holds_the_lock_is_named() {
    let world = World::small(Kind::MariaDb);
    world.server.sql("INSERT INTO oms_operator_lock.upgrade_lock (id, holder, epoch, note) VALUES (2, 'agent', 0, '')");
    let options = tempfile::NamedTempFile::new().unwrap();
    let quoted = PASSWORD
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\t', "\\t");
    std::fs::write(
        options.path(),
        format!("[client]\nuser=\"{USER}\"\npassword=\"{quoted}\"\n"),
    )
    .unwrap();
    let mut holder = Command::new("mariadb")
        .arg(format!("--defaults-file={}", options.path().display()))
        .args([
            "--protocol=tcp",
            "--host=127.0.0.1",
            "--default-character-set=utf8mb4",
        ])
        .args(["--unbuffered", "--skip-column-names", "--batch"])
        .arg(format!("--port={}", world.server.port))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let stdin = holder.stdin.as_mut().unwrap();
    stdin
        .write_all(
            b"START TRANSACTION; SELECT CONNECTION_ID(), ':', id FROM oms_operator_lock.upgrade_lock WHERE id = 2 FOR UPDATE;\n",
        )
        .unwrap();
    stdin.flush().unwrap();
    let mut id = String::new();
    let stdout = holder.stdout.as_mut().unwrap();
    let mut byte = [0];
    while stdout.read_exact(&mut byte).is_ok() && byte != [b':'] {
        id.push(char::from(byte[0]));
    }
    let ended = world.run("dump", &world.request(1));
    let message = &ended.failed(Reason::AgentBusy).message;
    assert!(
        message.contains(&format!("KILL {} (", id.trim())),
        "{message}"
    );
    // The message's own words are enough.
    world.server.sql(&format!("KILL {}", id.trim()));
    world.dump(2);
    let _ = holder.kill();
    holder.wait().unwrap();
}
