//! Tests of `statements`.
use super::*;
use std::io::BufReader;

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
