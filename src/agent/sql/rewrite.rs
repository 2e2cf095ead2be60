//! Carries a CREATE TABLE statement from one database to another. No I/O.
//!
//! OceanBase writes the database into every foreign key (`` REFERENCES `oms_rm`.`t` ``), MySQL and MariaDB
//! where it is another one. Loaded under another name, such a table would silently point at the live one.
//! Only the name after the word REFERENCES is changed, and only outside strings and quoted names: the same
//! text inside a comment or a default value stays.

use super::statements::name_of;
use super::tokens::{Token, first_token, goes_on_with};
use crate::metadb::quote_name;

/// Replaces the database of every foreign key by what `rename` gives for it; `None` leaves it.
pub fn rename_references(create_table: &[u8], rename: impl Fn(&str) -> Option<String>) -> Vec<u8> {
    let mut out = Vec::with_capacity(create_table.len() + 64);
    let mut at = 0;
    let mut after_references = false;
    while at < create_table.len() {
        let rest = &create_table[at..];
        let (token, length) = first_token(rest);
        let text = &rest[..length];
        let qualifies =
            token == Token::Name && after_references && goes_on_with(&rest[length..], b'.');
        let renamed = if qualifies {
            name_of(text).and_then(|name| rename(&name))
        } else {
            None
        };
        match renamed {
            Some(name) => out.extend_from_slice(quote_name(&name).as_bytes()),
            None => out.extend_from_slice(text),
        }
        match token {
            Token::Word => after_references = text.eq_ignore_ascii_case(b"REFERENCES"),
            Token::Space => {}
            Token::Text | Token::Name | Token::Sign(_) => after_references = false,
        }
        at += length;
    }
    out
}

/// Cuts the counter out of a CREATE TABLE statement: `(text without it, the counter)`.
///
/// The counter moves on without any row changing (OceanBase reserves ranges), so it is compared by itself.
pub fn split_auto_increment(create_table: &str) -> (String, Option<u64>) {
    let bytes = create_table.as_bytes();
    let mut at = 0;
    let mut depth = 0_u32;
    while at < bytes.len() {
        let rest = &bytes[at..];
        let (token, length) = first_token(rest);
        match token {
            Token::Sign(b'(') => depth += 1,
            Token::Sign(b')') => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 && rest[..length].eq_ignore_ascii_case(b"AUTO_INCREMENT") {
            let after = &create_table[at + length..];
            let value = after.trim_start().trim_start_matches('=').trim_start();
            let digits = value.bytes().take_while(u8::is_ascii_digit).count();
            let tail = &value[digits..];
            let head = create_table[..at].trim_end();
            return (format!("{head}{tail}"), value[..digits].parse().ok());
        }
        at += length;
    }
    (create_table.to_owned(), None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn aside(name: &str) -> Option<String> {
        ["oms_rm", "o`m"]
            .contains(&name)
            .then(|| format!("{name}__omsrestore_1"))
    }

    fn rewrite(text: &str) -> String {
        String::from_utf8(rename_references(text.as_bytes(), aside)).unwrap()
    }

    #[test]
    fn references_follow() {
        assert_eq!(
            rewrite(
                "CONSTRAINT `fk` FOREIGN KEY (`p`) REFERENCES `oms_rm`.`parent`(`id`) ON DELETE CASCADE"
            ),
            "CONSTRAINT `fk` FOREIGN KEY (`p`) REFERENCES `oms_rm__omsrestore_1`.`parent`(`id`) ON DELETE CASCADE"
        );
        assert_eq!(
            rewrite("references\n `o``m` . `t`"),
            "references\n `o``m__omsrestore_1` . `t`"
        );
    }

    #[test]
    fn everything_else_stays() {
        for text in [
            "REFERENCES `parent` (`id`)",
            "REFERENCES `oms_rm` (`id`)",
            "REFERENCES `elsewhere`.`t`",
            "`x` varchar(99) DEFAULT 'REFERENCES `oms_rm`.`t`' COMMENT 'it''s REFERENCES `oms_rm`.`t` \\' REFERENCES `oms_rm`.`t`'",
            "`REFERENCES ``oms_rm``.` int",
            "`oms_rm`.`t`",
            "XREFERENCES `oms_rm`.`t`",
            "CHECK (`a` <> \"REFERENCES `oms_rm`.`t`\")",
        ] {
            assert_eq!(rewrite(text), text);
        }
    }

    #[test]
    fn unfinished_text_does_no_harm() {
        for text in ["REFERENCES `oms_rm", "'abc\\", "`", "REFERENCES", "'", ""] {
            assert_eq!(rewrite(text), text);
        }
    }

    #[test]
    fn the_counter_is_cut_out_of_both_spellings() {
        let maria = "CREATE TABLE `t` (\n  `id` int(11) NOT NULL AUTO_INCREMENT,\n  `c` int COMMENT 'AUTO_INCREMENT=9'\n) ENGINE=InnoDB AUTO_INCREMENT=42 DEFAULT CHARSET=utf8mb4";
        let (text, counter) = split_auto_increment(maria);
        assert_eq!(counter, Some(42));
        assert!(
            text.ends_with("ENGINE=InnoDB DEFAULT CHARSET=utf8mb4")
                && text.contains("NOT NULL AUTO_INCREMENT,")
        );
        let ob = ") ORGANIZATION INDEX AUTO_INCREMENT = 7 AUTO_INCREMENT_MODE = 'ORDER' DEFAULT CHARSET = utf8mb4";
        assert_eq!(
            split_auto_increment(ob),
            (
                ") ORGANIZATION INDEX AUTO_INCREMENT_MODE = 'ORDER' DEFAULT CHARSET = utf8mb4"
                    .to_owned(),
                Some(7)
            )
        );
        assert_eq!(split_auto_increment("CREATE TABLE `t` (`a` int)").1, None);
    }
}
