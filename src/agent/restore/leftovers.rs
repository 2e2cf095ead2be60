//! Views and programs that the new version made and the backup does not know: their text is kept on the
//! claim, then they are dropped. Tables are not among them; the swap keeps those.

use crate::agent::failure::{Failure, answer};
use crate::agent::manifest::{DatabaseRecord, ViewShape};
use crate::agent::metadb::catalogue::{list_programs, show_create};
use crate::agent::metadb::patience::run_patiently;
use crate::agent::volume::claim::sync_directory;
use crate::agent::volume::on_volume;
use crate::metadb::quote_name;
use crate::protocol::hex::hash_bytes;
use mysql_async::Conn;
use mysql_async::prelude::Queryable;
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Names of the tables (and sequences) and of the views of a database.
///
/// # Errors
/// Of the server.
pub async fn list_objects(
    connection: &mut Conn,
    database: &str,
) -> Result<(Vec<String>, Vec<String>), Failure> {
    let objects: Vec<(String, String)> = connection
        .query(format!("SHOW FULL TABLES FROM {}", quote_name(database)))
        .await
        .map_err(|e| Failure::from_sql(&format!("listing the objects of {database}"), &e))?;
    let (views, tables): (Vec<_>, Vec<_>) = objects
        .into_iter()
        .partition(|(_, kind)| kind.eq_ignore_ascii_case("VIEW"));
    let names = |list: Vec<(String, String)>| list.into_iter().map(|(name, _)| name).collect();
    Ok((names(tables), names(views)))
}

/// The views of a database with the texts that the server gives for them; empty where it gives none.
///
/// # Errors
/// Of the server.
pub async fn list_views(
    connection: &mut Conn,
    database: &str,
) -> Result<Vec<(ViewShape, String)>, Failure> {
    let (_, names) = list_objects(connection, database).await?;
    let mut views = Vec::new();
    for name in names {
        let sql = format!(
            "SHOW CREATE VIEW {}.{}",
            quote_name(database),
            quote_name(&name)
        );
        let doing = format!("reading view {database}.{name}");
        let text = answer(&doing, show_create(connection, &sql, "Create View").await)?;
        let text = text.unwrap_or_default();
        let definition_sha256 = hash_bytes(text.as_bytes());
        let shape = ViewShape {
            name,
            definition_sha256,
        };
        views.push((shape, text));
    }
    Ok(views)
}

/// Drops every view that is not exactly in the record, and every trigger, routine and event.
///
/// A view that only looks different because its tables are gone in the middle of a swap is dropped as well;
/// it is recreated from the dump afterwards.
///
/// # Errors
/// Of the server or of the volume.
pub async fn drop_unknown(
    connection: &mut Conn,
    record: &DatabaseRecord,
    root: &Path,
    suffix: &str,
) -> Result<(), Failure> {
    let database = &record.name;
    for (shape, text) in list_views(connection, database).await? {
        let full = format!("{}.{}", quote_name(database), quote_name(&shape.name));
        if !record.has_view(&shape) {
            drop_one(connection, root, suffix, "VIEW", &full, &text).await?;
        }
    }
    for program in list_programs(connection, database).await? {
        let full = format!("{}.{}", quote_name(database), quote_name(&program.name));
        let kind = program.kind.to_ascii_uppercase();
        // SHOW CREATE TRIGGER calls its column differently from the others.
        let column = if kind == "TRIGGER" {
            "SQL Original Statement".to_owned()
        } else {
            format!("Create {}", program.kind)
        };
        let sql = format!("SHOW CREATE {kind} {full}");
        let shown = show_create(connection, &sql, &column).await;
        let text = answer(&format!("reading {full}"), shown)?.unwrap_or_default();
        drop_one(connection, root, suffix, &kind, &full, &text).await?;
    }
    Ok(())
}

async fn drop_one(
    connection: &mut Conn,
    root: &Path,
    suffix: &str,
    kind: &str,
    full: &str,
    text: &str,
) -> Result<(), Failure> {
    let root = root.to_owned();
    let path = root.join(format!("replaced-definitions-{suffix}.sql"));
    let kind_word = kind.to_ascii_lowercase();
    let entry = if text.is_empty() {
        format!(
            "-- {kind_word} {full}: dropped; the server did not show its text to this account\n\n"
        )
    } else {
        format!("-- {kind_word} {full}\n{text};\n\n")
    };
    let doing = format!("keeping the text of {full} in {}", path.display());
    on_volume(move || {
        OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(&path)
            .and_then(|mut file| {
                file.write_all(entry.as_bytes())
                    .and_then(|()| file.sync_all())
            })
            .map_err(|e| Failure::from_io(&doing, &e))?;
        sync_directory(&root)
    })
    .await?;
    run_patiently(
        connection,
        format!("DROP {kind} IF EXISTS {full}"),
        &format!("dropping {kind_word} {full} of the new version"),
    )
    .await
}
