//! What a backup consists of, and how live databases are compared with it. No I/O.

use super::digest::ContentRecord;
use super::failure::Failure;
use super::special::SpecialColumn;
use crate::protocol::hex::hash_bytes;
use crate::protocol::report::{Engine, Reason};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Name of the file beside the dumps.
pub const FILE_NAME: &str = "manifest.json";
/// The shape of this file; a reader refuses another.
pub const FORMAT_VERSION: u32 = 1;

/// Everything there is to know about one backup. Written last: a directory without it is no backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// [`FORMAT_VERSION`] of the agent that wrote it.
    pub format_version: u32,
    /// The upgrade this backup belongs to.
    pub upgrade_uid: String,
    /// The attempt that wrote it.
    pub attempt: i32,
    /// Kind of server; a restore refuses another.
    pub engine: Engine,
    /// As `SELECT version()` gives it.
    pub server_version: String,
    /// First line of the dump client's `--version`.
    pub client_version: String,
    /// In the order of the request.
    pub databases: Vec<DatabaseRecord>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DatabaseRecord {
    pub name: String,
    /// Default character set.
    pub character_set: String,
    /// Default collation.
    pub collation: String,
    /// What else its CREATE DATABASE says, as clauses. Absent where the agent that wrote it did not look.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub options: Option<Vec<String>>,
    /// The file with its dump.
    pub file: FileRecord,
    /// Base tables by name.
    pub tables: Vec<TableRecord>,
    /// Views by name.
    pub views: Vec<ViewShape>,
}

/// One stored file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FileRecord {
    /// Name in the directory of the manifest.
    pub name: String,
    /// Bytes before compression.
    pub raw_bytes: u64,
    /// Bytes of the file.
    pub stored_bytes: u64,
    /// sha256 of the file, hex.
    pub sha256: String,
}

/// One table with its content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TableRecord {
    /// What it looks like.
    #[serde(flatten)]
    pub shape: TableShape,
    /// What it holds.
    #[serde(flatten)]
    pub content: ContentRecord,
    /// The same sum with the exact values of its FLOAT columns behind the others of a row, for which a dump has six
    /// digits; absent where it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exact_digest: Option<String>,
}

/// What a table looks like.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TableShape {
    pub name: String,
    /// The columns that hold data, in their order; generated ones are left out.
    pub columns: Vec<String>,
    /// sha256 of the text of SHOW CREATE TABLE without its AUTO_INCREMENT counter and without what says nothing.
    pub create_sha256: String,
    /// The counter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auto_increment: Option<u64>,
    /// Columns whose values a dump may not carry. Of a live table only.
    #[serde(skip)]
    pub special: Vec<SpecialColumn>,
}

/// What a view looks like.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ViewShape {
    pub name: String,
    /// sha256 of the text of SHOW CREATE VIEW.
    pub definition_sha256: String,
}

/// What a database looks like now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DatabaseShape {
    pub name: String,
    /// Default character set.
    pub character_set: String,
    /// Default collation.
    pub collation: String,
    /// What else its CREATE DATABASE says, as clauses.
    pub options: Vec<String>,
    /// Base tables by name.
    pub tables: Vec<TableShape>,
    /// Views by name.
    pub views: Vec<ViewShape>,
    /// Triggers, routines, events, sequences: `kind name`.
    pub others: Vec<String>,
}

