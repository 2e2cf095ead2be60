//! `verify`: proves a stored backup by reading it again, and by restoring it into scratch databases.

use crate::agent::failure::Failure;
use crate::agent::load::{Source, drop_beside, load_beside};
use crate::agent::manifest::Manifest;
use crate::agent::metadb::connection::Metadb;
use crate::agent::metadb::packet::require_packet;
use crate::agent::report::{CommandResult, ProgressPhase, Reason, Trial, VerifyReport};
use crate::agent::request::ScratchMode;
use crate::agent::run::{Done, Run};
use crate::agent::sql::names::Beside;
use crate::agent::volume::reader::{check_file, prove_content};
use std::path::Path;

/// Pessimistic rate of a load, in bytes of SQL per second, until a better one is known: half of what a noisy
/// machine with two cores reached with OceanBase's engine.
pub const LOAD_RATE: u64 = 2_000_000;

/// Proves length and hash of every file, frame and content of every dump, and a restore where it is short.
///
/// # Errors
/// Anything that makes the backup doubtful.
pub async fn verify(run: &Run) -> Result<Done, Failure> {
    let (directory, manifest) = run.trusted_manifest()?;
    let longest = prove_files(run, &directory, &manifest).await?;
    let metadb = run.discover().await?;
    require_packet(&mut metadb.connect().await?, longest).await?;
    let seconds = manifest.raw_bytes() / LOAD_RATE + 2 * manifest.databases.len() as u64;
    let budget = run.request.scratch_restore.budget_seconds;
    let scratch_restore = match run.request.scratch_restore.mode {
        ScratchMode::Never => Trial::NotTried("it is switched off".into()),
        ScratchMode::Auto if seconds > budget => Trial::NotTried(format!(
            "it would take about {seconds} s, the budget is {budget} s"
        )),
        ScratchMode::Auto | ScratchMode::Always => {
            restore_into_scratch(run, &metadb, &directory, &manifest).await?;
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
        stored_bytes: manifest.databases.iter().map(|d| d.file.stored_bytes).sum(),
        scratch_restore,
    };
    Ok(Done {
        message: format!(
            "The backup is whole: {proven} were proven ({} rows).",
            result.rows
        ),
        result: CommandResult::Verify(result),
    })
}

/// Reads every file twice: once for its hash, once for its content. Tells the bytes of the longest statement.
///
/// # Errors
/// Anything that makes the files doubtful.
pub async fn prove_files(run: &Run, directory: &Path, manifest: &Manifest) -> Result<u64, Failure> {
    run.meter
        .begin(ProgressPhase::Verifying, Some(manifest.raw_bytes()));
    let (directory, manifest, meter) = (directory.to_owned(), manifest.clone(), run.meter.clone());
    let proving = tokio::task::spawn_blocking(move || {
        for record in &manifest.databases {
            check_file(&directory, record)?;
        }
        let mut longest = 0;
        for record in &manifest.databases {
            longest = longest.max(prove_content(&directory, record, &meter)?);
        }
        Ok(longest)
    });
    proving
        .await
        .map_err(|e| Failure::new(Reason::Internal, format!("The reading thread ended: {e}.")))?
}

async fn restore_into_scratch(
    run: &Run,
    metadb: &Metadb,
    directory: &Path,
    manifest: &Manifest,
) -> Result<(), Failure> {
    let mut connection = metadb.connect().await?;
    let _exclusive = run.take_lock(metadb, &mut connection).await?;
    drop_beside(&mut connection, &run.request.databases, Beside::Verify).await?;
    let suffix = run.request.attempt.to_string();
    let source = Source {
        directory,
        manifest,
        meter: &run.meter,
    };
    let loaded = load_beside(metadb, &mut connection, source, Beside::Verify, &suffix).await;
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
