//! Makes every table and view anew in scratch databases and loads the first rows of a dump by the real client: what the
//! client cannot dump, what the server would refuse at a verification or at a rollback, or would make or keep
//! otherwise, is named while OMS still runs. Writes to scratch databases and to a sample's directory, nothing else.

use super::client::Client;
use super::creation::{Place, Refused, try_tables, try_views};
use super::failure::Failure;
use super::load::{Source, create_database, drop_probe, fill_beside};
use super::manifest::DatabaseShape;
use super::metadb::catalogue::{describe_database, show_create};
use super::metadb::connection::MetaDbServer;
use super::metadb::sessions::text_of;
use super::run::Run;
use super::sql::definitions::{Definition, Definitions};
use super::sql::names::{Beside, find_probe_suffix};
use super::trial::{Taken, remove_samples, take_sample};
use super::volume::on_volume;
use crate::metadb::quote_name;
use crate::protocol::report::{Reason, Trial};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Row};

/// What a dump sets before its statements.
const PREAMBLE: [&str; 4] = [
    "SET NAMES utf8mb4",
    "SET time_zone = '+00:00'",
    "SET foreign_key_checks = 0, unique_checks = 0",
    "SET sql_mode = 'NO_AUTO_VALUE_ON_ZERO'",
];

/// What a rehearsal tells.
pub struct Rehearsal {
    /// What could not be brought back, each with the server's words.
    pub refused: Vec<String>,
    /// Whether the first rows of every table came through dump, reading and load as they are.
    pub rows: Trial,
}

/// Names what could not be brought back. What the account may not do is told as a missing privilege elsewhere.
/// Without a client, or without a claim to write to, no rows are tried, for the reason that is given instead.
///
/// # Errors
/// `ConnectionLost`, or where scratch databases cannot be dropped.
pub async fn rehearse(
    run: &Run,
    client: Result<&Client, String>,
    metadb: &MetaDbServer,
    connection: &mut Conn,
    databases: &[String],
) -> Result<Rehearsal, Failure> {
    let uid = &run.request.upgrade_uid;
    let suffix = find_probe_suffix(uid);
    drop_probe(connection, databases, uid).await?;
    let outcome = rehearse_all(run, client, metadb, connection, databases, &suffix).await;
    let root = run.root().to_owned();
    let removed = on_volume(move || remove_samples(&root)).await;
    let dropped = drop_probe(connection, databases, uid).await;
    let rehearsal = match outcome {
        // The account may not do it, or not read it.
        Err(failure) if failure.reason == Reason::PrivilegeMissing => Rehearsal {
            refused: Vec::new(),
            rows: Trial::NotTried(failure.message),
        },
        outcome => outcome?,
    };
    dropped?;
    removed?;
    Ok(rehearsal)
}

async fn rehearse_all(
    run: &Run,
    client: Result<&Client, String>,
    metadb: &MetaDbServer,
    connection: &mut Conn,
    databases: &[String],
    suffix: &str,
) -> Result<Rehearsal, Failure> {
    let refused = make_and_compare(metadb, connection, databases, suffix).await?;
    let rows = match client {
        Ok(client) if refused.is_empty() => {
            try_rows(run, client, metadb, connection, databases, suffix).await?
        }
        Ok(_) => Trial::NotTried("what the check Objects names comes first".into()),
        Err(why) => Trial::NotTried(why),
    };
    Ok(Rehearsal { refused, rows })
}

/// Dumps the first rows by the client, loads them into the tables that were made, and reads them back there.
async fn try_rows(
    run: &Run,
    client: &Client,
    metadb: &MetaDbServer,
    connection: &mut Conn,
    databases: &[String],
    suffix: &str,
) -> Result<Trial, Failure> {
    let sample = match take_sample(run, client, metadb, connection, databases).await? {
        Taken::Sample(sample) => sample,
        Taken::Refused(failure) => return Ok(Trial::Failed(failure.message)),
        Taken::Untried(why) => return Ok(Trial::NotTried(why)),
    };
    let source = Source {
        directory: &sample.directory,
        manifest: &sample.manifest,
        meter: &run.meter,
    };
    match fill_beside(metadb, connection, source, Beside::Probe, suffix).await {
        Ok(()) => Ok(Trial::Works),
        Err(failure)
            if matches!(
                failure.reason,
                Reason::ConnectionLost | Reason::PrivilegeMissing
            ) =>
        {
            Err(failure)
        }
        Err(failure) => Ok(Trial::Failed(failure.message)),
    }
}

