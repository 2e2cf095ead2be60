//! Dump clients of other versions than the one that is here, and what they demand of a server.

use crate::engines::proxy::{Proxy, Strike};
use crate::engines::world::World;
use crate::engines::{Kind, dump_client};
use crate::outside::with_client;
use oms_operator::protocol::report::Reason;
use serde_json::json;

/// A dump by such a client is a backup, and comes back both ways.
pub fn accepted(kind: Kind, script: &str, mark: &str) {
    let world = World::small(kind);
    let old = world.text();
    let dump = with_client(&world, script);
    let digest = dump.succeeded().manifest_digest.clone().unwrap();
    let bytes = std::fs::read(world.directory().join("attempt-1/oms_rm.sql.zst")).unwrap();
    let text = String::from_utf8(zstd::decode_all(bytes.as_slice()).unwrap()).unwrap();
    assert!(text.contains(mark), "{text}");
    world.run("verify", &world.trusting(1, &digest)).succeeded();
    for (attempt, method) in [(2, "Swap"), (3, "DropAndLoad")] {
        world.migrate();
        let mut request = world.trusting(attempt, &digest);
        request["restoreMethod"] = json!(method);
        let proxy = Proxy::start(world.server.port, Strike::Count, 0);
        world.run("restore", &proxy.through(request)).succeeded();
        // Our sessions keep each statement by themselves, whatever the dump says.
        let ended = |statement: &&String| {
            let statement = statement.to_ascii_lowercase();
            statement == "commit" || statement.contains("autocommit=")
        };
        assert_eq!(proxy.statements().iter().find(ended), None);
        assert_eq!(world.text(), old, "{method}");
        if method == "Swap" {
            let mut request = world.request(4);
            request["safetyCopies"] = json!(world.beside());
            world.run("drop-safety-copies", &request).succeeded();
        }
        assert_eq!(world.beside(), Vec::<String>::new());
    }
}

/// Rows between autocommit and COMMIT: the default of MariaDB's clients from 11.8 on, asked of the client that is here.
const NO_AUTOCOMMIT: &str = "first=$1; shift; exec $REAL \"$first\" --no-autocommit \"$@\"";

/// The same in the words of older clients.
const OLD_WORDS: &str = "first=$1; shift; $REAL \"$first\" --no-autocommit \"$@\" | /usr/bin/sed \
    -e 's/^SET @OLD_AUTOCOMMIT=.*$/set autocommit=0;/' -e 's/^COMMIT;$/commit;/' -e '/^SET AUTOCOMMIT=/d'";

/// The first spelling of the sandbox line, without the M: 10.6.18, 10.11.8 and 11.4.2 wrote it.
const OLD_SANDBOX_LINE: &str = "$REAL \"$@\" | /usr/bin/sed '1s|^/\\*M!|/*!|'";

#[test]
fn commits_in_a_dump_are_accepted_on_mariadb() {
    accepted(Kind::MariaDb, OLD_WORDS, "\ncommit;\n");
    accepted(
        Kind::MariaDb,
        NO_AUTOCOMMIT,
        "\nCOMMIT;\nSET AUTOCOMMIT=@OLD_AUTOCOMMIT;\n",
    );
}

#[test]
fn commits_in_a_dump_are_accepted_on_seekdb() {
    accepted(Kind::Seekdb, OLD_WORDS, "\ncommit;\n");
    accepted(
        Kind::Seekdb,
        NO_AUTOCOMMIT,
        "\nCOMMIT;\nSET AUTOCOMMIT=@OLD_AUTOCOMMIT;\n",
    );
}

#[test]
fn the_old_sandbox_line_is_accepted_on_mariadb() {
    accepted(
        Kind::MariaDb,
        OLD_SANDBOX_LINE,
        "/*!999999\\- enable the sandbox",
    );
}

#[test]
fn the_old_sandbox_line_is_accepted_on_seekdb() {
    accepted(
        Kind::Seekdb,
        OLD_SANDBOX_LINE,
        "/*!999999\\- enable the sandbox",
    );
}

/// Clients from 11.4 on want a certificate that they can check unless they are told otherwise. TLS itself stays
/// possible: an account may require it.
#[test]
fn no_certificate_is_demanded_and_tls_is_not_switched_off() {
    let world = World::small(Kind::MariaDb);
    let seen = world.scratch.path().join("arguments");
    let script = format!("echo \"$@\" >> {}; exec $REAL \"$@\"", seen.display());
    with_client(&world, &script).succeeded();
    let arguments = std::fs::read_to_string(seen).unwrap();
    assert!(
        arguments
            .lines()
            .all(|line| line.contains("--loose-ssl-verify-server-cert=0")),
        "{arguments}"
    );
    assert!(
        !arguments.contains("skip-ssl") && !arguments.contains("--ssl=0"),
        "{arguments}"
    );
}

/// What the client says when server and client disagree about TLS is no connection trouble, which would be tried again.
#[test]
fn trouble_with_tls_is_named() {
    let world = World::small(Kind::MariaDb);
    let said = "mariadb-dump: Got error: 2026: \\\"TLS/SSL error: SSL is required, but the server does not support it\\\" when trying to connect";
    let ended = with_client(&world, &format!("echo \"{said}\" >&2; exit 2"));
    let message = &ended.failed(Reason::TlsFailed).message;
    assert!(
        message.contains("TLS") && !message.contains("up and reachable"),
        "{message}"
    );
    // An account that requires TLS is refused like one with a wrong password.
    world.server.sql(
        "CREATE USER oms_tls@'%' IDENTIFIED BY 'x' REQUIRE SSL; GRANT ALL ON *.* TO oms_tls@'%'",
    );
    world.set_account("oms_tls", "x");
    for command in ["probe", "dump"] {
        let ended = world.run(command, &world.request(2));
        let message = &ended.failed(Reason::AccessDenied).message;
        assert!(message.contains("REQUIRE SSL"), "{message}");
    }
}

/// The client that comes with a server, under its own name: what it dumps is a backup, and comes back both ways.
fn real_client(client_of: Kind, kind: Kind) {
    let program = dump_client(client_of);
    let directory = tempfile::tempdir().unwrap();
    let name = program.file_name().unwrap();
    let path = directory.path().join(name);
    let text = format!("#!/bin/sh\nexec {} \"$@\"\n", program.display());
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let world = World::nasty(kind);
    let old = world.text();
    let child = world
        .command("dump", &world.request(1))
        .env("PATH", directory.path())
        .spawn()
        .unwrap();
    let ended = world.wait(child);
    let digest = ended.succeeded().manifest_digest.clone().unwrap();
    world.run("verify", &world.trusting(1, &digest)).succeeded();
    for (attempt, method) in [(2, "Swap"), (3, "DropAndLoad")] {
        world.server.sql(
            "DROP TABLE oms_cm_hb.heart_beat; UPDATE oms_rm.types SET tx = 'changed' WHERE id = 4",
        );
        let mut request = world.trusting(attempt, &digest);
        request["restoreMethod"] = json!(method);
        world.run("restore", &request).succeeded();
        assert_eq!(world.text(), old, "{method}");
    }
}

/// It wraps rows in transactions, and demands TLS, of servers that have none, unless it is told otherwise.
#[test]
fn the_client_of_mariadb_11() {
    real_client(Kind::MariaDb11, Kind::MariaDb);
}

#[test]
fn the_client_of_mysql() {
    real_client(Kind::MySql, Kind::MySql);
}
