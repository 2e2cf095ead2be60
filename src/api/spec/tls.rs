//! How the connections to the MetaDB are encrypted. No I/O.
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How the connections of operator, agent and dump client to the MetaDB are encrypted. Without it they are not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = ("self.mode.startsWith('Verify') == has(self.caSecretRef)", "metadb.tls.caSecretRef: give it with the modes VerifyCA and VerifyIdentity, and only there; no other mode looks at the server's certificate"))]
#[x_kube(validation = ("self.mode != 'Disable' || !has(self.clientSecretRef)", "metadb.tls.clientSecretRef: the mode Disable takes none"))]
pub struct MetaDbTls {
    /// What is asked of a connection.
    pub mode: TlsMode,
    /// A Secret with the certificates of those who may have signed the server's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_secret_ref: Option<CaSecret>,
    /// A Secret with a certificate of our own, where the account asks for one (`REQUIRE X509`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret_ref: Option<ClientSecret>,
}

/// What is asked of a connection to the MetaDB.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum TlsMode {
    /// No TLS.
    Disable,
    /// TLS where the server offers it. Nothing proves who answers, and whoever sits between can take the offer away.
    Prefer,
    /// TLS or nothing. Nothing proves who answers: whoever reads along learns nothing, whoever sits between everything.
    Require,
    /// The server's certificate must be signed by a CA in `caSecretRef`, for whatever name.
    #[serde(rename = "VerifyCA")]
    VerifyCa,
    /// That, and the certificate must be made for the address of the MetaDB, as a subject alternative name.
    VerifyIdentity,
}

/// A Secret with certificates of CAs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct CaSecret {
    /// Name of the Secret, in the namespace of the `OmsUpgrade`.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Key that holds the certificates, in PEM.
    #[schemars(length(min = 1, max = 253))]
    #[serde(default = "default_ca_key")]
    pub key: String,
}

fn default_ca_key() -> String {
    "ca.crt".into()
}

/// A Secret with a client's certificate and its key, such as those of the type `kubernetes.io/tls`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClientSecret {
    /// Name of the Secret, in the namespace of the `OmsUpgrade`.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Key that holds the certificate, in PEM.
    #[schemars(length(min = 1, max = 253))]
    #[serde(default = "default_certificate_key")]
    pub certificate_key: String,
    /// Key that holds the private key, in PEM and without a passphrase.
    #[schemars(length(min = 1, max = 253))]
    #[serde(default = "default_private_key_key")]
    pub private_key_key: String,
}

fn default_certificate_key() -> String {
    "tls.crt".into()
}

fn default_private_key_key() -> String {
    "tls.key".into()
}
