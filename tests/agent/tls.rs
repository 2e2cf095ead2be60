//! TLS to the MetaDB: of the operator, of the agent, and of the dump client.

use crate::engines::certificates::Certificates;
use crate::engines::world::World;
use crate::engines::{Kind, Server, dump_client};
use crate::logins::identify;
use oms_operator::metadb::{LoginRules, TlsRules, TlsTexts};
use oms_operator::oms::metadb::MetaDbError;
use oms_operator::protocol::report::Reason;
use oms_operator::protocol::request::TlsMode;
use serde_json::{Value, json};
use std::path::Path;
use zeroize::Zeroizing;

/// The rules that a spec with these certificates makes.
fn rules(mode: TlsMode, authority: Option<&Path>, client: Option<&Certificates>) -> LoginRules {
    let read = |path: &Path| Zeroizing::new(std::fs::read(path).unwrap());
    let texts = TlsTexts {
        authorities: authority.map(read),
        client: client.map(|made| {
            (
                read(&made.path("client.pem")),
                read(&made.path("client.key")),
            )
        }),
    };
    LoginRules::new(&[], Some(TlsRules::build(mode, &texts).unwrap()))
}

fn ask(world: &World, mode: TlsMode, authority: Option<&Path>) -> Result<(), MetaDbError> {
    identify(&world.server, &rules(mode, authority, None)).map(drop)
}

/// A request with these rules and no leave for anything.
fn request(world: &World, attempt: i32, tls: &Value) -> Value {
    let mut request = world.request(attempt);
    request.as_object_mut().unwrap().remove("loginsWithoutTls");
    request["tls"] = tls.clone();
    request
}

/// A server with a certificate for its address.
fn start(kind: Kind, made: &Certificates) -> World {
    let options = made.options();
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    World::small_on(Server::start_with(kind, &options))
}

/// From now on only those get in who encrypt; so do the tests' own statements not any more.
fn take_tls_only(world: &World) {
    world.server.sql(
        "FLUSH PRIVILEGES; SET GLOBAL require_secure_transport = ON; SELECT 1 FROM oms_cm.host",
    );
}

fn round(world: &World, tls: &Value, first: i32) {
    world.run("probe", &request(world, first, tls)).succeeded();
    let dump = world.run("dump", &request(world, first, tls));
    let digest = dump.succeeded().manifest_digest.clone().unwrap();
    for command in ["verify", "compare", "restore"] {
        let mut asked = request(world, first, tls);
        asked["expectedManifestDigest"] = json!(digest);
        world.run(command, &asked).succeeded();
    }
}

