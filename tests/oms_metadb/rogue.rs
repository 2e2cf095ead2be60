//! Servers that want what a client must not give: the password in clear text, and files.
use std::time::Duration;

use oms_operator::oms::installation::Address;
use oms_operator::oms::metadb::{MetaDbError, MetaDbOpener};
use oms_operator::oms::mysql::MySqlOpener;
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
    let capabilities = CAPABILITIES.to_le_bytes();
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
    let address = Address {
        host: "127.0.0.1".into(),
        port,
    };
    let limit = Duration::from_secs(20);
    let metadb = MySqlOpener::default().open(
        &address,
        &credentials(ADMIN, PASSWORD),
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
