//! What a lost node leaves on the server, and that a person is told how to end what stays. A stopped process is the
//! same to the server as a lost node: nobody closes its connections.

use crate::engines::Kind;
use crate::engines::proxy::{Proxy, Strike};
use crate::engines::world::{PASSWORD, USER, World};
use crate::faults::wait_for;
use oms_operator::protocol::report::Reason;
use serde_json::json;
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};

/// Sends a signal.
fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill")
        .args([name, &child.id().to_string()])
        .status()
        .unwrap();
    assert!(sent.success());
}

/// The server is in the middle of sending rows that nobody takes any more. Not for OceanBase's engine: it waits for the
/// one who is to take them for as long as its connection stands, which a stopped process keeps up and a lost node does
/// not.
#[test]
fn lost_reader_on_mariadb() {
    let world = World::small(Kind::MariaDb);
    world.server.sql(
        "CREATE TABLE oms_rm.big (id INT PRIMARY KEY AUTO_INCREMENT, b LONGBLOB); INSERT INTO oms_rm.big (b) VALUES (REPEAT('x', 500000));",
    );
    for _ in 0..7 {
        world
            .server
            .sql("INSERT INTO oms_rm.big (b) SELECT b FROM oms_rm.big");
    }
    let proxy = Proxy::start(world.server.port, Strike::Count, 0);
    let request = proxy.through(world.request(1));
    let mut lost = world.start("dump", &request);
    wait_for("the reading of the table", || {
        proxy
            .statements()
            .iter()
            .any(|s| s.ends_with("FROM `oms_rm`.`big`"))
    });
    signal(&lost, "-STOP");
    let next = world.run("dump", &world.request(2));
    lost.kill().unwrap();
    lost.wait().unwrap();
    next.succeeded();
}

/// A session of the account that holds the agents' row, and its number in the process list.
fn hold_the_lock(world: &World) -> (Child, String) {
    world.server.sql("INSERT INTO oms_operator_lock.upgrade_lock (id, holder, epoch, note) VALUES (2, 'agent', 0, '')");
    let options = tempfile::NamedTempFile::new().unwrap();
    let quoted = PASSWORD
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\t', "\\t");
    let text = format!("[client]\nuser=\"{USER}\"\npassword=\"{quoted}\"\n");
    std::fs::write(options.path(), text).unwrap();
    let mut holder = Command::new("mariadb")
        .arg(format!("--defaults-file={}", options.path().display()))
        .args(["--protocol=tcp", "--host=127.0.0.1"])
        .args(["--default-character-set=utf8mb4", "--unbuffered"])
        .args(["--skip-column-names", "--batch"])
        .arg(format!("--port={}", world.server.port))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let stdin = holder.stdin.as_mut().unwrap();
    let taking = b"START TRANSACTION; SELECT CONNECTION_ID(), ':', id FROM oms_operator_lock.upgrade_lock WHERE id = 2 FOR UPDATE;\n";
    stdin.write_all(taking).unwrap();
    stdin.flush().unwrap();
    let mut number = String::new();
    let stdout = holder.stdout.as_mut().unwrap();
    let mut byte = [0];
    while stdout.read_exact(&mut byte).is_ok() && byte != [b':'] {
        number.push(char::from(byte[0]));
    }
    (holder, number.trim().to_owned())
}

/// A session that the server does not end by itself: the message says how to.
#[test]
fn who_holds_the_lock_is_named() {
    let world = World::small(Kind::MariaDb);
    let (mut holder, number) = hold_the_lock(&world);
    let ended = world.run("dump", &world.request(1));
    let message = &ended.failed(Reason::AgentBusy).message;
    assert!(
        message.contains(&format!("KILL {number} ({USER}@")),
        "{message}"
    );
    // The message's own words are enough.
    world.server.sql(&format!("KILL {number}"));
    world.dump(2);
    let _ = holder.kill();
    holder.wait().unwrap();
}

/// From the drop on, the old content lies in the backup alone, and whatever ends the run has to say so.
#[test]
fn a_broken_load_after_the_drop_says_where_the_content_is() {
    let world = World::small(Kind::MariaDb);
    for _ in 0..15 {
        world
            .server
            .sql("INSERT INTO oms_rm.parent (v) SELECT v FROM oms_rm.parent");
    }
    let old = world.text();
    let digest = world.dump(1);
    let request = |attempt: i32, proxy: &Proxy| {
        let mut request = world.trusting(attempt, &digest);
        request["restoreMethod"] = json!("DropAndLoad");
        proxy.through(request)
    };
    let says_where = |message: &str| {
        assert!(
            message.contains("only in the backup") && !message.contains("swap"),
            "{message}"
        );
    };
    let proxy = Proxy::start_at_text(world.server.port, Strike::Cut, "INSERT INTO `parent`");
    let cut = world.run("restore", &request(2, &proxy));
    assert!(!cut.status.success());
    says_where(&cut.report().message);

    let proxy = Proxy::start(world.server.port, Strike::Count, 0);
    let ending = world.start("restore", &request(3, &proxy));
    wait_for("the load", || {
        proxy
            .statements()
            .iter()
            .any(|s| s.starts_with("INSERT INTO `parent`"))
    });
    signal(&ending, "-TERM");
    says_where(&world.wait(ending).failed(Reason::Interrupted).message);

    let proxy = Proxy::start(world.server.port, Strike::Count, 0);
    world.run("restore", &request(4, &proxy)).succeeded();
    assert_eq!(world.text(), old);
}
