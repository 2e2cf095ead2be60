//! What lies on the claim: backups are kept for years and are read by every version that follows.
use super::{UID, find_loss, pin, read_stored};
use oms_operator::agent::digest::{ContentDigest, RowHash};
use oms_operator::agent::manifest::*;
use oms_operator::agent::sql::names::Beside;
use oms_operator::agent::volume::attempt::{directory_of, file_name_of};
use oms_operator::protocol::hex::hash_bytes;
use oms_operator::protocol::report::Engine;
use serde_json::{Value, json};
use std::path::Path;

const MANIFEST: &str = "The status keeps the sha256 of these bytes, and a restore trusts nothing else. Each manifest that was ever written must \
    be read, by the rules of its formatVersion: a field that comes must be one that may be absent. A digest that is computed in another way needs \
    another formatVersion beside this one, or every backup that there is counts as different from what it holds.";
const FILES: &str = "Under these names the next version looks for the backup of this one, and a half-done restore for its databases.";

fn manifest() -> Manifest {
    let mut digest = ContentDigest::default();
    for values in [
        [Some(b"1".as_slice()), None],
        [Some(b"2".as_slice()), Some(b"\xc3\xa4".as_slice())],
    ] {
        let mut row = RowHash::default();
        values.into_iter().for_each(|value| row.add(value));
        digest.add_row(row);
    }
    Manifest {
        format_version: FORMAT_VERSION,
        upgrade_uid: UID.into(),
        attempt: 2,
        engine: Engine::OceanBase,
        server_version: "5.7.25-OceanBase_CE-v4.3.5.3".into(),
        client_version: "mariadb-dump from 10.11.14".into(),
        databases: vec![DatabaseRecord {
            name: "oms_rm".into(),
            character_set: "utf8mb4".into(),
            collation: "utf8mb4_general_ci".into(),
            options: None,
            file: FileRecord {
                name: file_name_of("oms_rm"),
                raw_bytes: 4000,
                stored_bytes: 500,
                sha256: hash_bytes(b"a dump"),
            },
            tables: vec![TableRecord {
                shape: TableShape {
                    name: "oms_project".into(),
                    columns: vec!["id".into(), "name".into()],
                    create_sha256: hash_bytes(b"CREATE TABLE"),
                    auto_increment: Some(3),
                    special: vec![],
                },
                content: digest.to_record(),
                exact_digest: Some(hash_bytes(b"digits")),
            }],
            views: vec![ViewShape {
                name: "a_view".into(),
                definition_sha256: hash_bytes(b"CREATE VIEW"),
            }],
        }],
    }
}

#[test]
fn the_manifest_beside_a_backup() {
    let bytes = manifest().to_bytes().unwrap();
    let path = "tests/golden/files/manifest.json";
    pin::check(path, &String::from_utf8(bytes).unwrap(), MANIFEST);
    let stored = read_stored(path);
    let read = Manifest::from_trusted(stored.as_bytes(), &hash_bytes(stored.as_bytes()))
        .unwrap_or_else(|failure| panic!("the stored manifest is refused: {}", failure.message));
    let value: Value = serde_json::from_str(&stored).unwrap();
    assert_eq!(find_loss(&value, &json!(read), "manifest"), None);
}

#[test]
fn names_on_the_claim_and_of_databases_beside() {
    let attempt = directory_of(Path::new("/backup/to-4-0-0-f86381adde"), 2);
    let mut text = format!("attempt 2: {}\nmanifest: {FILE_NAME}\n", attempt.display());
    for database in ["oms_rm", "oms-cm$1", "../ä b"] {
        text.push_str(&format!("dump of {database}: {}\n", file_name_of(database)));
    }
    for kind in [
        Beside::Restore,
        Beside::Safety,
        Beside::Verify,
        Beside::Probe,
    ] {
        text.push_str(&format!(
            "database {kind:?}: {}\n",
            kind.name("oms_rm", "2")
        ));
    }
    pin::check("tests/golden/files/backup-names.txt", &text, FILES);
}
