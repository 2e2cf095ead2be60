//! `/healthz`, `/readyz` and `/metrics` over HTTP.
use super::definition::WAY_OUT;
use crate::controller::Definition;
use crate::metrics::Metrics;
use http::{Response, StatusCode};
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::net::TcpListener;

/// Time for the head of a request.
const HEAD_LIMIT: Duration = Duration::from_secs(5);

/// What the probes ask.
#[derive(Debug, Default)]
pub struct Health {
    /// Set once the API server answers and the resource exists.
    pub ready: AtomicBool,
    /// What the definition in the cluster lacks. Not ready while it lacks anything: in a rollout the former version,
    /// which it fits, stays at work.
    pub definition: Arc<Definition>,
}

/// Serves until the process ends.
///
/// # Errors
/// The address cannot be listened on.
pub async fn serve(
    address: SocketAddr,
    health: Arc<Health>,
    metrics: Arc<Metrics>,
) -> std::io::Result<()> {
    let listener = listen(address).await?;
    let address = listener.local_addr()?;
    tracing::info!(%address, "serving health and metrics");
    tokio::spawn(async move {
        loop {
            let stream = match listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be taken");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            let (health, metrics) = (health.clone(), metrics.clone());
            tokio::spawn(async move {
                let service = service_fn(move |request: http::Request<hyper::body::Incoming>| {
                    let answer = answer(request.uri().path(), &health, &metrics);
                    async move { Ok::<_, Infallible>(answer) }
                });
                let _ = hyper::server::conn::http1::Builder::new()
                    .timer(TokioTimer::new())
                    .header_read_timeout(HEAD_LIMIT)
                    .serve_connection(TokioIo::new(stream), service)
                    .await;
            });
        }
    });
    Ok(())
}

/// Everywhere means IPv6 and with it IPv4; a node without IPv6 has the latter only.
async fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let bound = TcpListener::bind(address).await;
    match &bound {
        Err(error) if is_without_ipv6(address, error) => {
            TcpListener::bind((Ipv4Addr::UNSPECIFIED, address.port())).await
        }
        _ => bound,
    }
}

/// `EAFNOSUPPORT` and `EADDRNOTAVAIL`: the kernel has no IPv6, or it is switched off.
fn is_without_ipv6(address: SocketAddr, error: &std::io::Error) -> bool {
    let unsupported = error.kind() == std::io::ErrorKind::AddrNotAvailable
        || error.raw_os_error() == Some(EAFNOSUPPORT);
    address.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED) && unsupported
}

/// Linux: address family not supported by protocol.
const EAFNOSUPPORT: i32 = 97;

fn answer(path: &str, health: &Health, metrics: &Metrics) -> Response<Full<Bytes>> {
    let lacking = health.definition.list_lacking();
    let (status, kind, text) = match path {
        "/healthz" => (StatusCode::OK, "text/plain", "ok\n".to_owned()),
        "/readyz" if health.ready.load(Ordering::Relaxed) && lacking.is_empty() => {
            (StatusCode::OK, "text/plain", "ready\n".to_owned())
        }
        "/readyz" if !lacking.is_empty() => (
            StatusCode::SERVICE_UNAVAILABLE,
            "text/plain",
            format!(
                "not ready: the definition of OmsUpgrade in this cluster lacks {}; {WAY_OUT}\n",
                lacking.join(", ")
            ),
        ),
        "/readyz" => (
            StatusCode::SERVICE_UNAVAILABLE,
            "text/plain",
            "not ready: the API server or the resource OmsUpgrade does not answer\n".to_owned(),
        ),
        "/metrics" => (
            StatusCode::OK,
            "application/openmetrics-text; version=1.0.0; charset=utf-8",
            metrics.render(),
        ),
        _ => (
            StatusCode::NOT_FOUND,
            "text/plain",
            "not found\n".to_owned(),
        ),
    };
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    if let Ok(kind) = http::HeaderValue::from_str(kind) {
        response
            .headers_mut()
            .insert(http::header::CONTENT_TYPE, kind);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_unnamed_address_gives_way_to_ipv4() {
        let error = std::io::Error::from_raw_os_error;
        let everywhere: SocketAddr = "[::]:8080".parse().unwrap();
        assert!(is_without_ipv6(everywhere, &error(EAFNOSUPPORT)));
        assert!(is_without_ipv6(everywhere, &error(99)));
        // In use, or not permitted: that is no question of IPv6.
        assert!(!is_without_ipv6(everywhere, &error(98)));
        assert!(!is_without_ipv6(everywhere, &error(13)));
        let named = "[::1]:8080".parse().unwrap();
        assert!(!is_without_ipv6(named, &error(EAFNOSUPPORT)));
    }

    #[test]
    fn probes_and_metrics_answer() {
        let (health, metrics) = (Health::default(), Metrics::new());
        let status = |path: &str| answer(path, &health, &metrics).status().as_u16();
        assert_eq!(status("/healthz"), 200);
        assert_eq!(status("/readyz"), 503);
        health.ready.store(true, Ordering::Relaxed);
        assert_eq!(status("/readyz"), 200);
        health.definition.tell(vec!["status.backup".into()]);
        assert_eq!(status("/readyz"), 503);
        health.definition.tell(Vec::new());
        assert_eq!(status("/readyz"), 200);
        assert_eq!(status("/metrics"), 200);
        assert_eq!(status("/"), 404);
    }
}
