//! `/healthz`, `/readyz` and `/metrics` over HTTP.
use super::metrics::Metrics;
use super::options::ListenOption;
use http::{Response, StatusCode};
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustix::io::Errno;
use std::convert::Infallible;
use std::future::Future;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
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
}

/// Listens where it is asked to; nowhere for [`ListenOption::None`].
///
/// # Errors
/// The address cannot be listened on.
pub async fn listen(option: ListenOption) -> std::io::Result<Option<TcpListener>> {
    match option {
        ListenOption::None => Ok(None),
        ListenOption::At(address) => TcpListener::bind(address).await.map(Some),
        ListenOption::Everywhere(port) => {
            listen_everywhere(port, TcpListener::bind).await.map(Some)
        }
    }
}

/// An IPv6 socket takes IPv4 as well. Where the kernel has no IPv6 there is IPv4 alone; any other failure, a port that
/// is taken for one, stays a failure.
async fn listen_everywhere<L, F>(port: u16, bind: impl Fn(SocketAddr) -> F) -> std::io::Result<L>
where
    F: Future<Output = std::io::Result<L>>,
{
    match bind((Ipv6Addr::UNSPECIFIED, port).into()).await {
        Err(error) if is_without_ipv6(&error) => {
            tracing::info!(%error, "there is no IPv6 here, listening on IPv4 alone");
            bind((Ipv4Addr::UNSPECIFIED, port).into()).await
        }
        outcome => outcome,
    }
}

fn is_without_ipv6(error: &std::io::Error) -> bool {
    error.kind() == ErrorKind::AddrNotAvailable
        || error.raw_os_error() == Some(Errno::AFNOSUPPORT.raw_os_error())
}

/// Serves until the process ends.
pub fn serve(listener: TcpListener, health: Arc<Health>, metrics: Arc<Metrics>) {
    if let Ok(address) = listener.local_addr() {
        tracing::info!(%address, "serving health and metrics");
    }
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
}

fn answer(path: &str, health: &Health, metrics: &Metrics) -> Response<Full<Bytes>> {
    let (status, kind, text) = match path {
        "/healthz" => (StatusCode::OK, "text/plain", "ok\n".to_owned()),
        "/readyz" if health.ready.load(Ordering::Relaxed) => {
            (StatusCode::OK, "text/plain", "ready\n".to_owned())
        }
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

    async fn listen_with(errno: Errno) -> std::io::Result<SocketAddr> {
        listen_everywhere(8080, |address: SocketAddr| async move {
            if address.is_ipv6() {
                Err(std::io::Error::from_raw_os_error(errno.raw_os_error()))
            } else {
                Ok(address)
            }
        })
        .await
    }

    #[tokio::test]
    async fn a_node_without_ipv6_is_served_on_ipv4() {
        for errno in [Errno::AFNOSUPPORT, Errno::ADDRNOTAVAIL] {
            let address = listen_with(errno).await.unwrap();
            assert_eq!(address, "0.0.0.0:8080".parse().unwrap());
        }
        for errno in [Errno::ADDRINUSE, Errno::ACCESS] {
            let error = listen_with(errno).await.unwrap_err();
            assert_eq!(error.raw_os_error(), Some(errno.raw_os_error()));
        }
    }

    #[test]
    fn probes_and_metrics_answer() {
        let (health, metrics) = (Health::default(), Metrics::new());
        let status = |path: &str| answer(path, &health, &metrics).status().as_u16();
        assert_eq!(status("/healthz"), 200);
        assert_eq!(status("/readyz"), 503);
        health.ready.store(true, Ordering::Relaxed);
        assert_eq!(status("/readyz"), 200);
        assert_eq!(status("/metrics"), 200);
        assert_eq!(status("/"), 404);
    }
}
