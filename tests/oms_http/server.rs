//! HTTP servers for the tests: one that answers as told, one that says arbitrary bytes.
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// One request as the server saw it.
#[derive(Clone, Debug)]
pub struct Seen {
    pub method: String,
    pub path: String,
    pub headers: HeaderMap,
    pub body: String,
}

/// A server with one answer per path; everything else is 404.
pub struct Console {
    pub address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
}

pub type Answers = BTreeMap<&'static str, (u16, Vec<(&'static str, String)>, String)>;

impl Console {
    /// Serves until the test ends.
    pub async fn start(answers: Answers) -> Self {
        Self::serve(answers, None).await
    }

    /// The same, over TLS and nothing else, with this certificate.
    pub async fn start_tls(answers: Answers, certificate: &str) -> Self {
        Self::serve(answers, Some(build_acceptor(certificate))).await
    }

    async fn serve(answers: Answers, acceptor: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let record = seen.clone();
        let answers = Arc::new(answers);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (record, answers) = (record.clone(), answers.clone());
                let service =
                    service_fn(move |request| answer(request, record.clone(), answers.clone()));
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    let server = hyper::server::conn::http1::Builder::new();
                    match acceptor {
                        None => {
                            let _ = server.serve_connection(TokioIo::new(stream), service).await;
                        }
                        Some(acceptor) => {
                            // A client that does not trust it hangs up.
                            if let Ok(stream) = acceptor.accept(stream).await {
                                let stream = TokioIo::new(stream);
                                let _ = server.serve_connection(stream, service).await;
                            }
                        }
                    }
                });
            }
        });
        Self { address, seen }
    }

    /// Requests so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

/// A file beside this one.
pub fn read_certificate(name: &str) -> String {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/oms_http/certificates");
    std::fs::read_to_string(format!("{folder}/{name}")).unwrap()
}

/// TLS 1.2 at most, as the nginx of an old image speaks it.
fn build_acceptor(certificate: &str) -> TlsAcceptor {
    let pem = read_certificate(certificate);
    let chain = CertificateDer::pem_slice_iter(pem.as_bytes()).map(Result::unwrap);
    let key = PrivateKeyDer::from_pem_slice(read_certificate("server.key").as_bytes()).unwrap();
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&tokio_rustls::rustls::version::TLS12])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain.collect(), key)
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

async fn answer(
    request: Request<Incoming>,
    record: Arc<Mutex<Vec<Seen>>>,
    answers: Arc<Answers>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let path = head.uri.to_string();
    let (status, headers, text) =
        answers
            .get(path.as_str())
            .cloned()
            .unwrap_or((404, Vec::new(), "<html>".into()));
    record.lock().unwrap().push(Seen {
        method: head.method.to_string(),
        path,
        headers: head.headers,
        body: String::from_utf8_lossy(&body).into_owned(),
    });
    let mut response = Response::builder().status(StatusCode::from_u16(status).unwrap());
    for (name, value) in headers {
        response = response.header(name, value);
    }
    Ok(response.body(Full::new(Bytes::from(text))).unwrap())
}

/// A server that says these bytes to the first client and keeps the connection open.
pub async fn say(bytes: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = [0u8; 4096];
        let _ = stream.read(&mut request).await;
        stream.write_all(bytes).await.unwrap();
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest).await;
    });
    address
}
