//! The claim as a whole: does it exist, can it be written, how much is free.

use crate::agent::failure::Failure;
use crate::protocol::report::Reason;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

/// Creates `path` and its parents, readable for this user only: dumps hold the passwords of data sources.
///
/// # Errors
/// `ClaimNotWritable`, `NoSpace`, `VolumeFailed`.
pub fn create_directory(path: &Path) -> Result<(), Failure> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|e| Failure::from_io(&format!("creating {}", path.display()), &e))?;
    // Its entry is the parent's, which some mounts do not let us open.
    match path.parent().map(sync_directory) {
        Some(Err(failure)) if failure.reason != Reason::ClaimNotWritable => Err(failure),
        _ => Ok(()),
    }
}

/// Opens a new file for writing, readable for this user only.
///
/// # Errors
/// As [`create_directory`].
pub fn create_file(path: &Path) -> Result<File, Failure> {
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .map_err(|e| Failure::from_io(&format!("creating {}", path.display()), &e))
}

/// Makes the entries of a directory durable.
///
/// # Errors
/// As [`create_directory`].
pub fn sync_directory(path: &Path) -> Result<(), Failure> {
    File::open(path)
        .and_then(|directory| directory.sync_all())
        .map_err(|e| Failure::from_io(&format!("making {} durable", path.display()), &e))
}

/// Renames without replacing: an artefact that exists is never overwritten.
///
/// # Errors
/// As [`create_directory`]; also when `to` exists.
pub fn publish(from: &Path, to: &Path) -> Result<(), Failure> {
    let doing = format!("renaming {} to {}", from.display(), to.display());
    let renamed = rustix::fs::renameat_with(
        rustix::fs::CWD,
        from,
        rustix::fs::CWD,
        to,
        rustix::fs::RenameFlags::NOREPLACE,
    );
    match renamed {
        // Some network file systems know no flags. The attempt's directory has one writer, so that looking
        // first is as good there.
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) if !to.exists() => {
            std::fs::rename(from, to).map_err(|e| Failure::from_io(&doing, &e))
        }
        other => other.map_err(|e| Failure::from_io(&doing, &e.into())),
    }
}

/// Bytes that this user can still write below `path`.
///
/// # Errors
/// `VolumeFailed`.
pub fn free_bytes(path: &Path) -> Result<u64, Failure> {
    let stat = rustix::fs::statvfs(path).map_err(|e| {
        Failure::from_io(
            &format!("asking {} for its free space", path.display()),
            &e.into(),
        )
    })?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// Writes a file, makes it durable, reads it back and removes it.
///
/// # Errors
/// `ClaimNotWritable`, `NoSpace`, `VolumeFailed` (also when other bytes come back).
pub fn try_writing(directory: &Path, attempt: i32) -> Result<(), Failure> {
    let path = directory.join(format!(".probe-{attempt}"));
    let sample: Vec<u8> = (0..1_048_576_u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    let outcome = (|| {
        let mut file = create_file(&path)?;
        let wrap = |e: std::io::Error| Failure::from_io(&format!("writing {}", path.display()), &e);
        file.write_all(&sample)
            .and_then(|()| file.sync_all())
            .map_err(wrap)?;
        let mut back = Vec::new();
        File::open(&path)
            .and_then(|mut f| f.read_to_end(&mut back))
            .map_err(wrap)?;
        if back != sample {
            return Err(wrap(std::io::Error::other(
                "other bytes came back than were written",
            )));
        }
        Ok(())
    })();
    let _ = std::fs::remove_file(&path);
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::report::Reason;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn nothing_is_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("a.partial"), dir.path().join("a"));
        std::fs::write(&from, "new").unwrap();
        std::fs::write(&to, "old").unwrap();
        assert!(publish(&from, &to).is_err());
        assert_eq!(std::fs::read(&to).unwrap(), b"old");
        std::fs::remove_file(&to).unwrap();
        publish(&from, &to).unwrap();
        assert_eq!(std::fs::read(&to).unwrap(), b"new");
    }

    #[test]
    fn files_are_for_their_owner_only() {
        let dir = tempfile::tempdir().unwrap();
        create_directory(&dir.path().join("x/y")).unwrap();
        create_file(&dir.path().join("x/y/f")).unwrap();
        let mode = |path: &str| {
            std::fs::metadata(dir.path().join(path))
                .unwrap()
                .permissions()
                .mode()
                & 0o777
        };
        assert_eq!((mode("x/y"), mode("x/y/f")), (0o700, 0o600));
    }

    #[test]
    fn the_trial_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        try_writing(dir.path(), 1).unwrap();
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
        assert!(free_bytes(dir.path()).unwrap() > 0);
        assert_eq!(
            try_writing(&dir.path().join("absent"), 1)
                .unwrap_err()
                .reason,
            Reason::VolumeFailed
        );
    }
}
