//! How the console of OMS is reached. No I/O.
use super::account::SecretCredentials;
use super::ha::SecretKeyRef;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How to reach the OMS console, and how to log in to its open API. The address is that of the pod.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = (
    "(self.scheme == 'Https') == has(self.tls)",
    "console.tls: needed with scheme Https, and only there"
))]
pub struct Console {
    /// What the console speaks. With certificates mounted it speaks HTTPS only.
    #[serde(default)]
    pub scheme: ConsoleScheme,
    /// Port of the console on the pod's address.
    #[schemars(range(min = 1, max = 65535))]
    #[serde(default = "default_console_port")]
    pub port: i32,
    /// Whose certificate is trusted. Needed with scheme `Https`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<ConsoleTls>,
    /// A Secret with an account of the console. Without it the open API is asked without a login,
    /// and what it does not answer has to be attested.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials_secret_ref: Option<SecretCredentials>,
}

/// That of nginx, in front of console and open API (OMS deployment guide).
fn default_console_port() -> i32 {
    8089
}

impl Default for Console {
    fn default() -> Self {
        Self {
            scheme: ConsoleScheme::default(),
            port: default_console_port(),
            tls: None,
            credentials_secret_ref: None,
        }
    }
}

/// What a console speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ConsoleScheme {
    /// Plain HTTP.
    #[default]
    Http,
    /// HTTPS, as with `oms_server.crt` mounted.
    Https,
}

/// Whose certificate is trusted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = (
    "has(self.ca) != (has(self.insecureSkipVerify) && self.insecureSkipVerify)",
    "console.tls: give ca, or insecureSkipVerify: true, not both"
))]
pub struct ConsoleTls {
    /// Certificates in PEM: of the authority that signed the console's, or the console's own (`oms_server.crt`), which
    /// is then trusted as it is, whatever name and time stand in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<CaSource>,
    /// Name that the certificate must have, where it is not made for the address of the pod.
    #[schemars(length(min = 1, max = 253))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_name: Option<String>,
    /// Believe whoever answers. The account of the console is told to it.
    #[serde(default)]
    pub insecure_skip_verify: bool,
}

/// Where certificates lie.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = (
    "has(self.secretKeyRef) != has(self.configMapKeyRef)",
    "console.tls.ca: give secretKeyRef or configMapKeyRef, not both"
))]
pub struct CaSource {
    /// A key of a Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_key_ref: Option<SecretKeyRef>,
    /// A key of a ConfigMap.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map_key_ref: Option<ConfigMapKeyRef>,
}

/// One key of a ConfigMap in the namespace of the `OmsUpgrade`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct ConfigMapKeyRef {
    /// Name of the ConfigMap.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Key in the ConfigMap.
    #[schemars(length(min = 1, max = 253))]
    pub key: String,
}
