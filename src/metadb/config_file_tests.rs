//! Files as people post them. All hosts, names and passwords are made up; `Canary` begins each password.
use super::*;

const FILE: &str = "oms_meta_host: 10.1.2.3\noms_meta_port: 2883\noms_meta_user: oms_user@oms_tenant#obcluster\n\
    oms_meta_password: Canary_1\ndrc_rm_db: oms_rm\ndrc_cm_db: oms_cm\ndrc_cm_heartbeat_db: oms_cm_heartbeat\n\
    drc_user: drc\ndrc_password: Other_1\ncm_url: http://10.1.2.10:8088\ncm_location: 0\ncm_region: cn-north\n\
    cm_region_cn: North\ncm_is_default: true\ncm_nodes:\n - 10.1.2.10\n";
const PASSWORD: &str = "oms_meta_password: Canary_1";
const USER: &str = "oms_user@oms_tenant#obcluster";

fn list_nodes(file: &ConfigFile) -> Vec<&str> {
    match &file.cm_nodes {
        Some(NodeList::Many(nodes)) => nodes.iter().map(String::as_str).collect(),
        Some(NodeList::One(nodes)) => vec![nodes],
        None => Vec::new(),
    }
}

/// Reads, and holds what must be the same however it is written.
fn read(text: &str) -> (ConfigFile, Credentials) {
    let mut file = read_config_file(text).unwrap_or_else(|flaw| panic!("{flaw}: {text:?}"));
    let account = file.take_account().unwrap();
    assert_eq!(file.oms_meta_host.as_deref(), Some("10.1.2.3"), "{text:?}");
    assert_eq!(file.oms_meta_port.as_deref(), Some("2883"), "{text:?}");
    assert_eq!(account.user, USER, "{text:?}");
    (file, account)
}

/// The flaw, whose words hold nothing of a value.
fn refuse(text: &str) -> ConfigFlaw {
    let flaw = match read_config_file(text) {
        Err(flaw) => flaw,
        Ok(mut file) => match file.take_account() {
            Err(flaw) => flaw,
            Ok(account) => panic!("read as {:?}: {text:?}", account.password.reveal()),
        },
    };
    let shown = format!("{flaw} {flaw:?} {}", flaw.advise());
    for part in ["Canary", "anary_", "Other_", "oms_user", "10.1.2.3"] {
        assert!(!shown.contains(part), "{shown}");
    }
    flaw
}

#[test]
fn what_oms_reads_is_read_and_means_the_same() {
    let quoted: String = FILE
        .lines()
        .filter(|line| !line.starts_with([' ', '-']) && !line.starts_with("cm_nodes"))
        .map(|line| {
            let (key, value) = line.split_once(": ").unwrap();
            format!("\"{key}\": \"{value}\"\n")
        })
        .collect();
    for text in [
        FILE.to_owned(),
        format!("\u{feff}{FILE}"),
        format!("---\n{FILE}"),
        format!("# 部署\n\n{FILE}\n# end\n"),
        FILE.replace('\n', "\r\n"),
        format!("\u{feff}{}", FILE.replace('\n', "\r\n")),
        FILE.trim_end().to_owned(),
        FILE.replace(" - 10", "- 10"),
        FILE.replace("\n - 10.1.2.10", " [10.1.2.10]"),
        format!("{quoted}\"cm_nodes\": [\"10.1.2.10\"]\n"),
        FILE.replace("2883", "2883   # the proxy"),
        FILE.replace("2883", "'2883'"),
        FILE.replace(PASSWORD, "oms_meta_password: Canary_1   # of the account"),
        FILE.replace(PASSWORD, "oms_meta_password:    Canary_1  "),
        FILE.replace(PASSWORD, "oms_meta_password: !!str Canary_1"),
        FILE.replace(USER, &format!("' {USER} '")),
        FILE.replace("drc_password: Other_1", "drc_password: 'it''s: #1'"),
        format!("tsdb_enabled: false\n{FILE}apsara_audit_sls_access_key:\ntsdb_url: \"\"\n"),
    ] {
        let (file, account) = read(&text);
        assert_eq!(account.password.reveal(), "Canary_1", "{text:?}");
        assert_eq!(list_nodes(&file), ["10.1.2.10"], "{text:?}");
        assert_eq!(
            file.drc_cm_heartbeat_db.as_deref(),
            Some("oms_cm_heartbeat")
        );
        assert_eq!(file.cm_location.as_deref(), Some("0"), "{text:?}");
    }
}

#[test]
fn passwords_are_taken_as_they_are_written() {
    for (written, password) in [
        ("Canary!1", "Canary!1"),
        ("Canary@1", "Canary@1"),
        ("Canary%1", "Canary%1"),
        ("Canary#1", "Canary#1"),
        ("Canary:1", "Canary:1"),
        ("'@Canary'", "@Canary"),
        ("\"!Canary_1\"", "!Canary_1"),
        ("'%Canary'", "%Canary"),
        ("'Can''ary: 1 #x'", "Can'ary: 1 #x"),
        ("\"Can\\\"ary\\\\\"", "Can\"ary\\"),
        ("123456", "123456"),
        ("0123", "0123"),
        ("12.50", "12.50"),
        ("1e3", "1e3"),
        ("true", "true"),
        ("2024-01-01", "2024-01-01"),
        ("'null'", "null"),
        ("密码Canary", "密码Canary"),
        ("''", ""),
        ("\"\"", ""),
    ] {
        let text = FILE.replace(PASSWORD, &format!("oms_meta_password: {written}"));
        for text in [text.clone(), text.replace('\n', "\r\n")] {
            assert_eq!(read(&text).1.password.reveal(), password, "{written}");
        }
    }
}

