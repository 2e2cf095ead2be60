//! Tests of `client`.
use super::*;

#[test]
fn clients_are_told_apart() {
    assert_eq!(
        family_of("mysqldump  Ver 10.19 Distrib 10.11.19-MariaDB, for debian-linux-gnu (x86_64)"),
        Some(Family::MariaDb)
    );
    assert_eq!(
        family_of("mariadb-dump from 11.4.2-MariaDB, client 10.19 for Linux"),
        Some(Family::MariaDb)
    );
    assert_eq!(
        family_of("mysqldump  Ver 10.13 Distrib 5.7.44, for Linux (x86_64)"),
        Some(Family::MySql5)
    );
    assert_eq!(
        family_of("mysqldump  Ver 8.0.36 for Linux on x86_64"),
        Some(Family::MySql8)
    );
    assert_eq!(family_of(""), None);
}

#[test]
fn flags_of_one_family_never_reach_another() {
    let text = |family| format!("{:?}", arguments(family, "d"));
    assert!(!text(Family::MariaDb).contains("gtid"));
    assert!(text(Family::MariaDb).contains("--loose-ssl-verify-server-cert=0"));
    assert!(
        text(Family::MySql5).contains("gtid")
            && !text(Family::MySql5).contains("column-statistics")
    );
    assert!(text(Family::MySql8).contains("column-statistics=0"));
    for family in [Family::MariaDb, Family::MySql5, Family::MySql8] {
        assert!(!text(family).contains("force") && !text(family).contains("databases"));
        // An account may require TLS.
        assert!(!text(family).contains("skip-ssl") && !text(family).contains("--ssl="));
        assert!(text(family).ends_with(r#""--", "d"]"#));
    }
}

#[test]
fn words_of_the_client_become_reasons() {
    for (words, expected) in [
        (
            "mariadb-dump: Error 4012: Timeout, query has reached the maximum query timeout: 1000000(us) when dumping table `t` at row: 5",
            Reason::QueryTimeout,
        ),
        (
            "mariadb-dump: Got error: 1049: \"Unknown database 'x'\" when selecting the database",
            Reason::DatabaseMissing,
        ),
        (
            "mariadb-dump: Error 2013: Lost connection to server during query when dumping table `t` at row: 9",
            Reason::ConnectionLost,
        ),
        (
            "mariadb-dump: Got error: 1045: \"Access denied for user\" when trying to connect",
            Reason::AccessDenied,
        ),
        (
            "mariadb-dump: Couldn't execute 'SHOW CREATE VIEW `v`': SHOW VIEW command denied to user 'lim' (1142)",
            Reason::PrivilegeMissing,
        ),
        (
            "mysqldump: Error 3024: Query execution was interrupted, maximum statement execution time exceeded",
            Reason::QueryTimeout,
        ),
        (
            "mariadb-dump: Error: 'Timeout, query has reached the maximum query timeout: 3000(us)' when trying to dump tablespaces",
            Reason::QueryTimeout,
        ),
        (
            "mariadb-dump: Got error: 2026: \"TLS/SSL error: SSL is required, but the server does not support it\" when trying to connect",
            Reason::TlsFailed,
        ),
        (
            "mariadb-dump: Got error: 1045: \"Plugin caching_sha2_password could not be loaded: /proc/none/caching_sha2_password.so: cannot open shared object file\" when trying to connect",
            Reason::AccessDenied,
        ),
        (
            "mysqldump: Got error: 2061: Authentication plugin 'caching_sha2_password' reported error: Authentication requires secure connection. when trying to connect",
            Reason::AccessDenied,
        ),
        ("", Reason::ClientFailed),
        ("mysqldump: Error: 'x'", Reason::ClientFailed),
    ] {
        assert_eq!(
            judge("d", "exit status: 2", words).reason,
            expected,
            "{words}"
        );
    }
}
