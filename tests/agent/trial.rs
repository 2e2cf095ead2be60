//! What the probe tries of dump and load with the first rows of every table, while OMS runs.

use crate::engines::Kind;
use crate::engines::world::{Ended, World};
use crate::outside::run_with_client;
use oms_operator::protocol::report::{CommandResult, Trial};

fn first_rows(ended: &Ended) -> Trial {
    match ended.result() {
        CommandResult::Probe(found) => found.first_rows.clone(),
        other => panic!("{other:?}"),
    }
}

/// Nothing is left of it, beside the live databases or on the claim.
fn leaves_nothing(world: &World) {
    assert_eq!(world.beside(), Vec::<String>::new());
    let left = std::fs::read_dir(world.directory()).unwrap();
    assert_eq!(left.count(), 0);
}

/// Every type and every awkward name.
pub fn awkward_rows_come_through(kind: Kind) {
    let world = World::nasty(kind);
    let ended = world.run("probe", &world.request(1));
    assert_eq!(
        first_rows(&ended),
        Trial::Works,
        "{}",
        ended.report().message
    );
    leaves_nothing(&world);
}

#[test]
fn awkward_rows_come_through_on_seekdb() {
    awkward_rows_come_through(Kind::Seekdb);
}

#[test]
fn awkward_rows_come_through_on_mariadb() {
    awkward_rows_come_through(Kind::MariaDb);
}

/// The client fails, writes what nobody reads back, or writes values that the server does not keep.
pub fn what_would_fail_later_fails_now(kind: Kind) {
    let world = World::small(kind);
    for (script, words) in [
        (
            "$REAL \"$@\"; echo \"Couldn't execute 'SHOW TRIGGERS': (1143)\" >&2; exit 2",
            "exit status: 2",
        ),
        ("$REAL \"$@\" | /usr/bin/head -c 1500", "-- Dump completed"),
        (
            "$REAL \"$@\" | /usr/bin/sed \"s/^-- Dump completed/CALL x();\\n&/\"",
            "never holds",
        ),
        (
            "$REAL \"$@\" | /usr/bin/sed \"s/(1,'one')/(99999999999,'one')/\"",
            "parent",
        ),
    ] {
        let ended = run_with_client(&world, "probe", script);
        match first_rows(&ended) {
            Trial::Failed(why) => assert!(why.contains(words), "{script}: {why}"),
            other => panic!("{script}: {other:?}"),
        }
        leaves_nothing(&world);
    }
}

#[test]
fn what_would_fail_later_fails_now_on_mariadb() {
    what_would_fail_later_fails_now(Kind::MariaDb);
}

/// However large a table is, the trial takes a few rows of it.
#[test]
fn a_sample_is_small() {
    let world = World::small(Kind::MariaDb);
    world.server.sql(
        "CREATE TABLE oms_rm.many (id INT PRIMARY KEY AUTO_INCREMENT, t VARCHAR(64)); \
         INSERT INTO oms_rm.many (t) SELECT 'a row' FROM information_schema.COLUMNS a LIMIT 500",
    );
    // The 17th row would end the dump badly.
    let script = "$REAL \"$@\" | /usr/bin/sed \"s/(17,'a row')/(17,,)/\"";
    let ended = run_with_client(&world, "probe", script);
    assert_eq!(first_rows(&ended), Trial::Works);
    let script = "$REAL \"$@\" | /usr/bin/sed \"s/(16,'a row')/(16,,)/\"";
    let ended = run_with_client(&world, "probe", script);
    assert!(matches!(first_rows(&ended), Trial::Failed(_)));
}

/// What is known to be refused is told once, and no rows are tried.
#[test]
fn rows_wait_for_definitions() {
    let world = World::small(Kind::MariaDb);
    world.server.sql(
        "CREATE TRIGGER oms_rm.t BEFORE INSERT ON oms_rm.parent FOR EACH ROW SET NEW.id = NEW.id",
    );
    let ended = world.run("probe", &world.request(1));
    assert!(matches!(first_rows(&ended), Trial::NotTried(why) if why.contains("Objects")));
    leaves_nothing(&world);
}
