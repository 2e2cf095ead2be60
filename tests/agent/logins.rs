//! Logging in where a server has nothing but `caching_sha2_password`.

use crate::engines::world::{PASSWORD, USER, World};
use crate::engines::{Kind, Server};
use crate::outside::with_client;
use oms_operator::metadb::LoginRules;
use oms_operator::metadb::secret::{Credentials, SecretString};
use oms_operator::oms::installation::{Address, Databases};
use oms_operator::oms::metadb::{MetaDbError, MetaDbOpener, ServerIdentity};
use oms_operator::oms::mysql::MySqlOpener;
use oms_operator::protocol::report::Reason;
use oms_operator::protocol::request::LoginMethod;
use std::time::Duration;

/// The operator asks who is there.
pub fn identify(server: &Server, rules: &LoginRules) -> Result<ServerIdentity, MetaDbError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let address = Address {
        host: "127.0.0.1".into(),
        port: server.port,
    };
    let account = Credentials {
        user: USER.into(),
        password: SecretString::new(PASSWORD),
    };
    let databases = Databases {
        rm: "oms_rm".into(),
        cm: "oms_cm".into(),
        heartbeats: vec!["oms_cm_hb".into()],
    };
    let limit = Duration::from_secs(20);
    let metadb = MySqlOpener::default().open(&address, &account, rules, &databases, limit);
    runtime.block_on(metadb.identify())
}

/// What the server remembers of a login makes the next one look harmless; it is refused all the same, since whoever
/// answers may ask for all of it at any time.
#[test]
fn without_leave_nobody_logs_in_by_caching_sha2_password() {
    let world = World::small(Kind::MySql);
    let leave = LoginRules::new(&[LoginMethod::CachingSha2Password], None);
    for remembered in [false, true] {
        if remembered {
            identify(&world.server, &leave).unwrap();
        }
        let error = identify(&world.server, &LoginRules::default()).unwrap_err();
        assert!(
            matches!(error, MetaDbError::UnprotectedLogin { .. }),
            "{error:?}"
        );
        assert!(!error.is_transient() && error.to_string().contains("loginsWithoutTls"));
        for command in ["probe", "dump"] {
            let mut request = world.request(1);
            request.as_object_mut().unwrap().remove("loginsWithoutTls");
            let ended = world.run(command, &request);
            let message = &ended.failed(Reason::AccessDenied).message;
            assert!(message.contains("loginsWithoutTls"), "{message}");
        }
    }
}

/// The server has forgotten every login before the client comes, so the client has to go all the way.
const FORGOTTEN: &str = "/usr/bin/mariadb --no-defaults --protocol=tcp --host=127.0.0.1 --user=root --port=@PORT@ \
    --execute='FLUSH PRIVILEGES'; exec $REAL \"$@\"";

#[test]
fn with_leave_operator_agent_and_client_log_in() {
    let world = World::small(Kind::MySql);
    let leave = LoginRules::new(&[LoginMethod::CachingSha2Password], None);
    for _ in 0..2 {
        world.server.sql("FLUSH PRIVILEGES");
        identify(&world.server, &leave).unwrap();
        identify(&world.server, &leave).unwrap();
    }
    world.server.sql("FLUSH PRIVILEGES");
    world.run("probe", &world.request(1)).succeeded();
    let script = FORGOTTEN.replace("@PORT@", &world.server.port.to_string());
    with_client(&world, &script).succeeded();
    let left: Vec<_> = std::fs::read_dir(world.scratch.path())
        .unwrap()
        .flatten()
        .filter(|entry| {
            entry
                .file_name()
                .to_string_lossy()
                .starts_with("oms-agent-")
        })
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

/// A client that cannot do it is found by the probe, while nothing was stopped.
#[test]
fn a_client_that_cannot_log_in_is_found_by_the_probe() {
    let world = World::small(Kind::MySql);
    let script = "echo \"mariadb-dump: Got error: 1045: \\\"Plugin caching_sha2_password could not be loaded: x\\\"\" >&2; exit 2";
    let ended = crate::outside::run_with_client(&world, "probe", script);
    let message = &ended.failed(Reason::AccessDenied).message;
    assert!(message.contains("tools image"), "{message}");
}
