//! `kill -9` of the agent at its statements: the next attempt always ends right, and nothing is ever lost.
//!
//! A proxy between agent and server counts the statements and strikes at a chosen one, before or after the server
//! gets it. A sample of the points by default, all of them with `OMS_TEST_ALL=1`.

use crate::engines::Kind;
use crate::engines::proxy::{Proxy, Strike};
use crate::engines::world::{DATABASES, World};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Statement numbers to strike at: every one of `dense`, and a few of the others.
fn points(total: usize, dense: std::ops::Range<usize>, phase: usize) -> Vec<usize> {
    if std::env::var_os("OMS_TEST_ALL").is_some() {
        return (0..total).collect();
    }
    (0..total)
        .filter(|at| {
            if dense.contains(at) {
                at % 6 == phase
            } else {
                at % 37 == phase
            }
        })
        .collect()
}

/// Runs `command` through a proxy that strikes; `true` when it was killed.
fn run_and_strike(world: &World, command: &str, request: Value, strike: Strike, at: usize) -> bool {
    let proxy = Proxy::start(world.server.port, strike, at);
    let child = world.start(command, &proxy.through(request));
    proxy.aim_at(child.id());
    let ended = world.wait(child);
    proxy.has_struck() && !ended.status.success()
}

/// The statements of an undisturbed run.
fn statements_of(world: &World, command: &str, request: Value) -> Vec<String> {
    let proxy = Proxy::start(world.server.port, Strike::Count, 0);
    world.run(command, &proxy.through(request)).succeeded();
    proxy.statements()
}

fn drop_beside(world: &World, beside: &[String]) {
    let drops: Vec<String> = beside
        .iter()
        .map(|name| format!("DROP DATABASE `{name}`; "))
        .collect();
    world
        .server
        .sql(&format!("SET foreign_key_checks = 0; {}", drops.concat()));
}

/// The tables of the new version are complete, live or among the replaced ones. A server may still carry out the last
/// statement of a client that is dead, and a look in the middle of a rename finds a table nowhere: then it looks again.
fn assert_new_content_kept(world: &World, context: &str) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while let Err(lost) = find_new_content(world) {
        assert!(Instant::now() < deadline, "{context}: {lost}");
        std::thread::sleep(Duration::from_millis(200));
    }
}

fn find_new_content(world: &World) -> Result<(), String> {
    let places = world.server.try_sql(
        "SELECT CONCAT(TABLE_NAME, ' ', TABLE_SCHEMA) FROM information_schema.TABLES \
         WHERE TABLE_NAME IN ('of_new_version', 'beats', 'parent') ORDER BY 1",
    )?;
    let schemas_of = |table: &str| -> Vec<String> {
        places
            .lines()
            .filter_map(|line| line.strip_prefix(table)?.strip_prefix(' '))
            .map(str::to_owned)
            .collect()
    };
    let homes = schemas_of("of_new_version");
    let ([home], 1) = (homes.as_slice(), schemas_of("beats").len()) else {
        return Err(format!("tables are gone, or there twice: {places}"));
    };
    let counts: Vec<String> = schemas_of("parent")
        .iter()
        .map(|schema| {
            format!("(SELECT COUNT(*) FROM `{schema}`.parent WHERE id = 3 AND v = 'three')")
        })
        .collect();
    let found = world.server.try_sql(&format!(
        "SELECT (SELECT COUNT(*) FROM `{home}`.of_new_version), {}",
        counts.join(" + ")
    ))?;
    if found == "1\t1\n" {
        Ok(())
    } else {
        Err(format!(
            "content of the new version is gone: {found}in {places}"
        ))
    }
}

pub fn kill_restores(kind: Kind, method: &str, strike: Strike, phase: usize) {
    let world = World::small(kind);
    let old = world.text();
    let digest = world.dump(1);
    let request = |attempt: i32| {
        let mut request = world.trusting(attempt, &digest);
        request["restoreMethod"] = json!(method);
        request
    };
    world.migrate();
    let statements = statements_of(&world, "restore", request(1));
    assert_eq!(world.text(), old);
    drop_beside(&world, &world.beside());
    let first = statements
        .iter()
        .position(|s| s.contains("Swapping ") || s.contains("Dropping "))
        .unwrap();
    let last = statements
        .iter()
        .rposition(|s| s.starts_with("RENAME") || s.contains("VIEW"))
        .unwrap();
    let mut attempt = 2;
    let mut killed = 0;
    for at in points(statements.len(), first..last + 2, phase) {
        world.migrate();
        let context = format!(
            "{strike:?} at {at} of {}: {:?}",
            statements.len(),
            statements[at]
        );
        killed += usize::from(run_and_strike(
            &world,
            "restore",
            request(attempt),
            strike,
            at,
        ));
        if method == "Swap" {
            assert_new_content_kept(&world, &context);
        }
        let next = world.run("restore", &request(attempt + 1));
        assert!(
            next.status.success(),
            "{context}: {}",
            next.report().message
        );
        assert_eq!(world.text(), old, "{context}");
        if method == "Swap" {
            assert_new_content_kept(&world, &context);
        }
        let beside = world.beside();
        assert!(
            beside.iter().all(|name| name.contains("__omsnew_")),
            "{context}: {beside:?}"
        );
        drop_beside(&world, &beside);
        attempt += 2;
    }
    assert!(killed > 2, "only {killed} runs were killed");
}

