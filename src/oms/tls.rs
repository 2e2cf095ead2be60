//! TLS towards the console: whose certificate is trusted. No I/O.
//!
//! The certificates of OMS are files that a person made and mounted (deployment guide: `oms_server.crt`,
//! `oms_server.key`), often one that signs itself. A verifier that wants an authority takes no such certificate for a
//! server's own, so it is trusted by itself where it is the very one that was given.
use super::open_api::CertificateCheck;
use crate::metadb::read_certificates;
use std::sync::Arc;
use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use tokio_rustls::rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, ring, verify_tls12_signature, verify_tls13_signature,
};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};

/// The client's side of a handshake.
///
/// # Errors
/// In words: what was given holds no certificate.
pub(super) fn build_config(check: &CertificateCheck) -> Result<Arc<ClientConfig>, &'static str> {
    let provider = Arc::new(ring::default_provider());
    let verifier = Verifier::new(check, &provider)?;
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|_| "this operator cannot speak TLS")?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// Takes what was given, and what is signed by it for the right name.
#[derive(Debug)]
struct Verifier {
    given: Given,
    algorithms: WebPkiSupportedAlgorithms,
}

#[derive(Debug)]
enum Given {
    Nothing,
    Certificates {
        all: Vec<CertificateDer<'static>>,
        /// `None` where none of them can be an authority.
        authorities: Option<Arc<WebPkiServerVerifier>>,
    },
}

impl Verifier {
    fn new(check: &CertificateCheck, provider: &Arc<CryptoProvider>) -> Result<Self, &'static str> {
        let given = match check {
            CertificateCheck::Nothing => Given::Nothing,
            CertificateCheck::Pem(pem) => read_given(pem, provider)?,
        };
        Ok(Self {
            given,
            algorithms: provider.signature_verification_algorithms,
        })
    }
}

fn read_given(pem: &str, provider: &Arc<CryptoProvider>) -> Result<Given, &'static str> {
    let all = read_certificates(pem.as_bytes())
        .ok_or("spec.console.tls.ca holds no certificate in PEM")?;
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(all.iter().cloned());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone());
    Ok(Given::Certificates {
        all,
        authorities: verifier.build().ok(),
    })
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match &self.given {
            Given::Nothing => Ok(ServerCertVerified::assertion()),
            Given::Certificates { all, .. } if all.iter().any(|one| one == end_entity) => {
                Ok(ServerCertVerified::assertion())
            }
            Given::Certificates { authorities, .. } => match authorities {
                Some(authorities) => authorities.verify_server_cert(
                    end_entity,
                    intermediates,
                    server_name,
                    ocsp_response,
                    now,
                ),
                None => Err(CertificateError::UnknownIssuer.into()),
            },
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// Why a handshake failed, in words of our own: what the other side says is not repeated.
pub(super) fn explain(error: &std::io::Error) -> &'static str {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    match inner {
        Some(Error::InvalidCertificate(reason)) => match reason {
            CertificateError::UnknownIssuer | CertificateError::BadSignature => {
                "its certificate is neither in spec.console.tls.ca nor signed by one that is"
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                "its certificate is for another name; say for which one in spec.console.tls.serverName"
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                "its certificate has expired"
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                "its certificate is not valid yet"
            }
            _ => {
                "its certificate cannot be held against spec.console.tls.ca; give that very certificate there, or an authority's that signed it"
            }
        },
        Some(Error::InvalidMessage(_)) => "what answers there does not speak TLS",
        _ => "the handshake failed",
    }
}
