//! What goes wrong, and that it is never taken for a backup or a restore.

use crate::engines::Kind;
use crate::engines::proxy::{Proxy, Strike};
use crate::engines::world::{DATABASES, PASSWORD, USER, World};
use oms_operator::protocol::report::{CommandResult, Reason};
use serde_json::json;
use std::io::Read;
use std::net::TcpListener;
use std::process::Stdio;
use std::time::{Duration, Instant};

/// No complete backup may lie on the claim.
pub fn assert_no_backup(world: &World) {
    let found = std::fs::read_dir(world.directory()).map(|entries| {
        entries
            .flatten()
            .filter(|e| e.path().join("manifest.json").exists())
            .count()
    });
    assert_eq!(found.unwrap_or(0), 0);
}

#[test]
fn a_missing_database_is_named() {
    let world = World::small(Kind::MariaDb);
    let before = world.text();
    world.server.sql("DROP DATABASE oms_cm_hb");
    let ended = world.run("dump", &world.request(1));
    assert!(
        ended
            .failed(Reason::DatabaseMissing)
            .message
            .contains("oms_cm_hb")
    );
    assert_no_backup(&world);
    let CommandResult::Probe(found) = world
        .run("probe", &world.request(1))
        .succeeded()
        .result
        .clone()
        .unwrap()
    else {
        panic!()
    };
    assert_eq!(found.missing_databases, ["oms_cm_hb"]);
    assert!(before.contains("heart_beat"));
}

#[test]
fn a_wrong_password_and_a_dead_server_are_told_apart() {
    let world = World::small(Kind::MariaDb);
    world.set_account("nobody", "wrong");
    for command in ["probe", "dump"] {
        world
            .run(command, &world.request(1))
            .failed(Reason::AccessDenied);
    }
    let mut request = world.request(1);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    request["metadb"]["port"] = json!(listener.local_addr().unwrap().port());
    drop(listener);
    world.run("dump", &request).failed(Reason::ConnectionLost);
    std::fs::remove_file(world.secret.path().join("password")).unwrap();
    let ended = world.run("dump", &world.request(1));
    assert!(
        ended
            .failed(Reason::CredentialsUnreadable)
            .message
            .contains("password")
    );
    assert_no_backup(&world);
}

/// The most dangerous trap: OceanBase's ten seconds cut a dump, and the stump restores without an error.
#[test]
fn the_time_limit_of_oceanbase_never_makes_a_short_backup() {
    let world = World::small(Kind::Seekdb);
    world.server.sql(
        "CREATE TABLE oms_cm.many (id INT PRIMARY KEY AUTO_INCREMENT, t VARCHAR(500)); INSERT INTO oms_cm.many (t) VALUES (REPEAT('x', 500));",
    );
    for _ in 0..14 {
        world
            .server
            .sql("INSERT INTO oms_cm.many (t) SELECT t FROM oms_cm.many LIMIT 20000");
    }
    // Only new sessions get it; the agent's own sessions set theirs, the dump client cannot. Small enough to cut
    // the rows, then small enough to cut the questions about the schema: there the client ends with status 0.
    for (attempt, micros) in [(1, 60_000), (2, 3_000)] {
        world
            .server
            .sql(&format!("SET GLOBAL ob_query_timeout = {micros}"));
        let ended = world.run("dump", &world.request(attempt));
        world
            .server
            .sql("SET SESSION ob_query_timeout = 10000000; SET GLOBAL ob_query_timeout = 10000000");
        let report = ended.failed(Reason::QueryTimeout);
        assert!(
            report.message.contains("ob_query_timeout"),
            "{}",
            report.message
        );
        assert_no_backup(&world);
    }
    world.dump(3);
}

#[test]
fn sessions_of_others_stop_dump_comparison_and_restore() {
    sessions_of_others_stop_dump_comparison_and_restore_on(&[Kind::MariaDb, Kind::Seekdb]);
}

