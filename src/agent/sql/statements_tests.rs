//! Tests of `statements`.
use super::*;
use proptest::prelude::{Strategy, prop_assert_eq, proptest};
use std::cell::Cell;
use std::io::BufReader;

thread_local! {
    /// Bytes that were looked at in runs, on this thread.
    pub static LOOKED_AT: Cell<usize> = const { Cell::new(0) };
}

fn split_with(text: &str, capacity: usize) -> io::Result<(Vec<String>, Option<String>)> {
    let mut statements = Statements::new(BufReader::with_capacity(capacity, text.as_bytes()));
    let (mut all, mut one) = (Vec::new(), Vec::new());
    while statements.next_into(&mut one)? {
        all.push(String::from_utf8(one.clone()).unwrap());
    }
    assert_eq!(statements.bytes_read(), text.len() as u64);
    Ok((all, statements.last_comment))
}

const DUMP: &str = "/*M!999999\\- enable the sandbox mode */ \n-- MariaDB dump 10.19\n--\n-- Host: h    Database: d\n\n\
    /*!40101 SET NAMES utf8mb4 */;\nDROP TABLE IF EXISTS `a``;b`;\nCREATE TABLE `a``;b` (\n  `x` varchar(9) DEFAULT 'it''s;' COMMENT 'a \\' b;'\n);\n\
    INSERT INTO `a``;b` (`x`) VALUES ('1;\\\\'),('-- Dump completed\\n\\';'),(\"q;\");\n\
    /*!50001 CREATE ALGORITHM=UNDEFINED */\n/*!50013 DEFINER=`r`@`%` SQL SECURITY DEFINER */\n/*!50001 VIEW `v` AS select ';*/' AS `x` */;\n\
    -- Dump completed\n";

#[test]
fn statements_are_split_alike_wherever_the_chunks_end() {
    let (expected, last) = split_with(DUMP, 8192).unwrap();
    assert_eq!(expected.len(), 5, "{expected:#?}");
    assert_eq!(last.as_deref(), Some("-- Dump completed"));
    assert!(expected[3].ends_with("(\"q;\")"));
    for capacity in 1..40 {
        assert_eq!(
            split_with(DUMP, capacity).unwrap().0,
            expected,
            "capacity {capacity}"
        );
    }
}

#[test]
fn a_stream_that_ends_early_is_noticed_at_every_byte() {
    let (whole, _) = split_with(DUMP, 8192).unwrap();
    for end in 0..DUMP.len() - 1 {
        match split_with(&DUMP[..end], 64) {
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof),
            Ok((all, last)) => {
                assert!(
                    all.len() < whole.len() || last.as_deref() != Some("-- Dump completed"),
                    "cut at {end}"
                );
            }
        }
    }
}

#[test]
fn kinds() {
    let (all, _) = split_with(DUMP, 8192).unwrap();
    let kinds: Vec<_> = all
        .iter()
        .map(|s| classify(s.as_bytes()).unwrap())
        .collect();
    let name = || "a`;b".to_owned();
    assert_eq!(
        kinds,
        [
            Kind::Set,
            Kind::Drop,
            Kind::CreateTable(name()),
            Kind::Insert(name()),
            Kind::CreateView("v".into())
        ]
    );
    assert_eq!(
        classify(b"/*!40000 ALTER TABLE `x` DISABLE KEYS */"),
        Some(Kind::Neutral)
    );
    assert_eq!(
        classify(b"/*!50001 CREATE VIEW `v1` AS SELECT\n NULL AS `id` */"),
        Some(Kind::CreateView("v1".into()))
    );
    for transaction in [
        "SET @OLD_AUTOCOMMIT=@@AUTOCOMMIT, @@AUTOCOMMIT=0",
        "SET AUTOCOMMIT=@OLD_AUTOCOMMIT",
        "set autocommit=0",
        "COMMIT",
        "commit",
    ] {
        let kind = classify(transaction.as_bytes());
        assert_eq!(kind, Some(Kind::Transaction), "{transaction}");
    }
    for foreign in [
        "COMMIT AND CHAIN",
        "ROLLBACK",
        "START TRANSACTION",
        "DROP DATABASE `x`",
        "USE `x`",
        "GRANT ALL ON *.* TO x",
        "CREATE DATABASE `x`",
        "DELETE FROM `t`",
        "ALTER TABLE `t` ADD x int",
        "ALTER TABLE `t` DISABLE KEYS, DROP COLUMN x",
        "CREATE TRIGGER `x` BEFORE INSERT ON `t` FOR EACH ROW SET @a=1",
        "UPDATE `t` SET a=1",
        "LOAD DATA INFILE 'x' INTO TABLE `t`",
        "CREATE USER `x`",
        "INSERT `t` VALUES (1)",
        "",
        "SELECT 1",
    ] {
        assert_eq!(classify(foreign.as_bytes()), None, "{foreign}");
    }
}

