//! Reads stored dumps back and proves what is in them. Reads only.

use super::hashing::Hashing;
use crate::agent::digest::{ContentDigest, ContentRecord};
use crate::agent::failure::Failure;
use crate::agent::manifest::DatabaseRecord;
use crate::agent::metadb::catalogue::describe_table;
use crate::agent::meter::Meter;
use crate::agent::sql::definitions::{Collector, Definitions};
use crate::agent::sql::frame::{TRAILER, is_header};
use crate::agent::sql::rows::{add_rows, read_head};
use crate::agent::sql::statements::{Kind, Statements, classify, first_word};
use crate::protocol::report::Reason;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

/// The file must be there and be as long as the manifest says. Reads nothing of it.
///
/// # Errors
/// `ChecksumMismatch`, or of the volume.
pub fn check_length(directory: &Path, record: &DatabaseRecord) -> Result<(), Failure> {
    let path = directory.join(&record.file.name);
    let found = std::fs::metadata(&path).map_err(|error| judge_open(&path, &error))?;
    if found.is_file() && found.len() == record.file.stored_bytes {
        return Ok(());
    }
    let (bytes, wanted) = (found.len(), record.file.stored_bytes);
    Err(mismatch(
        &path,
        &format!("has {bytes} bytes instead of {wanted}"),
    ))
}

fn mismatch(path: &Path, what: &str) -> Failure {
    Failure::new(
        Reason::ChecksumMismatch,
        format!(
            "{} {what}. The backup is damaged and is not used; the databases were not touched",
            path.display()
        ),
    )
}

fn open(path: &Path) -> Result<File, Failure> {
    File::open(path).map_err(|error| judge_open(path, &error))
}

/// A file that is missing is a damage; one that cannot be opened may be there.
fn judge_open(path: &Path, error: &std::io::Error) -> Failure {
    match error.kind() {
        std::io::ErrorKind::NotFound => mismatch(path, "is missing"),
        _ => Failure::from_io(&format!("opening {}", path.display()), error),
    }
}

/// Reads what nobody has read yet of a file. Length and sha256 of the whole must be those of the manifest.
fn check_whole(
    mut file: Hashing<File>,
    path: &Path,
    record: &DatabaseRecord,
) -> Result<(), Failure> {
    std::io::copy(&mut file, &mut std::io::sink())
        .map_err(|e| Failure::from_io(&format!("reading {}", path.display()), &e))?;
    let (bytes, wanted) = (file.bytes, record.file.stored_bytes);
    if bytes != wanted {
        return Err(mismatch(
            path,
            &format!("has {bytes} bytes instead of {wanted}"),
        ));
    }
    if file.finish() != record.file.sha256 {
        return Err(mismatch(path, "has another sha256 than the manifest"));
    }
    Ok(())
}

/// Gets a statement with its kind and the bytes of the stream that it took.
type EachStatement<'f> = dyn FnMut(Kind, &[u8], u64) -> Result<(), Failure> + 'f;

/// Hands every statement of a dump to `each`, in order, and checks the frame of the dump.
///
/// # Errors
/// Of `each`; `UnexpectedStatement` before a statement that a dump of tables and views never holds;
/// `NoHeader`, `NoTrailer`, `ChecksumMismatch` when the stream is not whole.
pub fn read_statements(
    directory: &Path,
    record: &DatabaseRecord,
    each: &mut EachStatement<'_>,
) -> Result<(), Failure> {
    let path = directory.join(&record.file.name);
    let file = open(&path)?;
    read_stream(file, &path, record, each)
}

