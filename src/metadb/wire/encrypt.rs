//! Encrypts a connection that was begun in clear, as MySQL's protocol does it. Touches the stream that it is given.
use super::dialogue::Refusal;
use super::packet::{Packet, write_packet};
use crate::metadb::tls::TlsRules;
use rustls::{CertificateError, Error};
use std::io;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::client::TlsStream;
use tokio_rustls::{TlsConnector, rustls};

/// `CLIENT_SSL`, in the second byte of the capabilities of either side.
const TLS: u8 = 0x08;
/// A request for TLS ends where the answer to a greeting names the user.
const REQUEST: usize = 32;

/// Where a greeting holds the lower half of what the server can do: behind version, number of the connection, the first
/// part of the scramble and a zero.
fn find_capabilities(greeting: &[u8]) -> Option<usize> {
    let version = greeting.get(1..)?.iter().position(|byte| *byte == 0)?;
    Some(1 + version + 1 + 4 + 8 + 1)
}

/// Whether a greeting offers TLS.
pub(super) fn offers_tls(greeting: &[u8]) -> bool {
    let flags = find_capabilities(greeting).and_then(|at| greeting.get(at + 1));
    greeting.first() == Some(&10) && flags.is_some_and(|flags| flags & TLS != 0)
}

/// Takes the offer out of a greeting: what reads it is not to encrypt once more.
pub(super) fn hide_offer(greeting: &mut [u8]) {
    if let Some(flags) = find_capabilities(greeting).and_then(|at| greeting.get_mut(at + 1)) {
        *flags &= !TLS;
    }
}

/// Asks for TLS in the words of the client's own answer, and changes that answer, which is the next packet then. A
/// server takes what a client can do from the request and does not read it again.
///
/// # Errors
/// The server cannot do it, is not whom it should be, or the answer is none.
pub(super) async fn encrypt<S: AsyncRead + AsyncWrite + Unpin>(
    mut server: S,
    answer: &mut Packet,
    host: &str,
    rules: &TlsRules,
) -> Result<TlsStream<S>, Refusal> {
    let none = Refusal::Malformed("an answer to a greeting that is none");
    let flags = answer.payload.get_mut(1).ok_or(none.clone())?;
    *flags |= TLS;
    let head = answer.payload.get(..REQUEST).ok_or(none)?;
    let request = Packet {
        sequence: answer.sequence,
        payload: head.to_vec(),
    };
    answer.sequence = answer.sequence.wrapping_add(1);
    let name = rules.name_server(host).ok_or_else(|| {
        Refusal::Untrusted("its address is no name that a certificate can bear".into())
    })?;
    let failed = |error: io::Error| describe(&error, host);
    write_packet(&mut server, &request).await.map_err(failed)?;
    let connector = TlsConnector::from(rules.config.clone());
    connector.connect(name, server).await.map_err(failed)
}

/// What the library says about an encrypted connection; `None` where it is not the one that speaks.
pub(super) fn find_tls_error(error: &io::Error) -> Option<&Error> {
    error.get_ref()?.downcast_ref()
}

/// Why there is no encrypted connection.
pub(super) fn describe(error: &io::Error, host: &str) -> Refusal {
    let why = match find_tls_error(error) {
        Some(Error::InvalidCertificate(why)) => why,
        Some(other) => return Refusal::TlsFailed(other.to_string()),
        None => return Refusal::TlsFailed(error.to_string()),
    };
    Refusal::Untrusted(match why {
        // The latter where two CAs have one name.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "the CA that is given did not sign it".into()
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "it has expired".into()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "it is not valid yet".into()
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            format!("it is not made for {host}")
        }
        other => Error::InvalidCertificate(other.clone()).to_string(),
    })
}

#[cfg(test)]
#[path = "encrypt_tests.rs"]
mod tests;
