//! Accounts and files that Secrets and ConfigMaps hold: of the MetaDB and of the console. Reads them; keeps nothing.
use super::calls::{CallError, CallSite};
use super::ports::Ports;
use crate::api::{MetaDb, SecretCredentials};
use crate::facts::{ConfigSource, HolderKind};
use crate::metadb::secret::{Credentials, SecretString, cut_line_end};
use crate::metadb::{LoginRules, TlsRules, TlsTexts};
use crate::objects::tls::find_mode;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::api::Api;
use zeroize::Zeroizing;

pub(super) async fn read_secret(
    ports: &Ports,
    namespace: &str,
    name: &str,
) -> Result<Secret, CallError> {
    let api: Api<Secret> = Api::namespaced(ports.client.clone(), namespace);
    ports.kube(CallSite::GetSecret, api.get(name)).await
}

/// A key of a Secret as text.
pub(super) fn read_text(secret: &Secret, key: &str) -> Option<Zeroizing<String>> {
    let bytes = secret.data.as_ref()?.get(key)?;
    String::from_utf8(bytes.0.clone()).ok().map(Zeroizing::new)
}

/// A key of a Secret or ConfigMap as text. Where it is missing the message ends with the advice.
pub(super) async fn read_source(
    ports: &Ports,
    namespace: &str,
    source: &ConfigSource,
    advice: &str,
) -> Result<Zeroizing<String>, CallError> {
    let ConfigSource { kind, name, key } = source;
    let text = match kind {
        HolderKind::Secret => read_text(&read_secret(ports, namespace, name).await?, key),
        HolderKind::ConfigMap => {
            let api: Api<ConfigMap> = Api::namespaced(ports.client.clone(), namespace);
            let read = ports.kube(CallSite::GetConfigMap, api.get(name)).await?;
            let text = read.data.and_then(|mut data| data.remove(key));
            text.map(Zeroizing::new)
        }
    };
    text.ok_or_else(|| {
        CallError::Missing(format!(
            "{kind:?} {name} has no readable key {key}; {advice}"
        ))
    })
}

/// The account that a spec names.
pub(super) async fn read_account(
    ports: &Ports,
    namespace: &str,
    wanted: &SecretCredentials,
) -> Result<Credentials, CallError> {
    let secret = read_secret(ports, namespace, &wanted.name).await?;
    take_account(
        &secret,
        &wanted.name,
        &wanted.user_key,
        &wanted.password_key,
    )
}

/// How far a login may go, with the certificates that a spec names.
pub(super) async fn read_rules(
    ports: &Ports,
    namespace: &str,
    spec: &MetaDb,
) -> Result<LoginRules, CallError> {
    let allowed = spec.list_allowed_logins();
    let Some((tls, mode)) = spec
        .tls
        .as_ref()
        .and_then(|tls| Some((tls, find_mode(tls.mode)?)))
    else {
        return Ok(LoginRules::new(&allowed, None));
    };
    let mut texts = TlsTexts::default();
    if let Some(ca) = &tls.ca_secret_ref {
        let secret = read_secret(ports, namespace, &ca.name).await?;
        texts.authorities = Some(take_bytes(&secret, &ca.name, &ca.key)?);
    }
    if let Some(client) = &tls.client_secret_ref {
        let secret = read_secret(ports, namespace, &client.name).await?;
        let take = |key: &str| take_bytes(&secret, &client.name, key);
        texts.client = Some((
            take(&client.certificate_key)?,
            take(&client.private_key_key)?,
        ));
    }
    let rules = TlsRules::build(mode, &texts).map_err(|error| {
        CallError::Unbuildable(format!(
            "spec.metadb.tls: {error}; nothing was read or written; correct the Secret that it names"
        ))
    })?;
    Ok(LoginRules::new(&allowed, Some(rules)))
}

fn take_bytes(secret: &Secret, name: &str, key: &str) -> Result<Zeroizing<Vec<u8>>, CallError> {
    let bytes = secret.data.as_ref().and_then(|data| data.get(key));
    bytes
        .map(|bytes| Zeroizing::new(bytes.0.clone()))
        .ok_or_else(|| CallError::Missing(format!("Secret {name} has no key {key}; add it")))
}

/// The account in a Secret. Jobs read the same keys as files and cut line ends in the same way.
pub(super) fn take_account(
    secret: &Secret,
    name: &str,
    user_key: &str,
    password_key: &str,
) -> Result<Credentials, CallError> {
    let take = |key: &str| {
        read_text(secret, key).ok_or_else(|| {
            CallError::Missing(format!("Secret {name} has no readable key {key}; add it"))
        })
    };
    Ok(Credentials {
        user: cut_line_end(&take(user_key)?).to_owned(),
        password: SecretString::new(cut_line_end(&take(password_key)?)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::ByteString;

    #[test]
    fn cuts_the_line_end_that_an_editor_left_and_nothing_else() {
        let entry = |key: &str, text: &str| (key.to_owned(), ByteString(text.as_bytes().to_vec()));
        let secret = Secret {
            data: Some([entry("user", "root@a#b\r\n"), entry("password", " p'w \n")].into()),
            ..Secret::default()
        };
        let account = take_account(&secret, "s", "user", "password").unwrap();
        assert_eq!(account.user, "root@a#b");
        assert_eq!(account.password.reveal(), " p'w ");
    }

    #[test]
    fn names_the_key_that_is_missing() {
        let error = take_account(&Secret::default(), "s", "user", "password").unwrap_err();
        assert!(
            error
                .to_string()
                .contains("Secret s has no readable key user")
        );
    }
}
