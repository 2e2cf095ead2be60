//! The swap: live tables out into safety copies, proven tables in from aside, by `RENAME TABLE`.
//!
//! Two statements, not one: OceanBase refuses a single statement in which a foreign key's name leaves the
//! live database and comes back (error 1022, seen on seekdb 1.4.0). Between them the live databases are empty
//! and both contents are complete elsewhere.
//!
//! Repeatable from any point: databases aside were complete when the swap began, so a table of the backup
//! that is no longer aside is the one that is live already, and any other live table still has to go out.

use super::copies::mark;
use super::leftovers::{drop_unknown, list_objects, list_views};
use crate::agent::creation::{Place, make_views};
use crate::agent::failure::Failure;
use crate::agent::load::create_database;
use crate::agent::manifest::{Manifest, write_clauses};
use crate::agent::metadb::catalogue::{describe_database, list_databases};
use crate::agent::metadb::connection::{MetaDbServer, keep_alive};
use crate::agent::metadb::patience::run_patiently;
use crate::agent::run::Run;
use crate::agent::sql::definitions::Definitions;
use crate::agent::sql::names::Beside;
use crate::agent::volume::on_volume;
use crate::agent::volume::reader::read_definitions;
use crate::metadb::quote_name;
use crate::protocol::report::{ProgressPhase, Reason};
use mysql_async::Conn;
use std::collections::BTreeSet;
use std::path::Path;

/// One table that changes its database.
struct Move {
    table: String,
    from: String,
    to: String,
}

/// What it means when the tables are back and some views are not.
const VIEWS_REFUSED: &str = "All tables of the backup are live again, and the replaced ones are kept as safety copies (*__omsnew_*). \
     Do not start OMS. Make what these views need, or make the views themselves; another attempt goes on from here";

/// Carries the swap out, or on. `definitions` are those of the dumps, if they were read already.
///
/// # Errors
/// `RenameFailed` and other errors of the server; the next attempt goes on from there.
pub async fn swap(
    run: &Run,
    metadb: &MetaDbServer,
    connection: &mut Conn,
    directory: &Path,
    manifest: &Manifest,
    suffix: &str,
    definitions: Option<Vec<Definitions>>,
) -> Result<(), Failure> {
    run.meter.begin(ProgressPhase::Swapping, None);
    let existing = list_databases(connection).await?;
    let (mut out, mut back) = (Vec::new(), Vec::new());
    for record in &manifest.databases {
        let live = &record.name;
        let (aside, safety) = (
            Beside::Restore.name(live, suffix),
            Beside::Safety.name(live, suffix),
        );
        let clauses = record.write_clauses();
        create_database(connection, live, &clauses).await?;
        create_database(connection, &safety, &clauses).await?;
        mark(connection, &safety, &run.request.upgrade_uid).await?;
        drop_unknown(connection, record, run.root(), suffix).await?;
        let waiting = if existing.contains(&aside) {
            list_objects(connection, &aside).await?.0
        } else {
            Vec::new()
        };
        for table in list_objects(connection, live).await?.0 {
            let is_restored = record.table(&table).is_some() && !waiting.contains(&table);
            if !is_restored {
                out.push(Move {
                    table,
                    from: live.clone(),
                    to: safety.clone(),
                });
            }
        }
        back.extend(waiting.into_iter().map(|table| Move {
            table,
            from: aside.clone(),
            to: live.clone(),
        }));
    }
    rename(connection, &out, "moving the replaced tables out").await?;
    rename(connection, &back, "moving the restored tables in").await?;
    for record in &manifest.databases {
        let shape = describe_database(connection, &record.name, &|_| None).await?;
        let recorded = record.options.as_ref().unwrap_or(&shape.options);
        let now = (&shape.character_set, &shape.collation, &shape.options);
        if now != (&record.character_set, &record.collation, recorded) {
            let mut options = recorded.clone();
            // A comment stays where none is named.
            if !shape.options.is_empty() && options.is_empty() {
                options.extend(shape.options.iter().filter_map(|option| {
                    let (name, _) = option.split_once(" = ")?;
                    Some(format!(
                        "{name} = {}",
                        if name == "ENCRYPTION" { "'N'" } else { "''" }
                    ))
                }));
            }
            let sql = format!(
                "ALTER DATABASE {} {}",
                quote_name(&record.name),
                write_clauses(&record.character_set, &record.collation, &options)
            );
            run_patiently(connection, sql, "setting the recorded character set").await?;
        }
    }
    remake_views(metadb, connection, directory, manifest, definitions).await
}

/// Makes the views that are not as the backup has them, when the tables of all databases are back.
async fn remake_views(
    metadb: &MetaDbServer,
    connection: &mut Conn,
    directory: &Path,
    manifest: &Manifest,
    definitions: Option<Vec<Definitions>>,
) -> Result<(), Failure> {
    let mut wanted = Vec::new();
    for record in &manifest.databases {
        let live = list_views(connection, &record.name).await?;
        let mut names = BTreeSet::new();
        for view in &record.views {
            if live.iter().any(|(shape, _)| shape == view) {
                continue;
            }
            let full = format!("{}.{}", quote_name(&record.name), quote_name(&view.name));
            run_patiently(
                connection,
                format!("DROP VIEW IF EXISTS {full}"),
                &format!("dropping view {full} to make it again"),
            )
            .await?;
            names.insert(view.name.clone());
        }
        wanted.push(names);
    }
    if wanted.iter().all(BTreeSet::is_empty) {
        return Ok(());
    }
    let mut definitions = match definitions {
        Some(known) => known,
        None => keep_alive(connection, read_all_definitions(directory, manifest)).await?,
    };
    for (one, names) in definitions.iter_mut().zip(&wanted) {
        one.views.retain(|view| names.contains(&view.name));
    }
    make_views(metadb, connection, &definitions, Place::Live, VIEWS_REFUSED).await
}

async fn read_all_definitions(
    directory: &Path,
    manifest: &Manifest,
) -> Result<Vec<Definitions>, Failure> {
    let (directory, databases) = (directory.to_owned(), manifest.databases.clone());
    on_volume(move || {
        let read = |record| read_definitions(&directory, record);
        databases.iter().map(read).collect()
    })
    .await
}

async fn rename(connection: &mut Conn, moves: &[Move], doing: &str) -> Result<(), Failure> {
    if moves.is_empty() {
        return Ok(());
    }
    let list: Vec<String> = moves
        .iter()
        .map(|m| {
            format!(
                "{}.{} TO {}.{}",
                quote_name(&m.from),
                quote_name(&m.table),
                quote_name(&m.to),
                quote_name(&m.table)
            )
        })
        .collect();
    let sql = format!("RENAME TABLE {}", list.join(", "));
    run_patiently(connection, sql, doing).await.map_err(|failure| {
        let reason = if failure.reason == Reason::ServerError { Reason::RenameFailed } else { failure.reason };
        Failure { reason, ..failure }.and("Old and new tables are all kept, live, aside or as safety copies; another attempt goes on from here")
    })
}
