//! `restore`: puts a backup in the place of the live databases. Destroys nothing before it has proof.

use super::verify::prove_files;
use crate::agent::creation::{Place, make_tables, make_views};
use crate::agent::failure::Failure;
use crate::agent::load::{
    Exactness, Source, compare_live, create_database, drop_beside, drop_database, load_beside,
    load_rows,
};
use crate::agent::manifest::{Manifest, summarize};
use crate::agent::metadb::catalogue::list_databases;
use crate::agent::metadb::connection::{MetaDbServer, keep_alive};
use crate::agent::metadb::packet::require_packet;
use crate::agent::metadb::sessions::{require_quiet, require_still_quiet};
use crate::agent::metadb::sight::require_sight;
use crate::agent::restore::copies::list_copies;
use crate::agent::restore::record::{self, RestoreRecord, Step};
use crate::agent::restore::swap::swap;
use crate::agent::run::{Done, Run};
use crate::agent::sql::definitions::Definitions;
use crate::agent::sql::names::Beside;
use crate::protocol::report::{
    CommandResult, ProgressPhase, Reason, RestoreMethodUsed, RestoreReport,
};
use crate::protocol::request::RestoreMethod;
use mysql_async::Conn;
use std::path::Path;

/// What it means when a restore by drop and load ends early.
pub const ONLY_IN_BACKUP: &str = "Once a database was dropped, its content is only in the backup on the claim. \
     Do not start OMS and keep the claim; another attempt loads it again";

/// What it means when everything but some views was loaded.
const VIEWS_REFUSED: &str =
    "All tables of the backup are loaded. Make what these views need before the next attempt";

/// What all steps of a restore work with.
struct Restore<'r> {
    run: &'r Run,
    metadb: MetaDbServer,
    connection: Conn,
    directory: &'r Path,
    manifest: &'r Manifest,
    digest: String,
}

/// Restores all databases, going on where a killed attempt stopped.
///
/// # Errors
/// Anything that keeps the live databases from being equal to the backup in the end.
pub async fn restore(run: &Run) -> Result<Done, Failure> {
    let (directory, manifest) = run.trusted_manifest().await?;
    let metadb = run.discover().await?;
    if metadb.engine.family() != manifest.engine {
        return Err(Failure::new(
            Reason::EngineDiffers,
            format!(
                "The backup was made on {}, the MetaDB is {}. Nothing was touched. Check that the address is that of the MetaDB",
                manifest.engine.as_str(),
                metadb.engine.family().as_str()
            ),
        ));
    }
    let mut connection = metadb.connect().await?;
    let _exclusive = run.take_lock(&metadb, &mut connection).await?;
    let before = record::read(&mut connection).await?;
    require_sight(&metadb, &mut connection, &run.request.databases)
        .await
        .map_err(|failure| failure.and(describe_unfinished(before.as_ref())))?;
    require_quiet(&metadb, &mut connection, &run.request.databases).await?;
    record::refuse_unfinished(before.as_ref(), Some(&run.request.upgrade_uid))?;
    let before = before.filter(|record| record.upgrade_uid == run.request.upgrade_uid);
    let digest = run
        .request
        .expected_manifest_digest
        .clone()
        .unwrap_or_default();
    let mut restore = Restore {
        run,
        metadb,
        connection,
        directory: &directory,
        manifest: &manifest,
        digest,
    };
    let done = restore.carry_on(before).await?;
    let _ = restore.connection.disconnect().await;
    Ok(done)
}

/// What an earlier attempt has left, for a failure before this one has done anything.
fn describe_unfinished(before: Option<&RestoreRecord>) -> &'static str {
    match before.map(|record| record.step) {
        Some(Step::Dropping) => ONLY_IN_BACKUP,
        Some(Step::Swapping) => {
            "An earlier attempt stopped between renames: the live databases are partly old and partly new, and each table is kept, \
             live, aside or as a safety copy. Do not start OMS"
        }
        Some(Step::Differed) => {
            "An earlier attempt replaced the live databases, and they do not equal the backup. Do not start OMS"
        }
        Some(Step::Loading | Step::Done) | None => "Nothing was touched",
    }
}

