//! The swap: live tables out into safety copies, proven tables in from aside, by `RENAME TABLE`.
//!
//! Two statements, not one: OceanBase refuses a single statement in which a foreign key's name leaves the
//! live database and comes back (error 1022, seen on seekdb 1.4.0). Between them the live databases are empty
//! and both contents are complete elsewhere.
//!
//! Repeatable from any point: databases aside were complete when the swap began, so a table of the backup
//! that is no longer aside is the one that is live already, and any other live table still has to go out.

use super::leftovers::{drop_unknown, list_objects};
use crate::agent::failure::Failure;
use crate::agent::load::{Part, Source, create_database, load_dump};
use crate::agent::manifest::Manifest;
use crate::agent::metadb::catalogue::{describe_database, list_databases};
use crate::agent::metadb::connection::{Metadb, keep_alive};
use crate::agent::meter::Meter;
use crate::agent::report::{ProgressPhase, Reason};
use crate::agent::run::Run;
use crate::agent::sql::names::{Beside, quote};
use mysql_async::Conn;
use mysql_async::prelude::Queryable;
use std::path::Path;

/// One table that changes its database.
struct Move {
    table: String,
    from: String,
    to: String,
}

/// Carries the swap out, or on.
///
/// # Errors
/// `RenameFailed` and other errors of the server; the next attempt goes on from there.
pub async fn swap(
    run: &Run,
    metadb: &Metadb,
    connection: &mut Conn,
    directory: &Path,
    manifest: &Manifest,
    suffix: &str,
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
        create_database(connection, live, record).await?;
        create_database(connection, &safety, record).await?;
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
        if (&shape.character_set, &shape.collation) != (&record.character_set, &record.collation) {
            let sql = format!(
                "ALTER DATABASE {} DEFAULT CHARACTER SET {} COLLATE {}",
                quote(&record.name),
                record.character_set,
                record.collation
            );
            connection
                .query_drop(sql)
                .await
                .map_err(|e| Failure::from_sql("setting the recorded character set", &e))?;
        }
        if shape.views != record.views {
            // Its bytes are no progress worth telling.
            let source = Source {
                directory,
                manifest,
                meter: &Meter::default(),
            };
            let loading = load_dump(metadb, source, record, &record.name, suffix, Part::Views);
            keep_alive(connection, loading).await?;
        }
    }
    Ok(())
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
                quote(&m.from),
                quote(&m.table),
                quote(&m.to),
                quote(&m.table)
            )
        })
        .collect();
    connection.query_drop(format!("RENAME TABLE {}", list.join(", "))).await.map_err(|e| {
        let failure = Failure::from_sql(doing, &e);
        let reason = if failure.reason == Reason::ServerError { Reason::RenameFailed } else { failure.reason };
        Failure { reason, ..failure }.and("Old and new tables are all kept, live, aside or as safety copies; another attempt goes on from here.")
    })
}
