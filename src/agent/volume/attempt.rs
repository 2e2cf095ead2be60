//! Directories of attempts and the manifest in them.

use super::claim;
use crate::agent::failure::Failure;
use crate::agent::manifest::{FILE_NAME, Manifest};
use crate::protocol::hex::hash_bytes;
use crate::protocol::report::Reason;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Directory of an attempt below the upgrade's directory.
pub fn directory_of(root: &Path, attempt: i32) -> PathBuf {
    root.join(format!("attempt-{attempt}"))
}

/// File name for the dump of a database. Bytes that are awkward in file names are written as `%XX`.
pub fn file_name_of(database: &str) -> String {
    let mut name = String::new();
    for byte in database.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'$') {
            name.push(byte as char);
        } else {
            name.push_str(&format!("%{byte:02X}"));
        }
    }
    name.push_str(".sql.zst");
    name
}

/// Makes an empty directory for this attempt and removes what attempts without a manifest left: their files
/// are no backup, and their room is needed. A directory with a manifest is never touched.
///
/// # Errors
/// `ClaimNotWritable`, `NoSpace`, `VolumeFailed`.
pub fn prepare(root: &Path, attempt: i32) -> Result<PathBuf, Failure> {
    claim::create_directory(root)?;
    let entries = std::fs::read_dir(root)
        .map_err(|e| Failure::from_io(&format!("listing {}", root.display()), &e))?;
    for entry in entries {
        let entry =
            entry.map_err(|e| Failure::from_io(&format!("listing {}", root.display()), &e))?;
        let is_attempt = entry
            .file_name()
            .to_str()
            .and_then(|n| n.strip_prefix("attempt-"))
            .is_some_and(|n| n.parse::<i32>().is_ok());
        if is_attempt {
            remove_stump(&entry.path())?;
        }
    }
    let directory = directory_of(root, attempt);
    std::fs::create_dir(&directory)
        .and_then(|()| std::fs::set_permissions(&directory, std::os::unix::fs::PermissionsExt::from_mode(0o700)))
        .map_err(|e| match e.kind() {
            std::io::ErrorKind::AlreadyExists => Failure::new(
                Reason::VolumeFailed,
                format!("{} exists already and holds a complete backup, which is never overwritten. Use another attempt number", directory.display()),
            ),
            _ => Failure::from_io(&format!("creating {}", directory.display()), &e),
        })?;
    claim::sync_directory(root)?;
    Ok(directory)
}

/// Removes an attempt's directory that holds no manifest. A volume that does not say whether there is one keeps it:
/// it may be the only backup.
fn remove_stump(directory: &Path) -> Result<(), Failure> {
    let manifest = directory.join(FILE_NAME);
    let is_backup = manifest.try_exists().map_err(|e| {
        Failure::from_io(&format!("looking for {}", manifest.display()), &e)
            .and("Nothing was removed there")
    })?;
    if is_backup {
        return Ok(());
    }
    std::fs::remove_dir_all(directory)
        .map_err(|e| Failure::from_io(&format!("removing {}", directory.display()), &e))
}

/// Writes the manifest, last of all, and returns its sha256.
///
/// # Errors
/// As [`prepare`].
pub fn store_manifest(directory: &Path, manifest: &Manifest) -> Result<String, Failure> {
    let bytes = manifest.to_bytes()?;
    let partial = directory.join(format!("{FILE_NAME}.partial"));
    let mut file = claim::create_file(&partial)?;
    file.write_all(&bytes)
        .and_then(|()| file.sync_all())
        .map_err(|e| Failure::from_io(&format!("writing {}", partial.display()), &e))?;
    claim::publish(&partial, &directory.join(FILE_NAME))?;
    claim::sync_directory(directory)?;
    Ok(hash_bytes(&bytes))
}

/// Finds the attempt whose manifest has the expected sha256.
///
/// # Errors
/// `ManifestMismatch` when there is none.
pub fn find_manifest(root: &Path, expected_digest: &str) -> Result<(PathBuf, Manifest), Failure> {
    let mut candidates: Vec<PathBuf> = std::fs::read_dir(root)
        .map(|entries| {
            entries
                .flatten()
                .map(|entry| entry.path())
                .filter(|path| path.join(FILE_NAME).is_file())
                .collect()
        })
        .unwrap_or_default();
    candidates.sort();
    let mut last = None;
    for directory in candidates {
        let outcome = std::fs::read(directory.join(FILE_NAME))
            .map_err(|e| {
                Failure::from_io(
                    &format!("reading {}", directory.join(FILE_NAME).display()),
                    &e,
                )
            })
            .and_then(|bytes| Manifest::from_trusted(&bytes, expected_digest));
        match outcome {
            Ok(manifest) => return Ok((directory, manifest)),
            Err(failure) => last = Some(failure),
        }
    }
    Err(last.unwrap_or_else(|| {
        Failure::new(
            Reason::ManifestMismatch,
            format!("There is no {FILE_NAME} below {}. The backup is not used and the databases were not touched. Check that the right claim is mounted", root.display()),
        )
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::manifest::FORMAT_VERSION;
    use crate::protocol::report::Engine;

    fn manifest(attempt: i32) -> Manifest {
        Manifest {
            format_version: FORMAT_VERSION,
            upgrade_uid: "u".into(),
            attempt,
            engine: Engine::MariaDb,
            server_version: "10".into(),
            client_version: "10".into(),
            databases: vec![],
        }
    }

    #[test]
    fn a_complete_backup_outlives_later_attempts_and_a_stump_does_not() {
        let root = tempfile::tempdir().unwrap();
        let first = prepare(root.path(), 1).unwrap();
        std::fs::write(first.join("x.partial"), "stump").unwrap();
        let second = prepare(root.path(), 2).unwrap();
        assert!(!first.exists());
        let digest = store_manifest(&second, &manifest(2)).unwrap();
        prepare(root.path(), 3).unwrap();
        assert_eq!(
            find_manifest(root.path(), &digest).unwrap(),
            (second, manifest(2))
        );
        assert!(
            prepare(root.path(), 2)
                .unwrap_err()
                .message
                .contains("never overwritten")
        );
        assert!(find_manifest(root.path(), &"0".repeat(64)).is_err());
    }

    /// A directory that cannot be looked into may hold a backup.
    #[test]
    fn what_cannot_be_looked_into_is_kept() {
        let root = tempfile::tempdir().unwrap();
        let first = prepare(root.path(), 1).unwrap();
        std::fs::write(first.join("x"), "x").unwrap();
        // A name that is longer than the volume takes is neither there nor absent; a link to itself is the same.
        std::os::unix::fs::symlink(first.join(FILE_NAME), first.join(FILE_NAME)).unwrap();
        let failure = prepare(root.path(), 2).unwrap_err();
        assert_eq!(failure.reason, Reason::VolumeFailed);
        assert!(
            failure.message.contains("Nothing was removed"),
            "{failure:?}"
        );
        assert!(first.join("x").exists());
    }

    #[test]
    fn names_of_files_are_plain() {
        assert_eq!(file_name_of("oms_rm"), "oms_rm.sql.zst");
        assert_eq!(file_name_of("../ä"), "%2E%2E%2F%C3%A4.sql.zst");
    }
}
