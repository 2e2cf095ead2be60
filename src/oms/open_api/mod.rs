//! The console's HTTP interfaces as a port: open API, health, and the HA profile.
//!
//! No I/O here. The adapter is [`super::http`]; tests put a double behind the same trait. Answers
//! are reduced to typed facts, raw texts are never handed on.
mod answer;
mod profile;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use thiserror::Error;

pub(super) use answer::check_write_answer;
pub use answer::{parse_health, parse_progress};
pub(super) use profile::profile_error;
pub use profile::{HaCall, HaProfile, HaWrite, HeaderSource, ProfileError, ProfileHeader};

use super::ha::HaConfig;
use super::project::{ProjectKey, ProjectProgress};
use crate::metadb::secret::Credentials;

/// Largest answer that is read, bytes.
pub const MAX_ANSWER_BYTES: usize = 1024 * 1024;

/// Where the console is: an address that was observed on a pod, never one from an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Address and port to connect to.
    pub address: SocketAddr,
    /// With certificates mounted, OMS's nginx speaks HTTPS only.
    pub scheme: Scheme,
}

/// Protocol of an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scheme {
    Http,
    Https(Trust),
}

/// Whom a console is trusted to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trust {
    /// What its certificate is held against.
    pub check: CertificateCheck,
    /// Name that its certificate must have; `None`: the address.
    pub server_name: Option<String>,
}

/// What a certificate is held against.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertificateCheck {
    /// Certificates as PEM: of authorities, or the very one of the console.
    Pem(Arc<str>),
    /// Nothing: whoever answers is believed, and is told the account.
    Nothing,
}

/// What `/oms/health` says. The path is known from the vendor's deploy tool, not from the guide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Health {
    /// `data.healthy` is true.
    Healthy,
    /// It answers, but not that it is healthy.
    Unhealthy,
    /// This version has no such path (404).
    NotOffered,
}

/// A call to the console that did not succeed. Never holds a secret or text of an answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Error)]
pub enum OpenApiError {
    /// No connection.
    #[error(
        "{call}: cannot connect to OMS at {address}: {reason}; nothing was changed; it is asked again"
    )]
    Unreachable {
        /// What was tried.
        call: String,
        /// Where.
        address: SocketAddr,
        /// Cause in words.
        reason: String,
    },
    /// Too slow, as a whole.
    #[error(
        "{call}: no complete answer from OMS within {seconds} s; a change may or may not have been made; it is read again"
    )]
    TimedOut {
        /// What was tried.
        call: String,
        /// Limit, whole seconds, rounded up.
        seconds: u64,
    },
    /// The connection broke.
    #[error(
        "{call}: the connection to OMS broke; a change may or may not have been made; it is read again"
    )]
    ConnectionLost {
        /// What was tried.
        call: String,
    },
    /// 401 or 403.
    #[error(
        "{call}: OMS refused the account (HTTP {status}: {}); nothing was changed; correct it in the Secret that \
         spec.console.credentialsSecretRef names",
        if *status == 401 { "user or password is wrong" } else { "the console user may not do this" }
    )]
    LoginRefused {
        /// What was tried.
        call: String,
        /// HTTP status.
        status: u16,
    },
    /// Any other status that is no success, redirects included.
    #[error(
        "{call}: OMS answered HTTP {status}, which is no success (redirects are not followed); \
         read the state before going on"
    )]
    Refused {
        /// What was tried.
        call: String,
        /// HTTP status.
        status: u16,
    },
    /// The envelope says that the call failed.
    #[error(
        "{call}: OMS reports a failure (code {code}); read the state before going on, and see OMS's ghana logs"
    )]
    Failed {
        /// What was tried.
        call: String,
        /// `code` of the envelope, letters, digits, `-` and `_` only, shortened.
        code: String,
    },
    /// The answer is not what the reference describes.
    #[error(
        "{call}: OMS's answer cannot be understood: {reason}; nothing is concluded from it; check that the address is OMS's console"
    )]
    Unreadable {
        /// What was tried.
        call: String,
        /// What is wrong, without quoting the answer.
        reason: String,
    },
    /// HTTPS, where HTTP is said.
    #[error(
        "{call}: OMS's console speaks HTTPS here; it understood nothing of what was sent; set spec.console.scheme: Https, and spec.console.tls"
    )]
    WrongScheme {
        /// What was tried.
        call: String,
    },
    /// No TLS with a console that is trusted.
    #[error(
        "{call}: no TLS with OMS's console at {address}: {reason}; nothing was sent; correct spec.console.scheme or spec.console.tls"
    )]
    Untrusted {
        /// What was tried.
        call: String,
        /// Where.
        address: SocketAddr,
        /// What is wrong, in words of our own.
        reason: &'static str,
    },
    /// The profile is wrong.
    #[error(transparent)]
    Profile(#[from] ProfileError),
}

/// Answer of a call to the console.
pub type OpenApiResult<'a, T> = BoxFuture<'a, Result<T, OpenApiError>>;

/// Opens consoles; the seam where tests put their own.
pub trait OpenApiOpener: Send + Sync {
    /// Makes a client for one console. Does not connect yet. `limit` bounds each call as a whole.
    fn open(
        &self,
        endpoint: Endpoint,
        credentials: Option<&Credentials>,
        limit: Duration,
    ) -> Arc<dyn OpenApi>;
}

/// Calls to one console. Object-safe; one connection per call.
pub trait OpenApi: Send + Sync {
    /// `GET /api/omsp/v2/{migrations|sync}/{id}/progress` (API reference V4.0.0; from 3.3.0 on).
    fn read_progress<'a>(&'a self, project: &'a ProjectKey) -> OpenApiResult<'a, ProjectProgress>;

    /// `GET /oms/health`.
    fn read_health(&self) -> OpenApiResult<'_, Health>;

    /// Writes the whole `ha.config` text by the profile's write request. Not conditional: read
    /// first, patch single keys, and verify in the meta database afterwards.
    fn write_ha<'a>(&'a self, call: &'a HaCall, config: &'a HaConfig) -> OpenApiResult<'a, ()>;
}
