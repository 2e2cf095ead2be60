//! The console over HTTP and HTTPS: the adapter behind [`super::open_api::OpenApi`].
//!
//! Touches the network, nothing else. Connects to the address it was given and to no other: no
//! proxies, no redirects, no names. Each call is bounded in time as a whole and in bytes, and no
//! text of an answer leaves this module.
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use futures::future::{Either, select};
use http::header::{
    ACCEPT, AUTHORIZATION, CONNECTION, CONTENT_TYPE, HOST, HeaderName, HeaderValue,
};
use http::{Method, Request};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::ServerName;
use zeroize::Zeroizing;

use super::ha::HaConfig;
use super::open_api::{
    Endpoint, HaCall, HeaderSource, Health, MAX_ANSWER_BYTES, OpenApi, OpenApiError, OpenApiOpener,
    OpenApiResult, ProfileError, ProfileHeader, Scheme, Trust, check_write_answer, parse_health,
    parse_progress, profile_error,
};
use super::project::{ProjectKey, ProjectKind, ProjectProgress};
use super::tls::{build_config, explain as explain_tls};
use crate::metadb::secret::{Credentials, SecretString};

/// Largest head of an answer, bytes.
const MAX_HEAD_BYTES: usize = 64 * 1024;

/// Opens consoles over TCP.
#[derive(Clone, Copy, Default)]
pub struct HttpOpener;

impl OpenApiOpener for HttpOpener {
    fn open(
        &self,
        endpoint: Endpoint,
        credentials: Option<&Credentials>,
        limit: Duration,
    ) -> Arc<dyn OpenApi> {
        Arc::new(HttpOpenApi {
            endpoint,
            authorization: credentials.map(encode_basic),
            limit,
        })
    }
}

/// One console over TCP.
pub struct HttpOpenApi {
    endpoint: Endpoint,
    authorization: Option<SecretString>,
    limit: Duration,
}

struct Answer {
    status: u16,
    body: Bytes,
}

/// `Authorization: Basic` (example in the V4.0.0 API reference).
fn encode_basic(credentials: &Credentials) -> SecretString {
    let plain = Zeroizing::new(format!(
        "{}:{}",
        credentials.user,
        credentials.password.reveal()
    ));
    let encoded = base64::engine::general_purpose::STANDARD.encode(plain.as_bytes());
    SecretString::new(format!("Basic {encoded}"))
}

impl OpenApi for HttpOpenApi {
    fn read_progress<'a>(&'a self, project: &'a ProjectKey) -> OpenApiResult<'a, ProjectProgress> {
        Box::pin(async move {
            let call = format!("read progress of {project}");
            let family = match project.kind {
                ProjectKind::Migration => "migrations",
                ProjectKind::Sync => "sync",
            };
            let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
            if project.id.is_empty() || !project.id.bytes().all(plain) {
                return Err(OpenApiError::Unreadable {
                    call,
                    reason: "the project id from the meta database cannot stand in a path"
                        .to_owned(),
                });
            }
            let path = format!("/api/omsp/v2/{family}/{}/progress", project.id);
            let headers = self
                .authorization
                .iter()
                .map(|value| (AUTHORIZATION, value))
                .collect();
            let answer = self.send(&call, Method::GET, &path, headers, None).await?;
            parse_progress(project, check_status(&call, &answer)?)
        })
    }

    fn read_health(&self) -> OpenApiResult<'_, Health> {
        Box::pin(async move {
            let answer = self
                .send("read health", Method::GET, "/oms/health", Vec::new(), None)
                .await?;
            parse_health(answer.status, &answer.body)
        })
    }

    fn write_ha<'a>(&'a self, call: &'a HaCall, config: &'a HaConfig) -> OpenApiResult<'a, ()> {
        Box::pin(async move {
            let name = "write ha.config";
            call.profile.check()?;
            let write = &call.profile.write;
            let method = Method::from_bytes(write.method.as_bytes())
                .map_err(|_| profile_error("method", "is no HTTP method"))?;
            let values = resolve_headers(call)?;
            let headers = name_headers(call, &values)?;
            let body = call.profile.render_body(config);
            let answer = self
                .send(name, method, &write.path, headers, Some(body))
                .await?;
            check_write_answer(check_status(name, &answer)?)
        })
    }
}

/// Values of the profile's headers, in its order.
fn resolve_headers(call: &HaCall) -> Result<Vec<SecretString>, ProfileError> {
    let resolve = |header: &ProfileHeader| match &header.source {
        HeaderSource::Value(value) => Ok(SecretString::new(value.clone())),
        HeaderSource::Secret => call
            .secrets
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(&header.name))
            .map(|(_, value)| value.clone())
            .ok_or_else(|| {
                profile_error("headers", format!("no value was found for {}", header.name))
            }),
    };
    call.profile.headers.iter().map(resolve).collect()
}

fn name_headers<'a>(
    call: &HaCall,
    values: &'a [SecretString],
) -> Result<Vec<(HeaderName, &'a SecretString)>, ProfileError> {
    let named = call
        .profile
        .headers
        .iter()
        .zip(values)
        .map(|(header, value)| {
            HeaderName::try_from(header.name.as_str())
                .map(|name| (name, value))
                .map_err(|_| profile_error("headers", "a header name holds a forbidden character"))
        });
    named.collect()
}

fn check_status<'a>(call: &str, answer: &'a Answer) -> Result<&'a [u8], OpenApiError> {
    match answer.status {
        200..=299 => Ok(&answer.body),
        401 | 403 => Err(OpenApiError::LoginRefused {
            call: call.to_owned(),
            status: answer.status,
        }),
        status => Err(OpenApiError::Refused {
            call: call.to_owned(),
            status,
        }),
    }
}

