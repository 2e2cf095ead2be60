//! `dump`: writes a backup to the claim. Reads the MetaDB; writes its own lock row there, and shortens
//! `heatbeat_sequence` where that is asked for.

use crate::agent::client::{Client, find_client};
use crate::agent::dumping::{Portion, build_manifest, dump_database};
use crate::agent::failure::{Failure, hint};
use crate::agent::manifest::{DatabaseRecord, DatabaseShape, Manifest, TableRecord};
use crate::agent::metadb::catalogue::{describe_databases, estimate_size};
use crate::agent::metadb::connection::{MetaDbServer, keep_alive};
use crate::agent::metadb::content::{Contents, read_database};
use crate::agent::metadb::faithful::list_unfaithful;
use crate::agent::metadb::heartbeats::trim_heartbeat_sequence;
use crate::agent::metadb::packet::require_packet;
use crate::agent::metadb::sessions::{require_quiet, require_still_quiet};
use crate::agent::metadb::sight::require_sight;
use crate::agent::meter::Meter;
use crate::agent::run::{Done, Run};
use crate::agent::volume::attempt::{prepare, store_manifest};
use crate::agent::volume::on_volume;
use crate::agent::volume::writer::Stored;
use crate::metadb::Engine;
use crate::protocol::report::{CommandResult, DatabaseSummary, DumpReport, ProgressPhase, Reason};
use mysql_async::Conn;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

/// Dumps all databases. The manifest is written last; without it nothing counts as a backup.
///
/// # Errors
/// Anything that makes the dump less than whole.
pub async fn dump(run: &Run) -> Result<Done, Failure> {
    let client = find_client().await?;
    let metadb = run.discover().await?;
    metadb.given.require_suited(client.sets_statement_time())?;
    let mut connection = metadb.connect().await?;
    let _exclusive = run.take_lock(&metadb, &mut connection).await?;
    require_quiet(&metadb, &mut connection, &run.request.databases).await?;
    require_sight(&metadb, &mut connection, &run.request.databases)
        .await
        .map_err(|failure| failure.and("Nothing was touched"))?;
    if run.request.trim_heartbeat_sequence {
        trim_heartbeat_sequence(&mut connection, &run.request.databases).await?;
    }
    let before = describe_databases(&mut connection, &run.request.databases).await?;
    refuse_unsupported(&before)?;
    let mut unfaithful = Vec::new();
    for shape in &before {
        unfaithful.extend(list_unfaithful(&mut connection, shape).await?);
    }
    refuse_unfaithful(&unfaithful)?;
    let (root, attempt) = (run.root().to_owned(), run.request.attempt);
    let directory = on_volume(move || prepare(&root, attempt)).await?;

    let (estimate, _) = estimate_size(&mut connection, &run.request.databases).await?;
    let total = Some(estimate).filter(|bytes| *bytes > 0);
    // Both only read, and nobody writes: side by side they take the time of the longer one.
    run.meter.begin(ProgressPhase::Dumping, total);
    let both = async {
        tokio::try_join!(
            read_contents(&metadb, &before),
            dump_databases(run, &client, &directory, &before)
        )
    };
    let ((contents, digest_seconds), (files, dump_seconds)) =
        match keep_alive(&mut connection, both).await {
            Ok(read) => read,
            Err(failure) => return Err(find_culprit(&mut connection, &before, failure).await),
        };
    let longest = files.iter().map(|stored| stored.longest_statement).max();
    require_packet(&mut connection, longest.unwrap_or(0)).await?;

    if describe_databases(&mut connection, &run.request.databases).await? != before {
        return Err(changed_while_dumping());
    }
    let mut records = Vec::new();
    for ((shape, content), stored) in before.iter().zip(contents).zip(files) {
        records.push(record_of(metadb.engine, shape, content, stored)?);
    }
    require_still_quiet(&metadb, &mut connection, &run.request.databases).await?;
    run.check_fence(&mut connection).await?;
    let manifest = build_manifest(run, &client, &metadb, records);
    let (kept, manifest) = (directory.clone(), Arc::new(manifest));
    let stored = manifest.clone();
    let digest = on_volume(move || store_manifest(&kept, &stored)).await?;
    run.note(|found| found.manifest_digest = Some(digest));
    let _ = connection.disconnect().await;
    Ok(conclude(
        &directory,
        &manifest,
        digest_seconds,
        dump_seconds,
    ))
}

fn changed_while_dumping() -> Failure {
    Failure::new(
        Reason::ChangedWhileDumping,
        "Tables or views changed while they were dumped. The dump is no backup; nothing was changed by this run. \
         Stop whatever changed them, then try again",
    )
}

