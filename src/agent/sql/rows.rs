//! Reads the rows out of the INSERT statements of a dump and adds them to a digest. No I/O.
//!
//! Dump clients print exactly the text that the server sends in its text protocol, so a digest over the
//! values of a dump equals the digest over the live table. That proves the content of a file without loading
//! it anywhere.

use super::statements::{end_of_quoted, name_of};
use crate::agent::digest::{ContentDigest, RowHash, without_sign_of_zero};
use crate::metadb::quote_name;
use std::ops::Range;

/// Why an INSERT statement is not understood. Holds positions and never values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("byte {at} of an INSERT statement is not what a dump client writes there")]
pub struct NotUnderstood {
    /// Offset in the statement.
    pub at: usize,
}

/// The head of an INSERT statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InsertHead {
    pub table: String,
    /// Its columns, empty when the statement does not list them.
    pub columns: Vec<String>,
    /// Where the first row begins.
    pub rows_at: usize,
}

struct Cursor<'s> {
    bytes: &'s [u8],
    at: usize,
}

impl Cursor<'_> {
    fn fail<T>(&self) -> Result<T, NotUnderstood> {
        Err(NotUnderstood { at: self.at })
    }

    fn skip_spaces(&mut self) {
        while self.bytes.get(self.at).is_some_and(u8::is_ascii_whitespace) {
            self.at += 1;
        }
    }

    fn take(&mut self, word: &[u8]) -> bool {
        let found = self
            .bytes
            .get(self.at..self.at + word.len())
            .is_some_and(|b| b.eq_ignore_ascii_case(word));
        if found {
            self.at += word.len();
        }
        found
    }

    fn name(&mut self) -> Result<String, NotUnderstood> {
        let rest = &self.bytes[self.at..];
        if rest.first() != Some(&b'`') {
            return self.fail();
        }
        let Some(end) = end_of_quoted(rest) else {
            return self.fail();
        };
        let Some(name) = name_of(&rest[..end]) else {
            return self.fail();
        };
        self.at += end;
        Ok(name)
    }
}

/// Reads `` INSERT INTO `t` (`a`, `b`) VALUES ``.
///
/// # Errors
/// When it is anything else.
pub fn read_head(statement: &[u8]) -> Result<InsertHead, NotUnderstood> {
    let mut cursor = Cursor {
        bytes: statement,
        at: 0,
    };
    cursor.skip_spaces();
    if !cursor.take(b"INSERT INTO ") {
        return cursor.fail();
    }
    let table = cursor.name()?;
    cursor.skip_spaces();
    let mut columns = Vec::new();
    if cursor.take(b"(") {
        loop {
            cursor.skip_spaces();
            columns.push(cursor.name()?);
            cursor.skip_spaces();
            if cursor.take(b")") {
                break;
            }
            if !cursor.take(b",") {
                return cursor.fail();
            }
        }
        cursor.skip_spaces();
    }
    if !cursor.take(b"VALUES") {
        return cursor.fail();
    }
    cursor.skip_spaces();
    Ok(InsertHead {
        table,
        columns,
        rows_at: cursor.at,
    })
}

/// Which values of a row count: those of `columns`. MariaDB's client also writes generated columns, which
/// hold nothing of their own.
///
/// # Errors
/// When the statement does not fill exactly those columns, in that order, and generated ones.
pub fn wanted_values(head: &InsertHead, columns: &[String]) -> Result<Vec<bool>, NotUnderstood> {
    if head.columns.is_empty() {
        return Ok(vec![true; columns.len()]);
    }
    let mut expected = columns.iter();
    let mut next = expected.next();
    let mut wanted = Vec::with_capacity(head.columns.len());
    for column in &head.columns {
        let is_wanted = next == Some(column);
        if is_wanted {
            next = expected.next();
        }
        wanted.push(is_wanted);
    }
    if next.is_some() {
        Err(NotUnderstood { at: head.rows_at })
    } else {
        Ok(wanted)
    }
}

/// Gets the span of a value in its statement, whether it is the last one of its row, and the value (`None` for
/// NULL).
type EachValue<'f> = dyn FnMut(Range<usize>, bool, Option<&[u8]>) + 'f;

/// Walks over the wanted values of all rows of the statement.
fn walk_rows(
    statement: &[u8],
    head: &InsertHead,
    wanted: &[bool],
    each: &mut EachValue<'_>,
) -> Result<(), NotUnderstood> {
    let mut cursor = Cursor {
        bytes: statement,
        at: head.rows_at,
    };
    let mut value = Vec::new();
    let last = wanted.iter().rposition(|is_wanted| *is_wanted);
    loop {
        cursor.skip_spaces();
        if !cursor.take(b"(") {
            return cursor.fail();
        }
        for (column, is_wanted) in wanted.iter().enumerate() {
            if column > 0 && !cursor.take(b",") {
                return cursor.fail();
            }
            let begin = cursor.at;
            let is_null = !read_value(&mut cursor, &mut value)?;
            if *is_wanted {
                each(
                    begin..cursor.at,
                    last == Some(column),
                    (!is_null).then_some(&value),
                );
            }
        }
        if !cursor.take(b")") {
            return cursor.fail();
        }
        cursor.skip_spaces();
        if cursor.at == statement.len() {
            return Ok(());
        }
        if !cursor.take(b",") {
            return cursor.fail();
        }
    }
}

