//! Splits a dump into statements. Reads from the stream that is handed in, nothing else.
//!
//! Knows strings, quoted names, comments and executable comments (`/*!50001 … */`), so that a text inside a
//! value never looks like the end of a statement. Line comments are left out, except that the first and the
//! last one are kept: they are the header and the trailer that dump clients write.

use std::io::{self, BufRead};

/// Yields the statements of a dump one after another.
pub struct Statements<R> {
    source: R,
    bytes_read: u64,
    /// The first line comments of the stream, up to the first statement.
    pub header: Vec<String>,
    /// The last line comment and whether anything but white space followed it.
    pub last_comment: Option<String>,
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    Between,
    Plain,
    LineComment,
    Single,
    Double,
    Back,
    CommentOpen,
    Comment,
}

/// A statement longer than this is not one of a dump; servers take 1 GiB at most.
const MAX_STATEMENT: usize = 1 << 30;

impl<R: BufRead> Statements<R> {
    /// Starts at the beginning of `source`.
    pub fn new(source: R) -> Self {
        Self {
            source,
            bytes_read: 0,
            header: Vec::new(),
            last_comment: None,
        }
    }

    /// Uncompressed bytes consumed so far.
    pub fn bytes_read(&self) -> u64 {
        self.bytes_read
    }

    /// Reads the next statement into `out`, without its semicolon. `false` at the end of the stream.
    ///
    /// # Errors
    /// Of the source; `UnexpectedEof` when the stream ends inside a statement.
    pub fn next_into(&mut self, out: &mut Vec<u8>) -> io::Result<bool> {
        out.clear();
        let mut state = State::Between;
        let mut executable = false;
        // In a string: whether the byte before is a back-slash that escapes what follows. Remembered, not looked up
        // again: a value may be nothing but back-slashes.
        let mut escaped = false;
        let mut comment: Vec<u8> = Vec::new();
        loop {
            let chunk = self.source.fill_buf()?;
            if chunk.is_empty() {
                return self.end(state, out, &comment);
            }
            let mut at = 0;
            let mut finished = false;
            while at < chunk.len() {
                let byte = chunk[at];
                match state {
                    State::Between => {
                        if byte == b'-' {
                            state = State::LineComment;
                            comment.clear();
                            comment.push(byte);
                        } else if !byte.is_ascii_whitespace() {
                            // The statement begins; this byte is looked at again as part of it.
                            state = State::Plain;
                            self.last_comment = None;
                            continue;
                        }
                        at += 1;
                    }
                    State::LineComment => {
                        let end = chunk[at..].iter().position(|&b| b == b'\n');
                        comment.extend_from_slice(&chunk[at..end.map_or(chunk.len(), |e| at + e)]);
                        at = end.map_or(chunk.len(), |e| at + e + 1);
                        if end.is_some() {
                            keep_comment(&mut self.header, &mut self.last_comment, &comment);
                            state = State::Between;
                        }
                    }
                    State::Plain => {
                        let run = run_length(&chunk[at..], |b| {
                            matches!(b, b'\'' | b'"' | b'`' | b';' | b'*' | b'/' | b'\n')
                        });
                        out.extend_from_slice(&chunk[at..at + run]);
                        at += run;
                        let Some(&byte) = chunk.get(at) else { break };
                        at += 1;
                        match byte {
                            b'\'' => state = State::Single,
                            b'"' => state = State::Double,
                            b'`' => state = State::Back,
                            b';' if !executable => {
                                finished = true;
                                break;
                            }
                            b'*' if out.last() == Some(&b'/') && !executable => {
                                state = State::CommentOpen
                            }
                            b'/' if executable && out.last() == Some(&b'*') => executable = false,
                            _ => {}
                        }
                        out.push(byte);
                    }
                    State::CommentOpen => {
                        // "/*!" and MariaDB's "/*M!" are code for the server; anything else is a remark.
                        executable = byte == b'!' || byte == b'M';
                        state = if executable {
                            State::Plain
                        } else {
                            State::Comment
                        };
                        out.push(byte);
                        at += 1;
                    }
                    State::Comment => {
                        if byte == b'/' && out.last() == Some(&b'*') {
                            state = State::Plain;
                        }
                        out.push(byte);
                        at += 1;
                    }
                    State::Single | State::Double => {
                        let quote = if state == State::Single { b'\'' } else { b'"' };
                        if std::mem::take(&mut escaped) {
                            out.push(byte);
                            at += 1;
                            continue;
                        }
                        let run = run_length(&chunk[at..], |b| b == quote || b == b'\\');
                        out.extend_from_slice(&chunk[at..at + run]);
                        at += run;
                        let Some(&byte) = chunk.get(at) else { break };
                        out.push(byte);
                        at += 1;
                        escaped = byte == b'\\';
                        if byte == quote {
                            state = State::Plain;
                        }
                    }
                    State::Back => {
                        let run = run_length(&chunk[at..], |b| b == b'`');
                        out.extend_from_slice(&chunk[at..at + run]);
                        at += run;
                        if let Some(&byte) = chunk.get(at) {
                            out.push(byte);
                            at += 1;
                            state = State::Plain;
                        }
                    }
                }
                // The sandbox line of MariaDB's clients ends with a line, not with a semicolon.
                if state == State::Plain
                    && !executable
                    && out.last() == Some(&b'\n')
                    && is_sandbox(out)
                {
                    out.clear();
                    state = State::Between;
                }
            }
            self.source.consume(at);
            self.bytes_read += at as u64;
            if finished {
                return Ok(true);
            }
            if out.len() > MAX_STATEMENT {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    "a statement longer than 1 GiB",
                ));
            }
        }
    }

    fn end(&mut self, state: State, out: &[u8], comment: &[u8]) -> io::Result<bool> {
        match state {
            State::Between => Ok(false),
            State::LineComment => {
                keep_comment(&mut self.header, &mut self.last_comment, comment);
                Ok(false)
            }
            _ if out.iter().all(u8::is_ascii_whitespace) => Ok(false),
            _ => Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the stream ends inside a statement",
            )),
        }
    }
}

