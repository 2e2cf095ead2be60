//! Watches a dump as it streams by: its header, the tables it creates, its trailer. No I/O.
//!
//! Cheaper than splitting statements, so that the dump client never waits for us. It looks at the beginnings
//! of lines only: dump clients escape line ends inside values.

use super::statements::{end_of_quoted, name_of};
use std::collections::BTreeSet;

/// Longest beginning of a line that is looked at: `CREATE TABLE` with a name of 64 four-byte characters.
const LOOKED_AT: usize = 600;

/// The last line that every dump client of this family writes.
pub const TRAILER: &str = "-- Dump completed";

/// What was seen of a dump.
#[derive(Default)]
pub struct Frame {
    line: Vec<u8>,
    first_lines: Vec<String>,
    last_line: String,
    /// Tables (and placeholders of views) whose CREATE went by.
    pub created: BTreeSet<String>,
    /// The table whose CREATE went by last.
    pub current: Option<String>,
    /// Bytes of the longest statement, with its semicolon.
    pub longest_statement: u64,
    line_bytes: u64,
    ends_statement: bool,
    statement_bytes: u64,
}

impl Frame {
    /// Looks at the next piece of the stream.
    pub fn feed(&mut self, mut chunk: &[u8]) {
        while let Some(end) = chunk.iter().position(|&b| b == b'\n') {
            self.extend(&chunk[..end]);
            self.finish_line();
            chunk = &chunk[end + 1..];
        }
        self.extend(chunk);
    }

    fn extend(&mut self, bytes: &[u8]) {
        self.line_bytes += bytes.len() as u64;
        self.ends_statement = bytes.last().map_or(self.ends_statement, |&b| b == b';');
        let room = LOOKED_AT.saturating_sub(self.line.len());
        self.line.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    fn finish_line(&mut self) {
        self.count_statement();
        let line = self.line.trim_ascii();
        if !line.is_empty() {
            if self.first_lines.len() < 8 {
                self.first_lines
                    .push(String::from_utf8_lossy(line).into_owned());
            }
            if let Some(rest) = line.strip_prefix(b"CREATE TABLE ") {
                let name = end_of_quoted(rest).and_then(|end| name_of(&rest[..end]));
                self.created.extend(name.clone());
                self.current = name;
            }
            self.last_line.clear();
            if line.starts_with(b"--") {
                self.last_line.push_str(&String::from_utf8_lossy(line));
            }
        }
        self.line.clear();
    }

    /// A statement ends with a semicolon at the end of a line; comments are no part of one.
    fn count_statement(&mut self) {
        let is_comment = self.line.starts_with(b"--");
        if !is_comment {
            self.statement_bytes += self.line_bytes;
            self.longest_statement = self.longest_statement.max(self.statement_bytes);
        }
        if is_comment || self.ends_statement {
            self.statement_bytes = 0;
        } else {
            self.statement_bytes += 1;
        }
        (self.line_bytes, self.ends_statement) = (0, false);
    }

    /// Whether the stream began as a dump of `database` does.
    pub fn has_header(&self, database: &str) -> bool {
        is_header(&self.first_lines, database)
    }

    /// Whether the stream ended with the trailer and nothing after it.
    pub fn has_trailer(&self) -> bool {
        self.line.trim_ascii().is_empty() && self.last_line.starts_with(TRAILER)
    }
}

/// Whether `lines` are the first ones of a dump of `database`.
pub fn is_header(lines: &[String], database: &str) -> bool {
    let says_dump = lines
        .iter()
        .any(|line| line.starts_with("-- MariaDB dump ") || line.starts_with("-- MySQL dump "));
    let names_it = lines.iter().any(|line| {
        line.starts_with("-- Host: ")
            && line
                .split_once("Database: ")
                .is_some_and(|(_, name)| name.trim_end() == database)
    });
    says_dump && names_it
}

#[cfg(test)]
mod tests {
    use super::*;

    const DUMP: &str = "/*M!999999\\- enable the sandbox mode */ \n-- MariaDB dump 10.19\n--\n-- Host: h    Database: oms_rm\n-- ---\n\n\
                        CREATE TABLE `a``b` (\n  `x` int\n);\nINSERT INTO `a``b` VALUES ('CREATE TABLE `c`');\n-- Dump completed\n";

    fn seen(text: &str, piece: usize) -> Frame {
        let mut frame = Frame::default();
        for chunk in text.as_bytes().chunks(piece) {
            frame.feed(chunk);
        }
        frame
    }

    #[test]
    fn a_whole_dump_is_recognised_in_pieces_of_any_size() {
        for piece in [1, 2, 3, 7, 50, 5000] {
            let frame = seen(DUMP, piece);
            assert!(frame.has_header("oms_rm") && frame.has_trailer());
            assert!(!frame.has_header("oms_cm"));
            assert_eq!(frame.created.iter().collect::<Vec<_>>(), ["a`b"]);
        }
    }

    #[test]
    fn the_longest_statement_is_measured() {
        let insert = "INSERT INTO `a``b` VALUES ('CREATE TABLE `c`');";
        let create =
            "CREATE TABLE `longer` (\n  `a_column_with_a_name` int,\n  `and_another` int\n);";
        for piece in [1, 2, 3, 7, 50, 5000] {
            assert_eq!(seen(DUMP, piece).longest_statement, insert.len() as u64);
            let text = format!("-- {}\n{create}\n{insert}\n", "x".repeat(200));
            assert_eq!(seen(&text, piece).longest_statement, create.len() as u64);
        }
    }

    #[test]
    fn a_cut_dump_has_no_trailer() {
        for end in 0..DUMP.len() - 1 {
            assert!(!seen(&DUMP[..end], 64).has_trailer(), "cut at {end}");
        }
        assert!(!seen(&format!("{DUMP}SELECT 1;\n"), 64).has_trailer());
        assert!(!seen(&format!("{DUMP}SELECT"), 64).has_trailer());
        assert!(seen(&format!("{DUMP}\n\n"), 64).has_trailer());
    }
}