impl Manifest {
    /// The bytes of the file. Deterministic, ends with a newline.
    ///
    /// # Errors
    /// `Internal`; cannot happen with these types.
    pub fn to_bytes(&self) -> Result<Vec<u8>, Failure> {
        let mut bytes = serde_json::to_vec_pretty(self).map_err(|e| {
            Failure::new(
                Reason::Internal,
                format!("The manifest cannot be written: {e}"),
            )
        })?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    /// Reads a manifest, trusting nothing but its expected sha256.
    ///
    /// # Errors
    /// `ManifestMismatch`.
    pub fn from_trusted(bytes: &[u8], expected_digest: &str) -> Result<Self, Failure> {
        let mismatch = |what: String| {
            Failure::new(
                Reason::ManifestMismatch,
                format!("{what}. The backup is not used and the databases were not touched"),
            )
        };
        let digest = hash_bytes(bytes);
        if digest != expected_digest {
            return Err(mismatch(format!(
                "{FILE_NAME} on the claim has sha256 {digest}, expected is {expected_digest}"
            )));
        }
        let manifest: Self = serde_json::from_slice(bytes)
            .map_err(|e| mismatch(format!("{FILE_NAME} on the claim cannot be read: {e}")))?;
        if manifest.format_version != FORMAT_VERSION {
            return Err(mismatch(format!(
                "{FILE_NAME} has format version {}, this agent reads {FORMAT_VERSION}",
                manifest.format_version
            )));
        }
        Ok(manifest)
    }

    /// All rows of all databases.
    pub fn rows(&self) -> u64 {
        self.databases.iter().map(DatabaseRecord::rows).sum()
    }

    /// All bytes before compression.
    pub fn raw_bytes(&self) -> u64 {
        self.databases
            .iter()
            .map(|database| database.file.raw_bytes)
            .sum()
    }
}

impl DatabaseRecord {
    /// What is recorded of a database, with its dump and its tables.
    pub fn new(shape: &DatabaseShape, file: FileRecord, tables: Vec<TableRecord>) -> Self {
        Self {
            name: shape.name.clone(),
            character_set: shape.character_set.clone(),
            collation: shape.collation.clone(),
            options: Some(shape.options.clone()),
            file,
            tables,
            views: shape.views.clone(),
        }
    }

    /// What stands behind the name in CREATE DATABASE and ALTER DATABASE.
    pub fn write_clauses(&self) -> String {
        let options = self.options.as_deref().unwrap_or_default();
        write_clauses(&self.character_set, &self.collation, options)
    }

    /// All rows.
    pub fn rows(&self) -> u64 {
        self.tables.iter().map(|table| table.content.rows).sum()
    }

    /// The record of a table.
    pub fn table(&self, name: &str) -> Option<&TableRecord> {
        self.tables.iter().find(|table| table.shape.name == name)
    }

    /// Whether the manifest has exactly this view.
    pub fn has_view(&self, view: &ViewShape) -> bool {
        self.views.contains(view)
    }
}

/// What stands behind the name in CREATE DATABASE and ALTER DATABASE.
pub fn write_clauses(character_set: &str, collation: &str, options: &[String]) -> String {
    let mut clauses = format!("DEFAULT CHARACTER SET {character_set} COLLATE {collation}");
    for option in options {
        clauses.push(' ');
        clauses.push_str(option);
    }
    clauses
}

impl DatabaseShape {
    /// What stands behind the name in CREATE DATABASE.
    pub fn write_clauses(&self) -> String {
        write_clauses(&self.character_set, &self.collation, &self.options)
    }
}

/// What must be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// Tables, views, other objects, character set: a live database.
    Whole,
    /// Tables only: a database aside, which has no views.
    Tables,
}

/// Compares a database with its record, in both directions. Empty: equal.
pub fn find_differences(
    record: &DatabaseRecord,
    shape: &DatabaseShape,
    contents: &BTreeMap<String, ContentRecord>,
    extent: Extent,
) -> Vec<String> {
    let mut found = find_other_shapes(record, shape, extent);
    // Those that are missing were told.
    let is_there = |table: &&TableRecord| {
        let mut live = shape.tables.iter();
        live.any(|live| live.name == table.shape.name)
    };
    let there = record.tables.iter().filter(is_there);
    found.extend(compare_contents(&record.name, there, contents));
    found
}

/// Compares what tables hold. Empty: equal.
pub fn find_other_contents(
    record: &DatabaseRecord,
    contents: &BTreeMap<String, ContentRecord>,
) -> Vec<String> {
    compare_contents(&record.name, record.tables.iter(), contents)
}

fn compare_contents<'t>(
    name: &str,
    tables: impl Iterator<Item = &'t TableRecord>,
    contents: &BTreeMap<String, ContentRecord>,
) -> Vec<String> {
    let mut found = Vec::new();
    for expected in tables {
        let table = &expected.shape.name;
        match contents.get(table) {
            None => found.push(format!("table {name}.{table} was not read")),
            Some(content) if content.rows != expected.content.rows => {
                let wanted = expected.content.rows;
                found.push(tell_counts(name, table, content.rows, wanted));
            }
            Some(content) if content != &expected.content => {
                found.push(format!(
                    "table {name}.{table} has the same number of rows with other values"
                ));
            }
            Some(_) => {}
        }
    }
    found
}