fn keep_comment(header: &mut Vec<String>, last: &mut Option<String>, comment: &[u8]) {
    let text = String::from_utf8_lossy(comment).trim_end().to_owned();
    if header.len() < 16 {
        header.push(text.clone());
    }
    // Dump clients frame their comments with empty ones; those carry nothing.
    if text.trim_matches(['-', ' ']).is_empty() {
        return;
    }
    *last = Some(text);
}

fn is_sandbox(out: &[u8]) -> bool {
    // The first clients that wrote the line left the M out.
    out.starts_with(b"/*M!999999") || out.starts_with(b"/*!999999")
}

/// Bytes before the first one that stops. Every look at more than one byte goes through here, where tests count it.
fn run_length(bytes: &[u8], stop: impl Fn(u8) -> bool) -> usize {
    let length = bytes.iter().position(|&b| stop(b)).unwrap_or(bytes.len());
    #[cfg(test)]
    tests::LOOKED_AT.with(|count| count.set(count.get() + length + 1));
    length
}

/// What a statement of a dump does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Sets session variables.
    Set,
    /// Drops a table or view that is about to be created.
    Drop,
    /// Creates the named table.
    CreateTable(String),
    /// Creates the named view, either as a placeholder or for good.
    CreateView(String),
    /// Inserts into the named table.
    Insert(String),
    /// Switches the keys of a table off or on, or takes or leaves table locks: no effect on content.
    Neutral,
    /// Begins or ends a transaction around the rows of a table, which clients do unless they are told otherwise
    /// (MariaDB's from 11.8 on): no effect on content.
    Transaction,
}

