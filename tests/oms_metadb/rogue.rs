//! Servers that want what a client must not give: the password, files, more memory than it has, its life.
use std::time::Duration;

use oms_operator::metadb::{LoginRules, TlsRules, TlsTexts};
use oms_operator::oms::installation::Address;
use oms_operator::oms::metadb::{MetaDbError, MetaDbOpener};
use oms_operator::oms::mysql::MySqlOpener;
use oms_operator::protocol::request::{LoginMethod, TlsMode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::support::{ADMIN, PASSWORD, credentials, databases};

/// Protocol 4.1, transactions, secure connection, plug-ins, local files, several results.
const CAPABILITIES: u32 = 0x0200 | 0x2000 | 0x8000 | 0x0008_0000 | 0x0080 | 0x0002_0000;

fn packet(sequence: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_le_bytes();
    let mut bytes = vec![length[0], length[1], length[2], sequence];
    bytes.extend_from_slice(payload);
    bytes
}

/// The first packet of a server, which asks for the given way to log in.
fn greeting(plugin: &str) -> Vec<u8> {
    greeting_with(plugin, CAPABILITIES)
}

fn greeting_with(plugin: &str, capabilities: u32) -> Vec<u8> {
    let capabilities = capabilities.to_le_bytes();
    let mut payload = vec![10];
    payload.extend_from_slice(b"8.0.36\0\x07\0\0\0abcdefgh\0");
    payload.extend_from_slice(&capabilities[..2]);
    payload.extend_from_slice(&[45, 2, 0]);
    payload.extend_from_slice(&capabilities[2..]);
    payload.push(21);
    payload.extend_from_slice(&[0; 10]);
    payload.extend_from_slice(b"ijklmnopqrst\0");
    payload.extend_from_slice(plugin.as_bytes());
    payload.push(0);
    packet(0, &payload)
}

async fn read_packet(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut head = [0; 4];
    stream.read_exact(&mut head).await.ok()?;
    let length = usize::from(head[0]) | usize::from(head[1]) << 8 | usize::from(head[2]) << 16;
    let mut payload = vec![0; length];
    stream.read_exact(&mut payload).await.ok()?;
    Some(payload)
}

/// Greets, then answers the client's packets in turn; gives back all that the client said.
async fn serve(plugin: &'static str, answers: Vec<Vec<u8>>) -> (u16, JoinHandle<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let talk = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(&greeting(plugin)).await.unwrap();
        let mut heard = Vec::new();
        for answer in answers {
            let Some(said) = read_packet(&mut stream).await else {
                return heard;
            };
            heard.extend(said);
            stream.write_all(&answer).await.unwrap();
        }
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest).await;
        heard.extend(rest);
        heard
    });
    (port, talk)
}

async fn ask(port: u16) -> MetaDbError {
    ask_within(port, Duration::from_secs(20)).await
}

async fn ask_within(port: u16, limit: Duration) -> MetaDbError {
    ask_by(port, &LoginRules::default(), limit).await
}

async fn ask_by(port: u16, rules: &LoginRules, limit: Duration) -> MetaDbError {
    let address = Address {
        host: "127.0.0.1".into(),
        port,
    };
    let metadb = MySqlOpener::default().open(
        &address,
        &credentials(ADMIN, PASSWORD),
        rules,
        &databases("none"),
        limit,
    );
    metadb.identify().await.unwrap_err()
}

fn holds(heard: &[u8], text: &str) -> bool {
    heard
        .windows(text.len())
        .any(|window| window == text.as_bytes())
}

/// A server, or somebody in between, that asks for the password itself does not get it.
pub async fn password_in_clear_text() {
    let switch = packet(2, b"\xfemysql_clear_password\0");
    let denied = packet(2, b"\xff\x15\x04#28000no");
    for (plugin, answer) in [
        ("mysql_clear_password", denied),
        ("mysql_native_password", switch),
    ] {
        let (port, talk) = serve(plugin, vec![answer]).await;
        let error = ask(port).await;
        let refused = matches!(
            &error,
            MetaDbError::UnsupportedLogin { .. } | MetaDbError::LoginRefused { .. }
        );
        assert!(refused, "{plugin}: {error:?}");
        let heard = talk.await.unwrap();
        assert!(holds(&heard, ADMIN), "{plugin}: it never tried to log in");
        assert!(!holds(&heard, PASSWORD), "{plugin}: the password was said");
    }
}

/// A server that answers a query by asking for a file does not get one.
pub async fn file_of_this_machine() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "canary").unwrap();
    let welcome = packet(2, b"\0\0\0\x02\0\0\0");
    let request = [b"\xfb", file.path().to_str().unwrap().as_bytes()].concat();
    let (port, talk) = serve("mysql_native_password", vec![welcome, packet(1, &request)]).await;
    let error = ask(port).await;
    let heard = talk.await.unwrap();
    assert!(
        holds(&heard, "elect") || holds(&heard, "ELECT"),
        "it never asked anything: {error:?}"
    );
    assert!(!holds(&heard, "canary"), "the file was sent");
}

