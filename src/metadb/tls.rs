//! What is asked of an encrypted connection to the MetaDB: certificates, and how far they prove who answers. Pure.
//!
//! One library does it for the operator, for the agent, and for the dump client, whose connection goes through
//! [`super::wire`] as well: so a mode means the same everywhere, whatever the client of a tools image can do.
use crate::protocol::request::TlsMode;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};
use std::sync::Arc;
use thiserror::Error as ThisError;
use tokio_rustls::rustls;
use zeroize::Zeroizing;

/// How a connection is encrypted, and what the certificate of the server must be.
#[derive(Clone, Debug)]
pub struct TlsRules {
    /// What is asked.
    pub mode: TlsMode,
    pub(super) config: Arc<ClientConfig>,
}

/// What Secrets hold for it, in PEM.
#[derive(Default)]
pub struct TlsTexts {
    /// Those who may have signed the server's certificate.
    pub authorities: Option<Zeroizing<Vec<u8>>>,
    /// Our own certificate, with those between, and its key.
    pub client: Option<ClientPair>,
}

/// A certificate and its key.
pub type ClientPair = (Zeroizing<Vec<u8>>, Zeroizing<Vec<u8>>);

/// Why they cannot be used. Quotes nothing of them.
#[derive(Clone, Debug, PartialEq, Eq, ThisError)]
pub enum TlsTextError {
    /// A mode that proves who answers, and nothing to prove it by.
    #[error("the mode wants the certificate of a CA")]
    NoAuthority,
    /// No certificate, or none that can be a CA.
    #[error("the certificate of the CA is no certificate in PEM")]
    Authority,
    /// No certificate.
    #[error("the client's certificate is no certificate in PEM")]
    Certificate,
    /// No key.
    #[error("the client's key is no private key in PEM without a passphrase")]
    PrivateKey,
    /// They do not belong together, or are of a kind that is not known.
    #[error("the client's certificate and key do not belong together, or are of an unknown kind")]
    Pair,
}

impl TlsRules {
    /// Takes over what Secrets hold.
    ///
    /// # Errors
    /// What of it cannot be used.
    pub fn build(mode: TlsMode, texts: &TlsTexts) -> Result<Self, TlsTextError> {
        let provider = Arc::new(ring::default_provider());
        let witness = Witness::build(mode, texts.authorities.as_deref(), &provider)?;
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|_| TlsTextError::Pair)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(witness));
        let config = match &texts.client {
            None => config.with_no_client_auth(),
            Some((certificate, key)) => config
                .with_client_auth_cert(
                    read_certificates(certificate).ok_or(TlsTextError::Certificate)?,
                    PrivateKeyDer::from_pem_slice(key).map_err(|_| TlsTextError::PrivateKey)?,
                )
                .map_err(|_| TlsTextError::Pair)?,
        };
        Ok(Self {
            mode,
            config: Arc::new(config),
        })
    }

    /// The name that the server's certificate has to bear; any, where no mode looks at it.
    pub(super) fn name_server(&self, host: &str) -> Option<ServerName<'static>> {
        match ServerName::try_from(host) {
            Ok(name) => Some(name.to_owned()),
            Err(_) if self.mode == TlsMode::VerifyIdentity => None,
            Err(_) => Some(ServerName::from(std::net::IpAddr::from([0, 0, 0, 0]))),
        }
    }
}

/// All certificates of a text in PEM, one at least.
pub(crate) fn read_certificates(pem: &[u8]) -> Option<Vec<CertificateDer<'static>>> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    all.ok().filter(|all| !all.is_empty())
}

/// Looks at the server's certificate as far as the mode asks.
#[derive(Debug)]
struct Witness {
    mode: TlsMode,
    /// None where whoever answers is believed.
    chain: Option<Arc<WebPkiServerVerifier>>,
    schemes: Vec<SignatureScheme>,
}

impl Witness {
    fn build(
        mode: TlsMode,
        authorities: Option<&Vec<u8>>,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Self, TlsTextError> {
        let chain = match mode {
            TlsMode::Prefer | TlsMode::Require => None,
            TlsMode::VerifyCa | TlsMode::VerifyIdentity => {
                let pem = authorities.ok_or(TlsTextError::NoAuthority)?;
                let mut roots = RootCertStore::empty();
                for authority in read_certificates(pem).ok_or(TlsTextError::Authority)? {
                    roots.add(authority).map_err(|_| TlsTextError::Authority)?;
                }
                let verifier =
                    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone());
                Some(verifier.build().map_err(|_| TlsTextError::Authority)?)
            }
        };
        Ok(Self {
            mode,
            chain,
            schemes: provider
                .signature_verification_algorithms
                .supported_schemes(),
        })
    }
}

impl ServerCertVerifier for Witness {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Some(chain) = &self.chain else {
            return Ok(ServerCertVerified::assertion());
        };
        match chain.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now) {
            // The name is looked at last: all else was proven.
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if self.mode == TlsMode::VerifyCa => Ok(ServerCertVerified::assertion()),
            judged => judged,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        // A certificate that proves nothing needs no proof either, and may be of a form that cannot be read.
        match &self.chain {
            Some(chain) => chain.verify_tls12_signature(message, cert, dss),
            None => Ok(HandshakeSignatureValid::assertion()),
        }
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        match &self.chain {
            Some(chain) => chain.verify_tls13_signature(message, cert, dss),
            None => Ok(HandshakeSignatureValid::assertion()),
        }
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.schemes.clone()
    }
}

#[cfg(test)]
#[path = "tls_tests.rs"]
mod tests;
