//! `verify`: proves a stored backup by reading it again, and by restoring it into scratch databases.

use crate::agent::creation::{NOT_ON_THIS_SERVER, Place, make_views, refuse_rings};
use crate::agent::failure::Failure;
use crate::agent::load::{Source, drop_beside, load_beside, make_beside};
use crate::agent::manifest::Manifest;
use crate::agent::metadb::connection::MetaDbServer;
use crate::agent::metadb::packet::require_packet;
use crate::agent::run::{Done, Run};
use crate::agent::sql::definitions::Definitions;
use crate::agent::sql::names::Beside;
use crate::agent::volume::on_volume;
use crate::agent::volume::reader::{check_length, prove_content};
use crate::protocol::report::{CommandResult, ProgressPhase, Trial, VerifyReport};
use crate::protocol::request::{ScratchMode, VerifyExtent};
use futures::future::join_all;
use mysql_async::Conn;
use std::path::Path;

/// Pessimistic rate of a load, in bytes of SQL per second, until a better one is known: half of what a noisy
/// machine with two cores reached with OceanBase's engine.
pub const LOAD_RATE: u64 = 2_000_000;

/// Proves length and hash of every file, frame and content of every dump, and a restore where it is short.
///
/// # Errors
/// Anything that makes the backup doubtful.
pub async fn verify(run: &Run) -> Result<Done, Failure> {
    let (directory, manifest) = run.trusted_manifest().await?;
    if run.request.verify_extent == VerifyExtent::Presence {
        return look_for_files(&directory, &manifest).await;
    }
    let proven = prove_files(run, &directory, &manifest).await?;
    let metadb = run.discover().await?;
    require_packet(&mut metadb.connect().await?, proven.longest).await?;
    let seconds = manifest.raw_bytes() / LOAD_RATE + 2 * manifest.databases.len() as u64;
    let budget = run.request.scratch_restore.budget_seconds;
    let trial = ScratchRestore {
        run,
        metadb: &metadb,
        directory: &directory,
        manifest: &manifest,
        definitions: &proven.definitions,
    };
    let scratch_restore = match run.request.scratch_restore.mode {
        ScratchMode::Never => Trial::NotTried("it is switched off".into()),
        ScratchMode::Auto if seconds > budget => {
            trial.restore(Part::Definitions).await?;
            Trial::NotTried(format!(
                "it would take about {seconds} s, the budget is {budget} s; all tables and views were made without rows"
            ))
        }
        ScratchMode::Auto | ScratchMode::Always => {
            trial.restore(Part::Everything).await?;
            Trial::Works
        }
    };
    let proven = if scratch_restore == Trial::Works {
        "files, content and a restore into scratch databases"
    } else {
        "files and content"
    };
    let result = VerifyReport {
        files: manifest.databases.len() as u64,
        rows: manifest.rows(),
        stored_bytes: sum_stored_bytes(&manifest),
        scratch_restore,
    };
    Ok(Done {
        message: format!(
            "The backup is whole: {proven} were proven ({} rows)",
            result.rows
        ),
        result: CommandResult::Verify(result),
    })
}

/// Looks whether a backup that was proven before is still there: manifest, and each file with its length.
async fn look_for_files(directory: &Path, manifest: &Manifest) -> Result<Done, Failure> {
    let (directory, records) = (directory.to_owned(), manifest.databases.clone());
    on_volume(move || {
        let mut records = records.iter();
        records.try_for_each(|record| check_length(&directory, record))
    })
    .await?;
    let result = VerifyReport {
        files: manifest.databases.len() as u64,
        rows: manifest.rows(),
        stored_bytes: sum_stored_bytes(manifest),
        scratch_restore: Trial::NotTried("only manifest and lengths were looked at".into()),
    };
    Ok(Done {
        message: format!(
            "The backup is there: {} files, {} bytes",
            result.files, result.stored_bytes
        ),
        result: CommandResult::Verify(result),
    })
}

fn sum_stored_bytes(manifest: &Manifest) -> u64 {
    manifest.databases.iter().map(|d| d.file.stored_bytes).sum()
}

/// What was found in files that are proven.
pub struct ProvenFiles {
    /// Bytes of the longest statement.
    pub longest: u64,
    /// What makes their tables and views, in the order of the manifest.
    pub definitions: Vec<Definitions>,
}

/// Reads every file, all at the same time, for its hash and its content.
///
/// # Errors
/// Anything that makes the files doubtful, or tables that this kind of server cannot take back.
pub async fn prove_files(
    run: &Run,
    directory: &Path,
    manifest: &Manifest,
) -> Result<ProvenFiles, Failure> {
    run.meter
        .begin(ProgressPhase::Verifying, Some(manifest.raw_bytes()));
    let readings = manifest.databases.iter().map(|record| {
        let (directory, record, meter) = (directory.to_owned(), record.clone(), run.meter.clone());
        on_volume(move || prove_content(&directory, &record, &meter))
    });
    let (mut longest, mut definitions) = (0, Vec::new());
    for proven in join_all(readings).await {
        let proven = proven?;
        longest = longest.max(proven.longest);
        definitions.push(proven.definitions);
    }
    refuse_rings(manifest, &definitions)?;
    Ok(ProvenFiles {
        longest,
        definitions,
    })
}

/// How much is restored into scratch databases.
#[derive(Clone, Copy, PartialEq)]
enum Part {
    /// Tables and views: what the server refuses is found in seconds, however large the backup is.
    Definitions,
    /// Rows too, compared with the manifest.
    Everything,
}

/// A restore into scratch databases.
struct ScratchRestore<'r> {
    run: &'r Run,
    metadb: &'r MetaDbServer,
    directory: &'r Path,
    manifest: &'r Manifest,
    definitions: &'r [Definitions],
}

impl ScratchRestore<'_> {
    async fn restore(&self, part: Part) -> Result<(), Failure> {
        let run = self.run;
        let mut connection = self.metadb.connect().await?;
        let _exclusive = run.take_lock(self.metadb, &mut connection).await?;
        drop_beside(&mut connection, &run.request.databases, Beside::Verify).await?;
        let loaded = self.load(&mut connection, part).await;
        run.meter.begin(ProgressPhase::CleaningUp, None);
        let dropped = match run.check_fence(&mut connection).await {
            Ok(()) => drop_beside(&mut connection, &run.request.databases, Beside::Verify)
                .await
                .map(|_| ()),
            Err(failure) => Err(failure),
        };
        let _ = connection.disconnect().await;
        loaded.and(dropped)
    }

    /// Views last, as in a restore: one that cannot be made again is heard of before it is needed.
    async fn load(&self, connection: &mut Conn, part: Part) -> Result<(), Failure> {
        let (metadb, manifest, definitions) = (self.metadb, self.manifest, self.definitions);
        let suffix = self.run.request.attempt.to_string();
        let kind = Beside::Verify;
        match part {
            Part::Definitions => {
                self.run.meter.begin(ProgressPhase::Loading, None);
                make_beside(metadb, connection, manifest, definitions, kind, &suffix).await?;
            }
            Part::Everything => {
                let source = Source {
                    directory: self.directory,
                    manifest,
                    meter: &self.run.meter,
                };
                load_beside(metadb, connection, source, definitions, kind, &suffix).await?;
            }
        }
        let place = Place::Beside {
            kind,
            suffix: &suffix,
        };
        make_views(metadb, connection, definitions, place, NOT_ON_THIS_SERVER).await
    }
}
