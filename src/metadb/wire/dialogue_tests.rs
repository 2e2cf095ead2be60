use super::*;

fn packet(sequence: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_le_bytes();
    [&[length[0], length[1], length[2], sequence], payload].concat()
}

const GREETING: &[u8] = b"\x0a8.0.36\0\x07\0\0\0abcdefgh\0";

/// A dialogue in which the client is in.
fn log_in(most_bytes: Option<u64>) -> Dialogue {
    let mut dialogue = Dialogue::new(most_bytes);
    dialogue.hear_server(&packet(0, GREETING)).unwrap();
    dialogue.hear_client(&packet(1, &[0; 60]));
    dialogue
        .hear_server(&packet(2, b"\0\0\0\x02\0\0\0"))
        .unwrap();
    dialogue
}

/// What a server answers a question with, and what becomes of it.
fn answer(packets: &[Vec<u8>]) -> Result<(), Refusal> {
    let mut dialogue = log_in(None);
    dialogue.hear_client(&packet(0, b"\x03select 1"));
    dialogue.hear_server(&packets.concat())
}

fn greet_and(answer: &[u8]) -> Result<(), Refusal> {
    let mut dialogue = Dialogue::new(None);
    dialogue.hear_server(&packet(0, GREETING)).unwrap();
    dialogue.hear_client(&packet(1, &[0; 60]));
    dialogue.hear_server(&packet(2, answer))
}

#[test]
fn a_password_is_mixed_with_something_or_not_given() {
    let change = |method: &str, scramble: &[u8]| {
        greet_and(&[b"\xfe", method.as_bytes(), b"\0", scramble].concat())
    };
    assert_eq!(change("mysql_native_password", &[7; 21]), Ok(()));
    assert_eq!(change("caching_sha2_password", &[7; 21]), Ok(()));
    for method in ["mysql_native_password", "caching_sha2_password"] {
        assert!(matches!(change(method, b""), Err(Refusal::Malformed(_))));
    }
    for method in [
        "mysql_clear_password",
        "mysql_old_password",
        "sha256_password",
        "client_ed25519",
        "parsec",
        "dialog",
    ] {
        assert!(
            matches!(change(method, &[7; 32]), Err(Refusal::Login(_))),
            "{method}"
        );
    }
    assert!(matches!(greet_and(b"\xfe"), Err(Refusal::Login(_))));
    // "Send the whole password", and "that was right": both rest on what only TLS proves.
    for more in [b"\x01\x04", b"\x01\x03"] {
        assert!(matches!(greet_and(more), Err(Refusal::Login(_))));
    }
}

#[test]
fn a_login_ends_and_is_short() {
    let mut dialogue = Dialogue::new(None);
    dialogue.hear_server(&packet(0, GREETING)).unwrap();
    let change = packet(2, b"\xfemysql_native_password\0abcdefghijklmnopqrst\0");
    let last = (0..20).find_map(|_| dialogue.hear_server(&change).err());
    assert!(matches!(last, Some(Refusal::Malformed(_))));
    let mut dialogue = Dialogue::new(None);
    assert!(dialogue.hear_server(&[0xff, 0xff, 0xff, 0]).is_err());
    assert!(greet_and(b"").is_err());
    assert!(greet_and(b"\xff\xff\xff\x01\x01").is_err());
}

#[test]
fn columns_are_counted_before_room_is_made_for_them() {
    let end = packet(9, b"\xfe\0\0\x02\0");
    assert_eq!(answer(&[packet(1, b"\x01"), end.clone()]), Ok(()));
    assert_eq!(answer(&[packet(1, b"\xfc\x00\x10")]), Ok(()));
    for many in [
        b"\xfc\x01\x10".as_slice(),
        b"\xfe\xff\xff\xff\xff\xff\xff\xff\x7f",
        b"\xfe",
        b"\xfd\xff",
    ] {
        assert!(answer(&[packet(1, many)]).is_err(), "{many:?}");
    }
    // Only the first packet of an answer holds a number of columns.
    let row = packet(2, b"\xfc\xff\xff");
    assert_eq!(answer(&[packet(1, b"\x01"), row, end]), Ok(()));
    assert!(answer(&[packet(1, b"\xfb/etc/passwd")]).is_err());
    assert!(answer(&[packet(1, b"")]).is_err());
}

#[test]
fn one_question_has_one_answer() {
    for more in [
        packet(1, b"\0\0\0\x0a\0\0\0"),
        [packet(1, b"\x01"), packet(2, b"\xfe\0\0\x0a\0")].concat(),
        [packet(1, b"\x01"), packet(2, b"\xfe\0\0\x0a\0\0\0")].concat(),
    ] {
        assert!(matches!(answer(&[more]), Err(Refusal::Malformed(_))));
    }
    assert_eq!(answer(&[packet(1, b"\0\0\0\x02\0\0\0")]), Ok(()));
}

#[test]
fn bytes_are_counted_also_those_that_are_only_announced() {
    let mut dialogue = log_in(Some(1000));
    dialogue.hear_client(&packet(0, b"\x03select 1"));
    let row = packet(2, &[b'x'; 100]);
    let refused = (0..20).find_map(|_| dialogue.hear_server(&row).err());
    assert_eq!(refused, Some(Refusal::TooLarge(1000)));
    let mut dialogue = log_in(Some(1000));
    assert_eq!(
        dialogue.hear_server(&[0xe9, 0x03, 0x00, 1]),
        Err(Refusal::TooLarge(1000))
    );
}

#[test]
fn a_packet_may_end_in_an_empty_one_and_nothing_is_read_in_tls() {
    let mut dialogue = log_in(None);
    dialogue.hear_client(&packet(0, b"\x03select 1"));
    dialogue.hear_server(&packet(1, b"\x01")).unwrap();
    let mut whole = vec![0xff, 0xff, 0xff, 2];
    whole.resize(0xff_ffff + 4, b'x');
    whole.extend([0, 0, 0, 3]);
    assert_eq!(dialogue.hear_server(&whole), Ok(()));
    let mut dialogue = Dialogue::new(None);
    dialogue.hear_server(&packet(0, GREETING)).unwrap();
    let mut request = [0; 32];
    request[1] = WANTS_TLS;
    dialogue.hear_client(&packet(1, &request));
    assert_eq!(dialogue.hear_server(&[0; 64]), Ok(()));
}

#[test]
fn pieces_of_any_length_are_judged_alike() {
    let answers = [
        packet(1, b"\x02"),
        packet(2, b"\x03def...."),
        packet(3, b"\xfe\0\0\x02\0"),
        packet(4, b"\x01a\x01b"),
        packet(5, b"\xfe\0\0\x0a\0"),
    ]
    .concat();
    for length in 1..answers.len() {
        let mut dialogue = log_in(None);
        dialogue.hear_client(&packet(0, b"\x03select 1"));
        let judged = answers
            .chunks(length)
            .try_for_each(|piece| dialogue.hear_server(piece));
        assert!(judged.is_err(), "in pieces of {length}");
    }
}
