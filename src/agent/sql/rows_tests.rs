//! Tests of `rows`.
use super::*;

fn digest_of(statement: &str, columns: &[&str]) -> Result<ContentDigest, NotUnderstood> {
    let head = read_head(statement.as_bytes())?;
    let columns: Vec<String> = columns.iter().map(|c| (*c).to_owned()).collect();
    let mut digest = ContentDigest::default();
    add_rows(statement.as_bytes(), &head, &columns, &mut digest)?;
    Ok(digest)
}

fn digest_of_rows(rows: &[&[Option<&[u8]>]]) -> ContentDigest {
    let mut digest = ContentDigest::default();
    for row in rows {
        let mut hash = RowHash::default();
        for value in *row {
            hash.add(*value);
        }
        digest.add_row(hash);
    }
    digest
}

#[test]
fn values_are_what_the_server_sent() {
    let text = r"INSERT INTO `t` (`a`, `b,``(`) VALUES (1,'a\'b\\\n\0\Z'),(NULL,0x00FFa1),(-1.5e+10,''),('REFERENCES `oms_rm`.','it''s'),(2,_binary 'x')";
    let expected = digest_of_rows(&[
        &[Some(b"1"), Some(b"a'b\\\n\0\x1a")],
        &[None, Some(&[0, 0xff, 0xa1])],
        &[Some(b"-1.5e+10"), Some(b"")],
        &[Some(b"REFERENCES `oms_rm`."), Some(b"it's")],
        &[Some(b"2"), Some(b"x")],
    ]);
    assert_eq!(digest_of(text, &["a", "b,`("]).unwrap(), expected);
    assert_eq!(read_head(text.as_bytes()).unwrap().columns, ["a", "b,`("]);
}

#[test]
fn what_a_client_never_writes_is_refused() {
    let (one, two): (&[&str], &[&str]) = (&["a"], &["a", "b"]);
    for (text, columns) in [
        ("INSERT INTO `t` VALUES (1,2)", one),
        ("INSERT INTO `t` VALUES (1)", two),
        ("INSERT INTO `t` VALUES (1", one),
        ("INSERT INTO `t` VALUES ('a)", one),
        ("INSERT INTO `t` VALUES (0xABC)", one),
        ("INSERT INTO `t` VALUES (sleep(9))", one),
        ("INSERT INTO `t` VALUES ((select 1))", one),
        ("INSERT INTO `t` VALUES (1),", one),
        (
            "INSERT INTO `t` VALUES (1) ON DUPLICATE KEY UPDATE a=1",
            one,
        ),
        ("INSERT INTO `t` SELECT 1", one),
        ("INSERT INTO `t` (`b`, `a`) VALUES (1,2)", two),
        ("INSERT INTO `t` (`a`) VALUES (1)", two),
    ] {
        assert!(digest_of(text, columns).is_err(), "{text}");
    }
}

#[test]
fn generated_columns_do_not_count_and_can_be_left_out() {
    let text = "INSERT INTO `t` (`a`, `gen`, `b`) VALUES (1,'x,)',NULL),(2,3,'y')";
    let plain = "INSERT INTO `t` (`a`, `b`) VALUES (1,NULL),(2,'y')";
    assert_eq!(
        digest_of(text, &["a", "b"]).unwrap(),
        digest_of(plain, &["a", "b"]).unwrap()
    );
    let columns = ["a".to_owned(), "b".to_owned()];
    assert_eq!(
        strip_generated(text.as_bytes(), &columns).unwrap().unwrap(),
        plain.as_bytes()
    );
    assert_eq!(strip_generated(plain.as_bytes(), &columns).unwrap(), None);
}
