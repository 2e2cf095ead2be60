//! Where a container's `config.yaml` comes from, read off the pod template. Pure.
use crate::facts::{ConfigSource, HolderKind};
use serde_json::Value;

/// Path of OMS's configuration in the container (OMS deployment guide).
pub const CONFIG_PATH: &str = "/home/admin/conf/config.yaml";

/// The Secret or ConfigMap key that the container sees as `config.yaml`; `None` when it is a file of
/// the node, of a claim or of the image.
///
/// `template` is `spec.template` of a Deployment.
pub fn find_config_source(template: &Value, container: &str) -> Option<ConfigSource> {
    let spec = template.get("spec")?;
    let mounts = find_named(spec.get("containers")?, container)?
        .get("volumeMounts")?
        .as_array()?;
    // The deepest mount hides the others.
    let (mount, file) = mounts
        .iter()
        .filter_map(|mount| Some((mount, find_file(mount)?)))
        .max_by_key(|(mount, _)| read_text(mount, "mountPath").map_or(0, str::len))?;
    let volume = find_named(spec.get("volumes")?, read_text(mount, "name")?)?;
    if let Some(sources) = volume
        .pointer("/projected/sources")
        .and_then(Value::as_array)
    {
        return sources.iter().find_map(|source| {
            read_holder(source.get("secret"), HolderKind::Secret, "name", &file).or_else(|| {
                read_holder(
                    source.get("configMap"),
                    HolderKind::ConfigMap,
                    "name",
                    &file,
                )
            })
        });
    }
    read_holder(
        volume.get("secret"),
        HolderKind::Secret,
        "secretName",
        &file,
    )
    .or_else(|| {
        read_holder(
            volume.get("configMap"),
            HolderKind::ConfigMap,
            "name",
            &file,
        )
    })
}

/// Path of `config.yaml` inside the mounted volume; `None` when the mount does not cover it.
fn find_file(mount: &Value) -> Option<String> {
    let path = read_text(mount, "mountPath")?.trim_end_matches('/');
    let sub = read_text(mount, "subPath").unwrap_or_default();
    let rest = CONFIG_PATH.strip_prefix(path)?;
    let file = match (rest, sub) {
        ("", "") => return None,
        ("", sub) => sub.to_owned(),
        (rest, sub) => {
            let rest = rest.strip_prefix('/')?;
            if sub.is_empty() {
                rest.to_owned()
            } else {
                format!("{}/{rest}", sub.trim_end_matches('/'))
            }
        }
    };
    Some(file)
}

fn read_holder(
    source: Option<&Value>,
    kind: HolderKind,
    name_field: &str,
    file: &str,
) -> Option<ConfigSource> {
    let source = source?;
    let name = read_text(source, name_field)?.to_owned();
    let key = match source.get("items").and_then(Value::as_array) {
        Some(items) => items
            .iter()
            .find(|item| read_text(item, "path") == Some(file))
            .and_then(|item| read_text(item, "key"))?
            .to_owned(),
        None if file.contains('/') => return None,
        None => file.to_owned(),
    };
    Some(ConfigSource { kind, name, key })
}

fn find_named<'a>(list: &'a Value, name: &str) -> Option<&'a Value> {
    list.as_array()?
        .iter()
        .find(|entry| read_text(entry, "name") == Some(name))
}

fn read_text<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value.get(key)?.as_str()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn template(mount: Value, volume: Value) -> Value {
        json!({"spec": {
            "containers": [
                {"name": "side", "volumeMounts": [{"name": "other", "mountPath": "/home/admin/conf"}]},
                {"name": "oms", "volumeMounts": [{"name": "logs", "mountPath": "/home/admin/logs"}, mount]},
            ],
            "volumes": [{"name": "logs", "persistentVolumeClaim": {"claimName": "logs"}}, volume],
        }})
    }

    fn source(kind: HolderKind, name: &str, key: &str) -> Option<ConfigSource> {
        Some(ConfigSource {
            kind,
            name: name.into(),
            key: key.into(),
        })
    }

    #[test]
    fn finds_single_files_and_directories() {
        let cases = [
            (
                json!({"name": "c", "mountPath": CONFIG_PATH, "subPath": "config.yaml"}),
                json!({"name": "c", "secret": {"secretName": "s"}}),
                source(HolderKind::Secret, "s", "config.yaml"),
            ),
            (
                json!({"name": "c", "mountPath": CONFIG_PATH, "subPath": "file"}),
                json!({"name": "c", "configMap": {"name": "m", "items": [{"key": "k", "path": "file"}]}}),
                source(HolderKind::ConfigMap, "m", "k"),
            ),
            (
                json!({"name": "c", "mountPath": "/home/admin/conf/"}),
                json!({"name": "c", "configMap": {"name": "m"}}),
                source(HolderKind::ConfigMap, "m", "config.yaml"),
            ),
            (
                json!({"name": "c", "mountPath": "/home/admin", "subPath": "x"}),
                json!({"name": "c", "secret": {"secretName": "s", "items": [{"key": "k", "path": "x/conf/config.yaml"}]}}),
                source(HolderKind::Secret, "s", "k"),
            ),
            (
                json!({"name": "c", "mountPath": "/home/admin/conf"}),
                json!({"name": "c", "projected": {"sources": [{"secret": {"name": "a", "items": [{"key": "z", "path": "z"}]}}, {"configMap": {"name": "b"}}]}}),
                source(HolderKind::ConfigMap, "b", "config.yaml"),
            ),
        ];
        for (mount, volume, expected) in cases {
            assert_eq!(
                find_config_source(&template(mount.clone(), volume), "oms"),
                expected,
                "{mount}"
            );
        }
    }

    #[test]
    fn a_file_of_the_node_or_of_a_claim_is_not_found() {
        let mount = json!({"name": "c", "mountPath": "/home/admin/conf"});
        for volume in [
            json!({"name": "c", "hostPath": {"path": "/oms/conf"}}),
            json!({"name": "c", "persistentVolumeClaim": {"claimName": "conf"}}),
            json!({"name": "c", "secret": {"secretName": "s", "items": [{"key": "k", "path": "other"}]}}),
        ] {
            assert_eq!(
                find_config_source(&template(mount.clone(), volume), "oms"),
                None
            );
        }
        let elsewhere = json!({"name": "c", "mountPath": "/home/admin/config"});
        let secret = json!({"name": "c", "secret": {"secretName": "s"}});
        assert_eq!(
            find_config_source(&template(elsewhere, secret), "oms"),
            None
        );
    }
}
