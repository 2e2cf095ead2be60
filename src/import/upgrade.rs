//! The `OmsUpgrade` that goes with the Deployment: a plan, which touches nothing.
use crate::import::document::Document;
use crate::import::manifests::{Source, find_image};
use crate::oms::version::{OmsVersion, UPGRADE_PATHS, parse_image_version};
use serde_json::json;

/// The image that the operator upgrades to.
const TARGET: &str = "registry.example.com/oms:feature_4.0.0-ce";

/// The version that runs, where its image tells it and no upgrade of the guide begins there.
pub(crate) fn find_stranger(source: &Source<'_>) -> Option<OmsVersion> {
    let told = source
        .container
        .image
        .as_deref()
        .and_then(parse_image_version);
    let version = parse_image_version(&find_image(source).0).or(told)?;
    let mut paths = UPGRADE_PATHS.iter();
    let known = paths.any(|(_, sources)| sources.contains(&version.release()));
    (!known).then_some(version)
}

/// The plan; none where no upgrade begins at this version.
pub(crate) fn build_upgrade(source: &Source<'_>) -> Option<Document> {
    if find_stranger(source).is_some() {
        return None;
    }
    let (names, choices) = (&source.names, source.choices);
    let mut console = json!({"credentialsSecretRef": {"name": "oms-console"}});
    if source.container.speaks_https() {
        console["scheme"] = json!("Https");
        let own = json!({"name": names.of("https"), "key": "oms_server.crt"});
        console["tls"] = json!({"ca": {"secretKeyRef": own}});
    }
    let mut document = Document::new(json!({
        "apiVersion": "oms.oceanbase.com/v1alpha1", "kind": "OmsUpgrade",
        "metadata": {"name": "to-4-0-0", "namespace": names.namespace},
        "spec": {
            "action": "Plan", "targets": [{"name": names.deployment}], "image": choices.new_image.as_deref().unwrap_or(TARGET),
            "console": console, "backup": {"claimName": "oms-backup"}
        }
    }));
    if choices.new_image.is_none() {
        document.mark("/spec/image", "the new version in your registry");
    }
    Some(document)
}