/// See the test.
pub fn sessions_of_others_stop_dump_comparison_and_restore_on(kinds: &[Kind]) {
    for &kind in kinds {
        let world = World::small(kind);
        let digest = world.dump(1);
        // Another user whose current database is one of ours.
        let mut writer = world
            .server
            .client("mariadb")
            .arg("oms_cm")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let before = world.text();
        let dump = world.start("dump", &world.request(2));
        let ended = world.wait(dump);
        let report = ended.failed(Reason::NotQuiesced);
        assert!(
            report.message.contains("root@") && report.message.contains("oms_cm"),
            "{}",
            report.message
        );
        let restore = world.run("restore", &world.trusting(2, &digest));
        restore.failed(Reason::NotQuiesced);
        let compare = world.run("compare", &world.trusting(2, &digest));
        compare.failed(Reason::NotQuiesced);
        assert_eq!(world.text(), before);
        writer.kill().unwrap();
        writer.wait().unwrap();
        // Nobody there any more: the session that is just going away is waited for.
        world
            .run("restore", &world.trusting(3, &digest))
            .succeeded();
    }
}

#[test]
fn somebody_elses_lock_stops_everything_that_changes() {
    let world = World::small(Kind::MariaDb);
    let digest = world.dump(1);
    let before = world.text();
    for (change, words) in [
        (
            "UPDATE oms_operator_lock.upgrade_lock SET epoch = 8 WHERE id = 1",
            "epoch 8",
        ),
        (
            "UPDATE oms_operator_lock.upgrade_lock SET epoch = 7, holder = 'other' WHERE id = 1",
            "names other",
        ),
        (
            "DELETE FROM oms_operator_lock.upgrade_lock WHERE id = 1",
            "missing",
        ),
        ("DROP DATABASE oms_operator_lock", "missing"),
    ] {
        world.server.sql(change);
        for command in ["dump", "verify", "restore", "drop-safety-copies"] {
            let mut request = world.trusting(2, &digest);
            request["safetyCopies"] = json!(["oms_rm__omsnew_1"]);
            let ended = world.run(command, &request);
            assert!(
                ended.failed(Reason::LockLost).message.contains(words),
                "{command}: {}",
                ended.report().message
            );
        }
    }
    let mut request = world.trusting(2, &digest);
    request.as_object_mut().unwrap().remove("lock");
    for command in ["dump", "restore"] {
        world.run(command, &request).failed(Reason::InvalidRequest);
    }
    assert_eq!(world.text(), before);
    assert_eq!(world.beside(), Vec::<String>::new());
}

/// The operator takes the lock away while a restore loads: it must not swap any more.
#[test]
fn a_lock_that_goes_away_while_loading_stops_the_swap() {
    let world = World::small(Kind::MariaDb);
    let digest = world.dump(1);
    world.migrate();
    let after = world.text();
    let proxy = Proxy::start(world.server.port, Strike::Count, 0);
    let request = proxy.through(world.trusting(1, &digest));
    let restore = world.start("restore", &request);
    wait_for("the first load", || {
        proxy
            .statements()
            .iter()
            .any(|s| s.starts_with("INSERT INTO `parent`"))
    });
    world
        .server
        .sql("UPDATE oms_operator_lock.upgrade_lock SET epoch = 8 WHERE id = 1");
    world.wait(restore).failed(Reason::LockLost);
    assert_eq!(world.text(), after);
    assert!(!proxy.statements().iter().any(|s| s.starts_with("RENAME")));
}

