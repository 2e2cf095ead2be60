//! Trouble with what the agent runs on: the volume, the dump client, signals.

use crate::engines::Kind;
use crate::engines::world::World;
use crate::faults::{assert_no_backup, wait_for};
use oms_operator::protocol::report::{CommandResult, Reason, Trial};
use serde_json::json;
use std::path::Path;
use std::process::Command;

/// A tmpfs of a few kilobytes, unmounted when it goes.
struct Tiny(tempfile::TempDir);

impl Tiny {
    fn mount(kilobytes: u32) -> Self {
        let directory = tempfile::Builder::new()
            .prefix("oms-agent-tiny-")
            .tempdir()
            .unwrap();
        let status = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={kilobytes}k"), "tmpfs"])
            .arg(directory.path())
            .status()
            .unwrap();
        assert!(
            status.success(),
            "the tests of a full volume need to mount a tmpfs"
        );
        Self(directory)
    }
}

impl Drop for Tiny {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}

#[test]
fn a_full_volume_is_said_at_every_size() {
    let world = World::small(Kind::MariaDb);
    world
        .server
        .sql("CREATE TABLE oms_rm.noise (id INT PRIMARY KEY AUTO_INCREMENT, t VARCHAR(64))");
    world.server.sql("INSERT INTO oms_rm.noise (t) SELECT SHA2(RAND(), 256) FROM information_schema.COLUMNS a LIMIT 1500");
    let mut succeeded = false;
    for (attempt, kilobytes) in (1..).zip([4, 16, 64, 88, 100, 512]) {
        let tiny = Tiny::mount(kilobytes);
        let mut request = world.request(attempt);
        request["directory"] = json!(tiny.0.path().join("x"));
        let ended = world.run("dump", &request);
        if ended.status.success() {
            let digest = ended.succeeded().manifest_digest.clone().unwrap();
            request["expectedManifestDigest"] = json!(digest);
            request["scratchRestore"] = json!({"mode": "Never", "budgetSeconds": 0});
            world.run("verify", &request).succeeded();
            succeeded = true;
        } else {
            ended.failed(Reason::NoSpace);
            assert!(!succeeded, "more room must not be worse");
        }
    }
    assert!(succeeded);
}

#[test]
fn a_claim_that_cannot_be_written_is_said_by_probe_and_dump() {
    let world = World::small(Kind::MariaDb);
    let tiny = Tiny::mount(64);
    let status = Command::new("mount")
        .args(["-o", "remount,ro"])
        .arg(tiny.0.path())
        .status()
        .unwrap();
    assert!(status.success());
    let mut request = world.request(1);
    request["directory"] = json!(tiny.0.path().join("x"));
    let CommandResult::Probe(found) = world
        .run("probe", &request)
        .succeeded()
        .result
        .clone()
        .unwrap()
    else {
        panic!()
    };
    assert!(
        matches!(&found.claim, Trial::Failed(why) if why.contains("65532")),
        "{:?}",
        found.claim
    );
    world.run("dump", &request).failed(Reason::ClaimNotWritable);
}

#[test]
fn an_image_without_a_client_says_so() {
    let world = World::small(Kind::MariaDb);
    let child = world
        .command("dump", &world.request(1))
        .env("PATH", "/nonexistent")
        .spawn()
        .unwrap();
    assert!(
        world
            .wait(child)
            .failed(Reason::ClientMissing)
            .message
            .contains("mariadb-dump")
    );
}

/// A client that lies: writes something, ends well.
pub fn with_client(world: &World, script: &str) -> crate::engines::world::Ended {
    run_with_client(world, "dump", script)
}

/// The same for any command.
pub fn run_with_client(world: &World, command: &str, script: &str) -> crate::engines::world::Ended {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("mariadb-dump");
    let real = which("mariadb-dump");
    std::fs::write(
        &path,
        format!(
            "#!/bin/sh\n[ \"$1\" = --version ] && exec {real} --version\nREAL={real}\n{script}\n"
        ),
    )
    .unwrap();
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let child = world
        .command(command, &world.request(1))
        .env("PATH", directory.path())
        .spawn()
        .unwrap();
    world.wait(child)
}

fn which(program: &str) -> String {
    let found = ["/usr/bin", "/bin", "/usr/local/bin"]
        .iter()
        .map(|d| Path::new(d).join(program))
        .find(|p| p.exists());
    found.unwrap().display().to_string()
}