/// A server that asks for the whole password by a method that gives it to whoever holds a key, or that was never let
/// in, gets an error for an answer and nothing else.
pub async fn password_for_a_key() {
    let change = |method: &str, scramble: &[u8]| {
        packet(2, &[b"\xfe", method.as_bytes(), b"\0", scramble].concat())
    };
    let scramble = b"abcdefghijklmnopqrst\0";
    let native = "mysql_native_password";
    let sha2 = "caching_sha2_password";
    for (name, plugin, answers) in [
        (
            "key",
            sha2,
            vec![packet(2, b"\x01\x04"), packet(4, b"\x01no key")],
        ),
        (
            "empty key",
            sha2,
            vec![packet(2, b"\x01\x04"), packet(4, b"")],
        ),
        (
            "key after a change",
            native,
            vec![
                change(sha2, scramble),
                packet(4, b"\x01\x04"),
                packet(6, b"\x01"),
            ],
        ),
        (
            "nothing to mix in",
            native,
            vec![change(sha2, b""), packet(4, b"\x01\x04")],
        ),
        ("ed25519", native, vec![change("client_ed25519", scramble)]),
        ("parsec", native, vec![change("parsec", scramble)]),
        ("nothing", native, vec![packet(2, b"")]),
        (
            "for ever",
            native,
            vec![change(native, scramble), change(native, scramble)],
        ),
    ] {
        let (port, talk) = serve(plugin, answers).await;
        let error = ask(port).await;
        let expected = match name {
            "nothing to mix in" | "nothing" | "for ever" => {
                !matches!(error, MetaDbError::TimedOut { .. })
            }
            "ed25519" | "parsec" => matches!(error, MetaDbError::UnsupportedLogin { .. }),
            _ => matches!(error, MetaDbError::UnprotectedLogin { .. }),
        };
        assert!(expected, "{name}: {error:?}");
        let heard = talk.await.unwrap();
        assert!(holds(&heard, ADMIN), "{name}: it never tried to log in");
        // A password, or a question for a key, would be a packet of another length.
        assert!(!heard.ends_with(b"\x02"), "{name}: a key was asked for");
        assert!(!holds(&heard, PASSWORD), "{name}: the password was said");
    }
}

/// A key of 2048 bits.
const KEY: &str = include_str!("server-key.pem");

/// Where it is allowed by name, the password goes out encrypted for the key that the server sends, and for nothing that
/// is no such key.
pub async fn password_for_a_key_that_is_allowed() {
    let rules = LoginRules::new(&[LoginMethod::CachingSha2Password], None);
    let all = packet(2, b"\x01\x04");
    let denied = packet(6, b"\xff\x15\x04#28000no");
    let short = format!(
        "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----",
        "MFww"
    );
    for (name, key) in [
        ("a key", KEY.to_owned()),
        ("no key", String::new()),
        ("words", "no key".to_owned()),
        ("a short key", short),
        ("two keys", format!("{KEY}{KEY}")),
        ("half a key", KEY[..200].to_owned()),
    ] {
        let sent = packet(4, &[b"\x01", key.as_bytes()].concat());
        let answers = vec![all.clone(), sent, denied.clone()];
        let (port, talk) = serve("caching_sha2_password", answers).await;
        let error = ask_by(port, &rules, Duration::from_secs(20)).await;
        let heard = talk.await.unwrap();
        assert!(holds(&heard, ADMIN), "{name}: it never tried to log in");
        assert!(!holds(&heard, PASSWORD), "{name}: the password was said");
        if name == "a key" {
            assert!(
                matches!(error, MetaDbError::LoginRefused { .. }),
                "{error:?}"
            );
            assert!(heard.len() > 256 && heard[heard.len() - 257] == 2, "{name}");
        } else {
            assert!(
                matches!(error, MetaDbError::Hostile { .. }),
                "{name}: {error:?}"
            );
            assert!(heard.ends_with(b"\x02"), "{name}: more was said");
        }
    }
    // "That was right" is the end of it, and no question.
    for (name, answer) in [
        (
            "right for ever",
            [packet(2, b"\x01\x03"), packet(3, b"\x01\x03")].concat(),
        ),
        (
            "right, then all",
            [packet(2, b"\x01\x03"), packet(3, b"\x01\x04")].concat(),
        ),
        (
            "a key at once",
            packet(2, &[b"\x01", KEY.as_bytes()].concat()),
        ),
    ] {
        let (port, talk) = serve("caching_sha2_password", vec![answer]).await;
        let error = ask_by(port, &rules, Duration::from_secs(20)).await;
        assert!(
            matches!(error, MetaDbError::Hostile { .. }),
            "{name}: {error:?}"
        );
        assert!(!talk.await.unwrap().ends_with(b"\x02"), "{name}");
    }
}