fn every_mode_on(kind: Kind) {
    let made = Certificates::make("IP:127.0.0.1,DNS:localhost");
    let world = start(kind, &made);
    let ca = made.path("ca.pem");
    // Without TLS, what needs it is said.
    take_tls_only(&world);
    let error = identify(&world.server, &LoginRules::default()).unwrap_err();
    assert!(error.to_string().contains("spec.metadb.tls"), "{error}");
    let mut plain = request(&world, 9, &Value::Null);
    plain.as_object_mut().unwrap().remove("tls");
    let ended = world.run("probe", &plain);
    assert!(ended.report().message.contains("spec.metadb.tls"));
    for (attempt, mode, authority) in [
        (1, TlsMode::Prefer, None),
        (2, TlsMode::Require, None),
        (3, TlsMode::VerifyCa, Some(&ca)),
        (4, TlsMode::VerifyIdentity, Some(&ca)),
    ] {
        ask(&world, mode, authority.map(std::path::PathBuf::as_path)).unwrap();
        let mut tls = json!({"mode": mode});
        if let Some(path) = authority {
            tls["authorities"] = json!(path);
        }
        round(&world, &tls, attempt);
    }
    let left: Vec<_> = std::fs::read_dir(world.scratch.path())
        .unwrap()
        .flatten()
        .filter(|entry| entry.file_name() != "termination-log")
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn every_mode_on_mysql() {
    every_mode_on(Kind::MySql);
}

#[test]
fn every_mode_on_mariadb() {
    every_mode_on(Kind::MariaDb);
}

#[test]
fn every_mode_on_mariadb_11() {
    every_mode_on(Kind::MariaDb11);
}

/// The certificate is looked at before anything is said, by the operator and by the agent.
#[test]
fn a_certificate_that_proves_nothing_gets_no_login() {
    let made = Certificates::make("DNS:elsewhere.example");
    let other = Certificates::make("IP:127.0.0.1");
    let world = start(Kind::MySql, &made);
    let (ca, foreign) = (made.path("ca.pem"), other.path("ca.pem"));
    ask(&world, TlsMode::VerifyCa, Some(&ca)).unwrap();
    for (attempt, mode, authority, says) in [
        (1, TlsMode::VerifyIdentity, &ca, "not made for 127.0.0.1"),
        (2, TlsMode::VerifyCa, &foreign, "did not sign"),
        (3, TlsMode::VerifyIdentity, &foreign, "did not sign"),
    ] {
        let error = ask(&world, mode, Some(authority)).unwrap_err();
        let is_it = matches!(error, MetaDbError::Untrusted { .. });
        assert!(is_it && !error.is_transient(), "{error:?}");
        assert!(error.to_string().contains(says), "{error}");
        let tls = json!({"mode": mode, "authorities": authority});
        let ended = world.run("probe", &request(&world, attempt, &tls));
        let message = &ended.failed(Reason::TlsFailed).message;
        assert!(message.contains(says), "{message}");
    }
}

/// A server without TLS: what only prefers it goes on without, what asks for it says nothing at all.
#[test]
fn where_no_tls_is_offered_only_prefer_goes_on() {
    let world = World::small(Kind::MariaDb);
    ask(&world, TlsMode::Prefer, None).unwrap();
    let error = ask(&world, TlsMode::Require, None).unwrap_err();
    assert!(
        matches!(error, MetaDbError::TlsNotOffered { .. }),
        "{error:?}"
    );
    let ended = world.run("probe", &request(&world, 1, &json!({"mode": "Require"})));
    ended.failed(Reason::TlsFailed);
    round(&world, &json!({"mode": "Prefer"}), 2);
}

/// An account that asks for a certificate of the client gets it, also from the dump client.
#[test]
fn a_certificate_of_our_own_is_shown() {
    let made = Certificates::make("IP:127.0.0.1");
    for kind in [Kind::MySql, Kind::MariaDb] {
        let world = start(kind, &made);
        world.server.sql(
            "CREATE USER oms_x509@'%' IDENTIFIED BY 'x' REQUIRE X509; GRANT ALL ON *.* TO oms_x509@'%' WITH GRANT OPTION",
        );
        world.set_account("oms_x509", "x");
        let mut tls = json!({"mode": "VerifyCA", "authorities": made.path("ca.pem")});
        let ended = world.run("probe", &request(&world, 1, &tls));
        ended.failed(Reason::AccessDenied);
        tls["client"] =
            json!({"certificate": made.path("client.pem"), "privateKey": made.path("client.key")});
        round(&world, &tls, 2);
    }
}

/// Clients of other versions come through the same door, whatever they know of TLS.
#[test]
fn clients_of_other_versions_are_encrypted_alike() {
    let made = Certificates::make("IP:127.0.0.1");
    let tls = json!({"mode": "VerifyIdentity", "authorities": made.path("ca.pem")});
    for (kind, client) in [
        (Kind::MySql, Kind::MySql),
        (Kind::MySql, Kind::MariaDb11),
        (Kind::MariaDb11, Kind::MariaDb11),
    ] {
        let world = start(kind, &made);
        take_tls_only(&world);
        let program = dump_client(client);
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(program.file_name().unwrap());
        let text = format!("#!/bin/sh\nexec {} \"$@\"\n", program.display());
        std::fs::write(&path, text).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&path, mode).unwrap();
        let child = world
            .command("dump", &request(&world, 1, &tls))
            .env("PATH", directory.path())
            .spawn()
            .unwrap();
        world.wait(child).succeeded();
    }
}

/// Certificates that cannot be used are told before anything is connected to.
#[test]
fn certificates_that_are_none_are_named() {
    let made = Certificates::make("IP:127.0.0.1");
    let world = World::small(Kind::MariaDb);
    let absent = world.scratch.path().join("absent");
    let key = made.path("ca.key");
    for (attempt, tls) in (1..).zip([
        json!({"mode": "VerifyCA"}),
        json!({"mode": "VerifyCA", "authorities": absent}),
        json!({"mode": "VerifyCA", "authorities": key}),
        json!({"mode": "Require", "client": {"certificate": made.path("client.pem"), "privateKey": key}}),
        json!({"mode": "Require", "client": {"certificate": key, "privateKey": key}}),
    ]) {
        let ended = world.run("probe", &request(&world, attempt, &tls));
        let message = &ended.failed(Reason::CredentialsUnreadable).message;
        assert!(!message.contains("BEGIN"), "{message}");
    }
}