async fn make_and_compare(
    metadb: &MetaDbServer,
    connection: &mut Conn,
    databases: &[String],
    suffix: &str,
) -> Result<Vec<String>, Failure> {
    let place = Place::Beside {
        kind: Beside::Probe,
        suffix,
    };
    let mut found = Vec::new();
    let (mut live, mut definitions) = (Vec::new(), Vec::new());
    for database in databases {
        let shape = describe_database(connection, database, &|_| None).await?;
        definitions.push(read_definitions(connection, &shape, &mut found).await?);
        let beside = Beside::Probe.name(database, suffix);
        create_database(connection, &beside, &shape.write_clauses()).await?;
        live.push(shape);
    }
    let refused = try_tables(metadb, connection, &definitions, place).await?;
    for shape in &live {
        let beside = Beside::Probe.name(&shape.name, suffix);
        let original = |name: &str| {
            let is_ours = |database: &&String| Beside::Probe.name(database, suffix) == name;
            databases.iter().find(is_ours).cloned()
        };
        let anew = describe_database(connection, &beside, &original).await?;
        for table in &shape.tables {
            let made = anew.tables.iter().find(|made| made.name == table.name);
            let differs = made.is_some_and(|made| made.create_sha256 != table.create_sha256);
            if differs {
                found.push(format!(
                    "table {}.{}, which the MetaDB makes otherwise than it shows it",
                    shape.name, table.name
                ));
            }
        }
    }
    let mut all = refused;
    all.extend(try_views(metadb, connection, &definitions, place).await?);
    found.extend(all.into_iter().filter_map(describe_refused));
    Ok(found)
}

fn describe_refused(refused: Refused) -> Option<String> {
    (refused.failure.reason != Reason::PrivilegeMissing).then(|| {
        format!(
            "{}, which the MetaDB refuses to make anew ({})",
            refused.object, refused.failure.message
        )
    })
}

/// The statements as a dump has them. What cannot be shown is a finding: no client can dump it.
async fn read_definitions(
    connection: &mut Conn,
    shape: &DatabaseShape,
    found: &mut Vec<String>,
) -> Result<Definitions, Failure> {
    let mut definitions = Definitions {
        database: shape.name.clone(),
        preamble: PREAMBLE.map(|text| text.as_bytes().to_vec()).to_vec(),
        ..Definitions::default()
    };
    let place = |name: &str| format!("{}.{}", quote_name(&shape.name), quote_name(name));
    for table in &shape.tables {
        let sql = format!("SHOW CREATE TABLE {}", place(&table.name));
        let doing = format!("reading table {}.{}", shape.name, table.name);
        let create = show_create(connection, &sql, "Create Table")
            .await
            .map_err(|e| Failure::from_sql(&doing, &e))?;
        definitions.tables.push(Definition {
            name: table.name.clone(),
            settings: Vec::new(),
            create: create.into_bytes(),
        });
    }
    for view in &shape.views {
        let object = format!("view {}.{}", shape.name, view.name);
        // The client's own first question about a view. On MySQL a definer who is gone is enough for a refusal.
        let asked = connection
            .query_drop(format!("SHOW FIELDS FROM {}", place(&view.name)))
            .await;
        let row: Result<Option<Row>, _> = match asked {
            Ok(()) => {
                let sql = format!("SHOW CREATE VIEW {}", place(&view.name));
                connection.query_first(sql).await
            }
            Err(error) => Err(error),
        };
        match row.map_err(|e| Failure::from_sql(&format!("reading {object}"), &e)) {
            Ok(row) => definitions
                .views
                .extend(row.and_then(|row| define_view(&view.name, &row))),
            Err(failure) if failure.reason == Reason::ServerError => {
                found.push(format!("{object} ({})", failure.message));
            }
            Err(failure) => return Err(failure),
        }
    }
    Ok(definitions)
}

/// A view is made under the character set of whoever made it first.
fn define_view(name: &str, row: &Row) -> Option<Definition> {
    let create = text_of(row, "Create View")?;
    let set = |variable: &str, column: &str| {
        let value = text_of(row, column)?;
        let is_plain = value
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'_');
        (is_plain && !value.is_empty()).then(|| format!("SET {variable} = {value}").into_bytes())
    };
    let settings = [
        set("collation_connection", "collation_connection"),
        // The text of SHOW is sent as utf8mb4.
        Some(b"SET character_set_client = utf8mb4".to_vec()),
    ];
    Some(Definition {
        name: name.to_owned(),
        settings: settings.into_iter().flatten().collect(),
        create: create.into_bytes(),
    })
}