impl<'r> Restore<'r> {
    async fn carry_on(&mut self, before: Option<RestoreRecord>) -> Result<Done, Failure> {
        match before {
            Some(record) if record.step == Step::Swapping => {
                if record.manifest_digest != self.digest {
                    return Err(Failure::new(
                        Reason::ManifestMismatch,
                        format!(
                            "Attempt {} has begun to swap in the backup with manifest {}, asked for is {}. Nothing was touched. Finish that one first",
                            record.attempt, record.manifest_digest, self.digest
                        ),
                    ));
                }
                self.finish_swap(&record, None).await
            }
            Some(record) if record.step == Step::Done && record.manifest_digest == self.digest => {
                if compare_live(
                    &mut self.connection,
                    self.manifest,
                    &self.run.meter,
                    Exactness::AsDumped,
                )
                .await?
                .is_empty()
                {
                    self.clean_up().await?;
                    return self
                        .conclude(RestoreMethodUsed::AlreadyRestored, &record)
                        .await;
                }
                self.start_over().await
            }
            _ => self.start_over().await,
        }
    }

    async fn start_over(&mut self) -> Result<Done, Failure> {
        match self.run.request.restore_method {
            RestoreMethod::Swap => self.load_and_swap().await,
            RestoreMethod::DropAndLoad => self.drop_and_load().await,
        }
    }

    async fn load_and_swap(&mut self) -> Result<Done, Failure> {
        // The files first: damage is found in seconds, not after an hour of loading.
        let definitions = self.prove_backup().await?;
        let suffix = self.free_suffix().await?;
        let mut record = self.record(Step::Loading, suffix);
        record::write(&mut self.connection, &record).await?;
        drop_beside(
            &mut self.connection,
            &self.run.request.databases,
            Beside::Restore,
        )
        .await?;
        let source = self.source();
        load_beside(
            &self.metadb,
            &mut self.connection,
            source,
            &definitions,
            Beside::Restore,
            &record.suffix,
        )
        .await?;
        require_still_quiet(
            &self.metadb,
            &mut self.connection,
            &self.run.request.databases,
        )
        .await?;
        self.run.check_fence(&mut self.connection).await?;
        record.step = Step::Swapping;
        record::write(&mut self.connection, &record).await?;
        self.finish_swap(&record, Some(definitions)).await
    }

    /// `definitions` are those of the dumps, if this attempt has read them.
    async fn finish_swap(
        &mut self,
        record: &RestoreRecord,
        definitions: Option<Vec<Definitions>>,
    ) -> Result<Done, Failure> {
        self.run.check_fence(&mut self.connection).await?;
        swap(
            self.run,
            &self.metadb,
            &mut self.connection,
            self.directory,
            self.manifest,
            &record.suffix,
            definitions,
        )
        .await?;
        self.prove_and_record(record, Exactness::Moved).await?;
        self.clean_up().await?;
        self.conclude(RestoreMethodUsed::Swap, record).await
    }

    async fn drop_and_load(&mut self) -> Result<Done, Failure> {
        // From the drop on the dump is the only copy, so all of it is read and proven before.
        let definitions = self.prove_backup().await?;
        require_still_quiet(
            &self.metadb,
            &mut self.connection,
            &self.run.request.databases,
        )
        .await?;
        self.run.check_fence(&mut self.connection).await?;
        let record = self.record(Step::Dropping, self.run.request.attempt.to_string());
        record::write(&mut self.connection, &record).await?;
        self.drop_and_fill(&definitions)
            .await
            .map_err(|failure| failure.and(ONLY_IN_BACKUP))?;
        self.prove_and_record(&record, Exactness::AsDumped).await?;
        self.clean_up().await?;
        self.conclude(RestoreMethodUsed::DropAndLoad, &record).await
    }

    /// Drops the live databases and loads them from the backup, which is the only copy meanwhile.
    async fn drop_and_fill(&mut self, definitions: &[Definitions]) -> Result<(), Failure> {
        for database in &self.manifest.databases {
            drop_database(&mut self.connection, &database.name).await?;
        }
        self.run
            .meter
            .begin(ProgressPhase::Loading, Some(self.manifest.raw_bytes()));
        for database in &self.manifest.databases {
            create_database(
                &mut self.connection,
                &database.name,
                &database.write_clauses(),
            )
            .await?;
        }
        make_tables(
            &self.metadb,
            &mut self.connection,
            definitions,
            Place::Live,
            "",
        )
        .await?;
        for database in &self.manifest.databases {
            let loading = load_rows(&self.metadb, self.source(), database, &database.name);
            keep_alive(&mut self.connection, loading).await?;
        }
        make_views(
            &self.metadb,
            &mut self.connection,
            definitions,
            Place::Live,
            VIEWS_REFUSED,
        )
        .await
    }