#[test]
fn swap_on_mariadb_killed_before() {
    kill_restores(Kind::MariaDb, "Swap", Strike::KillBefore, 0);
}

#[test]
fn swap_on_mariadb_killed_after() {
    kill_restores(Kind::MariaDb, "Swap", Strike::KillAfter, 1);
}

#[test]
fn swap_on_seekdb_killed_before() {
    kill_restores(Kind::Seekdb, "Swap", Strike::KillBefore, 1);
}

#[test]
fn swap_on_seekdb_killed_after() {
    kill_restores(Kind::Seekdb, "Swap", Strike::KillAfter, 0);
}

#[test]
fn drop_and_load_on_mariadb_killed_after() {
    kill_restores(Kind::MariaDb, "DropAndLoad", Strike::KillAfter, 0);
}

/// Whatever a killed dump leaves, the next one makes a whole backup, and a whole one is never touched.
#[test]
fn dumps_killed_anywhere() {
    dumps_killed_anywhere_on(&[
        (Kind::MariaDb, Strike::KillBefore),
        (Kind::Seekdb, Strike::KillAfter),
    ]);
}

/// See the test.
pub fn dumps_killed_anywhere_on(kinds: &[(Kind, Strike)]) {
    for &(kind, strike) in kinds {
        let world = World::small(kind);
        let kept = world.dump(1);
        let total = statements_of(&world, "dump", world.request(2)).len();
        let mut attempt = 3;
        for at in points(total, 0..0, 5) {
            run_and_strike(&world, "dump", world.request(attempt), strike, at);
            // A killed run may leave its option file in the pod's own /tmp, a finished one never.
            let files = || {
                std::fs::read_dir(world.scratch.path())
                    .unwrap()
                    .flatten()
                    .filter(|e| e.file_name() != "termination-log")
                    .count()
            };
            let left = files();
            let digest = world.dump(attempt + 1);
            assert_eq!(files(), left);
            let mut request = world.trusting(attempt + 1, &digest);
            request["scratchRestore"] = json!({"mode": "Never", "budgetSeconds": 0});
            world.run("verify", &request).succeeded();
            attempt += 2;
        }
        let mut request = world.trusting(attempt, &kept);
        request["scratchRestore"] = json!({"mode": "Never", "budgetSeconds": 0});
        world.run("verify", &request).succeeded();
    }
}

/// A scratch restore that was killed leaves databases; the next verification takes them away.
#[test]
fn verifications_killed_anywhere() {
    verifications_killed_anywhere_on(Kind::MariaDb);
}

/// See the test.
pub fn verifications_killed_anywhere_on(kind: Kind) {
    let world = World::small(kind);
    let digest = world.dump(1);
    let before = world.text();
    let total = statements_of(&world, "verify", world.trusting(2, &digest)).len();
    let mut attempt = 3;
    for at in points(total, 0..0, 3) {
        run_and_strike(
            &world,
            "verify",
            world.trusting(attempt, &digest),
            Strike::KillAfter,
            at,
        );
        world
            .run("verify", &world.trusting(attempt + 1, &digest))
            .succeeded();
        assert_eq!(world.beside(), Vec::<String>::new());
        attempt += 2;
    }
    assert_eq!(world.text(), before);
}

/// Another upgrade's half-done swap holds the only complete content: nobody may clean it away.
#[test]
fn a_half_done_swap_is_finished_by_its_own_upgrade_only() {
    let world = World::small(Kind::MariaDb);
    let old = world.text();
    let digest = world.dump(1);
    world.migrate();
    // At the statement itself: its number moves when a busy server is asked for a session once more.
    let proxy = Proxy::start_at_text(world.server.port, Strike::KillAfter, "RENAME TABLE");
    let killed = world.start("restore", &proxy.through(world.trusting(2, &digest)));
    proxy.aim_at(killed.id());
    assert!(!world.wait(killed).status.success());
    assert!(proxy.has_struck());
    let mut other = world.trusting(1, &digest);
    other["upgradeUid"] = json!("another-upgrade");
    other["safetyCopies"] = json!(["oms_rm__omsnew_2"]);
    for command in ["restore", "drop-safety-copies"] {
        let ended = world.run(command, &other);
        assert!(
            ended.report().message.contains("upgrade-uid"),
            "{}",
            ended.report().message
        );
        assert!(!ended.status.success());
    }
    // Its own next attempt reports whose swap it finished.
    let ended = world.run("restore", &world.trusting(3, &digest));
    assert!(
        ended.stdout.contains("\"resumedAttempt\":2"),
        "{}",
        ended.stdout
    );
    assert_eq!(world.text(), old);
    assert_eq!(world.beside().len(), DATABASES.len());
}
