//! Loads stored dumps into databases, live or aside. Writes only to the database it is told.

use super::creation::{NOT_ON_THIS_SERVER, Place, make_tables};
use super::failure::Failure;
use super::manifest::{
    DatabaseRecord, Extent, Manifest, find_differences, find_other_contents, find_other_counts,
    find_other_shapes, summarize,
};
use super::metadb::catalogue::{describe_database, list_databases};
use super::metadb::connection::{HEARTBEAT, MetaDbServer, keep_alive, ping};
use super::metadb::content::{count_rows, read_database};
use super::metadb::faithful::{find_inexact, list_unfaithful_defaults, list_unfaithful_values};
use super::metadb::patience::run_patiently;
use super::meter::Meter;
use super::sql::definitions::Definitions;
use super::sql::names::{Beside, find_probe_suffix, is_own_probe};
use super::sql::rows::strip_generated;
use super::sql::statements::Kind;
use super::volume::reader::read_statements;
use crate::metadb::quote_name;
use crate::protocol::report::{ProgressPhase, Reason};
use mysql_async::Conn;
use std::path::Path;
use std::sync::Arc;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

/// Statements on their way from the reading thread to the connection.
const IN_FLIGHT: usize = 4;

/// KiB that they may have together, or one that is longer by itself.
const IN_FLIGHT_KIB: u32 = 16 << 10;

/// A backup that is being loaded.
#[derive(Clone, Copy)]
pub struct Source<'s> {
    /// Where its files lie.
    pub directory: &'s Path,
    /// What its files hold, as the dump wrote it down.
    pub manifest: &'s Manifest,
    /// Told how far loading has come.
    pub meter: &'s Meter,
}

/// A statement that was read, with its place among those that wait.
struct Waiting {
    kind: Kind,
    statement: Vec<u8>,
    /// Bytes of the stream that it took.
    bytes: u64,
    _place: OwnedSemaphorePermit,
}

/// Loads the rows of the dump of `record` into database `target`, whose tables are there already.
///
/// # Errors
/// Of the dump, or of the server.
pub async fn load_rows(
    metadb: &MetaDbServer,
    source: Source<'_>,
    record: &DatabaseRecord,
    target: &str,
) -> Result<(), Failure> {
    let doing = format!("loading {} into {target}", record.name);
    let mut connection = metadb.connect().await?;
    run_patiently(
        &mut connection,
        format!("USE {}", quote_name(target)),
        &doing,
    )
    .await?;
    let (send, mut statements) = mpsc::channel::<Waiting>(IN_FLIGHT);
    let room = Arc::new(Semaphore::new(IN_FLIGHT_KIB as usize));
    let runtime = Handle::current();
    let (directory, owned) = (source.directory.to_owned(), record.clone());
    let reading = tokio::task::spawn_blocking(move || {
        // A receiver that has gone away has a better reason to stop.
        let given_up = || Failure::new(Reason::Internal, "Loading was given up");
        read_statements(&directory, &owned, &mut |kind, statement, bytes| {
            let kib = u32::try_from(statement.len() / 1024).unwrap_or(u32::MAX);
            let place = Arc::clone(&room).acquire_many_owned(kib.clamp(1, IN_FLIGHT_KIB));
            let waiting = Waiting {
                _place: runtime.block_on(place).map_err(|_| given_up())?,
                kind,
                statement: statement.to_vec(),
                bytes,
            };
            send.blocking_send(waiting).map_err(|_| given_up())
        })
    });
    source.meter.at(&record.name, None);
    loop {
        let next = match tokio::time::timeout(HEARTBEAT, statements.recv()).await {
            Ok(next) => next,
            // The volume is slow.
            Err(_) => {
                ping(&mut connection).await?;
                continue;
            }
        };
        let Some(waiting) = next else {
            break;
        };
        let Waiting {
            kind,
            statement,
            bytes,
            _place,
        } = waiting;
        if let Kind::CreateTable(table) = &kind {
            source.meter.at(&record.name, Some(table));
        }
        if let Some(statement) = select_for_rows(record, &kind, statement)? {
            run_patiently(&mut connection, statement, &doing).await?;
        }
        source.meter.add(bytes);
    }
    reading
        .await
        .map_err(|e| Failure::new(Reason::Internal, format!("The reading thread ended: {e}")))??;
    let _ = connection.disconnect().await;
    Ok(())
}

