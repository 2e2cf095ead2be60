//! The console client against real HTTP servers on this machine, well-behaved and not.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod https;
mod server;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use oms_operator::metadb::secret::{Credentials, SecretString};
use oms_operator::oms::ha::HaConfig;
use oms_operator::oms::http::HttpOpener;
use oms_operator::oms::open_api::{
    Endpoint, HaCall, HaProfile, HaWrite, HeaderSource, Health, OpenApi, OpenApiError,
    OpenApiOpener, ProfileHeader, Scheme,
};
use oms_operator::oms::project::{ProjectKey, ProjectKind, ProjectStatus};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use server::{Console, Seen, say};

const LIMIT: Duration = Duration::from_secs(20);

fn open(address: SocketAddr, limit: Duration) -> Arc<dyn OpenApi> {
    let credentials = Credentials {
        user: "admin@x".into(),
        password: SecretString::new("pä:ss\"w"),
    };
    HttpOpener.open(
        Endpoint {
            address,
            scheme: Scheme::Http,
        },
        Some(&credentials),
        limit,
    )
}

fn project(id: &str) -> ProjectKey {
    ProjectKey {
        kind: ProjectKind::Migration,
        id: id.into(),
    }
}

const PROGRESS: &str = "/api/omsp/v2/migrations/p_1/progress";

async fn progress_error(
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: &str,
) -> (OpenApiError, Vec<Seen>) {
    let console = Console::start(BTreeMap::from([(
        PROGRESS,
        (status, headers, body.to_owned()),
    )]))
    .await;
    let error = open(console.address, LIMIT)
        .read_progress(&project("p_1"))
        .await
        .unwrap_err();
    assert!(
        !format!("{error} {error:?}").contains("canary"),
        "{error:?}"
    );
    (error, console.seen())
}

