//! Tests of `client_login`.
use super::*;
use crate::protocol::request::LoginMethod;

fn create(family: Family, rules: &LoginRules, attempt: i32) -> ClientLogin {
    let program = Path::new("/usr/bin/mariadb-dump");
    ClientLogin::create(program, family, rules, attempt).unwrap()
}

fn sample() -> (Address, Credentials) {
    let address = Address {
        host: "h".into(),
        port: 3306,
    };
    let account = Credentials {
        user: "u".into(),
        password: "x\n[mysqldump]\nforce".to_owned().into(),
    };
    (address, account)
}

fn tell(login: &ClientLogin) -> String {
    format!("{:?}", login.arguments())
}

/// Seen with mariadb-dump 10.11: without it a server that asked for `mysql_clear_password`, or sent a key for
/// `caching_sha2_password`, got the password.
#[test]
fn a_client_that_loads_whatever_it_is_asked_for_finds_nothing_to_load() {
    let login = create(Family::MariaDb, &LoginRules::default(), 9001);
    assert!(tell(&login).contains(NO_PLUGINS));
    let [_, folder] = [0, 1].map(|at| NO_PLUGINS.split('=').nth(at).unwrap());
    assert!(std::fs::read_dir(folder).is_err() && std::fs::create_dir(folder).is_err());
    for (family, attempt) in [(Family::MySql5, 9002), (Family::MySql8, 9003)] {
        let text = tell(&create(family, &LoginRules::default(), attempt));
        assert!(!text.contains("cleartext") && !text.contains("server-public-key"));
    }
}

#[test]
fn what_is_allowed_by_name_is_the_only_thing_to_load_and_goes_with_the_login() {
    let rules = LoginRules::new(&[LoginMethod::CachingSha2Password], None);
    let login = create(Family::MariaDb, &rules, 9004);
    let (address, account) = sample();
    login.write_options(&address, &account, false).unwrap();
    let folder = login.folder.0.clone();
    let plugins = folder.join("plugins");
    assert!(tell(&login).contains(&format!("--plugin-dir={}", plugins.display())));
    let found: Vec<_> = std::fs::read_dir(&plugins).unwrap().flatten().collect();
    assert!(found.len() == 1 && found[0].file_name() == SHA2_PLUGIN);
    let mode = |path: &Path| {
        let permissions = path.metadata().unwrap().permissions();
        std::os::unix::fs::PermissionsExt::mode(&permissions) & 0o777
    };
    assert_eq!((mode(&folder), mode(&plugins)), (0o700, 0o700));
    assert_eq!(mode(&login.option_file()), 0o600);
    login.end();
    assert!(!folder.exists());
    let login = create(Family::MySql8, &rules, 9005);
    assert!(tell(&login).contains("get-server-public-key"));
}

#[test]
fn option_values_are_quoted() {
    assert_eq!(option_value(r#" p#'"\;"#), r#"" p#'\"\\;""#);
    let (address, account) = sample();
    assert!(option_text(&address, None, &account).lines().count() == 6);
    let door = Path::new("/tmp/x/door");
    let text = option_text(&address, Some(door), &account);
    assert!(text.lines().count() == 5 && text.contains("socket=\"/tmp/x/door\""));
}
