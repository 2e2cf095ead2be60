//! Stores a dump while it is produced: watch, compress, hash, write, fsync, publish.

use super::claim;
use super::hashing::Hashing;
use crate::agent::failure::Failure;
use crate::agent::manifest::FileRecord;
use crate::agent::meter::Meter;
use crate::agent::sql::frame::Frame;
use crate::protocol::report::Reason;
use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::Path;
use tokio::sync::mpsc;

/// Level 1 halves a dump and keeps up with the client; higher levels become the bottleneck.
const ZSTD_LEVEL: i32 = 1;

/// A file on the volume, with what was counted while it was written.
pub struct Stored {
    /// Name, sizes and hash.
    pub file: FileRecord,
    /// Tables (and placeholders of views) whose CREATE is in the stream.
    pub created: BTreeSet<String>,
    /// Bytes of the longest statement.
    pub longest_statement: u64,
}

/// Stores everything that comes through `chunks` as `<directory>/<name>`. Blocks; runs on its own thread.
///
/// The file carries its final name only after `finished` has said that the client ended well: the sender of
/// the chunks sends `true` there when it did.
///
/// # Errors
/// `NoSpace` and other errors of the volume, `NoHeader`, `NoTrailer`, `ClientFailed` when the client did not
/// end well (its own error is the better one then).
pub fn store_stream(
    directory: &Path,
    name: &str,
    database: &str,
    chunks: mpsc::Receiver<Vec<u8>>,
    finished: tokio::sync::oneshot::Receiver<bool>,
    meter: &Meter,
) -> Result<Stored, Failure> {
    let partial = directory.join(format!("{name}.partial"));
    let stored = store_as(directory, name, &partial, database, chunks, finished, meter);
    if stored.is_err() {
        // It takes room that the next try needs. Where it stays, the next try removes it.
        let _ = std::fs::remove_file(&partial);
    }
    stored
}

fn store_as(
    directory: &Path,
    name: &str,
    partial: &Path,
    database: &str,
    mut chunks: mpsc::Receiver<Vec<u8>>,
    finished: tokio::sync::oneshot::Receiver<bool>,
    meter: &Meter,
) -> Result<Stored, Failure> {
    let failed = |e: &io::Error| Failure::from_io(&format!("writing {}", partial.display()), e);
    let sink = Hashing::new(claim::create_file(partial)?);
    let mut encoder =
        zstd::stream::write::Encoder::new(sink, ZSTD_LEVEL).map_err(|e| failed(&e))?;
    encoder.include_checksum(true).map_err(|e| failed(&e))?;
    let mut frame = Frame::default();
    let mut raw_bytes = 0;
    while let Some(chunk) = chunks.blocking_recv() {
        let known = frame.created.len();
        frame.feed(&chunk);
        if frame.created.len() != known {
            meter.at(database, frame.current.as_deref());
        }
        encoder.write_all(&chunk).map_err(|e| failed(&e))?;
        raw_bytes += chunk.len() as u64;
        meter.add(chunk.len() as u64);
    }
    let sink = encoder.finish().map_err(|e| failed(&e))?;
    sink.inner.sync_all().map_err(|e| failed(&e))?;
    // What is read back for verification shall come from the volume, not from memory. Only advice.
    let _ = rustix::fs::fadvise(&sink.inner, 0, None, rustix::fs::Advice::DontNeed);
    if !finished.blocking_recv().unwrap_or(false) {
        return Err(Failure::new(
            Reason::ClientFailed,
            "The dump client did not end well",
        ));
    }
    if !frame.has_header(database) {
        return Err(refused(
            Reason::NoHeader,
            database,
            "does not begin with the header of a dump of that database",
        ));
    }
    if !frame.has_trailer() {
        return Err(refused(
            Reason::NoTrailer,
            database,
            "does not end with the line '-- Dump completed'",
        ));
    }
    claim::publish(partial, &directory.join(name))?;
    claim::sync_directory(directory)?;
    let file = FileRecord {
        name: name.to_owned(),
        raw_bytes,
        stored_bytes: sink.bytes,
        sha256: sink.finish(),
    };
    Ok(Stored {
        file,
        created: frame.created,
        longest_statement: frame.longest_statement,
    })
}

fn refused(reason: Reason, database: &str, what: &str) -> Failure {
    Failure::new(
        reason,
        format!(
            "The dump of {database} {what}, although its client ended without an error. It is not taken for a backup. Nothing was changed; try again"
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store(directory: &Path, text: &str, ended_well: bool) -> Result<Stored, Failure> {
        let (send, chunks) = mpsc::channel(64);
        let (say, finished) = tokio::sync::oneshot::channel();
        for chunk in text.as_bytes().chunks(10) {
            send.try_send(chunk.to_vec()).unwrap();
        }
        drop(send);
        say.send(ended_well).unwrap();
        store_stream(
            directory,
            "d.sql.zst",
            "d",
            chunks,
            finished,
            &Meter::default(),
        )
    }

    const DUMP: &str = "-- MySQL dump 10.13\n-- Host: h    Database: d\nCREATE TABLE `t` (\n);\n-- Dump completed\n";

    #[test]
    fn a_dump_is_stored_as_zstd_reads_it() {
        let dir = tempfile::tempdir().unwrap();
        let stored = store(dir.path(), DUMP, true).unwrap();
        let bytes = std::fs::read(dir.path().join("d.sql.zst")).unwrap();
        assert_eq!(zstd::decode_all(bytes.as_slice()).unwrap(), DUMP.as_bytes());
        assert_eq!(
            (stored.file.raw_bytes, stored.file.stored_bytes),
            (DUMP.len() as u64, bytes.len() as u64)
        );
        assert_eq!(stored.file.sha256, crate::protocol::hex::hash_bytes(&bytes));
        assert!(stored.created.contains("t"));
        assert!(!dir.path().join("d.sql.zst.partial").exists());
    }

    #[test]
    fn only_a_whole_dump_gets_its_name() {
        let dir = tempfile::tempdir().unwrap();
        let reason = |text: &str, ended_well| {
            store(dir.path(), text, ended_well)
                .map(|_| ())
                .unwrap_err()
                .reason
        };
        assert_eq!(reason(DUMP, false), Reason::ClientFailed);
        assert_eq!(reason(&DUMP[..DUMP.len() - 5], true), Reason::NoTrailer);
        assert_eq!(
            reason(&DUMP.replace("Database: d", "Database: x"), true),
            Reason::NoHeader
        );
        assert_eq!(reason("", true), Reason::NoHeader);
        // What is no dump takes no room.
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
        assert_eq!(
            store(&dir.path().join("absent"), DUMP, true)
                .map(|_| ())
                .unwrap_err()
                .reason,
            Reason::VolumeFailed
        );
    }
}