    /// Damage, and a server that would refuse to load it, are found before anything is touched.
    async fn prove_backup(&mut self) -> Result<Vec<Definitions>, Failure> {
        let proving = prove_files(self.run, self.directory, self.manifest);
        let proven = keep_alive(&mut self.connection, proving).await?;
        require_packet(&mut self.connection, proven.longest).await?;
        Ok(proven.definitions)
    }

    /// The live databases must equal the manifest now.
    async fn prove_and_record(
        &mut self,
        record: &RestoreRecord,
        exactness: Exactness,
    ) -> Result<(), Failure> {
        let findings = compare_live(
            &mut self.connection,
            self.manifest,
            &self.run.meter,
            exactness,
        )
        .await?;
        let step = if findings.is_empty() {
            Step::Done
        } else {
            Step::Differed
        };
        record::write(
            &mut self.connection,
            &RestoreRecord {
                step,
                ..record.clone()
            },
        )
        .await?;
        if findings.is_empty() {
            return Ok(());
        }
        let replaced = match record.step {
            Step::Dropping => "What was replaced was dropped".to_owned(),
            _ => format!(
                "What was replaced is kept in the databases named *__omsnew_{}",
                record.suffix
            ),
        };
        Err(Failure::new(
            Reason::ContentDiffers,
            format!(
                "The live databases were replaced and do not equal the backup: {}. {replaced}; \
                 the backup on the claim is unchanged. Do not start OMS; another attempt starts over from the backup",
                summarize(&findings),
            ),
        ))
    }

    async fn clean_up(&mut self) -> Result<(), Failure> {
        self.run.meter.begin(ProgressPhase::CleaningUp, None);
        self.run.check_fence(&mut self.connection).await?;
        for kind in [Beside::Restore, Beside::Verify, Beside::Probe] {
            drop_beside(&mut self.connection, &self.run.request.databases, kind).await?;
        }
        Ok(())
    }

    fn record(&self, step: Step, suffix: String) -> RestoreRecord {
        RestoreRecord {
            upgrade_uid: self.run.request.upgrade_uid.clone(),
            attempt: self.run.request.attempt,
            manifest_digest: self.digest.clone(),
            step,
            suffix,
        }
    }

    fn source(&self) -> Source<'r> {
        Source {
            directory: self.directory,
            manifest: self.manifest,
            meter: &self.run.meter,
        }
    }

    /// The attempt's number, unless an earlier upgrade left safety copies under it.
    async fn free_suffix(&mut self) -> Result<String, Failure> {
        let existing = list_databases(&mut self.connection).await?;
        let attempt = self.run.request.attempt;
        let is_free = |suffix: &String| {
            !self
                .manifest
                .databases
                .iter()
                .any(|database| existing.contains(&Beside::Safety.name(&database.name, suffix)))
        };
        let candidates =
            std::iter::once(attempt.to_string()).chain((2..100).map(|n| format!("{attempt}_{n}")));
        candidates.into_iter().find(is_free).ok_or_else(|| {
            Failure::new(
                Reason::Internal,
                "There are a hundred safety copies of this attempt. Nothing was touched. Drop the databases named *__omsnew_* that are no longer needed",
            )
        })
    }

    async fn conclude(
        &mut self,
        method: RestoreMethodUsed,
        record: &RestoreRecord,
    ) -> Result<Done, Failure> {
        // Also those of former attempts: they may have swapped and not have told it.
        let request = &self.run.request;
        let safety_copies = list_copies(
            &mut self.connection,
            &request.databases,
            &request.upgrade_uid,
        )
        .await?;
        let result = RestoreReport {
            method,
            safety_copies,
            tables: self
                .manifest
                .databases
                .iter()
                .map(|d| d.tables.len() as u64)
                .sum(),
            views: self
                .manifest
                .databases
                .iter()
                .map(|d| d.views.len() as u64)
                .sum(),
            rows: self.manifest.rows(),
            resumed_attempt: Some(record.attempt)
                .filter(|attempt| *attempt != self.run.request.attempt),
        };
        let message = format!(
            "The live databases equal the backup again: {} tables with {} rows",
            result.tables, result.rows
        );
        Ok(Done {
            message,
            result: CommandResult::Restore(result),
        })
    }
}
