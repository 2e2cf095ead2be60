//! What a login to the MetaDB may give away. Pure.
use super::tls::TlsRules;
use crate::protocol::request::LoginMethod;
use std::sync::Arc;

/// What the user allows beyond what is safe with whoever answers, and what he asks for.
#[derive(Clone, Debug, Default)]
pub struct LoginRules {
    /// `caching_sha2_password` may be used on a connection without TLS. Who sits between gets the password then: it is
    /// encrypted for whatever key the other end sends.
    pub sha2_without_tls: bool,
    /// How connections are encrypted; not at all where there is nothing.
    pub tls: Option<Arc<TlsRules>>,
}

impl LoginRules {
    /// The rules of a spec or a request.
    pub fn new(without_tls: &[LoginMethod], tls: Option<TlsRules>) -> Self {
        Self {
            sha2_without_tls: without_tls.contains(&LoginMethod::CachingSha2Password),
            tls: tls.map(Arc::new),
        }
    }

    /// Nothing is allowed, and nothing asked for.
    pub fn are_plain(&self) -> bool {
        !self.sha2_without_tls && self.tls.is_none()
    }
}