/// Tells what a statement does; `None` for anything that a dump of tables and views never holds.
pub fn classify(statement: &[u8]) -> Option<Kind> {
    let mut words = Words { rest: statement };
    match words.next()?.to_ascii_uppercase().as_slice() {
        b"SET" if words.any(|word| word.eq_ignore_ascii_case(b"AUTOCOMMIT")) => {
            Some(Kind::Transaction)
        }
        b"SET" => Some(Kind::Set),
        b"COMMIT" => words.next().is_none().then_some(Kind::Transaction),
        b"DROP" => match words.next()?.to_ascii_uppercase().as_slice() {
            b"TABLE" | b"VIEW" => Some(Kind::Drop),
            _ => None,
        },
        b"INSERT" => match words.next()?.to_ascii_uppercase().as_slice() {
            b"INTO" => Some(Kind::Insert(name_of(words.next()?)?)),
            _ => None,
        },
        b"ALTER" => {
            let _table = words.next()?;
            let name = words.next()?;
            let (verb, noun) = (
                words.next()?.to_ascii_uppercase(),
                words.next()?.to_ascii_uppercase(),
            );
            let switches_keys =
                matches!(verb.as_slice(), b"DISABLE" | b"ENABLE") && noun == b"KEYS";
            (name.first() == Some(&b'`') && switches_keys && words.next().is_none())
                .then_some(Kind::Neutral)
        }
        b"LOCK" | b"UNLOCK" => {
            (words.next()?.eq_ignore_ascii_case(b"TABLES")).then_some(Kind::Neutral)
        }
        b"CREATE" => {
            let first = words.next()?.to_ascii_uppercase();
            if first == b"TABLE" {
                return Some(Kind::CreateTable(name_of(words.next()?)?));
            }
            // CREATE [OR REPLACE] [ALGORITHM=…] [DEFINER=…] [SQL SECURITY …] VIEW `name`
            let mut word = first;
            for _ in 0..16 {
                match word.as_slice() {
                    b"VIEW" => return Some(Kind::CreateView(name_of(words.next()?)?)),
                    b"TRIGGER" | b"PROCEDURE" | b"FUNCTION" | b"EVENT" | b"DATABASE" | b"USER"
                    | b"AS" => return None,
                    _ => word = words.next()?.to_ascii_uppercase(),
                }
            }
            None
        }
        _ => None,
    }
}

/// The word that a statement begins with, for people. Nothing else of it, since a value may follow.
pub fn first_word(statement: &[u8]) -> String {
    let word = Words { rest: statement }.next().unwrap_or_default();
    let letters = word.iter().take_while(|byte| byte.is_ascii_alphabetic());
    letters.take(20).map(|&byte| char::from(byte)).collect()
}

/// Walks over the words and quoted names of a statement; the frames of executable comments are skipped.
struct Words<'s> {
    rest: &'s [u8],
}

impl<'s> Iterator for Words<'s> {
    type Item = &'s [u8];

    fn next(&mut self) -> Option<&'s [u8]> {
        loop {
            let start = self.rest.iter().position(|b| !b.is_ascii_whitespace())?;
            self.rest = &self.rest[start..];
            if self.rest.starts_with(b"*/") {
                self.rest = &self.rest[2..];
            } else if self.rest.starts_with(b"/*!") || self.rest.starts_with(b"/*M!") {
                let digits = self.rest.iter().position(|&b| b == b'!')? + 1;
                let end = self.rest[digits..]
                    .iter()
                    .position(|b| !b.is_ascii_digit())?;
                self.rest = &self.rest[digits + end..];
            } else {
                break;
            }
        }
        let end = match self.rest.first()? {
            b'`' => end_of_quoted(self.rest)?,
            b'(' | b')' | b',' | b'=' | b'@' | b'.' | b';' => 1,
            _ => run_length(self.rest, |b| {
                b.is_ascii_whitespace()
                    || matches!(
                        b,
                        b'`' | b'(' | b')' | b',' | b'=' | b'@' | b'.' | b'*' | b';'
                    )
            })
            .max(1),
        };
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        Some(word)
    }
}

/// Length of the back-ticked name at the start of `bytes`, doubled back-ticks included.
pub fn end_of_quoted(bytes: &[u8]) -> Option<usize> {
    let mut at = 1;
    loop {
        at += bytes.get(at..)?.iter().position(|&b| b == b'`')? + 1;
        if bytes.get(at) != Some(&b'`') {
            return Some(at);
        }
        at += 1;
    }
}

/// The name inside back-ticks.
pub fn name_of(quoted: &[u8]) -> Option<String> {
    let inner = quoted.strip_prefix(b"`")?.strip_suffix(b"`")?;
    Some(String::from_utf8_lossy(inner).replace("``", "`"))
}

#[cfg(test)]
#[path = "statements_tests.rs"]
mod tests;
