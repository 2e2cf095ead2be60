//! Carries a CREATE VIEW statement from one database to another. No I/O.
//!
//! Servers write the database before every table that a view reads, and OceanBase before its columns too. Loaded under
//! another name, such a view would silently read the live tables. A name with two parts may as well be a column of an
//! alias that is called like a database: where the statement names tables, it is a database, elsewhere it is not.

use super::statements::name_of;
use super::tokens::{Token, first_token, goes_on_with};
use crate::metadb::quote_name;

/// Replaces the database of every table that the view reads by what `rename` gives for it; `None` leaves it.
pub fn rename_tables(create_view: &[u8], rename: impl Fn(&str) -> Option<String>) -> Vec<u8> {
    let mut out = Vec::with_capacity(create_view.len() + 64);
    let mut clauses = Clauses::default();
    let mut at = 0;
    // Parts of a name are joined by points.
    let mut after_point = false;
    while at < create_view.len() {
        let rest = &create_view[at..];
        let (token, length) = first_token(rest);
        let text = &rest[..length];
        let renamed = match name_of(text) {
            Some(name)
                if token == Token::Name
                    && !after_point
                    && is_database(&rest[length..], clauses.names_tables()) =>
            {
                rename(&name)
            }
            _ => None,
        };
        match renamed {
            Some(name) => out.extend_from_slice(quote_name(&name).as_bytes()),
            None => out.extend_from_slice(text),
        }
        if token != Token::Space {
            after_point = token == Token::Sign(b'.');
            clauses.pass(token, text);
        }
        at += length;
    }
    out
}

/// Takes the definer out, so that the view belongs to the account that makes it.
pub fn without_definer(create_view: &[u8]) -> Vec<u8> {
    let mut at = 0;
    while at < create_view.len() {
        let (token, length) = first_token(&create_view[at..]);
        let word = &create_view[at..at + length];
        if token == Token::Word && word.eq_ignore_ascii_case(b"VIEW") {
            break;
        }
        if token == Token::Word && word.eq_ignore_ascii_case(b"DEFINER") {
            let mut end = at + length;
            // `=`, the user, perhaps `@` and the host.
            while end < create_view.len() {
                let (token, length) = first_token(&create_view[end..]);
                let belongs = matches!(token, Token::Sign(b'=' | b'@') | Token::Name | Token::Text);
                if !belongs {
                    break;
                }
                end += length;
            }
            return [&create_view[..at], &create_view[end..]].concat();
        }
        at += length;
    }
    create_view.to_vec()
}

/// Whether a quoted name is a database, judged by what follows it: of three parts the first one always is, of two parts
/// where tables are named.
fn is_database(rest: &[u8], names_tables: bool) -> bool {
    let Some(after_point) = point_and_rest(rest) else {
        return false;
    };
    if names_tables {
        return true;
    }
    let after_space = after_point.trim_ascii_start();
    if after_space.is_empty() {
        return false;
    }
    let (_, length) = first_token(after_space);
    goes_on_with(&after_space[length..], b'.')
}

fn point_and_rest(rest: &[u8]) -> Option<&[u8]> {
    rest.trim_ascii_start().strip_prefix(b".")
}

/// Where in a SELECT the walk is.
#[derive(Clone, Copy, Default, PartialEq)]
enum Clause {
    /// Columns and conditions.
    #[default]
    Other,
    /// Tables, between FROM and the next clause.
    From,
    /// The condition of a join, within FROM.
    On,
}

/// The clause at the present depth of parentheses, and those outside.
#[derive(Default)]
struct Clauses {
    now: Clause,
    outer: Vec<Clause>,
    /// The name of the view itself comes next.
    names_view: bool,
}

impl Clauses {
    fn names_tables(&self) -> bool {
        self.names_view || self.now == Clause::From
    }

    fn pass(&mut self, token: Token, text: &[u8]) {
        self.names_view = false;
        match token {
            Token::Sign(b'(') => {
                self.outer.push(self.now);
                if self.now == Clause::On {
                    self.now = Clause::Other;
                }
            }
            Token::Sign(b')') => self.now = self.outer.pop().unwrap_or_default(),
            Token::Sign(b',') if self.now == Clause::On => self.now = Clause::From,
            Token::Word => self.pass_word(&text.to_ascii_uppercase()),
            Token::Text | Token::Name | Token::Space | Token::Sign(_) => {}
        }
    }