pub fn wait_for(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !condition() {
        assert!(Instant::now() < deadline, "{what} never came");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn two_agents_never_work_at_once() {
    two_agents_never_work_at_once_on(&[Kind::MariaDb, Kind::Seekdb]);
}

/// See the test.
pub fn two_agents_never_work_at_once_on(kinds: &[Kind]) {
    for &kind in kinds {
        let world = World::small(kind);
        // Holds the agents' row as a first agent would, under another account's session.
        world.server.sql("INSERT INTO oms_operator_lock.upgrade_lock (id, holder, epoch, note) VALUES (2, 'agent', 0, '')");
        let mut holder = world
            .server
            .client("mariadb")
            .args(["--unbuffered", "--skip-column-names", "--batch"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdin = holder.stdin.as_mut().unwrap();
        std::io::Write::write_all(stdin, b"START TRANSACTION; SELECT 'held', id FROM oms_operator_lock.upgrade_lock WHERE id = 2 FOR UPDATE;\n").unwrap();
        std::io::Write::flush(stdin).unwrap();
        let mut first = [0; 4];
        holder
            .stdout
            .as_mut()
            .unwrap()
            .read_exact(&mut first)
            .unwrap();
        let mut request = world.request(1);
        request["deadlineSeconds"] = json!(3);
        world.run("dump", &request).failed(Reason::DeadlineExceeded);
        assert_no_backup(&world);
        // The holder dies without a word; the next one gets the lock.
        holder.kill().unwrap();
        holder.wait().unwrap();
        world.dump(2);
    }
}

/// OceanBase's engine writes an enum with a quote in it so that nobody can read it back. Better to hear of it
/// before the upgrade than at the rollback.
#[test]
fn a_dump_that_cannot_be_loaded_is_no_backup() {
    let world = World::small(Kind::Seekdb);
    world.server.sql("CREATE TABLE oms_rm.quoted (e ENUM('a', 'it''s') NOT NULL); INSERT INTO oms_rm.quoted VALUES ('it''s');");
    let digest = world.dump(1);
    assert!(
        !world
            .run("verify", &world.trusting(1, &digest))
            .status
            .success()
    );
}

#[test]
fn a_broken_connection_is_no_short_backup() {
    a_broken_connection_is_no_short_backup_on(&[Kind::MariaDb, Kind::Seekdb]);
}

/// See the test.
pub fn a_broken_connection_is_no_short_backup_on(kinds: &[Kind]) {
    for &kind in kinds {
        let world = World::small(kind);
        let counting = Proxy::start(world.server.port, Strike::Count, 0);
        let through = |proxy: &Proxy, attempt| proxy.through(world.request(attempt));
        world.run("dump", &through(&counting, 1)).succeeded();
        let total = counting.statements().len();
        let _ = std::fs::remove_dir_all(world.directory());
        let points = if std::env::var_os("OMS_TEST_ALL").is_some() {
            1
        } else {
            13
        };
        for (attempt, at) in (2..).zip((0..total).step_by(points)) {
            let proxy = Proxy::start(world.server.port, Strike::Cut, at);
            let ended = world.run("dump", &through(&proxy, attempt));
            // Cut at its very last words the dump may have been complete.
            if !ended.status.success() {
                assert!(
                    matches!(
                        ended.report().reason,
                        Reason::ConnectionLost | Reason::LockLost | Reason::ClientFailed
                    ),
                    "{at}: {:?}",
                    ended.report()
                );
                assert_no_backup(&world);
            } else {
                assert!(
                    at + 5 > total,
                    "statement {at} of {total} was cut and nobody noticed: {:?}",
                    counting.statements()[at]
                );
            }
            let _ = std::fs::remove_dir_all(world.directory());
        }
    }
}

#[test]
fn a_request_that_makes_no_sense_touches_nothing() {
    let world = World::small(Kind::MariaDb);
    for broken in [json!({}), json!([]), json!({"upgradeUid": "x"})] {
        world.run("dump", &broken).failed(Reason::InvalidRequest);
    }
    let mut request = world.request(1);
    request["databases"] = json!(["mysql"]);
    assert!(
        world
            .run("dump", &request)
            .failed(Reason::InvalidRequest)
            .message
            .contains("databases")
    );
    world
        .run("restore", &world.request(1))
        .failed(Reason::InvalidRequest);
    let digest = world.dump(1);
    let mut request = world.trusting(2, &digest);
    request["databases"] = json!([DATABASES[0]]);
    world
        .run("restore", &request)
        .failed(Reason::ManifestMismatch);
}

/// A second OMS with the same account, in a database of its own and from elsewhere: the operator counts it out, and so
/// does the Job.
#[test]
fn sessions_of_another_program_with_the_same_account_do_not_stop_a_dump() {
    sessions_of_another_program_with_the_same_account_do_not_stop_a_dump_on(&[
        Kind::MariaDb,
        Kind::Seekdb,
    ]);
}

/// See the test.
pub fn sessions_of_another_program_with_the_same_account_do_not_stop_a_dump_on(kinds: &[Kind]) {
    for &kind in kinds {
        let world = World::small(kind);
        world.server.sql("CREATE DATABASE other_rm");
        let mut other = world
            .server
            .client("mariadb")
            .arg(format!("--user={USER}"))
            .arg(format!("--password={PASSWORD}"))
            .arg("other_rm")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let listed = "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE DB = 'other_rm'";
        wait_for("the session", || world.server.sql(listed).trim() == "1");
        let mut request = world.request(1);
        request["omsAddresses"] = json!(["10.9.9.9"]);
        world.run("dump", &request).succeeded();
        other.kill().unwrap();
        other.wait().unwrap();
    }
}
