//! What a login to the MetaDB may give away. Pure.
use crate::protocol::request::LoginMethod;

/// What the user allows beyond what is safe with whoever answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoginRules {
    /// `caching_sha2_password` may be used on a connection without TLS. Who sits between gets the password then: it is
    /// encrypted for whatever key the other end sends.
    pub sha2_without_tls: bool,
}

impl LoginRules {
    /// The rules of a spec or a request.
    pub fn new(without_tls: &[LoginMethod]) -> Self {
        Self {
            sha2_without_tls: without_tls.contains(&LoginMethod::CachingSha2Password),
        }
    }
}
