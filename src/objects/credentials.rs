//! How Jobs get to see the MetaDB account, and the Secret that we keep it in where nobody else does. Pure.
use super::labels::{Owner, build_metadata};
use super::names::credentials_name;
use crate::facts::{AccountSource, HolderKind};
use crate::metadb::secret::Credentials;
use crate::oms::config_yaml::NodeConfig;
use crate::protocol::request::Credentials as AgentCredentials;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{
    ConfigMapVolumeSource, KeyToPath, Secret, SecretVolumeSource, Volume,
};
use std::collections::BTreeMap;

/// Where the account is mounted in the Jobs.
pub const CREDENTIALS_MOUNT: &str = "/credentials";
/// Role of the Secret that we make.
pub const CREDENTIALS_ROLE: &str = "credentials";
/// Key of the user name in the Secret that we make.
pub const USER_KEY: &str = "user";
/// Key of the password in the Secret that we make.
pub const PASSWORD_KEY: &str = "password";
/// Key of the targets' configuration, without secrets, in the Secret that we make.
pub const FACTS_KEY: &str = "facts.json";
/// Readable for the Job's group only: the files belong to root, the group is the pod's fsGroup.
const FILE_MODE: i32 = 0o440;

impl AccountSource {
    /// What the agent is told.
    pub fn describe(&self) -> AgentCredentials {
        match self {
            Self::Keys {
                user_key,
                password_key,
                ..
            } => AgentCredentials::Files {
                directory: CREDENTIALS_MOUNT.into(),
                user_key: user_key.clone(),
                password_key: password_key.clone(),
            },
            Self::ConfigFile(_) => AgentCredentials::ConfigYaml {
                path: format!("{CREDENTIALS_MOUNT}/config.yaml"),
            },
        }
    }

    /// The volume for a Job: only the keys that are needed, readable for its group only.
    pub fn build_volume(&self, name: &str) -> Volume {
        let item = |key: &str, path: &str| KeyToPath {
            key: key.into(),
            path: path.into(),
            mode: None,
        };
        let mut volume = Volume {
            name: name.into(),
            ..Volume::default()
        };
        match self {
            Self::Keys {
                secret,
                user_key,
                password_key,
            } => {
                volume.secret = Some(build_secret_source(
                    secret,
                    vec![item(user_key, user_key), item(password_key, password_key)],
                ));
            }
            Self::ConfigFile(source) => {
                let items = vec![item(&source.key, "config.yaml")];
                match source.kind {
                    HolderKind::Secret => {
                        volume.secret = Some(build_secret_source(&source.name, items));
                    }
                    HolderKind::ConfigMap => {
                        volume.config_map = Some(ConfigMapVolumeSource {
                            name: source.name.clone(),
                            items: Some(items),
                            default_mode: Some(FILE_MODE),
                            optional: Some(false),
                        });
                    }
                }
            }
        }
        volume
    }
}

fn build_secret_source(name: &str, items: Vec<KeyToPath>) -> SecretVolumeSource {
    SecretVolumeSource {
        secret_name: Some(name.into()),
        items: Some(items),
        default_mode: Some(FILE_MODE),
        optional: Some(false),
    }
}

/// The Secret that keeps what was read once from the containers: account and, without secrets, the
/// configuration of each target.
pub fn build_credentials_secret(
    owner: Owner<'_>,
    account: &Credentials,
    files: &[(String, NodeConfig)],
) -> Result<Secret, serde_json::Error> {
    let facts = serde_json::to_vec(files)?;
    Ok(Secret {
        metadata: build_metadata(owner, credentials_name(owner.uid), CREDENTIALS_ROLE, None),
        type_: Some("Opaque".into()),
        immutable: Some(true),
        data: Some(BTreeMap::from([
            (
                USER_KEY.into(),
                ByteString(account.user.clone().into_bytes()),
            ),
            (
                PASSWORD_KEY.into(),
                ByteString(account.password.reveal().as_bytes().to_vec()),
            ),
            (FACTS_KEY.into(), ByteString(facts)),
        ])),
        ..Secret::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::ConfigSource;
    use serde_json::json;

    #[test]
    fn mounts_only_the_needed_keys() {
        let keys = AccountSource::Keys {
            secret: "metadb".into(),
            user_key: "u".into(),
            password_key: "p".into(),
        };
        assert_eq!(
            serde_json::to_value(keys.build_volume("credentials")).unwrap(),
            json!({"name": "credentials", "secret": {"secretName": "metadb", "defaultMode": 0o440, "optional": false,
                "items": [{"key": "u", "path": "u"}, {"key": "p", "path": "p"}]}})
        );
        let file = AccountSource::ConfigFile(ConfigSource {
            kind: HolderKind::ConfigMap,
            name: "conf".into(),
            key: "k".into(),
        });
        assert_eq!(
            serde_json::to_value(file.build_volume("credentials")).unwrap(),
            json!({"name": "credentials", "configMap": {"name": "conf", "defaultMode": 0o440, "optional": false,
                "items": [{"key": "k", "path": "config.yaml"}]}})
        );
        assert_eq!(
            file.describe(),
            AgentCredentials::ConfigYaml {
                path: "/credentials/config.yaml".into()
            }
        );
    }
}