fn read_stream(
    stream: impl Read,
    path: &Path,
    record: &DatabaseRecord,
    each: &mut EachStatement<'_>,
) -> Result<(), Failure> {
    let name = &record.name;
    let damaged = |e: &std::io::Error| {
        Failure::new(
            Reason::ChecksumMismatch,
            format!(
                "{} cannot be read as a dump: {e}. The backup is damaged and is not used any further",
                path.display()
            ),
        )
    };
    let decoder = zstd::stream::read::Decoder::new(stream).map_err(|e| damaged(&e))?;
    let mut statements = Statements::new(BufReader::with_capacity(1 << 18, decoder));
    let mut statement = Vec::new();
    let mut before = 0;
    let mut first = true;
    while statements
        .next_into(&mut statement)
        .map_err(|e| damaged(&e))?
    {
        if std::mem::take(&mut first) && !is_header(&statements.header, name) {
            return Err(incomplete(
                Reason::NoHeader,
                name,
                "does not begin with the header of a dump of that database",
            ));
        }
        let kind = classify(&statement).ok_or_else(|| {
            incomplete(
                Reason::UnexpectedStatement,
                name,
                &format!(
                    "holds a statement that a dump of tables and views never holds ({}), written by another client or for other \
                     objects than this version knows",
                    first_word(&statement)
                ),
            )
        })?;
        let bytes = statements.bytes_read() - before;
        before = statements.bytes_read();
        each(kind, &statement, bytes)?;
    }
    if !statements
        .last_comment
        .as_deref()
        .is_some_and(|line| line.starts_with(TRAILER))
    {
        return Err(incomplete(
            Reason::NoTrailer,
            name,
            "does not end with the line '-- Dump completed'",
        ));
    }
    if statements.bytes_read() != record.file.raw_bytes {
        return Err(incomplete(
            Reason::ChecksumMismatch,
            name,
            "has another length than the manifest says",
        ));
    }
    Ok(())
}

fn incomplete(reason: Reason, database: &str, what: &str) -> Failure {
    Failure::new(
        reason,
        format!("The stored dump of {database} {what}. It is not used any further"),
    )
}

/// What was found in a dump that is proven.
#[derive(Debug)]
pub struct Proven {
    /// Bytes of the longest statement.
    pub longest: u64,
    /// What makes its tables and views.
    pub definitions: Definitions,
}

/// Reads what makes the tables and views of a stored dump.
///
/// # Errors
/// Everything of [`read_statements`].
pub fn read_definitions(directory: &Path, record: &DatabaseRecord) -> Result<Definitions, Failure> {
    let mut collector = collect_for(record);
    read_statements(directory, record, &mut |kind, statement, _| {
        collector.look_at(&kind, statement);
        Ok(())
    })?;
    Ok(collector.finish())
}

fn collect_for(record: &DatabaseRecord) -> Collector {
    let views = record.views.iter().map(|view| view.name.clone());
    Collector::new(&record.name, views)
}

/// Reads a stored dump once and proves that its bytes are those of the manifest, and that it holds exactly the tables,
/// views and rows of its record.
///
/// # Errors
/// `ChecksumMismatch` before everything else, `ContentDiffers`, and everything of [`read_statements`].
pub fn prove_content(
    directory: &Path,
    record: &DatabaseRecord,
    meter: &Meter,
) -> Result<Proven, Failure> {
    let path = directory.join(&record.file.name);
    let mut file = Hashing::new(open(&path)?);
    let surveyed = survey_stream(&mut file, &path, record, meter);
    // What is damaged says nothing.
    check_whole(file, &path, record)?;
    let (proven, contents) = surveyed?;
    compare_contents(record, &contents)?;
    Ok(proven)
}

/// What the tables of a dump hold, by their names.
pub type Contents = BTreeMap<String, ContentRecord>;

/// Reads a stored dump and proves that it holds exactly the tables and views of its record, whatever their rows are.
///
/// # Errors
/// As [`prove_content`], but for the bytes of the file.
pub fn survey_content(
    directory: &Path,
    record: &DatabaseRecord,
    meter: &Meter,
) -> Result<(Proven, Contents), Failure> {
    let path = directory.join(&record.file.name);
    let file = open(&path)?;
    survey_stream(file, &path, record, meter)
}

fn survey_stream(
    stream: impl Read,
    path: &Path,
    record: &DatabaseRecord,
    meter: &Meter,
) -> Result<(Proven, Contents), Failure> {
    let mut longest = 0;
    let mut collector = collect_for(record);
    let mut proof = Proof {
        record,
        created: BTreeSet::new(),
        views: BTreeSet::new(),
        digests: BTreeMap::new(),
    };
    meter.at(&record.name, None);
    read_stream(stream, path, record, &mut |kind, statement, bytes| {
        if let Kind::CreateTable(table) = &kind {
            meter.at(&record.name, Some(table));
        }
        meter.add(bytes);
        longest = longest.max(statement.len() as u64);
        collector.look_at(&kind, statement);
        proof.look_at(kind, statement)
    })?;
    let contents = proof.conclude()?;
    let proven = Proven {
        longest,
        definitions: collector.finish(),
    };
    Ok((proven, contents))
}