/// The statement to run, if it has to do with rows.
fn select_for_rows(
    record: &DatabaseRecord,
    kind: &Kind,
    statement: Vec<u8>,
) -> Result<Option<Vec<u8>>, Failure> {
    match kind {
        Kind::Insert(table) => {
            let columns = record
                .table(table)
                .map(|t| t.shape.columns.as_slice())
                .unwrap_or_default();
            let stripped = strip_generated(&statement, columns).map_err(|e| {
                Failure::new(
                    Reason::ContentDiffers,
                    format!(
                        "The dump of {} fills table {table} otherwise than recorded: {e}",
                        record.name
                    ),
                )
            })?;
            Ok(Some(stripped.unwrap_or(statement)))
        }
        // Our session keeps each statement by itself. One transaction for a table would be as long as its load, which
        // OceanBase limits, and a server lost in it would begin the table anew.
        Kind::Transaction => Ok(None),
        Kind::Set => Ok(Some(statement)),
        // Keys are switched off and on around the rows of a table, which says nothing to InnoDB or OceanBase.
        Kind::Neutral => Ok(None),
        Kind::Drop | Kind::CreateTable(_) | Kind::CreateView(_) => Ok(None),
    }
}

/// Creates a database, unless it exists; `clauses` say its character set and its options.
///
/// # Errors
/// Of the server.
pub async fn create_database(
    connection: &mut Conn,
    name: &str,
    clauses: &str,
) -> Result<(), Failure> {
    let sql = format!(
        "CREATE DATABASE IF NOT EXISTS {} {clauses}",
        quote_name(name)
    );
    run_patiently(connection, sql, &format!("creating database {name}")).await
}

/// Drops every database of this kind beside the given ones and returns their names.
///
/// # Errors
/// Of the server.
pub async fn drop_beside(
    connection: &mut Conn,
    databases: &[String],
    kind: Beside,
) -> Result<Vec<String>, Failure> {
    drop_those(connection, databases, kind, |_| true).await
}

/// Drops the databases that a probe of this upgrade has made beside the given ones, and returns their names.
///
/// # Errors
/// Of the server.
pub async fn drop_probe(
    connection: &mut Conn,
    databases: &[String],
    upgrade_uid: &str,
) -> Result<Vec<String>, Failure> {
    let own = find_probe_suffix(upgrade_uid);
    let is_own = |suffix: &str| is_own_probe(suffix, &own);
    drop_those(connection, databases, Beside::Probe, is_own).await
}

async fn drop_those(
    connection: &mut Conn,
    databases: &[String],
    kind: Beside,
    is_due: impl Fn(&str) -> bool,
) -> Result<Vec<String>, Failure> {
    let existing = list_databases(connection).await?;
    let mut dropped = Vec::new();
    for name in existing.into_iter().filter(|name| {
        databases
            .iter()
            .any(|live| kind.suffix_of(live, name).is_some_and(&is_due))
    }) {
        drop_database(connection, &name).await?;
        dropped.push(name);
    }
    Ok(dropped)
}

/// Drops one database that lies beside a live one.
///
/// # Errors
/// Of the server.
pub async fn drop_database(connection: &mut Conn, name: &str) -> Result<(), Failure> {
    // Tables of one leftover may refer to tables of another.
    for sql in [
        "SET SESSION foreign_key_checks = 0",
        &format!("DROP DATABASE IF EXISTS {}", quote_name(name)),
        "SET SESSION foreign_key_checks = 1",
    ] {
        run_patiently(connection, sql, &format!("dropping database {name}")).await?;
    }
    Ok(())
}

/// Makes fresh databases beside the live ones, with the tables of the backup and without rows.
///
/// # Errors
/// Of the server. What was made is left, for the next attempt to drop; the live databases were not touched.
pub async fn make_beside(
    metadb: &MetaDbServer,
    connection: &mut Conn,
    manifest: &Manifest,
    definitions: &[Definitions],
    kind: Beside,
    suffix: &str,
) -> Result<(), Failure> {
    for record in &manifest.databases {
        create_database(
            connection,
            &kind.name(&record.name, suffix),
            &record.write_clauses(),
        )
        .await?;
    }
    let place = Place::Beside { kind, suffix };
    make_tables(metadb, connection, definitions, place, NOT_ON_THIS_SERVER).await
}