/// Compares how many rows tables hold. Empty: equal.
pub fn find_other_counts(record: &DatabaseRecord, rows: &BTreeMap<String, u64>) -> Vec<String> {
    let differs = |expected: &TableRecord| {
        let (table, wanted) = (&expected.shape.name, expected.content.rows);
        match rows.get(table) {
            None => Some(format!("table {}.{table} was not counted", record.name)),
            Some(rows) if *rows != wanted => Some(tell_counts(&record.name, table, *rows, wanted)),
            Some(_) => None,
        }
    };
    record.tables.iter().filter_map(differs).collect()
}

fn tell_counts(database: &str, table: &str, rows: u64, wanted: u64) -> String {
    format!("table {database}.{table} has {rows} rows instead of {wanted}")
}

/// Compares what a database consists of with its record, in both directions, and nothing of its rows. Empty: equal.
pub fn find_other_shapes(
    record: &DatabaseRecord,
    shape: &DatabaseShape,
    extent: Extent,
) -> Vec<String> {
    let name = &record.name;
    let mut found = Vec::new();
    for expected in &record.tables {
        let table = &expected.shape.name;
        let Some(live) = shape.tables.iter().find(|t| t.name == *table) else {
            found.push(format!("table {name}.{table} is missing"));
            continue;
        };
        if live.create_sha256 != expected.shape.create_sha256
            || live.columns != expected.shape.columns
        {
            found.push(format!("table {name}.{table} has another definition"));
        }
        // A counter that went on without rows is no loss; one that went back would hand out numbers twice.
        if live.auto_increment.unwrap_or(0) < expected.shape.auto_increment.unwrap_or(0) {
            found.push(format!(
                "the AUTO_INCREMENT counter of {name}.{table} went back"
            ));
        }
    }
    for live in &shape.tables {
        if record.table(&live.name).is_none() {
            found.push(format!("table {name}.{} is not in the backup", live.name));
        }
    }
    if extent == Extent::Whole {
        find_view_differences(record, shape, &mut found);
        found.extend(
            shape
                .others
                .iter()
                .map(|other| format!("{other} in {name} is not in the backup")),
        );
        if (&shape.character_set, &shape.collation) != (&record.character_set, &record.collation) {
            found.push(format!(
                "database {name} has default collation {} instead of {}",
                shape.collation, record.collation
            ));
        }
        if let Some(options) = record.options.as_ref().filter(|o| **o != shape.options) {
            found.push(format!(
                "database {name} has other options ({}) than in the backup ({})",
                name_options(&shape.options),
                name_options(options)
            ));
        }
    }
    found
}

fn name_options(options: &[String]) -> String {
    if options.is_empty() {
        "none".to_owned()
    } else {
        options.join(" ")
    }
}

fn find_view_differences(record: &DatabaseRecord, shape: &DatabaseShape, found: &mut Vec<String>) {
    let name = &record.name;
    for expected in &record.views {
        match shape.views.iter().find(|v| v.name == expected.name) {
            None => found.push(format!("view {name}.{} is missing", expected.name)),
            Some(live) if live != expected => found.push(format!(
                "view {name}.{} has another definition",
                expected.name
            )),
            Some(_) => {}
        }
    }
    for live in &shape.views {
        if !record.views.iter().any(|v| v.name == live.name) {
            found.push(format!("view {name}.{} is not in the backup", live.name));
        }
    }
}

/// Findings in one text: the first ones, and how many more.
pub fn summarize(findings: &[String]) -> String {
    const SHOWN: usize = 8;
    let mut text = findings
        .iter()
        .take(SHOWN)
        .cloned()
        .collect::<Vec<_>>()
        .join("; ");
    if findings.len() > SHOWN {
        text.push_str(&format!("; and {} more", findings.len() - SHOWN));
    }
    text
}

#[cfg(test)]
#[path = "manifest_tests.rs"]
mod tests;
