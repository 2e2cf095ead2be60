use super::super::server_key::tests::KEY;
use super::*;

const GREETING: &[u8] = b"\x0a8.0.36\0\x07\0\0\0abcdefgh\0";
const PLAIN: LoginTerms = LoginTerms {
    allows_sha2: false,
    is_encrypted: false,
    password_length: 8,
};
const ALLOWED: LoginTerms = LoginTerms {
    allows_sha2: true,
    ..PLAIN
};
const ENCRYPTED: LoginTerms = LoginTerms {
    is_encrypted: true,
    ..ALLOWED
};

/// A login in which the client has answered the greeting.
fn greet(terms: LoginTerms) -> Login {
    let mut login = Login::new(terms);
    assert_eq!(login.hear_server(GREETING), Ok(Turn::Client));
    assert_eq!(login.hear_client(&[0; 60]), Ok(()));
    login
}

fn greet_and(answer: &[u8]) -> Result<Turn, Refusal> {
    greet(PLAIN).hear_server(answer)
}

#[test]
fn a_password_is_mixed_with_something_or_not_given() {
    let change = |method: &str, scramble: &[u8]| {
        greet_and(&[b"\xfe", method.as_bytes(), b"\0", scramble].concat())
    };
    for method in ["mysql_native_password", "caching_sha2_password"] {
        assert_eq!(change(method, &[7; 21]), Ok(Turn::Client));
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
}

/// "Send the whole password", and "that was right": both rest on what only TLS proves.
#[test]
fn without_leave_caching_sha2_password_goes_no_further() {
    for more in [b"\x04".as_slice(), b"\x03", KEY.as_bytes()] {
        let more = [b"\x01", more].concat();
        assert_eq!(greet_and(&more), Err(Refusal::Unprotected));
    }
}

#[test]
fn with_leave_the_password_goes_out_for_a_key_only() {
    let mut login = greet(ALLOWED);
    assert_eq!(login.hear_server(b"\x01\x03"), Ok(Turn::Server));
    assert_eq!(login.hear_server(b"\0\0\0\x02\0\0\0"), Ok(Turn::Ended));
    let mut login = greet(ALLOWED);
    assert_eq!(login.hear_server(b"\x01\x04"), Ok(Turn::Client));
    assert_eq!(login.hear_client(b"\x02"), Ok(()));
    let key = [b"\x01", KEY.as_bytes()].concat();
    assert_eq!(login.hear_server(&key), Ok(Turn::Client));
    assert_eq!(login.hear_client(&[9; 256]), Ok(()));
    assert_eq!(login.hear_server(b"\0\0\0\x02\0\0\0"), Ok(Turn::Ended));
    // Whatever the client would say instead: it is not said.
    let mut login = greet(ALLOWED);
    assert_eq!(login.hear_server(b"\x01\x04"), Ok(Turn::Client));
    assert_eq!(login.hear_client(b"password\0"), Err(Refusal::Unprotected));
}

#[test]
fn with_leave_nothing_comes_out_of_turn() {
    let key = [b"\x01", KEY.as_bytes()].concat();
    for (name, said) in [
        ("a key that nobody asked for", vec![key.as_slice()]),
        ("right twice", vec![b"\x01\x03", b"\x01\x03"]),
        ("right, then all", vec![b"\x01\x03", b"\x01\x04"]),
        ("an unknown word", vec![b"\x01\x05"]),
        ("no word", vec![b"\x01"]),
        ("a bad key", vec![b"\x01\x04", b"\x01no key"]),
        ("no key", vec![b"\x01\x04", b"\x01"]),
        ("another method for a key", vec![b"\x01\x04", b"\xfe"]),
        ("two keys", vec![b"\x01\x04", &key, &key]),
    ] {
        let mut login = greet(ALLOWED);
        let judged = said.iter().try_for_each(|packet| {
            if login.hear_server(packet)? == Turn::Client {
                login.hear_client(b"\x02")?;
            }
            Ok(())
        });
        assert!(matches!(judged, Err(Refusal::Malformed(_))), "{name}");
    }
}

#[test]
fn encrypted_the_password_itself_is_said() {
    let mut login = greet(ENCRYPTED);
    assert_eq!(login.hear_server(b"\x01\x04"), Ok(Turn::Client));
    assert_eq!(login.hear_client(b"password\0"), Ok(()));
    assert_eq!(login.hear_server(b"\0\0\0\x02\0\0\0"), Ok(Turn::Ended));
}

#[test]
fn a_login_ends() {
    let mut login = greet(PLAIN);
    let change = b"\xfemysql_native_password\0abcdefghijklmnopqrst\0";
    let last = (0..20).find_map(|_| login.hear_server(change).err());
    assert!(matches!(last, Some(Refusal::Malformed(_))));
    assert!(greet_and(b"").is_err());
    assert!(greet_and(b"\xff\xff\xff\x01\x01").is_err());
    assert_eq!(greet_and(b"\xff\x15\x04#28000no"), Ok(Turn::Ended));
    let mut login = Login::new(PLAIN);
    assert_eq!(login.hear_server(b"\xff\x10\x04many"), Ok(Turn::Ended));
    assert!(Login::new(PLAIN).hear_server("\n٣.1\0".as_bytes()).is_err());
}
