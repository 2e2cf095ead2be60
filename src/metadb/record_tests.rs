//! Facts and their text.
use super::*;
use crate::metadb::lock_table::{INSTALLATION_TABLE, LOCK_DATABASE, RECORD_TABLE, TABLE};

fn samples() -> Vec<RecordFact> {
    let fingerprint = SchemaFingerprint::try_from("0".repeat(16)).unwrap();
    vec![
        RecordFact::Locked {
            ha: Some("{\"enable\":true,\"it's\":\"名 \\\\ \\u0000\"}".into()),
            images: vec![TargetImage {
                target: "oms".into(),
                image: "reg/oms:3.3.1".into(),
                image_id: None,
            }],
        },
        RecordFact::Stopped {
            fingerprint: fingerprint.clone(),
        },
        RecordFact::BackupVerified {
            manifest_digest: "d".repeat(64),
        },
        RecordFact::Line {},
        RecordFact::NewImageSeen {
            target: "oms".into(),
            image_id: "sha256:1".into(),
        },
        RecordFact::RestoreBegun { attempt: 1 },
        RecordFact::Swapped { attempt: 1 },
        RecordFact::Verdict {
            outcome: RecordedOutcome::RolledBack,
            fingerprint: Some(fingerprint),
        },
    ]
}

#[test]
fn facts_survive_their_columns() {
    for fact in samples() {
        let columns = fact.to_columns().unwrap();
        assert!(columns.fact.len() <= 64 && columns.detail.starts_with('{'));
        assert_eq!(
            RecordFact::from_columns(&columns.fact, &columns.detail),
            Ok(fact)
        );
    }
}

#[test]
fn what_a_newer_version_writes_is_told() {
    for (fact, detail) in [
        ("Adopted", "{}"),
        ("line", "{}"),
        ("Line", "{\"by\":\"somebody\"}"),
        ("Line", "null"),
        ("Line", ""),
        ("RestoreBegun", "{\"attempt\":\"1\"}"),
        ("RestoreBegun", "{\"attempt\":1,\"method\":\"Swap\"}"),
        ("Verdict", "{\"outcome\":\"Adopted\"}"),
        ("Stopped", "{\"fingerprint\":\"0\"}"),
        (
            "Locked",
            "{\"images\":[{\"target\":\"a\",\"image\":\"b\",\"node\":\"c\"}],\"installation\":\"00000000000000000000000000000000\"}",
        ),
    ] {
        let error = RecordFact::from_columns(fact, detail).unwrap_err();
        assert!(error.to_string().contains(fact), "{error}");
    }
}

#[test]
fn what_is_too_long_is_not_cut() {
    let fact = |length| RecordFact::BackupVerified {
        manifest_digest: "d".repeat(length),
    };
    assert!(fact(DETAIL_MAX - 64).to_columns().is_some());
    assert!(fact(DETAIL_MAX).to_columns().is_none());
}

#[test]
fn ids_are_hexadecimal_digits() {
    let id = InstallationId::from_bytes(*b"0123456789abcdef");
    assert_eq!(id.as_str(), "30313233343536373839616263646566");
    for odd in [
        "",
        "30313233343536373839616263646566 ",
        "3031323334353637383961626364656F",
    ] {
        assert!(InstallationId::try_from(odd.to_owned()).is_err(), "{odd}");
    }
}

#[test]
fn the_statements_name_our_tables() {
    let record = format!("{LOCK_DATABASE}.{RECORD_TABLE} ");
    for sql in [CREATE_RECORD, APPEND, FORGET] {
        assert!(sql.contains(&record), "{sql}");
    }
    assert!(
        APPEND.contains(&format!("from {TABLE} l")) && FORGET.contains(&format!("from {TABLE} l"))
    );
    assert_ne!(INSTALLATION_TABLE, RECORD_TABLE);
}

#[test]
fn the_newest_verdicts_are_kept_and_what_came_after_the_oldest_of_them() {
    let mut others: Vec<(String, u64, Option<u64>)> = (1..=20)
        .map(|n| (format!("ended-{n}"), n * 10, Some(n * 10)))
        .collect();
    others.push(("left-early".into(), 5, None));
    others.push(("left-late".into(), 300, None));
    assert_eq!(choose_forgotten(&others), ["left-early"]);
    others.push(("ended-21".into(), 210, Some(210)));
    assert_eq!(choose_forgotten(&others), ["ended-1", "left-early"]);
    // A verdict that was followed by a rollback which goes on.
    others.push(("ended-0".into(), 400, Some(3)));
    assert_eq!(choose_forgotten(&others), ["ended-1", "left-early"]);
    others.truncate(19);
    assert!(choose_forgotten(&others).is_empty());
}
