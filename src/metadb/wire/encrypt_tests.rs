use super::*;
use crate::metadb::tls::TlsTexts;
use crate::protocol::request::TlsMode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// A greeting of 8.0.36 that can do what the second byte of its flags says.
fn greet(flags: u8) -> Vec<u8> {
    let mut greeting = b"\x0a8.0.36\0\x07\0\0\0abcdefgh\0".to_vec();
    greeting.extend([0xff, flags, 45, 2, 0]);
    greeting
}

#[test]
fn an_offer_is_found_and_hidden() {
    assert!(offers_tls(&greet(0xff)) && !offers_tls(&greet(!TLS)));
    let mut greeting = greet(0xff);
    hide_offer(&mut greeting);
    assert_eq!(greeting, greet(!TLS));
    for broken in [
        b"".as_slice(),
        b"\x0a",
        b"\x0a8.0",
        b"\x0a8.0\0abc",
        b"\xff\x10\x04\0\0",
    ] {
        let mut copy = broken.to_vec();
        hide_offer(&mut copy);
        assert!(!offers_tls(broken) && copy == broken);
    }
}

fn run<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.unwrap().block_on(work)
}

fn answer(length: usize) -> Packet {
    Packet {
        sequence: 1,
        payload: vec![1; length],
    }
}

/// Nothing of the client's answer goes out before the connection is encrypted: the user's name is in it.
#[test]
fn only_the_request_is_said_in_clear() {
    let rules = TlsRules::build(TlsMode::Require, &TlsTexts::default()).unwrap();
    run(async {
        let (client, mut server) = tokio::io::duplex(4096);
        let mut said = answer(80);
        let server = async {
            let mut heard = [0; 4 + REQUEST];
            server.read_exact(&mut heard).await.unwrap();
            let mut rest = [0; 1];
            server.read_exact(&mut rest).await.unwrap();
            server
                .write_all(b"\x07\0\0\x02\0\0\0\x02\0\0\0")
                .await
                .unwrap();
            (heard, rest)
        };
        let (outcome, (heard, rest)) =
            tokio::join!(encrypt(client, &mut said, "metadb", &rules), server);
        assert!(matches!(outcome, Err(Refusal::TlsFailed(_))));
        assert_eq!(heard[..4], [32, 0, 0, 1]);
        assert_eq!(heard[5] & TLS, TLS);
        // A handshake of TLS.
        assert_eq!((rest[0], said.sequence), (0x16, 2));
    });
}

#[test]
fn an_answer_that_is_none_is_refused() {
    let rules = TlsRules::build(TlsMode::Require, &TlsTexts::default()).unwrap();
    for length in [0, 1, 31] {
        let (client, _server) = tokio::io::duplex(64);
        let refused = run(encrypt(client, &mut answer(length), "metadb", &rules));
        assert!(matches!(refused, Err(Refusal::Malformed(_))), "{length}");
    }
}