/// Adds every row of the statement to `digest`, with the values of `columns`.
///
/// # Errors
/// When the text is not a list of rows of those columns.
pub fn add_rows(
    statement: &[u8],
    head: &InsertHead,
    columns: &[String],
    digest: &mut ContentDigest,
) -> Result<(), NotUnderstood> {
    let wanted = wanted_values(head, columns)?;
    let mut row = RowHash::default();
    walk_rows(statement, head, &wanted, &mut |_, is_last, value| {
        row.add(value);
        if is_last {
            digest.add_row(std::mem::take(&mut row));
        }
    })
}

/// The statement without the values of generated columns, which OceanBase refuses to take (error 3105).
/// `None` when there are none, which is nearly always.
///
/// # Errors
/// When the text is not a list of rows of those columns.
pub fn strip_generated(
    statement: &[u8],
    columns: &[String],
) -> Result<Option<Vec<u8>>, NotUnderstood> {
    let head = read_head(statement)?;
    let wanted = wanted_values(&head, columns)?;
    if wanted.iter().all(|is_wanted| *is_wanted) {
        return Ok(None);
    }
    let list = columns
        .iter()
        .map(|name| quote_name(name))
        .collect::<Vec<_>>()
        .join(", ");
    let mut out = format!("INSERT INTO {} ({list}) VALUES ", quote_name(&head.table)).into_bytes();
    let mut begins_row = true;
    walk_rows(statement, &head, &wanted, &mut |span, is_last, _| {
        if begins_row {
            out.push(b'(');
        }
        out.extend_from_slice(&statement[span]);
        out.extend_from_slice(if is_last { b")," } else { b"," });
        begins_row = is_last;
    })?;
    out.pop();
    Ok(Some(out))
}

/// Reads one value into `out`; `false` for NULL.
fn read_value(cursor: &mut Cursor<'_>, out: &mut Vec<u8>) -> Result<bool, NotUnderstood> {
    out.clear();
    if cursor.take(b"_binary ") {
        cursor.skip_spaces();
    }
    match cursor.bytes.get(cursor.at) {
        Some(b'\'') => read_string(cursor, out).map(|()| true),
        Some(b'0') if cursor.bytes.get(cursor.at + 1) == Some(&b'x') => {
            read_hex(cursor, out).map(|()| true)
        }
        Some(b'N') if cursor.take(b"NULL") => Ok(false),
        Some(b'0'..=b'9' | b'-' | b'+' | b'.') => {
            let rest = &cursor.bytes[cursor.at..];
            let end = rest
                .iter()
                .position(|b| !matches!(b, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E'))
                .unwrap_or(rest.len());
            out.extend_from_slice(without_sign_of_zero(&rest[..end]));
            cursor.at += end;
            Ok(true)
        }
        _ => cursor.fail(),
    }
}

fn read_string(cursor: &mut Cursor<'_>, out: &mut Vec<u8>) -> Result<(), NotUnderstood> {
    cursor.at += 1;
    loop {
        let rest = &cursor.bytes[cursor.at..];
        let Some(run) = rest.iter().position(|&b| b == b'\'' || b == b'\\') else {
            return cursor.fail();
        };
        out.extend_from_slice(&rest[..run]);
        cursor.at += run;
        let next = rest.get(run + 1).copied();
        if rest[run] == b'\\' {
            let Some(escaped) = next else {
                return cursor.fail();
            };
            out.push(match escaped {
                b'0' => 0,
                b'n' => b'\n',
                b'r' => b'\r',
                b't' => b'\t',
                b'b' => 8,
                b'Z' => 0x1a,
                other => other,
            });
            cursor.at += 2;
        } else if next == Some(b'\'') {
            out.push(b'\'');
            cursor.at += 2;
        } else {
            cursor.at += 1;
            return Ok(());
        }
    }
}

fn read_hex(cursor: &mut Cursor<'_>, out: &mut Vec<u8>) -> Result<(), NotUnderstood> {
    cursor.at += 2;
    let rest = &cursor.bytes[cursor.at..];
    let end = rest
        .iter()
        .position(|b| !b.is_ascii_hexdigit())
        .unwrap_or(rest.len());
    if end % 2 != 0 {
        return cursor.fail();
    }
    for pair in rest[..end].chunks_exact(2) {
        out.push(nibble(pair[0]) << 4 | nibble(pair[1]));
    }
    cursor.at += end;
    Ok(())
}

fn nibble(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        _ => digit.wrapping_sub(b'A').wrapping_add(10),
    }
}

#[cfg(test)]
#[path = "rows_tests.rs"]
mod tests;