/// Exit status, header and trailer alone prove nothing; each lie is found by one of the proofs.
#[test]
fn a_client_that_lies_is_found_out() {
    let world = World::small(Kind::MariaDb);
    with_client(&world, "exit 0").failed(Reason::NoHeader);
    with_client(&world, "exec $REAL \"$@\" | /usr/bin/head -c 1500").failed(Reason::NoTrailer);
    with_client(&world, "$REAL \"$@\"; echo 'SELECT 1;'").failed(Reason::NoTrailer);
    with_client(&world, "$REAL \"$@\"; exit 5").failed(Reason::ClientFailed);
    with_client(
        &world,
        "$REAL \"$@\" | /usr/bin/sed 's/Database: oms_.*/Database: other/'",
    )
    .failed(Reason::NoHeader);
    with_client(
        &world,
        "$REAL \"$@\" | /usr/bin/sed 's/CREATE TABLE `parent`/CREATE TABLE `barent`/'",
    )
    .failed(Reason::ClientFailed);
    assert_no_backup(&world);
    // This one goes through the dump, which does not read values, and is found by the verification; a restore
    // would find it as well, before it touches anything. tests/agent/corruption.rs has many more of its kind.
    let _ = std::fs::remove_dir_all(world.directory());
    let ended = with_client(&world, "$REAL \"$@\" | /usr/bin/sed \"s/(1,'one'),//\"");
    let digest = ended.succeeded().manifest_digest.clone().unwrap();
    let before = world.text();
    let mut request = world.trusting(2, &digest);
    for command in ["verify", "restore"] {
        world.run(command, &request).failed(Reason::ContentDiffers);
    }
    request["restoreMethod"] = json!("DropAndLoad");
    world
        .run("restore", &request)
        .failed(Reason::ContentDiffers);
    assert_eq!(world.text(), before);
}

/// A view or table that changes under the dump.
#[test]
fn tables_that_change_while_they_are_dumped_are_noticed() {
    let world = World::small(Kind::MariaDb);
    let port = world.server.port;
    let ddl = |sql: &str| {
        format!(
            "/usr/bin/mariadb --no-defaults --protocol=tcp -h127.0.0.1 -P{port} -uroot -e '{sql}'; exec $REAL \"$@\""
        )
    };
    with_client(
        &world,
        &ddl("CREATE TABLE IF NOT EXISTS oms_cm.surprise (id INT)"),
    )
    .failed(Reason::ChangedWhileDumping);
    with_client(&world, &ddl("DROP TABLE IF EXISTS oms_cm.surprise"))
        .failed(Reason::ChangedWhileDumping);
    with_client(
        &world,
        &ddl("ALTER TABLE oms_cm.host ADD COLUMN IF NOT EXISTS z INT"),
    )
    .failed(Reason::ChangedWhileDumping);
    assert_no_backup(&world);
    // Rows that change are found by the verification. Digests and dump are read side by side: the client waits until
    // the session of the digests has ended, and two of the agent's are left.
    let mine = "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE USER LIKE \"root@%\"";
    let ask =
        format!("/usr/bin/mariadb --no-defaults --protocol=tcp -h127.0.0.1 -P{port} -uroot -N");
    let insert = ddl("INSERT IGNORE INTO oms_cm.host (ip) VALUES (99)");
    let after_digests = format!("until [ $({ask} -e '{mine}') -le 2 ]; do :; done; {insert}");
    let ended = with_client(&world, &after_digests);
    let digest = ended.succeeded().manifest_digest.clone().unwrap();
    world
        .run("verify", &world.trusting(1, &digest))
        .failed(Reason::ContentDiffers);
}

#[test]
fn sigterm_ends_the_client_and_leaves_a_report() {
    let world = World::small(Kind::MariaDb);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("mariadb-dump");
    let pid_file = directory.path().join("pid");
    let real = which("mariadb-dump");
    std::fs::write(&path, format!("#!/bin/sh\n[ \"$1\" = --version ] && exec {real} --version\necho $$ > {}\nexec /usr/bin/sleep 600\n", pid_file.display())).unwrap();
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let child = world
        .command("dump", &world.request(1))
        .env("PATH", directory.path())
        .spawn()
        .unwrap();
    wait_for("the client", || {
        std::fs::read_to_string(&pid_file).is_ok_and(|text| text.ends_with('\n'))
    });
    let client = std::fs::read_to_string(&pid_file)
        .unwrap()
        .trim()
        .to_owned();
    Command::new("kill")
        .arg(child.id().to_string())
        .status()
        .unwrap();
    let ended = world.wait(child);
    ended.failed(Reason::Interrupted);
    assert!(!ended.termination_log.is_empty());
    wait_for("the end of the client", || {
        !Path::new("/proc").join(&client).join("exe").exists()
    });
    assert_no_backup(&world);
    assert!(
        std::fs::read_dir(world.scratch.path())
            .unwrap()
            .flatten()
            .all(|e| e.file_name() == "termination-log")
    );
}

#[test]
fn sigterm_takes_the_scratch_databases_along() {
    sigterm_takes_the_scratch_databases_along_on(&[Kind::MariaDb, Kind::Seekdb]);
}

/// See the test.
pub fn sigterm_takes_the_scratch_databases_along_on(kinds: &[Kind]) {
    for &kind in kinds {
        let world = World::small(kind);
        // Enough to be caught in the middle of loading it.
        for _ in 0..15 {
            world
                .server
                .sql("INSERT INTO oms_rm.parent (v) SELECT v FROM oms_rm.parent");
        }
        let digest = world.dump(1);
        let child = world.start("verify", &world.trusting(1, &digest));
        wait_for("scratch databases", || !world.beside().is_empty());
        Command::new("kill")
            .arg(child.id().to_string())
            .status()
            .unwrap();
        world.wait(child).failed(Reason::Interrupted);
        assert_eq!(world.beside(), Vec::<String>::new(), "{kind:?}");
    }
}