/// Who takes the offer of TLS away, or answers the request for it in clear, hears neither name nor password.
pub async fn login_without_the_tls_that_was_asked_for() {
    let tls = TlsRules::build(TlsMode::Require, &TlsTexts::default()).unwrap();
    let rules = LoginRules::new(&[LoginMethod::CachingSha2Password], Some(tls));
    let (port, talk) = serve(
        "mysql_native_password",
        vec![packet(2, b"\0\0\0\x02\0\0\0")],
    )
    .await;
    let error = ask_by(port, &rules, Duration::from_secs(20)).await;
    assert!(
        matches!(error, MetaDbError::TlsNotOffered { .. }),
        "{error:?}"
    );
    assert_eq!(talk.await.unwrap(), b"");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let talk = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let offer = greeting_with("mysql_native_password", CAPABILITIES | 0x0800);
        stream.write_all(&offer).await.unwrap();
        let mut heard = read_packet(&mut stream).await.unwrap();
        let yes = packet(2, b"\0\0\0\x02\0\0\0");
        stream.write_all(&yes).await.unwrap();
        let _ = stream.read_to_end(&mut heard).await;
        heard
    });
    let error = ask_by(port, &rules, Duration::from_secs(20)).await;
    assert!(matches!(error, MetaDbError::TlsFailed { .. }), "{error:?}");
    let heard = talk.await.unwrap();
    assert!(heard.len() >= 32 && !holds(&heard, ADMIN) && !holds(&heard, PASSWORD));
}

/// Lets the client in, says yes to everything, and answers the question for the version with `answer`, again and again
/// until nobody listens.
async fn answer_with(answer: Vec<Vec<u8>>, pause: Option<Duration>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let welcome = greeting("mysql_native_password");
        stream.write_all(&welcome).await.unwrap();
        read_packet(&mut stream).await.unwrap();
        let mut yes = packet(2, b"\0\0\0\x02\0\0\0");
        loop {
            if stream.write_all(&yes).await.is_err() {
                return;
            }
            yes[3] = 1;
            let Some(said) = read_packet(&mut stream).await else {
                return;
            };
            if holds(&said, "version()") {
                break;
            }
        }
        let (last, first) = answer.split_last().unwrap();
        let mut bytes = first.concat();
        loop {
            if stream.write_all(&bytes).await.is_err() {
                return;
            }
            bytes.clone_from(last);
            if let Some(pause) = pause {
                tokio::time::interval_at(tokio::time::Instant::now() + pause, pause)
                    .tick()
                    .await;
            }
        }
    });
    port
}

/// A column of text.
fn column(sequence: u8) -> Vec<u8> {
    packet(
        sequence,
        b"\x03def\0\0\0\x01a\0\x0c\x21\0\xff\0\0\0\xfd\0\0\0\0\0",
    )
}

/// As many rows as there are numbers for packets, so that the same may follow again.
fn rows(row: &[u8]) -> Vec<u8> {
    (0..=u8::MAX)
        .flat_map(|number| packet(number.wrapping_add(4), row))
        .collect()
}

/// An answer without end, or that only says that it is large, costs no more memory and time than a call may take.
pub async fn answers_without_end() {
    let head = vec![packet(1, b"\x01"), column(2), packet(3, b"\xfe\0\0\x02\0")];
    let with = |row: Vec<u8>| [head.clone(), vec![row]].concat();
    let announced = |length: [u8; 3]| [&length[..], &[4], &[b'x'; 60]].concat();
    for (name, answer) in [
        ("rows", with(rows(b"\x01x"))),
        ("long rows", with(rows(&[b'x'; 20_000]))),
        ("one row", with(announced([0xff; 3]))),
    ] {
        let error = ask(answer_with(answer, None).await).await;
        let bounded = matches!(
            &error,
            MetaDbError::TooLarge { .. }
                | MetaDbError::Hostile { .. }
                | MetaDbError::ConnectionLost { .. }
        );
        assert!(bounded, "{name}: {error:?}");
    }
    for (name, first) in [
        (
            "columns",
            b"\xfe\xff\xff\xff\xff\xff\xff\xff\x7f".as_slice(),
        ),
        ("many columns", b"\xfd\xff\xff\xff"),
        ("no number of columns", b"\xfe"),
        ("nothing", b""),
        ("a file", b"\xfb/etc/hostname"),
    ] {
        let error = ask(answer_with(vec![packet(1, first), column(2)], None).await).await;
        assert!(
            matches!(error, MetaDbError::Hostile { .. }),
            "{name}: {error:?}"
        );
    }
    // Bytes that come one by one keep nobody longer than the call may last.
    let drip = [head, vec![b"\x10".to_vec()]].concat();
    let port = answer_with(drip, Some(Duration::from_millis(20))).await;
    let error = ask_within(port, Duration::from_millis(500)).await;
    assert!(matches!(error, MetaDbError::TimedOut { .. }), "{error:?}");
}
