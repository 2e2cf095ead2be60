//! Takes out of a definition what servers write in one table and leave out in another that is the same. No I/O.
//!
//! MySQL 8 and newer remember of a column whether its collation was written down when it was made. Only then SHOW
//! CREATE TABLE names the character set too, so a table that took its collation from its database is shown otherwise
//! after it was made anew from its own text. MariaDB and MySQL remark which storage format times of old tables have;
//! new tables have the new format, with the same values.

use super::tokens::{Token, first_token};

/// The text of a CREATE TABLE statement without what says nothing about the table: character sets that stand before
/// one of their own collations, and remarks.
pub fn normalize_spelling(create_table: &str) -> String {
    let bytes = create_table.as_bytes();
    let mut out: Vec<u8> = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        if let Some(length) = remark_length(rest) {
            // The blank before it goes along.
            if out.last() == Some(&b' ') {
                out.pop();
            }
            at += length;
            continue;
        }
        if let Some(length) = needless_length(rest) {
            at += length;
            continue;
        }
        let (_, length) = first_token(rest);
        out.extend_from_slice(&rest[..length]);
        at += length;
    }
    // Only whole tokens were left out, and those of ASCII.
    String::from_utf8_lossy(&out).into_owned()
}

/// Length of the remark at the start of `bytes`. What begins with `/*!` or `/*M!` is a part of the statement.
fn remark_length(bytes: &[u8]) -> Option<usize> {
    let text = bytes.strip_prefix(b"/*")?;
    if text.starts_with(b"!") || text.starts_with(b"M!") {
        return None;
    }
    let end = text.windows(2).position(|pair| pair == b"*/")?;
    Some(end + 4)
}

/// Length of `CHARACTER SET x ` at the start of `bytes`, when a collation of `x` follows.
fn needless_length(bytes: &[u8]) -> Option<usize> {
    let mut words = Words(bytes);
    let is = |word: Option<&[u8]>, wanted: &[u8]| {
        word.is_some_and(|word| word.eq_ignore_ascii_case(wanted))
    };
    if !is(words.next(), b"CHARACTER") || !is(words.next(), b"SET") {
        return None;
    }
    let character_set = words.next()?;
    let length = bytes.len() - words.0.len();
    if !is(words.next(), b"COLLATE") {
        return None;
    }
    let rest = words.next()?.strip_prefix(character_set)?;
    (rest.is_empty() || rest.starts_with(b"_")).then_some(length)
}

/// Words with one blank after each.
struct Words<'b>(&'b [u8]);

impl<'b> Words<'b> {
    fn next(&mut self) -> Option<&'b [u8]> {
        let (token, length) = first_token(self.0.first().map(|_| self.0)?);
        let word = (token == Token::Word).then_some(&self.0[..length])?;
        let rest = &self.0[length..];
        self.0 = rest.strip_prefix(b" ").unwrap_or(rest);
        Some(word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_character_set_before_its_own_collation_says_nothing() {
        for (text, normal) in [
            (
                "`ip` varchar(40) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci DEFAULT NULL,",
                "`ip` varchar(40) COLLATE utf8mb4_general_ci DEFAULT NULL,",
            ),
            (
                "`t` text CHARACTER SET gbk COLLATE gbk_bin)",
                "`t` text COLLATE gbk_bin)",
            ),
            ("`t` text CHARACTER SET x COLLATE x", "`t` text COLLATE x"),
        ] {
            assert_eq!(normalize_spelling(text), normal);
            assert_eq!(normalize_spelling(normal), normal);
        }
    }

    #[test]
    fn remarks_say_nothing() {
        assert_eq!(
            normalize_spelling(
                "`t` time(3) /* mariadb-5.3 */ DEFAULT NULL,\n  `d` datetime /* 5.5 binary format */ NOT NULL"
            ),
            "`t` time(3) DEFAULT NULL,\n  `d` datetime NOT NULL"
        );
    }

    #[test]
    fn everything_else_stays() {
        for text in [
            "`t` text CHARACTER SET gbk DEFAULT NULL",
            "`t` text CHARACTER SET gbk COLLATE utf8mb4_bin",
            "`t` text CHARACTER SET utf8 COLLATE utf8mb3_bin",
            "`c` int COMMENT 'CHARACTER SET gbk COLLATE gbk_bin /* remark */'",
            "`CHARACTER SET gbk COLLATE gbk_bin /* x */` int",
            "`a` int /*!80023 INVISIBLE */, /*M!100100 x */",
            "/*!50100 PARTITION BY RANGE (`a`) (PARTITION p0 VALUES LESS THAN (10)) */",
            "/* no end",
            "'CHARACTER SET",
            "CHARACTER SET gbk COLLATE",
            "`汉` varchar(9) DEFAULT 'ñ😀'",
            "",
        ] {
            assert_eq!(normalize_spelling(text), text);
        }
    }
}
