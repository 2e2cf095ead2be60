//! Loads stored dumps into databases, live or aside. Writes only to the database it is told.

use super::failure::Failure;
use super::manifest::{DatabaseRecord, Extent, Manifest, find_differences, summarize};
use super::metadb::catalogue::{describe_database, list_databases};
use super::metadb::connection::{HEARTBEAT, Metadb, keep_alive, ping};
use super::metadb::content::read_database;
use super::meter::Meter;
use super::report::{ProgressPhase, Reason};
use super::sql::names::{Beside, quote};
use super::sql::rewrite::rename_references;
use super::sql::rows::strip_generated;
use super::sql::statements::Kind;
use super::volume::reader::read_statements;
use mysql_async::Conn;
use mysql_async::prelude::Queryable;
use std::path::Path;
use tokio::sync::mpsc;

/// What is taken out of a dump.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Tables and rows; references go to the databases beside with this kind.
    TablesAside(Beside),
    /// Everything as it stands in the dump.
    Whole,
    /// Views only.
    Views,
}

/// Statements on their way from the reading thread to the connection.
const IN_FLIGHT: usize = 4;

/// A backup that is being loaded.
#[derive(Clone, Copy)]
pub struct Source<'s> {
    /// Where its files lie.
    pub directory: &'s Path,
    /// What is in them.
    pub manifest: &'s Manifest,
    /// Told how far loading has come.
    pub meter: &'s Meter,
}

/// Loads `part` of the dump of `record` into database `target`. `suffix` is that of the databases beside, where
/// the part has any.
///
/// # Errors
/// Of the dump, or of the server.
pub async fn load_dump(
    metadb: &Metadb,
    source: Source<'_>,
    record: &DatabaseRecord,
    target: &str,
    suffix: &str,
    part: Part,
) -> Result<(), Failure> {
    let doing = format!("loading {} into {target}", record.name);
    let failed = |e: &mysql_async::Error| Failure::from_sql(&doing, e);
    let mut connection = metadb.connect().await?;
    connection
        .query_drop(format!("USE {}", quote(target)))
        .await
        .map_err(|e| failed(&e))?;
    let (send, mut statements) = mpsc::channel::<(Kind, Vec<u8>, u64)>(IN_FLIGHT);
    let (directory, owned) = (source.directory.to_owned(), record.clone());
    let reading = tokio::task::spawn_blocking(move || {
        read_statements(&directory, &owned, &mut |kind, statement, bytes| {
            // A receiver that has gone away has a better reason to stop.
            send.blocking_send((kind, statement.to_vec(), bytes))
                .map_err(|_| Failure::new(Reason::Internal, "Loading was given up."))
        })
    });
    let aside = |name: &str| {
        let known = source
            .manifest
            .databases
            .iter()
            .any(|database| database.name == name);
        match part {
            Part::TablesAside(kind) if known => Some(kind.name(name, suffix)),
            _ => None,
        }
    };
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
        let Some((kind, statement, bytes)) = next else {
            break;
        };
        if let Kind::CreateTable(table) = &kind {
            source.meter.at(&record.name, Some(table));
        }
        if let Some(statement) = select(part, record, &kind, statement, &aside)? {
            connection
                .query_drop(statement)
                .await
                .map_err(|e| failed(&e))?;
        }
        source.meter.add(bytes);
    }
    reading
        .await
        .map_err(|e| Failure::new(Reason::Internal, format!("The reading thread ended: {e}.")))??;
    let _ = connection.disconnect().await;
    Ok(())
}