/// What could not be read was, perhaps, dropped or changed meanwhile: then whoever did that is to be stopped, and what
/// the server answered explains nothing.
async fn find_culprit(
    connection: &mut Conn,
    before: &[DatabaseShape],
    failure: Failure,
) -> Failure {
    if !matches!(
        failure.reason,
        Reason::ServerError | Reason::ClientFailed | Reason::DatabaseMissing
    ) {
        return failure;
    }
    let databases: Vec<String> = before.iter().map(|shape| shape.name.clone()).collect();
    match describe_databases(connection, &databases).await {
        Ok(now) if now != before => changed_while_dumping().and(&failure.message),
        Err(gone) if gone.reason == Reason::DatabaseMissing => gone,
        // Neither of the two is known to be the culprit.
        Ok(_) | Err(_) => failure,
    }
}

/// The digests of all tables, in a session of their own, and how many seconds they took.
async fn read_contents(
    metadb: &MetaDbServer,
    shapes: &[DatabaseShape],
) -> Result<(Vec<Contents>, u64), Failure> {
    let began = Instant::now();
    let mut connection = metadb.connect().await?;
    let mut contents = Vec::new();
    // The progress that is told is that of the dump.
    let unseen = Meter::default();
    for shape in shapes {
        contents.push(read_database(&mut connection, shape, &unseen).await?);
    }
    let _ = connection.disconnect().await;
    Ok((contents, began.elapsed().as_secs()))
}

/// The files of all databases, and how many seconds they took.
async fn dump_databases(
    run: &Run,
    client: &Client,
    directory: &Path,
    shapes: &[DatabaseShape],
) -> Result<(Vec<Stored>, u64), Failure> {
    let began = Instant::now();
    let mut files = Vec::new();
    for shape in shapes {
        files.push(dump_database(run, client, directory, &shape.name, Portion::Whole).await?);
    }
    let seconds = began.elapsed().as_secs();
    run.meter.begin(ProgressPhase::ReadingContent, None);
    Ok((files, seconds))
}

fn conclude(directory: &Path, manifest: &Manifest, digest_seconds: u64, dump_seconds: u64) -> Done {
    let databases: Vec<DatabaseSummary> = manifest
        .databases
        .iter()
        .map(|database| DatabaseSummary {
            name: database.name.clone(),
            tables: database.tables.len() as u64,
            views: database.views.len() as u64,
            rows: database.rows(),
            raw_bytes: database.file.raw_bytes,
            stored_bytes: database.file.stored_bytes,
        })
        .collect();
    let message = format!(
        "Dumped {} database(s) with {} rows, {} bytes ({} stored), to {}. It counts as a backup once it is verified",
        databases.len(),
        manifest.rows(),
        manifest.raw_bytes(),
        databases.iter().map(|d| d.stored_bytes).sum::<u64>(),
        directory.display()
    );
    let directory = directory.display().to_string();
    Done {
        message,
        result: CommandResult::Dump(DumpReport {
            directory,
            databases,
            digest_seconds,
            dump_seconds,
        }),
    }
}

fn refuse_unsupported(shapes: &[DatabaseShape]) -> Result<(), Failure> {
    let others: Vec<String> = shapes
        .iter()
        .flat_map(|s| s.others.iter().map(|o| format!("{o} in {}", s.name)))
        .collect();
    if others.is_empty() {
        return Ok(());
    }
    Err(Failure::new(
        Reason::UnsupportedObjects,
        format!(
            "The databases hold objects that the documented backup does not carry: {}. Nothing was written. \
             OMS makes none of these; move them elsewhere before the upgrade",
            crate::agent::manifest::summarize(&others)
        ),
    ))
}

fn refuse_unfaithful(unfaithful: &[String]) -> Result<(), Failure> {
    if unfaithful.is_empty() {
        return Ok(());
    }
    Err(Failure::new(
        Reason::UnsupportedObjects,
        format!(
            "The databases hold what a dump does not carry as it is: {}. Nothing was written. Change these values to such as a dump \
             carries, or remove them, before the upgrade",
            crate::agent::manifest::summarize(unfaithful)
        ),
    ))
}

fn record_of(
    engine: Engine,
    shape: &DatabaseShape,
    mut content: Contents,
    stored: Stored,
) -> Result<DatabaseRecord, Failure> {
    let mut tables = Vec::new();
    for table in &shape.tables {
        let known = stored.created.contains(&table.name);
        let (true, Some(record)) = (known, content.records.remove(&table.name)) else {
            return Err(left_out(engine, &shape.name, &table.name));
        };
        tables.push(TableRecord {
            shape: table.clone(),
            content: record,
            exact_digest: content.exact.remove(&table.name),
        });
    }
    Ok(DatabaseRecord::new(shape, stored.file, tables))
}

/// The table was there before and after, and the client passed over it without a word. MariaDB's client does that
/// when OceanBase cuts its SHOW TABLES: status 0, header, trailer, no tables, nothing on stderr (seen on seekdb).
fn left_out(engine: Engine, database: &str, table: &str) -> Failure {
    let reason = if engine.is_oceanbase() {
        Reason::QueryTimeout
    } else {
        Reason::ClientFailed
    };
    Failure::new(
        reason,
        format!(
            "Table {database}.{table} exists and the dump client left it out without an error. The dump is no backup; \
             the databases were not touched"
        ),
    )
    .and(hint(reason))
}
