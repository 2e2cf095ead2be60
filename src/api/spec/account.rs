//! Where an account lies. No I/O.
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// A Secret with an account of the MetaDB.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretCredentials {
    /// Name of the Secret, in the namespace of the `OmsUpgrade`.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Key that holds the user name, with `@tenant#cluster` where OceanBase wants it.
    #[schemars(length(min = 1, max = 253))]
    #[serde(default = "default_user_key")]
    pub user_key: String,
    /// Key that holds the password.
    #[schemars(length(min = 1, max = 253))]
    #[serde(default = "default_password_key")]
    pub password_key: String,
}

fn default_user_key() -> String {
    "user".into()
}

fn default_password_key() -> String {
    "password".into()
}
