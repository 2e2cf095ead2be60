//! Consoles with certificates: HTTPS and nothing else.
use super::server::{Answers, Console, read_certificate, say};
use super::{LIMIT, PROGRESS, call, project};
use oms_operator::metadb::secret::{Credentials, SecretString};
use oms_operator::oms::ha::HaConfig;
use oms_operator::oms::http::HttpOpener;
use oms_operator::oms::open_api::{
    CertificateCheck, Endpoint, Health, OpenApi, OpenApiError, OpenApiOpener, Scheme, Trust,
};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

fn open(address: SocketAddr, check: CertificateCheck, name: Option<&str>) -> Arc<dyn OpenApi> {
    let credentials = Credentials {
        user: "admin".into(),
        password: SecretString::new("canary"),
    };
    let trust = Trust {
        check,
        server_name: name.map(str::to_owned),
    };
    let scheme = Scheme::Https(trust);
    HttpOpener.open(Endpoint { address, scheme }, Some(&credentials), LIMIT)
}

fn given(name: &str) -> CertificateCheck {
    CertificateCheck::Pem(read_certificate(name).into())
}

fn answers() -> Answers {
    let progress = r#"{"success":true,"data":{"status":"RUNNING","currentStep":"INCR_SYNC","enableIncrSync":true}}"#;
    BTreeMap::from([
        (PROGRESS, (200, Vec::new(), progress.to_owned())),
        (
            "/oms/health",
            (200, Vec::new(), r#"{"data":{"healthy":true}}"#.to_owned()),
        ),
        (
            "/p/ha.config",
            (200, Vec::new(), r#"{"success":true}"#.to_owned()),
        ),
    ])
}

/// Everything that is asked of a console goes over it.
#[tokio::test]
async fn a_console_that_is_trusted_is_asked_everything() {
    let console = Console::start_tls(answers(), "server.pem").await;
    let api = open(console.address, given("authority.pem"), None);
    assert_eq!(api.read_health().await.unwrap(), Health::Healthy);
    api.read_progress(&project("p_1")).await.unwrap();
    let config = HaConfig::parse("{\"enable\":true}").unwrap();
    api.write_ha(&call(), &config).await.unwrap();
    let paths: Vec<String> = console
        .seen()
        .iter()
        .map(|seen| seen.path.clone())
        .collect();
    assert_eq!(paths, ["/oms/health", PROGRESS, "/p/ha.config"]);
}

#[tokio::test]
async fn a_certificate_is_trusted_by_its_authority_by_itself_or_not_at_all() {
    for (certificate, check, name, trusted) in [
        (
            "server.pem",
            given("authority.pem"),
            Some("oms.example.com"),
            None,
        ),
        (
            "named.pem",
            given("authority.pem"),
            Some("oms.example.com"),
            None,
        ),
        (
            "named.pem",
            given("authority.pem"),
            None,
            Some("for another name"),
        ),
        (
            "server.pem",
            given("authority.pem"),
            Some("other.example.com"),
            Some("for another name"),
        ),
        // The very one that was given, whatever name it has; and one that signs itself.
        ("named.pem", given("named.pem"), None, None),
        ("own.pem", given("own.pem"), None, None),
        (
            "own.pem",
            given("authority.pem"),
            None,
            Some("cannot be held against"),
        ),
        (
            "server.pem",
            given("own.pem"),
            None,
            Some("neither in spec.console.tls.ca"),
        ),
        ("own.pem", CertificateCheck::Nothing, None, None),
        (
            "server.pem",
            CertificateCheck::Pem("none".into()),
            None,
            Some("holds no certificate"),
        ),
        (
            "server.pem",
            given("authority.pem"),
            Some("no name"),
            Some("no name of a host"),
        ),
    ] {
        let about = format!("{certificate} {check:?} {name:?}");
        let console = Console::start_tls(answers(), certificate).await;
        let answer = open(console.address, check, name)
            .read_progress(&project("p_1"))
            .await;
        match (trusted, answer) {
            (None, Ok(_)) => assert_eq!(console.seen().len(), 1),
            (Some(words), Err(error @ OpenApiError::Untrusted { .. })) => {
                assert!(error.to_string().contains(words), "{about}: {error}");
                assert!(console.seen().is_empty(), "the account was told");
            }
            (_, answer) => panic!("{about}: {answer:?}"),
        }
    }
}

/// And one that speaks no TLS, and one that says nothing.
#[tokio::test]
async fn what_does_not_speak_tls_is_named() {
    let plain = Console::start(answers()).await;
    let error = open(plain.address, given("authority.pem"), None)
        .read_health()
        .await
        .unwrap_err();
    assert!(error.to_string().contains("does not speak TLS"), "{error}");
    assert!(plain.seen().is_empty());
    let silent = say(b"").await;
    let scheme = Scheme::Https(Trust {
        check: CertificateCheck::Nothing,
        server_name: None,
    });
    let limit = std::time::Duration::from_millis(200);
    let api = HttpOpener.open(
        Endpoint {
            address: silent,
            scheme,
        },
        None,
        limit,
    );
    let error = api.read_health().await.unwrap_err();
    assert!(matches!(error, OpenApiError::TimedOut { .. }), "{error:?}");
}
