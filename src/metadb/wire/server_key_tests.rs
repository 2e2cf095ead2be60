use super::*;
use proptest::prelude::*;

/// Of 2048 bits, as MySQL makes one for itself.
pub(in crate::metadb::wire) const KEY: &str =
    include_str!("../../../tests/oms_metadb/server-key.pem");

const SHORT: &str = "-----BEGIN PUBLIC KEY-----
MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQCweL9/uTYrKE6p2BlpKXq9UcS9
pazhkiSQdRzDNt1/aQrq27IZTbkFNFXNQnaOuSAAhPCRXCJ5VEC4ybuZ7EwPw20P
bkdTsvjzGVaD/A7FACvMY6BrV5BkXxqv6h96sa0XAtWbUbBAEXB7Gey2rPp3HhZV
YUrmCN10orF6sCdf8QIDAQAB
-----END PUBLIC KEY-----";

/// Of an elliptic curve.
const OTHER: &str = "-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE8xHJHX7bKA7uAiMFEzKGnVoQC8DT
Ox4DTj/Kuplu6n3ZuTtjk0MJy6a7yXQ3f+j+edrrIfvkuJxZOgDU0+CobA==
-----END PUBLIC KEY-----";

/// What the driver does with a key; it panics where it cannot.
fn encrypt(pem: &[u8], length: usize) {
    let encrypted = mysql_common::crypto::encrypt(&vec![b'x'; length + 1], pem);
    assert!(!encrypted.is_empty());
}

#[test]
fn the_key_of_a_server_is_taken_for_passwords_that_it_has_room_for() {
    for length in [0, 8, 213] {
        assert_eq!(judge_key(KEY.as_bytes(), length), Ok(()), "{length}");
        encrypt(KEY.as_bytes(), length);
    }
    assert!(judge_key(KEY.as_bytes(), 214).is_err());
    let windows = KEY.replace('\n', "\r\n");
    assert_eq!(judge_key(windows.as_bytes(), 8), Ok(()));
    encrypt(windows.as_bytes(), 8);
}

#[test]
fn what_is_no_such_key_is_refused() {
    let (begin, rest) = KEY.split_at(100);
    for (name, text) in [
        ("nothing", String::new()),
        ("words", "no key".into()),
        ("frame alone", format!("{BEGIN}{END}")),
        ("no base64", format!("{BEGIN}\n!!!!\n{END}")),
        ("half of it", format!("{begin}\n{END}")),
        ("something before it", format!("x{KEY}")),
        ("two", format!("{KEY}{KEY}")),
        ("another within", format!("{begin}{KEY}{rest}")),
        ("of the other form", KEY.replace("PUBLIC", "RSA PUBLIC")),
        ("a short one", SHORT.into()),
        ("no RSA", OTHER.into()),
    ] {
        assert!(judge_key(text.as_bytes(), 8).is_err(), "{name}");
    }
    assert!(judge_key(&[0xff; 40], 8).is_err());
}

fn to_pem(der: &[u8]) -> String {
    format!("{BEGIN}\n{}\n{END}\n", STANDARD.encode(der))
}

/// Where modulus and exponent are what nobody uses, the driver would divide by zero or work for ever.
#[test]
fn numbers_that_nobody_uses_are_refused() {
    let der = decode(KEY.as_bytes()).unwrap();
    let modulus = der.len() - 256 - 5;
    let end = der.len() - 1;
    for (name, at, value) in [
        ("a negative modulus", modulus - 1, 0x80),
        ("an even modulus", modulus + 255, 0x10),
        ("an even exponent", end, 0x00),
        ("a length that lies", 2, 0x02),
    ] {
        let mut changed = der.clone();
        changed[at] = value;
        assert!(judge_key(to_pem(&changed).as_bytes(), 8).is_err(), "{name}");
    }
}

proptest! {
    /// Whatever passes, the driver can use.
    #[test]
    fn no_key_that_passes_ends_the_driver(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in 0_usize..40,
        length in 0_usize..260,
    ) {
        let mut der = decode(KEY.as_bytes()).unwrap();
        // The head is where lengths and tags are.
        der.truncate(der.len() - cut / 20);
        for (at, value) in changes {
            let at = at.index(if cut % 2 == 0 { 40 } else { der.len() });
            der[at] = value;
        }
        let pem = to_pem(&der);
        if judge_key(pem.as_bytes(), length).is_ok() {
            encrypt(pem.as_bytes(), length);
        }
    }
}