/// The definition, byte by byte: back-slashes escape in strings, a semicolon outside of strings and names ends a
/// statement.
fn split_slowly(text: &str) -> Vec<String> {
    let (mut all, mut one) = (Vec::new(), String::new());
    let mut inside = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match inside {
            None if c == ';' => {
                all.push(std::mem::take(&mut one));
                continue;
            }
            None => inside = Some(c).filter(|c| "'\"`".contains(*c)),
            Some(quote) if c == quote => inside = None,
            Some('`') => {}
            Some(_) if c == '\\' => {
                one.push(c);
                one.extend(chars.next());
                continue;
            }
            Some(_) => {}
        }
        one.push(c);
    }
    all
}

fn statement() -> impl Strategy<Value = String> {
    let escaped = "(\\\\\\\\|\\\\'|\\\\\"|\\\\n|''|[a;`*/ ]){0,12}";
    let doubled = "(\\\\\\\\|\\\\'|\\\\\"|\\\\n|[a;`' ]){0,12}";
    (escaped, doubled, "[a;'\\\\\"]{0,5}")
        .prop_map(|(single, double, name)| format!("X'{single}'(\"{double}\")`{name}`;"))
}

proptest! {
    #[test]
    fn strings_end_where_the_slow_definition_ends_them(
        statements in proptest::collection::vec(statement(), 1..4), capacity in 1_usize..9,
    ) {
        let text = statements.concat();
        let (found, _) = split_with(&text, capacity).unwrap();
        prop_assert_eq!(found, split_slowly(&text));
    }
}

/// Text that is escaped again and again becomes nothing but back-slashes. Each byte is looked at a few times, however
/// long the run is.
#[test]
fn a_run_of_backslashes_is_looked_at_once() {
    for (run, quote) in [(2_000, '\''), (4_000, '\''), (4_000, '"')] {
        let text = format!(
            "INSERT INTO `t` VALUES (1,{quote}{}{quote});\n",
            "\\".repeat(run)
        );
        for capacity in [7, 1 << 18] {
            LOOKED_AT.set(0);
            let (found, _) = split_with(&text, capacity).unwrap();
            assert_eq!(found.len(), 1);
            let looks = LOOKED_AT.get();
            assert!(looks <= 3 * text.len(), "{looks} looks at {}", text.len());
        }
    }
}
#[test]
fn both_spellings_of_the_sandbox_line_are_no_statement() {
    for spelling in ["/*M!999999", "/*!999999"] {
        let text = DUMP.replace("/*M!999999", spelling);
        for capacity in [1, 7, 8192] {
            let (all, last) = split_with(&text, capacity).unwrap();
            assert_eq!(all.len(), 5, "{spelling}");
            assert_eq!(all[0], "/*!40101 SET NAMES utf8mb4 */", "{spelling}");
            assert_eq!(last.as_deref(), Some("-- Dump completed"));
        }
    }
}

#[test]
fn a_statement_is_named_by_its_first_word_alone() {
    for (statement, word) in [
        ("CALL p('secret')", "CALL"),
        ("/*!50003 CREATE TRIGGER `x` */", "CREATE"),
        ("'secret'", ""),
        ("", ""),
    ] {
        assert_eq!(first_word(statement.as_bytes()), word);
    }
}
