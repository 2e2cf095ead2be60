//! How Jobs get to see the certificates for the MetaDB. Pure.
use crate::api::{MetaDbTls, TlsMode};
use crate::protocol::request;
use k8s_openapi::api::core::v1::{
    KeyToPath, ProjectedVolumeSource, SecretProjection, Volume, VolumeProjection,
};

/// Where the certificates are mounted in the Jobs.
pub const TLS_MOUNT: &str = "/tls";
const AUTHORITIES: &str = "ca.crt";
const CERTIFICATE: &str = "tls.crt";
const PRIVATE_KEY: &str = "tls.key";
/// Readable for the Job's group only, as the account is.
const FILE_MODE: i32 = 0o440;

/// What a mode is to the agent; nothing where nothing is encrypted.
pub fn find_mode(mode: TlsMode) -> Option<request::TlsMode> {
    match mode {
        TlsMode::Disable => None,
        TlsMode::Prefer => Some(request::TlsMode::Prefer),
        TlsMode::Require => Some(request::TlsMode::Require),
        TlsMode::VerifyCa => Some(request::TlsMode::VerifyCa),
        TlsMode::VerifyIdentity => Some(request::TlsMode::VerifyIdentity),
    }
}

/// What the agent is told.
pub fn describe_tls(tls: &MetaDbTls) -> Option<request::Tls> {
    let path = |file: &str| format!("{TLS_MOUNT}/{file}");
    Some(request::Tls {
        mode: find_mode(tls.mode)?,
        authorities: tls.ca_secret_ref.as_ref().map(|_| path(AUTHORITIES)),
        client: tls
            .client_secret_ref
            .as_ref()
            .map(|_| request::ClientCertificate {
                certificate: path(CERTIFICATE),
                private_key: path(PRIVATE_KEY),
            }),
    })
}

/// The volume for a Job: only the keys that are needed. None where there is nothing to see.
pub fn build_tls_volume(tls: &MetaDbTls) -> Option<Volume> {
    find_mode(tls.mode)?;
    let item = |key: &str, path: &str| KeyToPath {
        key: key.into(),
        path: path.into(),
        mode: None,
    };
    let authorities = tls
        .ca_secret_ref
        .iter()
        .map(|ca| build_projection(&ca.name, vec![item(&ca.key, AUTHORITIES)]));
    let client = tls.client_secret_ref.iter().map(|client| {
        let items = vec![
            item(&client.certificate_key, CERTIFICATE),
            item(&client.private_key_key, PRIVATE_KEY),
        ];
        build_projection(&client.name, items)
    });
    let sources: Vec<VolumeProjection> = authorities.chain(client).collect();
    (!sources.is_empty()).then(|| Volume {
        name: "tls".into(),
        projected: Some(ProjectedVolumeSource {
            default_mode: Some(FILE_MODE),
            sources: Some(sources),
        }),
        ..Volume::default()
    })
}

fn build_projection(secret: &str, items: Vec<KeyToPath>) -> VolumeProjection {
    VolumeProjection {
        secret: Some(SecretProjection {
            name: secret.into(),
            items: Some(items),
            optional: Some(false),
        }),
        ..VolumeProjection::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn parse(text: serde_json::Value) -> MetaDbTls {
        serde_json::from_value(text).unwrap()
    }

    #[test]
    fn mounts_only_the_needed_keys_and_tells_where_they_are() {
        let tls = parse(json!({
            "mode": "VerifyCA", "caSecretRef": {"name": "ca"}, "clientSecretRef": {"name": "me", "privateKeyKey": "k"}
        }));
        assert_eq!(
            serde_json::to_value(build_tls_volume(&tls)).unwrap(),
            json!({"name": "tls", "projected": {"defaultMode": 0o440, "sources": [
                {"secret": {"name": "ca", "optional": false, "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
                {"secret": {"name": "me", "optional": false, "items": [
                    {"key": "tls.crt", "path": "tls.crt"}, {"key": "k", "path": "tls.key"}]}},
            ]}})
        );
        assert_eq!(
            serde_json::to_value(describe_tls(&tls)).unwrap(),
            json!({"mode": "VerifyCA", "authorities": "/tls/ca.crt",
                "client": {"certificate": "/tls/tls.crt", "privateKey": "/tls/tls.key"}})
        );
    }

    #[test]
    fn nothing_is_mounted_where_nothing_is_needed() {
        let require = parse(json!({"mode": "Require"}));
        assert_eq!(build_tls_volume(&require), None);
        assert!(describe_tls(&require).is_some());
        let disable = parse(json!({"mode": "Disable"}));
        assert_eq!(
            (build_tls_volume(&disable), describe_tls(&disable)),
            (None, None)
        );
    }
}