    fn pass_word(&mut self, word: &[u8]) {
        match word {
            b"VIEW" if self.outer.is_empty() => self.names_view = true,
            b"FROM" => self.now = Clause::From,
            b"JOIN" | b"STRAIGHT_JOIN" if self.now == Clause::On => self.now = Clause::From,
            b"ON" | b"USING" if self.now == Clause::From => self.now = Clause::On,
            b"SELECT" | b"WHERE" | b"GROUP" | b"HAVING" | b"ORDER" | b"LIMIT" | b"UNION"
            | b"EXCEPT" | b"INTERSECT" | b"WINDOW" => self.now = Clause::Other,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn aside(name: &str) -> Option<String> {
        ["rm", "c`m"].contains(&name).then(|| format!("{name}_2"))
    }

    fn rewrite(text: &str) -> String {
        String::from_utf8(rename_tables(text.as_bytes(), aside)).unwrap()
    }

    #[test]
    fn tables_follow_wherever_a_view_names_them() {
        for (text, expected) in [
            (
                "CREATE VIEW `v` AS select `m`.`id` AS `id` from `rm`.`t` `m`",
                "CREATE VIEW `v` AS select `m`.`id` AS `id` from `rm_2`.`t` `m`",
            ),
            (
                "/*!50001 CREATE ALGORITHM=MERGE */\n/*!50013 DEFINER=`rm`@`%` SQL SECURITY DEFINER */\n/*!50001 VIEW `v` AS select count(0) AS `n` from `c``m`.`t` */",
                "/*!50001 CREATE ALGORITHM=MERGE */\n/*!50013 DEFINER=`rm`@`%` SQL SECURITY DEFINER */\n/*!50001 VIEW `v` AS select count(0) AS `n` from `c``m_2`.`t` */",
            ),
            (
                "CREATE VIEW `rm`.`v` AS select `rm`.`t`.`a` AS `a` from `rm`.`t`",
                "CREATE VIEW `rm_2`.`v` AS select `rm_2`.`t`.`a` AS `a` from `rm_2`.`t`",
            ),
            // OceanBase writes the database before an alias, and some aliases without quotes.
            (
                "CREATE VIEW `v` AS select `rm`.`x`.`ip` AS `ip` from `rm`.`mid` x group by `rm`.`x`.`ip`",
                "CREATE VIEW `v` AS select `rm_2`.`x`.`ip` AS `ip` from `rm_2`.`mid` x group by `rm_2`.`x`.`ip`",
            ),
            (
                "CREATE VIEW `v` AS select 1 AS `1` from (((`rm`.`a` join `c``m`.`b` on(`a`.`x` = `b`.`x`)) left join `rm`.`c` on `c`.`x` = 1 and (`b`.`x` in (select `rm`.`d`.`x` from `rm`.`d`))) , `rm`.`e`) where exists(select 1 from `rm`.`f` limit 1)",
                "CREATE VIEW `v` AS select 1 AS `1` from (((`rm_2`.`a` join `c``m_2`.`b` on(`a`.`x` = `b`.`x`)) left join `rm_2`.`c` on `c`.`x` = 1 and (`b`.`x` in (select `rm_2`.`d`.`x` from `rm_2`.`d`))) , `rm_2`.`e`) where exists(select 1 from `rm_2`.`f` limit 1)",
            ),
        ] {
            assert_eq!(rewrite(text), expected);
        }
    }

    #[test]
    fn what_is_only_called_like_a_database_stays() {
        for text in [
            // An alias, a derived table, a table and a column.
            "CREATE VIEW `v` AS select `rm`.`id` AS `rm`,'from `rm`.`t`' AS `x` from `other`.`t` `rm` where `rm`.`id` > 1 order by `rm`.`id`",
            "CREATE VIEW `v` AS select `rm`.`id` AS `id` from ((select 1 AS `id`) `rm` join `h` on(`h`.`id` = `rm`.`id`))",
            "CREATE VIEW `v` AS select `rm`.`id` AS `id` from (`rm` left join `h` on `h`.`id` = `rm`.`id` and (extract(year from now()) > 1))",
            "CREATE VIEW `v` AS select `t`.`rm`.`x` AS `x` from `t`.`rm`",
            "CREATE VIEW `v` AS select \"from `rm`.`t`\" AS `from ``rm``.` from `t`",
        ] {
            assert_eq!(rewrite(text), text);
        }
    }

    #[test]
    fn unfinished_text_does_no_harm() {
        for text in ["", "VIEW `rm", "from `rm`.", "from `rm` .", ")", "'"] {
            let _ = rewrite(text);
        }
    }

    #[test]
    fn the_definer_goes_and_nothing_else() {
        let cut = |text: &str| String::from_utf8(without_definer(text.as_bytes())).unwrap();
        assert_eq!(
            cut(
                "/*!50013 DEFINER=`a``b`@`%` SQL SECURITY DEFINER */\n/*!50001 VIEW `v` AS select 1 AS `1` */"
            ),
            "/*!50013  SQL SECURITY DEFINER */\n/*!50001 VIEW `v` AS select 1 AS `1` */"
        );
        assert_eq!(
            cut("CREATE DEFINER=`role` SQL SECURITY INVOKER VIEW `v` AS select 1 AS `1`"),
            "CREATE  SQL SECURITY INVOKER VIEW `v` AS select 1 AS `1`"
        );
        for text in [
            "CREATE VIEW `v` AS select 1 AS `DEFINER=``x```, DEFINER=`x` from `t`",
            "CREATE VIEW `DEFINER=` AS select 1 AS `1`",
            "",
        ] {
            assert_eq!(cut(text), text);
        }
    }
}
