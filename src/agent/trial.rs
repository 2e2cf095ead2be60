//! The first rows of every table, dumped by the real client into the claim and read as a verification reads a backup:
//! what the client, its account or the server's literals would spoil is known while OMS still runs. Writes to a
//! directory of its own on the claim, which it removes.

use super::client::Client;
use super::dumping::{Portion, build_manifest, dump_database};
use super::failure::Failure;
use super::manifest::{DatabaseRecord, DatabaseShape, Manifest, TableRecord};
use super::metadb::catalogue::describe_databases;
use super::metadb::connection::{MetaDbServer, keep_alive};
use super::run::Run;
use super::sql::names::literal;
use super::volume::claim::create_directory;
use super::volume::on_volume;
use super::volume::reader::{Contents, survey_content};
use crate::protocol::report::{ProgressPhase, Reason};
use mysql_async::Conn;
use mysql_async::prelude::Queryable;
use std::path::{Path, PathBuf};

/// Rows of a table that are tried: types and literals are, not the size.
const MOST_ROWS: u64 = 16;
/// What the sample of a database may have, by the server's own mean length of a row.
const MOST_BYTES: u64 = 64 << 20;
/// OMS runs meanwhile, and may make or drop a table.
const TRIES: u32 = 3;

/// A sample on the claim, with the manifest that a backup of it would have.
pub struct Sample {
    /// Where its files lie.
    pub directory: PathBuf,
    pub manifest: Manifest,
}

/// What came of taking one.
pub enum Taken {
    Sample(Sample),
    /// A dump would fail for this reason.
    Refused(Failure),
    /// It could not be tried, for this reason.
    Untried(String),
}

/// Where the samples of an upgrade lie.
fn directory_of(root: &Path) -> PathBuf {
    root.join("trial")
}

/// Removes what a trial has left on the claim. Absence is success.
///
/// # Errors
/// Of the volume.
pub fn remove_samples(root: &Path) -> Result<(), Failure> {
    let directory = directory_of(root);
    match std::fs::remove_dir_all(&directory) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Failure::from_io(
            &format!("removing {}", directory.display()),
            &error,
        )),
        _ => Ok(()),
    }
}

/// Dumps and reads the first rows of every table of the databases.
///
/// # Errors
/// `ConnectionLost`, or of the catalogue. What the client or the reader says is no error of this run.
pub async fn take_sample(
    run: &Run,
    client: &Client,
    metadb: &MetaDbServer,
    connection: &mut Conn,
    databases: &[String],
) -> Result<Taken, Failure> {
    run.meter.begin(ProgressPhase::Dumping, None);
    for _ in 0..TRIES {
        let before = describe_at_rest(connection, databases).await?;
        let failure = match sample_all(run, client, metadb, connection, &before).await {
            Ok(sample) => return Ok(Taken::Sample(sample)),
            Err(failure) if failure.reason == Reason::ConnectionLost => return Err(failure),
            Err(failure) => failure,
        };
        if describe_at_rest(connection, databases).await? == before {
            return Ok(Taken::Refused(failure));
        }
    }
    Ok(Taken::Untried(
        "tables were made, changed or dropped each time it was tried".into(),
    ))
}

/// Counters move while OMS runs, and say nothing about the shape.
async fn describe_at_rest(
    connection: &mut Conn,
    databases: &[String],
) -> Result<Vec<DatabaseShape>, Failure> {
    let mut shapes = describe_databases(connection, databases).await?;
    for table in shapes.iter_mut().flat_map(|shape| &mut shape.tables) {
        table.auto_increment = None;
    }
    Ok(shapes)
}

async fn sample_all(
    run: &Run,
    client: &Client,
    metadb: &MetaDbServer,
    connection: &mut Conn,
    shapes: &[DatabaseShape],
) -> Result<Sample, Failure> {
    let (root, directory) = (run.root().to_owned(), directory_of(run.root()));
    let made = directory.clone();
    on_volume(move || remove_samples(&root).and_then(|()| create_directory(&made))).await?;
    let mut records = Vec::new();
    for shape in shapes {
        let portion = Portion::FirstRows(count_rows(connection, &shape.name).await?);
        let dumping = dump_database(run, client, &directory, &shape.name, portion);
        let stored = keep_alive(connection, dumping).await?;
        let tables = shape.tables.iter().map(|table| TableRecord {
            shape: table.clone(),
            content: Default::default(),
            exact_digest: None,
        });
        let record = DatabaseRecord::new(shape, stored.file, tables.collect());
        let (mut contents, mut record) = read_sample(run, &directory, record).await?;
        for table in &mut record.tables {
            table.content = contents.remove(&table.shape.name).unwrap_or_default();
        }
        records.push(record);
    }
    let manifest = build_manifest(run, client, metadb, records);
    Ok(Sample {
        directory,
        manifest,
    })
}

/// What the text of the dump holds, as verify's own reader understands it.
async fn read_sample(
    run: &Run,
    directory: &Path,
    record: DatabaseRecord,
) -> Result<(Contents, DatabaseRecord), Failure> {
    let (directory, meter) = (directory.to_owned(), run.meter.clone());
    on_volume(move || {
        let (_, contents) = survey_content(&directory, &record, &meter)?;
        Ok((contents, record))
    })
    .await
}

/// How many rows of each table of a database keep the sample small.
async fn count_rows(connection: &mut Conn, database: &str) -> Result<u64, Failure> {
    let sql = format!(
        "SELECT CAST(SUM(AVG_ROW_LENGTH) AS UNSIGNED) FROM information_schema.TABLES \
         WHERE TABLE_SCHEMA = {} AND TABLE_TYPE = 'BASE TABLE'",
        literal(database)
    );
    let mean: Option<Option<u64>> = connection
        .query_first(sql)
        .await
        .map_err(|e| Failure::from_sql("asking for the length of rows", &e))?;
    Ok(fit_rows(mean.flatten().unwrap_or(0)))
}

/// `mean` is the sum of the mean lengths of a row over the tables.
fn fit_rows(mean: u64) -> u64 {
    (MOST_BYTES / mean.max(1)).clamp(1, MOST_ROWS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_rows_make_a_sample_of_few() {
        for (mean, rows) in [
            (0, 16),
            (4000, 16),
            (MOST_BYTES / 5, 5),
            (MOST_BYTES, 1),
            (u64::MAX, 1),
        ] {
            assert_eq!(fit_rows(mean), rows, "{mean}");
        }
    }

    #[test]
    fn removing_what_is_not_there_is_no_failure() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(remove_samples(root.path()), Ok(()));
        std::fs::create_dir(directory_of(root.path())).unwrap();
        assert_eq!(remove_samples(root.path()), Ok(()));
        assert!(!directory_of(root.path()).exists());
    }
}
