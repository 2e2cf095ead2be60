use super::*;

fn packet(sequence: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_le_bytes();
    [&[length[0], length[1], length[2], sequence], payload].concat()
}

/// What a server answers a question with, and what becomes of it.
fn answer(packets: &[Vec<u8>]) -> Result<(), Refusal> {
    let mut dialogue = Dialogue::new(None);
    dialogue.hear_client(&packet(0, b"\x03select 1"));
    dialogue.hear_server(&packets.concat())
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
    let mut dialogue = Dialogue::new(Some(1000));
    dialogue.hear_client(&packet(0, b"\x03select 1"));
    let row = packet(2, &[b'x'; 100]);
    let refused = (0..20).find_map(|_| dialogue.hear_server(&row).err());
    assert_eq!(refused, Some(Refusal::TooLarge(1000)));
    let mut dialogue = Dialogue::new(Some(1000));
    assert_eq!(
        dialogue.hear_server(&[0xe9, 0x03, 0x00, 1]),
        Err(Refusal::TooLarge(1000))
    );
}

#[test]
fn a_packet_may_end_in_an_empty_one() {
    let mut dialogue = Dialogue::new(None);
    dialogue.hear_client(&packet(0, b"\x03select 1"));
    dialogue.hear_server(&packet(1, b"\x01")).unwrap();
    let mut whole = vec![0xff, 0xff, 0xff, 2];
    whole.resize(0xff_ffff + 4, b'x');
    whole.extend([0, 0, 0, 3]);
    assert_eq!(dialogue.hear_server(&whole), Ok(()));
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
        let mut dialogue = Dialogue::new(None);
        dialogue.hear_client(&packet(0, b"\x03select 1"));
        let judged = answers
            .chunks(length)
            .try_for_each(|piece| dialogue.hear_server(piece));
        assert!(judged.is_err(), "in pieces of {length}");
    }
}
