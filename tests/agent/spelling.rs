//! Names as people write them, and as servers keep them.

use crate::engines::world::World;
use crate::engines::{Kind, Server};
use oms_operator::protocol::report::{CommandResult, CompareReport};
use serde_json::{Value, json};

/// A server that keeps names in small letters, which is OceanBase's default, and an installation whose configuration
/// has large ones.
fn upper_case(kind: Kind) {
    let options: &[&str] = match kind {
        Kind::Seekdb => &[],
        _ => &["--lower-case-table-names=1"],
    };
    let world = World::small_on(Server::start_with(kind, options));
    let request = |attempt: i32, digest: &str, method: &str| -> Value {
        let mut request = match digest {
            "" => world.request(attempt),
            digest => world.trusting(attempt, digest),
        };
        request["databases"] = json!(["OMS_RM", "OMS_CM", "Oms_Cm_Hb"]);
        request["restoreMethod"] = json!(method);
        request
    };
    let CommandResult::Probe(found) = world
        .run("probe", &request(1, "", "Swap"))
        .succeeded()
        .result
        .clone()
        .unwrap()
    else {
        panic!()
    };
    assert_eq!(found.missing_databases, Vec::<String>::new());
    let old = world.text();
    let dump = world.run("dump", &request(1, "", "Swap"));
    let digest = dump.succeeded().manifest_digest.clone().unwrap();
    for (attempt, method) in [(2, "Swap"), (3, "DropAndLoad")] {
        let request = request(attempt, &digest, method);
        world.run("verify", &request).succeeded();
        assert!(world.beside().iter().all(|name| name.contains("__omsnew_")));
        world.migrate();
        let compare = world.run("compare", &request);
        assert!(matches!(
            compare.result(),
            CommandResult::Compare(CompareReport::Different { .. })
        ));
        world.run("restore", &request).succeeded();
        assert_eq!(world.text(), old, "{method}");
    }
    let mut copies = request(4, &digest, "Swap");
    copies["safetyCopies"] = json!(world.beside());
    world.run("drop-safety-copies", &copies).succeeded();
    assert_eq!(world.beside(), Vec::<String>::new());
}

#[test]
fn upper_case_on_mariadb() {
    upper_case(Kind::MariaDb);
}

#[test]
fn upper_case_on_seekdb() {
    upper_case(Kind::Seekdb);
}

/// A mistyped name, or the address of another server: said as such, not as trouble with a statement.
#[test]
fn databases_that_are_all_missing_are_named() {
    let world = World::small(Kind::MariaDb);
    let mut request = world.request(1);
    // Where names are not folded, these are others.
    request["databases"] = json!(["OMS_RM", "OMS_CM"]);
    let CommandResult::Probe(found) = world
        .run("probe", &request)
        .succeeded()
        .result
        .clone()
        .unwrap()
    else {
        panic!()
    };
    assert_eq!(found.missing_databases, ["OMS_RM", "OMS_CM"]);
}