#[test]
fn of_two_values_the_last_one_counts_as_in_oms() {
    let (file, _) = read(&format!("{FILE}cm_location: 1\n"));
    assert_eq!(file.cm_location.as_deref(), Some("1"));
    let (_, account) = read(&format!("oms_meta_password: @x\n{FILE}").replace("@x", "Canary_0"));
    assert_eq!(account.password.reveal(), "Canary_1");
}

#[test]
fn signs_that_yaml_keeps_are_told_and_not_shown() {
    for sign in ["@", "`", "%", "!", "&", "*"] {
        let flaw = refuse(&FILE.replace(PASSWORD, &format!("oms_meta_password: {sign}Canary_1")));
        let key = "oms_meta_password".to_owned();
        assert_eq!(flaw, ConfigFlaw::Sign { line: 4, key }, "{sign}");
        assert!(!flaw.to_string().contains(sign), "{flaw}");
        assert!(flaw.advise().contains("single quotes"));
        let flaw = refuse(&FILE.replace("drc_password: ", &format!("drc_password: {sign}")));
        assert!(flaw.to_string().contains("line 9: "), "{flaw}");
    }
}

#[test]
fn a_flaw_is_told_where_it_is() {
    let key = || "oms_meta_password".to_owned();
    let with = |line: &str| FILE.replace(PASSWORD, line);
    for (text, flaw) in [
        (
            FILE.replace("oms_meta_host: ", "oms_meta_host："),
            ConfigFlaw::FullWidthColon {
                line: 1,
                key: "oms_meta_host".into(),
            },
        ),
        (
            with("oms_meta_password：Canary_1"),
            ConfigFlaw::FullWidthColon {
                line: 4,
                key: key(),
            },
        ),
        (
            with("oms_meta_password ： Canary_1"),
            ConfigFlaw::FullWidthColon {
                line: 4,
                key: key(),
            },
        ),
        (
            with("oms_meta_password:Canary_1"),
            ConfigFlaw::NoSpace {
                line: 4,
                key: key(),
            },
        ),
        (
            FILE.replace(": ", ":"),
            ConfigFlaw::NoSpace {
                line: 1,
                key: "oms_meta_host".into(),
            },
        ),
        (
            with("\toms_meta_password: Canary_1"),
            ConfigFlaw::Tab { line: 4 },
        ),
        (
            FILE.replace(" - 10", "\t- 10"),
            ConfigFlaw::Tab { line: 16 },
        ),
        (
            with("oms_meta_password: 'Canary_1"),
            ConfigFlaw::OpenQuote {
                line: 4,
                key: key(),
            },
        ),
        (
            with("oms_meta_password: \"Canary_1\\\""),
            ConfigFlaw::OpenQuote {
                line: 4,
                key: key(),
            },
        ),
        (
            with("oms_meta_password: Canary: 1"),
            ConfigFlaw::NotText {
                line: 4,
                key: key(),
            },
        ),
        (
            with("oms_meta_password: [Canary_1]"),
            ConfigFlaw::NotText {
                line: 4,
                key: key(),
            },
        ),
        (
            with("oms_meta_password: {Canary_1"),
            ConfigFlaw::NotText {
                line: 4,
                key: key(),
            },
        ),
        (
            with("oms_meta_password: 'Canary'1"),
            ConfigFlaw::NotText {
                line: 4,
                key: key(),
            },
        ),
        (
            with("oms_meta_password:"),
            ConfigFlaw::EmptyPassword { line: 4 },
        ),
        (
            with("oms_meta_password: ~"),
            ConfigFlaw::EmptyPassword { line: 4 },
        ),
        (
            with("oms_meta_password: #Canary_1"),
            ConfigFlaw::EmptyPassword { line: 4 },
        ),
        (
            with("# nothing"),
            ConfigFlaw::MissingKey {
                key: "oms_meta_password",
            },
        ),
        (
            FILE.replace(USER, ""),
            ConfigFlaw::MissingKey {
                key: "oms_meta_user",
            },
        ),
        (
            FILE.replace("drc_cm_db: oms_cm\n", "drc_cm_db: 0123\n")
                .replace("oms_rm", "oms_rm # yes"),
            ConfigFlaw::OtherForOms {
                line: 6,
                key: "drc_cm_db",
            },
        ),
        ("Canary".into(), ConfigFlaw::Unreadable { line: 1 }),
    ] {
        assert_eq!(refuse(&text), flaw, "{text}");
        assert_eq!(refuse(&text.replace('\n', "\r\n")), flaw, "{text}");
    }
    let flaw = refuse("");
    assert!(!flaw.to_string().is_empty());
}

#[test]
fn a_tab_never_gets_into_a_value() {
    for line in [
        "oms_meta_password:\tCanary_1",
        "oms_meta_password: Canary_1\t",
        "oms_meta_password: \tCanary_1",
    ] {
        match read_config_file(&FILE.replace(PASSWORD, line)) {
            Ok(mut file) => assert_eq!(file.take_account().unwrap().password.reveal(), "Canary_1"),
            Err(flaw) => assert_eq!(flaw, ConfigFlaw::Tab { line: 4 }),
        }
    }
}

#[test]
fn names_that_oms_reads_otherwise_are_told_from_those_it_does_not() {
    for plain in [
        "0123",
        "00",
        "1_000",
        "0x1F",
        "0b1",
        "+1",
        "yes",
        "No",
        "ON",
        "~",
        "null",
        "0123 # old",
    ] {
        assert!(reads_otherwise(plain), "{plain}");
    }
    for plain in [
        "oms_rm", "123", "0", "089", "1a_2", "'0123'", "\"yes\"", "0xyz", "non", "",
    ] {
        assert!(!reads_otherwise(plain), "{plain}");
    }
}
