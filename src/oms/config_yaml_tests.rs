use super::*;

const FILE: &str = "# comment\noms_meta_host: metadb.oms.svc\noms_meta_port: 2881\noms_meta_user: root@metadb#obtest\n\
    oms_meta_password: 'it''s \"a\" #%ü 1'\ndrc_user: drc\ndrc_password: drc-canary\ndrc_rm_db: oms_rm\ndrc_cm_db: oms_cm\n\
    drc_cm_heartbeat_db: oms_cm_hb\ncm_url: http://10.0.0.1:8088\ncm_location: 0\ncm_region: cn-a\ncm_is_default: true\ncm_nodes:\n - 10.0.0.1\n - 10.0.0.2\n\
    tsdb_enabled: false\n";

#[test]
fn reads_the_documented_file() {
    let (config, credentials) = parse_config(FILE).unwrap();
    assert_eq!(config.metadb.to_string(), "metadb.oms.svc:2881");
    assert_eq!(
        (
            config.rm.as_str(),
            config.cm.as_str(),
            config.heartbeat.as_str()
        ),
        ("oms_rm", "oms_cm", "oms_cm_hb")
    );
    assert_eq!(config.nodes, ["10.0.0.1", "10.0.0.2"]);
    assert_eq!(
        (config.location.as_str(), config.region.as_str()),
        ("0", "cn-a")
    );
    assert_eq!(credentials.user, "root@metadb#obtest");
    assert_eq!(credentials.password.reveal(), "it's \"a\" #%ü 1");
    let shown = format!("{config:?} {credentials:?}");
    assert!(
        !shown.contains("canary") && !shown.contains("it's"),
        "{shown}"
    );
}

#[test]
fn takes_scalars_as_they_are_written() {
    for (written, password) in [
        ("12345", "12345"),
        ("007", "007"),
        ("true", "true"),
        ("1e3", "1e3"),
        ("a#b", "a#b"),
        ("~x%y", "~x%y"),
        ("\"a\\\"b\"", "a\"b"),
        ("0x1F", "0x1F"),
        ("'#'", "#"),
    ] {
        let text = FILE.replace("'it''s \"a\" #%ü 1'", written);
        let (_, credentials) = parse_config(&text).unwrap();
        assert_eq!(credentials.password.reveal(), password, "{written}");
    }
    let (config, _) = parse_config(&FILE.replace("drc_rm_db: oms_rm", "drc_rm_db: 123")).unwrap();
    assert_eq!(config.rm, "123");
}

#[test]
fn says_what_is_missing_and_never_quotes() {
    assert_eq!(
        parse_config(&FILE.replace("oms_meta_host: metadb.oms.svc\n", "")).unwrap_err(),
        ConfigError::Flaw(ConfigFlaw::MissingKey {
            key: "oms_meta_host"
        })
    );
    assert_eq!(
        parse_config(&FILE.replace("'it''s \"a\" #%ü 1'", "")).unwrap_err(),
        ConfigError::Flaw(ConfigFlaw::EmptyPassword { line: 5 })
    );
    assert!(matches!(
        parse_config(&FILE.replace("2881", "many")),
        Err(ConfigError::BadValue {
            key: "oms_meta_port",
            ..
        })
    ));
    for broken in [
        FILE.replace("'it''s \"a\" #%ü 1'", "'canary"),
        FILE.replace("'it''s \"a\" #%ü 1'", "[canary]"),
        "canary".to_owned(),
        "- canary".to_owned(),
        FILE.replace("oms_meta_user: root", "oms_meta_user:\tcanary: x"),
    ] {
        let error = parse_config(&broken).unwrap_err();
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("canary"), "{shown}");
    }
}

fn node(name: &str, edit: impl Fn(String) -> String) -> (String, NodeConfig) {
    (
        name.to_owned(),
        parse_config(&edit(FILE.to_owned())).unwrap().0,
    )
}

#[test]
fn one_init_per_region_when_files_are_the_same() {
    let one = merge_configs(&[
        node("a", |t| t),
        node("b", |t| {
            t.replace("# comment", "# other").replace("drc-canary", "x")
        }),
    ])
    .unwrap();
    assert_eq!(one.regions.len(), 1);
    assert_eq!(one.regions[0].init_members, ["a"]);
    assert_eq!(one.nodes, ["10.0.0.1", "10.0.0.2"]);
    let differ = merge_configs(&[
        node("a", |t| t),
        node("b", |t| t.replace(" - 10.0.0.2\n", "")),
    ])
    .unwrap();
    assert_eq!(differ.regions[0].init_members, ["a", "b"]);
}

#[test]
fn joins_regions_and_their_heartbeat_databases() {
    let second = |t: String| {
        t.replace("cm_location: 0", "cm_location: 1")
            .replace("oms_cm_hb", "oms_cm_hb_1")
            .replace("10.0.0", "10.1.0")
    };
    let both = merge_configs(&[node("b", second), node("a", |t| t)]).unwrap();
    assert_eq!(
        both.databases.names(),
        ["oms_rm", "oms_cm", "oms_cm_hb", "oms_cm_hb_1"]
    );
    assert_eq!(
        both.regions
            .iter()
            .map(|r| r.init_members.join(","))
            .collect::<Vec<_>>(),
        ["a", "b"]
    );
    assert_eq!(both.nodes.len(), 4);
}

#[test]
fn refuses_files_of_different_installations() {
    for (edit, key) in [
        ("oms_rm", "drc_rm_db"),
        ("oms_cm\n", "drc_cm_db"),
        ("metadb.oms", "oms_meta_host or oms_meta_port"),
        (
            "oms_cm_hb",
            "drc_cm_heartbeat_db (both have the same cm_location)",
        ),
    ] {
        let error = merge_configs(&[
            node("a", |t| t),
            node("b", |t| {
                t.replace(
                    edit,
                    &format!("other{}", if edit.ends_with('\n') { "\n" } else { "" }),
                )
            }),
        ])
        .unwrap_err();
        assert!(
            matches!(&error, ConfigError::Contradiction { key: k, .. } if *k == key),
            "{error}"
        );
    }
    assert_eq!(merge_configs(&[]), Err(ConfigError::NoFile));
}

#[test]
fn the_fingerprint_knows_no_secret_and_no_way_of_writing_lines() {
    let (_, config) = node("a", |text| text);
    let same = [
        FILE.replace('\n', "\r\n"),
        format!("\u{feff}{FILE}"),
        FILE.replace("it''s", "another"),
        FILE.replace("drc-canary", "another"),
    ];
    for text in same {
        let (_, other) = node("b", |_| text.clone());
        assert_eq!(config.fingerprint, other.fingerprint, "{text:?}");
        assert_eq!(config, other);
    }
    // As the vendor's deployment tool writes it.
    let quoted = |password: &str| {
        let text = FILE.replace(
            "drc_password: drc-canary",
            &format!("\"drc_password\": \"{password}\""),
        );
        node("c", |_| text.clone()).1.fingerprint
    };
    assert_eq!(quoted("one"), quoted("another"));
}