fn compare_contents(record: &DatabaseRecord, contents: &Contents) -> Result<(), Failure> {
    for table in &record.tables {
        let name = &table.shape.name;
        let seen = contents.get(name);
        let rows = seen.map_or(0, |seen| seen.rows);
        if rows != table.content.rows {
            let wanted = table.content.rows;
            return Err(differs(
                record,
                &format!("table {name} has {rows} rows instead of {wanted}"),
            ));
        }
        if seen != Some(&table.content) {
            return Err(differs(record, &format!("table {name} has other values")));
        }
    }
    Ok(())
}

fn differs(record: &DatabaseRecord, what: &str) -> Failure {
    Failure::new(
        Reason::ContentDiffers,
        format!(
            "The stored dump of {} is not what was read from the live database: {what}. It is no backup and is not used",
            record.name
        ),
    )
}

struct Proof<'r> {
    record: &'r DatabaseRecord,
    created: BTreeSet<String>,
    views: BTreeSet<String>,
    digests: BTreeMap<String, ContentDigest>,
}

impl Proof<'_> {
    fn differs(&self, what: &str) -> Failure {
        differs(self.record, what)
    }

    fn is_view(&self, name: &str) -> bool {
        self.record.views.iter().any(|view| view.name == name)
    }

    fn look_at(&mut self, kind: Kind, statement: &[u8]) -> Result<(), Failure> {
        match kind {
            Kind::Set | Kind::Drop | Kind::Neutral | Kind::Transaction => Ok(()),
            Kind::CreateView(name) => {
                self.views.insert(name);
                Ok(())
            }
            // Old clients create a table as the placeholder of a view.
            Kind::CreateTable(name) if self.is_view(&name) => Ok(()),
            Kind::CreateTable(name) => {
                let text = String::from_utf8_lossy(statement);
                let Some(expected) = self.record.table(&name) else {
                    return Err(self.differs(&format!("it also creates table {name}")));
                };
                let seen = describe_table(&name, expected.shape.columns.clone(), &text, &|_| None);
                if seen.create_sha256 != expected.shape.create_sha256 {
                    return Err(self.differs(&format!("it gives table {name} another definition")));
                }
                if !self.created.insert(name.clone()) {
                    return Err(self.differs(&format!("it creates table {name} twice")));
                }
                Ok(())
            }
            Kind::Insert(name) => {
                let understood = |e| self.differs(&format!("{e} (table {name})"));
                let head = read_head(statement).map_err(understood)?;
                let Some(expected) = self.record.table(&head.table) else {
                    return Err(self.differs(&format!("it also fills {name}")));
                };
                let mut digest = self.digests.get(&name).copied().unwrap_or_default();
                add_rows(statement, &head, &expected.shape.columns, &mut digest)
                    .map_err(understood)?;
                self.digests.insert(name, digest);
                Ok(())
            }
        }
    }

    fn conclude(self) -> Result<Contents, Failure> {
        let mut contents = Contents::new();
        for table in &self.record.tables {
            let name = &table.shape.name;
            if !self.created.contains(name) {
                return Err(self.differs(&format!("table {name} is missing")));
            }
            let seen = self.digests.get(name).copied().unwrap_or_default();
            contents.insert(name.clone(), seen.to_record());
        }
        let expected: BTreeSet<String> = self
            .record
            .views
            .iter()
            .map(|view| view.name.clone())
            .collect();
        if self.views != expected {
            return Err(self.differs("its views are others"));
        }
        Ok(contents)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::manifest::FileRecord;

    #[test]
    fn a_file_that_is_missing_cut_or_longer_is_found_by_its_length() {
        let directory = tempfile::tempdir().unwrap();
        let record = DatabaseRecord {
            name: "rm".into(),
            character_set: String::new(),
            collation: String::new(),
            options: None,
            tables: vec![],
            views: vec![],
            file: FileRecord {
                name: "rm.sql.zst".into(),
                stored_bytes: 4,
                ..FileRecord::default()
            },
        };
        let path = directory.path().join("rm.sql.zst");
        let judge = || check_length(directory.path(), &record).map_err(|failure| failure.reason);
        assert_eq!(judge(), Err(Reason::ChecksumMismatch));
        for (bytes, whole) in [
            ("four", true),
            ("thr", false),
            ("five!", false),
            ("", false),
        ] {
            std::fs::write(&path, bytes).unwrap();
            assert_eq!(judge().is_ok(), whole, "{bytes:?}");
        }
    }
}
