//! The dump client and the compressing thread side by side: one database, or the first rows of its tables, into a file
//! on the claim. Writes to the directory that it is told.

use super::client::{Client, run_dump};
use super::failure::Failure;
use super::manifest::{DatabaseRecord, FORMAT_VERSION, Manifest};
use super::metadb::connection::MetaDbServer;
use super::run::Run;
use super::volume::attempt::file_name_of;
use super::volume::writer::{Stored, store_stream};
use crate::protocol::report::Reason;
use std::ffi::OsString;
use std::path::Path;
use tokio::sync::{mpsc, oneshot};

/// Chunks between the dump client and the compressing thread: 256 KiB each.
const IN_FLIGHT: usize = 16;

/// How much of a database is dumped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Portion {
    /// All of it.
    Whole,
    /// So many rows of every table, whichever the server gives first. The client puts the text behind WHERE as it is.
    FirstRows(u64),
}

impl Portion {
    fn list_options(self) -> Vec<OsString> {
        match self {
            Self::Whole => Vec::new(),
            Self::FirstRows(rows) => vec![OsString::from(format!("--where=1 LIMIT {rows}"))],
        }
    }
}

/// Dumps a database into its file in `directory`.
///
/// # Errors
/// Of the client, of the volume, of the dump's frame.
pub async fn dump_database(
    run: &Run,
    client: &Client,
    directory: &Path,
    database: &str,
    portion: Portion,
) -> Result<Stored, Failure> {
    run.meter.at(database, None);
    let (send, chunks) = mpsc::channel(IN_FLIGHT);
    let (say, finished) = oneshot::channel();
    let (directory, meter, name) = (directory.to_owned(), run.meter.clone(), database.to_owned());
    let storing = tokio::task::spawn_blocking(move || {
        store_stream(
            &directory,
            &file_name_of(&name),
            &name,
            chunks,
            finished,
            &meter,
        )
    });
    let options = portion.list_options();
    let dumping = run_dump(run, client, database, &options, send, say);
    let (dumped, stored) = tokio::join!(dumping, storing);
    let stored = stored
        .map_err(|e| Failure::new(Reason::Internal, format!("The storing thread ended: {e}")))?;
    match (dumped, stored) {
        (Ok(()), stored) => stored,
        // A full volume ends the client too; the volume is the reason then.
        (Err(_), Err(storing)) if storing.reason != Reason::ClientFailed => Err(storing),
        (Err(dumping), _) => Err(dumping),
    }
}

/// What is written down of a dump, or of a sample of one.
pub fn build_manifest(
    run: &Run,
    client: &Client,
    metadb: &MetaDbServer,
    databases: Vec<DatabaseRecord>,
) -> Manifest {
    Manifest {
        format_version: FORMAT_VERSION,
        upgrade_uid: run.request.upgrade_uid.clone(),
        attempt: run.request.attempt,
        engine: metadb.engine.family(),
        server_version: metadb.version.clone(),
        client_version: client.version.clone(),
        databases,
    }
}
