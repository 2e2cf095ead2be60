//! Backups that were made long ago: a fixture of each format of the manifest, read by the agent of today.

use crate::engines::Kind;
use crate::engines::world::World;
use oms_operator::agent::manifest::FORMAT_VERSION;
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

fn fixture(format: u32) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/agent/fixtures/format-{format}"))
}

fn copy_files(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

/// Verified, compared and restored by the rules of its own format.
#[test]
fn every_format_is_read_for_ever() {
    for format in 1..=FORMAT_VERSION {
        let world = World::small(Kind::MariaDb);
        let old = world.text();
        copy_files(&fixture(format), &world.directory().join("attempt-1"));
        let manifest = std::fs::read(fixture(format).join("manifest.json")).unwrap();
        let digest: String = Sha256::digest(&manifest)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let ended = world.run("verify", &world.trusting(1, &digest));
        ended.succeeded();
        world.migrate();
        world
            .run("restore", &world.trusting(2, &digest))
            .succeeded();
        assert_eq!(world.text(), old, "format {format}");
    }
}

/// Writes the fixture of the present format. To be run by hand, once, where the format changes:
/// `cargo test --test agent formats:: -- --ignored`.
#[test]
#[ignore = "writes a fixture"]
fn write_fixture() {
    let world = World::small(Kind::MariaDb);
    world.dump(1);
    copy_files(
        &world.directory().join("attempt-1"),
        &fixture(FORMAT_VERSION),
    );
}
