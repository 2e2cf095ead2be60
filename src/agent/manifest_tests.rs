//! Tests of `manifest`.
use super::*;

fn table(name: &str) -> TableShape {
    TableShape {
        name: name.into(),
        columns: vec!["a".into()],
        create_sha256: "c".into(),
        auto_increment: Some(5),
        special: vec![],
    }
}

fn content(rows: u64, digest: &str) -> ContentRecord {
    ContentRecord {
        rows,
        content_digest: digest.into(),
    }
}

fn sample() -> (
    DatabaseRecord,
    DatabaseShape,
    BTreeMap<String, ContentRecord>,
) {
    let view = ViewShape {
        name: "v".into(),
        definition_sha256: "d".into(),
    };
    let record = DatabaseRecord {
        name: "oms_rm".into(),
        character_set: "utf8mb4".into(),
        collation: "utf8mb4_bin".into(),
        options: None,
        file: FileRecord::default(),
        tables: vec![TableRecord {
            shape: table("t"),
            content: content(3, "x"),
            exact_digest: None,
        }],
        views: vec![view.clone()],
    };
    let shape = DatabaseShape {
        name: "oms_rm".into(),
        character_set: "utf8mb4".into(),
        collation: "utf8mb4_bin".into(),
        options: vec![],
        tables: vec![table("t")],
        views: vec![view],
        others: vec![],
    };
    (
        record,
        shape,
        BTreeMap::from([("t".to_owned(), content(3, "x"))]),
    )
}

#[test]
fn equal_is_equal() {
    let (record, mut shape, contents) = sample();
    assert!(find_differences(&record, &shape, &contents, Extent::Whole).is_empty());
    shape.tables[0].auto_increment = Some(9);
    assert!(find_differences(&record, &shape, &contents, Extent::Whole).is_empty());
}

#[test]
fn every_difference_is_found() {
    type Change = fn(&mut DatabaseShape, &mut BTreeMap<String, ContentRecord>);
    let changes: [(&str, Change); 11] = [
        ("is missing", |s, _| s.tables.clear()),
        ("not in the backup", |s, _| s.tables.push(table("new"))),
        ("another definition", |s, _| {
            s.tables[0].create_sha256.push('!')
        }),
        ("another definition", |s, _| {
            s.tables[0].columns.push("b".into())
        }),
        ("went back", |s, _| s.tables[0].auto_increment = Some(4)),
        ("instead of 3", |_, c| {
            *c = BTreeMap::from([("t".to_owned(), content(2, "x"))])
        }),
        ("other values", |_, c| {
            *c = BTreeMap::from([("t".to_owned(), content(3, "y"))])
        }),
        ("view oms_rm.v is missing", |s, _| s.views.clear()),
        ("view oms_rm.v has", |s, _| {
            s.views[0].definition_sha256.push('!')
        }),
        ("trigger x in oms_rm", |s, _| {
            s.others.push("trigger x".into())
        }),
        ("default collation", |s, _| {
            s.collation = "latin1_bin".into()
        }),
    ];
    for (expected, change) in changes {
        let (record, mut shape, mut contents) = sample();
        change(&mut shape, &mut contents);
        let found = find_differences(&record, &shape, &contents, Extent::Whole);
        assert_eq!(found.len(), 1, "{expected}: {found:?}");
        assert!(found[0].contains(expected), "{expected}: {found:?}");
    }
}

#[test]
fn only_the_expected_manifest_is_read() {
    let (record, ..) = sample();
    let manifest = Manifest {
        format_version: FORMAT_VERSION,
        upgrade_uid: "u".into(),
        attempt: 1,
        engine: Engine::OceanBase,
        server_version: "5.7.25".into(),
        client_version: "c".into(),
        databases: vec![record],
    };
    let mut bytes = manifest.to_bytes().unwrap();
    let digest = hash_bytes(&bytes);
    assert_eq!(Manifest::from_trusted(&bytes, &digest).unwrap(), manifest);
    bytes[30] ^= 1;
    assert_eq!(
        Manifest::from_trusted(&bytes, &digest).unwrap_err().reason,
        Reason::ManifestMismatch
    );
    let other = br#"{"formatVersion":2,"upgradeUid":"u","attempt":1,"engine":"MySQL","serverVersion":"","clientVersion":"","databases":[]}"#;
    assert!(
        Manifest::from_trusted(other, &hash_bytes(other))
            .unwrap_err()
            .message
            .contains("format version 2")
    );
}