impl HttpOpenApi {
    async fn send(
        &self,
        call: &str,
        method: Method,
        path: &str,
        headers: Vec<(HeaderName, &SecretString)>,
        body: Option<String>,
    ) -> Result<Answer, OpenApiError> {
        let request = self.build_request(call, method, path, headers, body)?;
        match tokio::time::timeout(self.limit, self.exchange(call, request)).await {
            Ok(answer) => answer,
            Err(_) => Err(OpenApiError::TimedOut {
                call: call.to_owned(),
                seconds: u64::try_from(self.limit.as_millis().div_ceil(1000)).unwrap_or(u64::MAX),
            }),
        }
    }

    fn build_request(
        &self,
        call: &str,
        method: Method,
        path: &str,
        headers: Vec<(HeaderName, &SecretString)>,
        body: Option<String>,
    ) -> Result<Request<Full<Bytes>>, OpenApiError> {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, self.endpoint.address.to_string())
            .header(CONNECTION, "close")
            .header(ACCEPT, "application/json")
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(body.unwrap_or_default())))
            .map_err(|_| OpenApiError::Unreadable {
                call: call.to_owned(),
                reason: "the request cannot be built".to_owned(),
            })?;
        for (name, value) in headers {
            let mut value = HeaderValue::try_from(value.reveal()).map_err(|_| {
                profile_error(
                    "headers",
                    format!("the value for {name} holds a forbidden character"),
                )
            })?;
            value.set_sensitive(true);
            request.headers_mut().insert(name, value);
        }
        Ok(request)
    }

    async fn exchange(
        &self,
        call: &str,
        request: Request<Full<Bytes>>,
    ) -> Result<Answer, OpenApiError> {
        let stream = TcpStream::connect(self.endpoint.address)
            .await
            .map_err(|error| OpenApiError::Unreachable {
                call: call.to_owned(),
                address: self.endpoint.address,
                // Only the kind: it is the same on every machine and quotes nothing.
                reason: error.kind().to_string(),
            })?;
        match &self.endpoint.scheme {
            Scheme::Http => talk(call, request, stream).await,
            Scheme::Https(trust) => {
                let stream = self.shake_hands(call, trust, stream).await?;
                talk(call, request, stream).await
            }
        }
    }

    /// TLS with a console that is trusted. Until then nothing of a request is sent.
    async fn shake_hands(
        &self,
        call: &str,
        trust: &Trust,
        stream: TcpStream,
    ) -> Result<TlsStream<TcpStream>, OpenApiError> {
        let address = self.endpoint.address;
        let fail = |reason| OpenApiError::Untrusted {
            call: call.to_owned(),
            address,
            reason,
        };
        let name = match &trust.server_name {
            Some(name) => ServerName::try_from(name.clone())
                .map_err(|_| fail("spec.console.tls.serverName is no name of a host"))?,
            None => ServerName::from(address.ip()),
        };
        let config = build_config(&trust.check).map_err(fail)?;
        let connecting = TlsConnector::from(config).connect(name, stream);
        connecting.await.map_err(|error| fail(explain_tls(&error)))
    }
}

/// Sends a request and reads its answer, as far as an answer may be long.
async fn talk(
    call: &str,
    request: Request<Full<Bytes>>,
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
) -> Result<Answer, OpenApiError> {
    let (mut sender, connection) = hyper::client::conn::http1::Builder::new()
        .max_buf_size(MAX_HEAD_BYTES)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|error| explain(call, &error))?;
    let work = async {
        let response = sender
            .send_request(request)
            .await
            .map_err(|error| explain(call, &error))?;
        let status = response.status().as_u16();
        let body = Limited::new(response.into_body(), MAX_ANSWER_BYTES)
            .collect()
            .await;
        match body {
            Ok(body) => judge_scheme(
                call,
                Answer {
                    status,
                    body: body.to_bytes(),
                },
            ),
            Err(error) if error.is::<LengthLimitError>() => Err(OpenApiError::Unreadable {
                call: call.to_owned(),
                reason: format!("it is longer than {MAX_ANSWER_BYTES} bytes"),
            }),
            Err(_) => Err(OpenApiError::ConnectionLost {
                call: call.to_owned(),
            }),
        }
    };
    drive(work, connection).await
}

/// Runs the request while the connection is driven. The connection may end first, with the answer
/// already handed over.
async fn drive<T>(work: impl Future<Output = T>, connection: impl Future) -> T {
    match select(pin!(work), pin!(connection)).await {
        Either::Left((answer, _)) => answer,
        Either::Right((_, work)) => work.await,
    }
}

/// nginx tells a plain request on its HTTPS port apart by this text.
fn judge_scheme(call: &str, answer: Answer) -> Result<Answer, OpenApiError> {
    let marker = b"plain HTTP request was sent to HTTPS port";
    let https = answer.status == 400
        && answer
            .body
            .windows(marker.len())
            .any(|window| window == marker);
    if https {
        return Err(OpenApiError::WrongScheme {
            call: call.to_owned(),
        });
    }
    Ok(answer)
}

fn explain(call: &str, error: &hyper::Error) -> OpenApiError {
    if error.is_parse() || error.is_parse_too_large() {
        return OpenApiError::Unreadable {
            call: call.to_owned(),
            reason: "it is not HTTP, or its head is too long".to_owned(),
        };
    }
    OpenApiError::ConnectionLost {
        call: call.to_owned(),
    }
}
