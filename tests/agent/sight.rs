//! Triggers, routines and events that the account may not see: "cannot tell" is never taken for "none".

use crate::engines::Kind;
use crate::engines::world::{DATABASES, World};
use crate::faults::assert_no_backup;
use oms_operator::protocol::report::{CommandResult, PrivilegeState, ProbeReport, Reason};

/// An account with everything that a backup and a restore need beside the right to see programs.
fn make_account(world: &World) {
    let rights = "SELECT, SHOW VIEW, CREATE VIEW, CREATE, ALTER, DROP, INSERT, INDEX, REFERENCES";
    // OceanBase's engine has no such privilege.
    let rights = match world.server.kind {
        Kind::MariaDb | Kind::MariaDb11 | Kind::MySql => rights.to_owned(),
        Kind::Seekdb => rights.replace(", REFERENCES", ""),
    };
    world
        .server
        .sql("CREATE USER lim@'%' IDENTIFIED BY 'x'; GRANT ALL ON oms_operator_lock.* TO lim@'%'");
    for database in DATABASES {
        let (live, beside) = match world.server.kind {
            Kind::MariaDb | Kind::MariaDb11 | Kind::MySql => (
                database.replace('_', "\\_"),
                format!("{}\\_\\_oms%", database.replace('_', "\\_")),
            ),
            Kind::Seekdb => (database.to_owned(), format!("{database}\\_\\_oms%")),
        };
        world.server.sql(&format!(
            "GRANT {rights} ON `{live}`.* TO lim@'%'; GRANT ALL ON `{beside}`.* TO lim@'%'"
        ));
    }
    world.set_account("lim", "x");
}

fn probe(world: &World) -> ProbeReport {
    match world.run("probe", &world.request(1)).succeeded().result {
        Some(CommandResult::Probe(ref found)) => (**found).clone(),
        ref other => panic!("{other:?}"),
    }
}

/// The statements for what cannot be seen.
fn unseen(found: &ProbeReport) -> Vec<String> {
    found
        .privileges
        .iter()
        .filter(|p| p.state != PrivilegeState::Present && p.purpose.starts_with("see "))
        .map(|p| p.grant.clone().unwrap())
        .collect()
}

pub fn what_cannot_be_seen_is_refused(kind: Kind) {
    let world = World::small(kind);
    let digest = world.dump(1);
    make_account(&world);
    world.server.sql(
        "USE oms_cm; CREATE TRIGGER tr BEFORE INSERT ON host FOR EACH ROW SET NEW.ip = CONCAT(NEW.ip, ''); \
         CREATE PROCEDURE pr() SELECT 1;",
    );
    if kind != Kind::Seekdb {
        world
            .server
            .sql("CREATE EVENT oms_cm.ev ON SCHEDULE EVERY 1 DAY DO SET @a = 1");
    }
    let statements = unseen(&probe(&world));
    assert_eq!(statements.len(), DATABASES.len(), "{statements:?}");
    for command in ["dump", "compare", "restore"] {
        let ended = world.run(command, &world.trusting(2, &digest));
        let message = &ended.failed(Reason::PrivilegeMissing).message;
        assert!(message.contains(&statements[1]), "{command}: {message}");
    }
    assert!(!world.directory().join("attempt-2/manifest.json").exists());
    // What the report says is enough, and then everything is seen and named.
    for statement in statements {
        world.server.sql(&statement);
    }
    let found = probe(&world);
    assert_eq!(unseen(&found), Vec::<String>::new());
    let mut named = found.unsupported_objects.clone();
    named.sort();
    match kind {
        Kind::MariaDb | Kind::MariaDb11 | Kind::MySql => assert_eq!(
            named,
            [
                "event oms_cm.ev",
                "procedure oms_cm.pr",
                "trigger oms_cm.tr"
            ]
        ),
        Kind::Seekdb => assert_eq!(named, ["procedure oms_cm.pr", "trigger oms_cm.tr"]),
    }
    world
        .run("dump", &world.request(3))
        .failed(Reason::UnsupportedObjects);
    // Without them the backup is one.
    world
        .server
        .sql("USE oms_cm; DROP TRIGGER tr; DROP PROCEDURE pr;");
    if kind != Kind::Seekdb {
        world.server.sql("DROP EVENT oms_cm.ev");
    }
    world.dump(4);
}

#[test]
fn what_cannot_be_seen_is_refused_on_mariadb() {
    what_cannot_be_seen_is_refused(Kind::MariaDb);
}

#[test]
fn what_cannot_be_seen_is_refused_on_seekdb() {
    what_cannot_be_seen_is_refused(Kind::Seekdb);
}

/// What an account has by a role counts where the server lists it.
#[test]
fn rights_by_a_role_are_rights() {
    let world = World::small(Kind::MariaDb);
    make_account(&world);
    world.server.sql(
        "CREATE ROLE looking; GRANT TRIGGER, EVENT, EXECUTE ON `oms%`.* TO looking; GRANT looking TO lim@'%'",
    );
    // Not in force: the role is granted and not taken.
    assert_eq!(unseen(&probe(&world)).len(), DATABASES.len());
    world
        .run("dump", &world.request(1))
        .failed(Reason::PrivilegeMissing);
    assert_no_backup(&world);
    world.server.sql("SET DEFAULT ROLE looking FOR lim@'%'");
    assert_eq!(unseen(&probe(&world)), Vec::<String>::new());
    world.dump(2);
}