/// The statement to run, if any of it belongs to the part.
fn select(
    part: Part,
    record: &DatabaseRecord,
    kind: &Kind,
    statement: Vec<u8>,
    aside: &impl Fn(&str) -> Option<String>,
) -> Result<Option<Vec<u8>>, Failure> {
    let is_placeholder = |name: &String| record.views.iter().any(|view| view.name == *name);
    let selected = match (part, kind) {
        (Part::TablesAside(_) | Part::Whole, Kind::Insert(table)) => {
            let columns = record
                .table(table)
                .map(|t| t.shape.columns.as_slice())
                .unwrap_or_default();
            let stripped = strip_generated(&statement, columns).map_err(|e| {
                Failure::new(
                    Reason::ContentDiffers,
                    format!(
                        "The dump of {} fills table {table} otherwise than recorded: {e}.",
                        record.name
                    ),
                )
            })?;
            Some(stripped.unwrap_or(statement))
        }
        // Our session keeps each statement by itself. One transaction for a table would be as long as its load, which
        // OceanBase limits, and a server lost in it would begin the table anew.
        (_, Kind::Transaction) => None,
        (Part::Whole, _) | (_, Kind::Set) => Some(statement),
        (Part::TablesAside(_), Kind::CreateTable(name)) if !is_placeholder(name) => {
            Some(rename_references(&statement, aside))
        }
        (Part::TablesAside(_), Kind::Neutral) => Some(statement),
        (Part::Views, Kind::CreateView(_)) => Some(statement),
        // A placeholder must go before the view is created; tables must not.
        (Part::Views, Kind::Drop)
            if String::from_utf8_lossy(&statement)
                .to_ascii_uppercase()
                .contains("DROP VIEW") =>
        {
            Some(statement)
        }
        _ => None,
    };
    Ok(selected)
}

/// Creates a database with the character set of its record, unless it exists.
///
/// # Errors
/// Of the server.
pub async fn create_database(
    connection: &mut Conn,
    name: &str,
    record: &DatabaseRecord,
) -> Result<(), Failure> {
    let sql = format!(
        "CREATE DATABASE IF NOT EXISTS {} DEFAULT CHARACTER SET {} COLLATE {}",
        quote(name),
        record.character_set,
        record.collation
    );
    connection
        .query_drop(sql)
        .await
        .map_err(|e| Failure::from_sql(&format!("creating database {name}"), &e))
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
    let existing = list_databases(connection).await?;
    let mut dropped = Vec::new();
    for name in existing.into_iter().filter(|name| {
        databases
            .iter()
            .any(|live| kind.suffix_of(live, name).is_some())
    }) {
        let doing = format!("dropping database {name}");
        let failed = |e: &mysql_async::Error| Failure::from_sql(&doing, e);
        // Tables of one leftover may refer to tables of another.
        connection
            .query_drop("SET SESSION foreign_key_checks = 0")
            .await
            .map_err(|e| failed(&e))?;
        connection
            .query_drop(format!("DROP DATABASE IF EXISTS {}", quote(&name)))
            .await
            .map_err(|e| failed(&e))?;
        connection
            .query_drop("SET SESSION foreign_key_checks = 1")
            .await
            .map_err(|e| failed(&e))?;
        dropped.push(name);
    }
    Ok(dropped)
}

/// Loads all dumps into fresh databases beside the live ones and proves that they hold what the manifest says.
///
/// # Errors
/// `ContentDiffers` when they do not; of the dump, or of the server. The databases beside are left as they
/// are then, for the next attempt to drop; the live ones were not touched.
pub async fn load_beside(
    metadb: &Metadb,
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
        create_database(connection, &kind.name(&record.name, suffix), record).await?;
    }
    for record in &manifest.databases {
        let target = kind.name(&record.name, suffix);
        let loading = load_dump(
            metadb,
            source,
            record,
            &target,
            suffix,
            Part::TablesAside(kind),
        );
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
        findings.extend(find_differences(record, &shape, &contents, Extent::Tables));
    }
    if findings.is_empty() {
        return Ok(());
    }
    Err(Failure::new(
        Reason::ContentDiffers,
        format!(
            "The dump was loaded aside and is not what the manifest says: {}. The live databases were not touched. \
             Try again; if it stays so, the backup cannot be used on this server.",
            summarize(&findings)
        ),
    ))
}

/// Compares the live databases with the manifest, in both directions.
///
/// # Errors
/// Of the server. A missing database is a finding, not an error.
pub async fn compare_live(
    connection: &mut Conn,
    manifest: &Manifest,
    meter: &Meter,
) -> Result<Vec<String>, Failure> {
    meter.begin(ProgressPhase::Comparing, None);
    let mut findings = Vec::new();
    for record in &manifest.databases {
        let shape = match describe_database(connection, &record.name, &|_| None).await {
            Ok(shape) => shape,
            Err(failure) if failure.reason == Reason::DatabaseMissing => {
                findings.push(format!("database {} is missing", record.name));
                continue;
            }
            Err(failure) => return Err(failure),
        };
        let contents = read_database(connection, &shape, meter).await?;
        findings.extend(find_differences(record, &shape, &contents, Extent::Whole));
    }
    Ok(findings)
}