/// Loads all dumps into fresh databases beside the live ones and proves that their tables hold what the manifest says.
///
/// # Errors
/// `ContentDiffers` when they do not; of the dump, or of the server. The databases beside are left as they
/// are then, for the next attempt to drop; the live ones were not touched.
pub async fn load_beside(
    metadb: &MetaDbServer,
    connection: &mut Conn,
    source: Source<'_>,
    definitions: &[Definitions],
    kind: Beside,
    suffix: &str,
) -> Result<(), Failure> {
    make_beside(
        metadb,
        connection,
        source.manifest,
        definitions,
        kind,
        suffix,
    )
    .await?;
    fill_beside(metadb, connection, source, kind, suffix).await
}

/// Loads the rows of all dumps into the tables beside the live ones, and proves what they hold then.
///
/// # Errors
/// As [`load_beside`].
pub async fn fill_beside(
    metadb: &MetaDbServer,
    connection: &mut Conn,
    source: Source<'_>,
    kind: Beside,
    suffix: &str,
) -> Result<(), Failure> {
    let Source {
        manifest, meter, ..
    } = source;
    meter.begin(ProgressPhase::Loading, Some(manifest.raw_bytes()));
    for record in &manifest.databases {
        let target = kind.name(&record.name, suffix);
        let loading = load_rows(metadb, source, record, &target);
        keep_alive(connection, loading).await?;
    }
    meter.begin(ProgressPhase::Comparing, None);
    let mut findings = Vec::new();
    for record in &manifest.databases {
        let target = kind.name(&record.name, suffix);
        let original = |name: &str| {
            manifest
                .databases
                .iter()
                .find(|d| kind.name(&d.name, suffix) == name)
                .map(|d| d.name.clone())
        };
        let shape = describe_database(connection, &target, &original).await?;
        let contents = read_database(connection, &shape, meter).await?;
        findings.extend(find_differences(
            record,
            &shape,
            &contents.records,
            Extent::Tables,
        ));
    }
    if findings.is_empty() {
        return Ok(());
    }
    Err(Failure::new(
        Reason::ContentDiffers,
        format!(
            "The dump was loaded aside and is not what the manifest says: {}. The live databases were not touched. \
             Try again; if it stays so, the backup cannot be used on this server",
            summarize(&findings)
        ),
    ))
}

/// How exactly live databases are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exactness {
    /// As a restore from the dump brings them back.
    AsDumped,
    /// The same, where what was loaded was proven and then only renamed: rows are counted, not read.
    Moved,
    /// As they were when the dump was made.
    AsTheyWere,
}

/// Compares the live databases with the manifest, in both directions.
///
/// # Errors
/// Of the server. A missing database is a finding, not an error.
pub async fn compare_live(
    connection: &mut Conn,
    manifest: &Manifest,
    meter: &Meter,
    exactness: Exactness,
) -> Result<Vec<String>, Failure> {
    meter.begin(ProgressPhase::Comparing, None);
    let mut findings = Vec::new();
    let mut shapes = Vec::new();
    for record in &manifest.databases {
        match describe_database(connection, &record.name, &|_| None).await {
            Ok(shape) => {
                findings.extend(find_other_shapes(record, &shape, Extent::Whole));
                // The backup has none: a dump of such definitions and values is refused.
                let unfaithful = list_unfaithful_defaults(connection, &shape).await?;
                findings.extend(unfaithful.into_iter().map(describe_newcomer));
                shapes.push((record, shape));
            }
            Err(failure) if failure.reason == Reason::DatabaseMissing => {
                findings.push(format!("database {} is missing", record.name));
            }
            Err(failure) => return Err(failure),
        }
    }
    // They differ already: no row has to be read to know that.
    if !findings.is_empty() {
        return Ok(findings);
    }
    for (record, shape) in shapes {
        if exactness == Exactness::Moved {
            let rows = count_rows(connection, &shape).await?;
            findings.extend(find_other_counts(record, &rows));
            continue;
        }
        let contents = read_database(connection, &shape, meter).await?;
        findings.extend(find_other_contents(record, &contents.records));
        let unfaithful = list_unfaithful_values(connection, &shape).await?;
        findings.extend(unfaithful.into_iter().map(describe_newcomer));
        if exactness == Exactness::AsTheyWere {
            findings.extend(find_inexact(record, &contents));
        }
    }
    Ok(findings)
}

fn describe_newcomer(what: String) -> String {
    format!("{what} came in")
}