#[tokio::test]
async fn reads_progress_and_health() {
    let body = r#"{"success":true,"data":{"status":"RUNNING","currentStep":"CONNECTOR_INCR_SYNC","enableIncrSync":true,"incrSyncCheckpoint":"1669000000"}}"#;
    let console = Console::start(BTreeMap::from([
        (
            "/api/omsp/v2/sync/7/progress",
            (200, Vec::new(), body.to_owned()),
        ),
        (
            "/oms/health",
            (200, Vec::new(), r#"{"data":{"healthy":true}}"#.to_owned()),
        ),
    ]))
    .await;
    let api = open(console.address, LIMIT);
    let progress = api
        .read_progress(&ProjectKey {
            kind: ProjectKind::Sync,
            id: "7".into(),
        })
        .await
        .unwrap();
    assert_eq!(
        (progress.status, progress.checkpoint),
        (ProjectStatus::Running, Some(1_669_000_000))
    );
    assert_eq!(api.read_health().await.unwrap(), Health::Healthy);
    let seen = console.seen();
    assert_eq!(seen[0].headers["host"], console.address.to_string());
    // admin@x:pä:ss"w in UTF-8.
    assert_eq!(
        seen[0].headers["authorization"],
        "Basic YWRtaW5AeDpww6Q6c3Midw=="
    );
    assert!(
        !seen[1].headers.contains_key("authorization"),
        "health needs no login, so it gets none"
    );
    let bare = Console::start(BTreeMap::new()).await;
    assert_eq!(
        open(bare.address, LIMIT).read_health().await.unwrap(),
        Health::NotOffered
    );
}

#[tokio::test]
async fn redirects_are_refused_and_not_followed() {
    let other = Console::start(BTreeMap::new()).await;
    for status in [301, 302, 307, 308] {
        let target = format!("http://{}/stolen", other.address);
        let (error, seen) = progress_error(status, vec![("location", target)], "").await;
        assert!(
            matches!(error, OpenApiError::Refused { status: s, .. } if s == status),
            "{error:?}"
        );
        assert_eq!(seen.len(), 1);
    }
    assert!(other.seen().is_empty());
}

#[tokio::test]
async fn statuses_and_nonsense_are_told_apart() {
    for status in [401, 403] {
        let (error, _) = progress_error(status, Vec::new(), "canary").await;
        assert!(
            matches!(error, OpenApiError::LoginRefused { .. }),
            "{error:?}"
        );
    }
    for status in [204, 404, 500, 502] {
        let (error, _) = progress_error(status, Vec::new(), "").await;
        let expected = if status == 204 {
            matches!(error, OpenApiError::Unreadable { .. })
        } else {
            matches!(error, OpenApiError::Refused { .. })
        };
        assert!(expected, "{error:?}");
    }
    for body in [
        "canary",
        "{\"data\":",
        "[]",
        "null",
        "{\"success\":true,\"data\":[\"canary\"]}",
    ] {
        let (error, _) = progress_error(200, Vec::new(), body).await;
        assert!(
            matches!(error, OpenApiError::Unreadable { .. }),
            "{error:?}"
        );
    }
    let (error, _) = progress_error(
        200,
        Vec::new(),
        r#"{"success":false,"code":"GHANA-1","message":"canary"}"#,
    )
    .await;
    assert!(matches!(error, OpenApiError::Failed { code, .. } if code == "GHANA-1"));
}

#[tokio::test]
async fn huge_answers_are_refused() {
    let huge = format!("{{\"canary\":\"{}\"}}", "x".repeat(1024 * 1024));
    let (error, _) = progress_error(200, Vec::new(), &huge).await;
    assert!(
        matches!(&error, OpenApiError::Unreadable { reason, .. } if reason.contains("1048576")),
        "{error:?}"
    );
    // A head without end.
    let address = say(Box::leak(
        format!("HTTP/1.1 200 OK\r\nx: {}", "y".repeat(200_000))
            .into_bytes()
            .into_boxed_slice(),
    ))
    .await;
    let error = open(address, LIMIT).read_health().await.unwrap_err();
    assert!(
        matches!(error, OpenApiError::Unreadable { .. }),
        "{error:?}"
    );
}

#[tokio::test]
async fn slow_answers_end_at_the_limit() {
    let limit = Duration::from_millis(300);
    for bytes in [
        &b""[..],
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"data\":",
    ] {
        let error = open(say(bytes).await, limit)
            .read_health()
            .await
            .unwrap_err();
        assert!(
            matches!(error, OpenApiError::TimedOut { seconds: 1, .. }),
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn broken_and_absent_servers_are_told_apart() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = [0u8; 4096];
        let _ = stream.read(&mut request).await;
        stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{")
            .await
            .unwrap();
    });
    let api = open(address, LIMIT);
    assert!(matches!(
        api.read_health().await,
        Err(OpenApiError::ConnectionLost { .. })
    ));
    let free = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    assert!(matches!(
        open(free, LIMIT).read_health().await,
        Err(OpenApiError::Unreachable { .. })
    ));
}

#[tokio::test]
async fn https_where_http_is_said_is_named() {
    // What a TLS server says to a plain request: an alert, or nginx's page.
    let error = open(say(b"\x15\x03\x03\x00\x02\x02\x46").await, LIMIT)
        .read_health()
        .await
        .unwrap_err();
    assert!(
        matches!(error, OpenApiError::Unreadable { .. }),
        "{error:?}"
    );
    let page = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 74\r\n\r\n<center><h1>The plain HTTP request was sent to HTTPS port</h1></center>   \n";
    let error = open(say(page).await, LIMIT)
        .read_health()
        .await
        .unwrap_err();
    assert!(
        matches!(error, OpenApiError::WrongScheme { .. }),
        "{error:?}"
    );
}

#[tokio::test]
async fn odd_project_ids_are_not_sent() {
    let console = Console::start(BTreeMap::new()).await;
    for id in ["", "../x", "a/b", "a?b", "a%2fb", "a b", "ü"] {
        let error = open(console.address, LIMIT)
            .read_progress(&project(id))
            .await
            .unwrap_err();
        assert!(
            matches!(error, OpenApiError::Unreadable { .. }),
            "{id:?} {error:?}"
        );
    }
    assert!(console.seen().is_empty());
}

fn call() -> HaCall {
    let header = |name: &str, source| ProfileHeader {
        name: name.into(),
        source,
    };
    HaCall {
        profile: HaProfile {
            write: HaWrite {
                method: "PUT".into(),
                path: "/p/ha.config".into(),
                body: r#"{"value": ${config}, "text": ${config:string}}"#.into(),
            },
            headers: vec![
                header("Authorization", HeaderSource::Secret),
                header("X-Kind", HeaderSource::Value("a".into())),
            ],
        },
        secrets: vec![("authorization".into(), SecretString::new("Bearer canary"))],
    }
}

#[tokio::test]
async fn ha_goes_as_the_profile_says() {
    let console = Console::start(BTreeMap::from([(
        "/p/ha.config",
        (200, Vec::new(), r#"{"success":true}"#.to_owned()),
    )]))
    .await;
    let api = open(console.address, LIMIT);
    let config = HaConfig::parse(r#"{"enable": true, "other": 1}"#).unwrap();
    api.write_ha(&call(), &config).await.unwrap();
    let seen = console.seen();
    let [request] = seen.as_slice() else {
        panic!("not one request: {}", seen.len());
    };
    assert_eq!(request.method, "PUT");
    assert_eq!(request.path, "/p/ha.config");
    let body: serde_json::Value = serde_json::from_str(&request.body).unwrap();
    assert_eq!(body["value"]["other"], 1);
    assert_eq!(body["text"], config.as_str());
    assert_eq!(
        request.headers["authorization"], "Bearer canary",
        "the profile's login, not the console account's"
    );
    assert_eq!(request.headers.get_all("authorization").iter().count(), 1);
    assert_eq!(request.headers["x-kind"], "a");
    assert_eq!(request.headers["content-type"], "application/json");
}

#[tokio::test]
async fn ha_errors_are_errors() {
    let config = HaConfig::parse("{\"enable\":true}").unwrap();
    for (status, body) in [
        (500, "canary"),
        (401, ""),
        (200, r#"{"success":false,"code":"X","message":"canary"}"#),
    ] {
        let console = Console::start(BTreeMap::from([(
            "/p/ha.config",
            (status, Vec::new(), body.to_owned()),
        )]))
        .await;
        let api = open(console.address, LIMIT);
        let error = api.write_ha(&call(), &config).await.unwrap_err();
        assert!(
            !format!("{error} {error:?}").contains("canary"),
            "{error:?}"
        );
    }
    let console = Console::start(BTreeMap::new()).await;
    let api = open(console.address, LIMIT);
    let mut no_secret = call();
    no_secret.secrets.clear();
    assert!(matches!(
        api.write_ha(&no_secret, &config).await,
        Err(OpenApiError::Profile(_))
    ));
    let mut split = call();
    split.secrets[0].1 = SecretString::new("a\r\nX-Evil: canary");
    let error = api.write_ha(&split, &config).await.unwrap_err();
    assert!(matches!(&error, OpenApiError::Profile(_)) && !format!("{error:?}").contains("canary"));
    assert!(console.seen().is_empty());
}
