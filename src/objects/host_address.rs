//! Where a container's `OMS_HOST_IP` comes from, read off the pod template. Pure.
use crate::facts::{ConfigSource, HolderKind};
use serde_json::Value;

/// Environment variable with the node's address (OMS deployment guide).
pub const HOST_VARIABLE: &str = "OMS_HOST_IP";

/// Variables that one after another name the next one.
const MOST_REFERENCES: usize = 4;

/// Where the address of a node comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostAddress {
    /// It stands there.
    Literal(String),
    /// The pod's own (`status.podIP`).
    OfPod,
    /// That of the node of Kubernetes (`status.hostIP`), or the pod's own in the network of its node.
    OfNode,
    /// In the last one of these that has the key.
    Held(Vec<ConfigSource>),
}

/// Where the address of a target comes from; `None` where nothing of this says it, or the pod makes it up itself.
///
/// `template` is `spec.template` of a Deployment.
pub fn find_host_address(template: &Value, container: &str) -> Option<HostAddress> {
    let spec = template.get("spec")?;
    let mut containers = spec.get("containers")?.as_array()?.iter();
    let one = containers.find(|one| read_text(one, "/name") == Some(container))?;
    let shares_network = spec.get("hostNetwork") == Some(&Value::Bool(true));
    match find_variable(one, HOST_VARIABLE, MOST_REFERENCES)? {
        HostAddress::OfPod if shares_network => Some(HostAddress::OfNode),
        found => Some(found),
    }
}

/// A variable by name: of several entries the last one counts, and all of them more than what `envFrom` brings.
fn find_variable(container: &Value, name: &str, references: usize) -> Option<HostAddress> {
    let entries = container.get("env").and_then(Value::as_array);
    let mut entries = entries.into_iter().flatten().rev();
    let Some(entry) = entries.find(|entry| read_text(entry, "/name") == Some(name)) else {
        return find_imported(container, name);
    };
    if let Some(text) = read_text(entry, "/value") {
        let referred = text
            .strip_prefix("$(")
            .and_then(|rest| rest.strip_suffix(')'));
        return match referred {
            Some(other) if references > 0 => find_variable(container, other, references - 1),
            _ if text.is_empty() || text.contains("$(") => None,
            _ => Some(HostAddress::Literal(text.to_owned())),
        };
    }
    match read_text(entry, "/valueFrom/fieldRef/fieldPath") {
        Some("status.podIP") => return Some(HostAddress::OfPod),
        Some("status.hostIP") => return Some(HostAddress::OfNode),
        _ => {}
    }
    let held = |place: &str, kind| {
        let source = entry.pointer(place)?;
        Some(ConfigSource {
            kind,
            name: read_text(source, "/name")?.to_owned(),
            key: read_text(source, "/key")?.to_owned(),
        })
    };
    let source = held("/valueFrom/configMapKeyRef", HolderKind::ConfigMap)
        .or_else(|| held("/valueFrom/secretKeyRef", HolderKind::Secret))?;
    Some(HostAddress::Held(vec![source]))
}

/// What `envFrom` may bring, in its order.
fn find_imported(container: &Value, name: &str) -> Option<HostAddress> {
    let sources = container.get("envFrom")?.as_array()?.iter();
    let held: Vec<ConfigSource> = sources
        .filter_map(|source| {
            let prefix = read_text(source, "/prefix").unwrap_or_default();
            let key = name.strip_prefix(prefix)?.to_owned();
            let holder = |place: &str| read_text(source, place).map(str::to_owned);
            let (kind, name) = match holder("/configMapRef/name") {
                Some(name) => (HolderKind::ConfigMap, name),
                None => (HolderKind::Secret, holder("/secretRef/name")?),
            };
            Some(ConfigSource { kind, name, key })
        })
        .collect();
    (!held.is_empty()).then_some(HostAddress::Held(held))
}

fn read_text<'a>(value: &'a Value, place: &str) -> Option<&'a str> {
    value.pointer(place)?.as_str()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn find(container: Value, shares_network: bool) -> Option<HostAddress> {
        let mut container = container;
        container["name"] = "oms".into();
        let template = json!({"spec": {
            "hostNetwork": shares_network,
            "containers": [{"name": "side", "env": [{"name": HOST_VARIABLE, "value": "10.9.9.9"}]}, container],
        }});
        find_host_address(&template, "oms")
    }

    fn from(source: Value) -> Value {
        json!({"env": [{"name": HOST_VARIABLE, "valueFrom": source}]})
    }

    fn held(kind: HolderKind, name: &str, key: &str) -> ConfigSource {
        ConfigSource {
            kind,
            name: name.into(),
            key: key.into(),
        }
    }

    #[test]
    fn every_form_of_an_address_is_known() {
        let field = |path: &str| from(json!({"fieldRef": {"fieldPath": path}}));
        assert_eq!(find(field("status.podIP"), false), Some(HostAddress::OfPod));
        assert_eq!(find(field("status.podIP"), true), Some(HostAddress::OfNode));
        assert_eq!(
            find(field("status.hostIP"), false),
            Some(HostAddress::OfNode)
        );
        assert_eq!(find(field("metadata.name"), false), None);
        let map = json!({"configMapKeyRef": {"name": "m", "key": "ip"}});
        let secret = json!({"secretKeyRef": {"name": "s", "key": "ip"}});
        for (source, kind, name) in [
            (map, HolderKind::ConfigMap, "m"),
            (secret, HolderKind::Secret, "s"),
        ] {
            let wanted = HostAddress::Held(vec![held(kind, name, "ip")]);
            assert_eq!(find(from(source), false), Some(wanted));
        }
        let imported = json!({"envFrom": [
            {"configMapRef": {"name": "all"}}, {"prefix": "OMS_", "secretRef": {"name": "some"}}, {"prefix": "X_", "configMapRef": {"name": "x"}},
        ]});
        let wanted = vec![
            held(HolderKind::ConfigMap, "all", HOST_VARIABLE),
            held(HolderKind::Secret, "some", "HOST_IP"),
        ];
        assert_eq!(find(imported, false), Some(HostAddress::Held(wanted)));
    }

    #[test]
    fn a_variable_may_name_another_one() {
        let entry = |name: &str, value: &str| json!({"name": name, "value": value});
        let literal = |text: &str| Some(HostAddress::Literal(text.into()));
        let node =
            json!({"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "status.hostIP"}}});
        let cases = [
            (
                json!([entry(HOST_VARIABLE, "10.0.0.1")]),
                literal("10.0.0.1"),
            ),
            (
                json!([
                    entry(HOST_VARIABLE, "10.0.0.1"),
                    entry(HOST_VARIABLE, "10.0.0.2")
                ]),
                literal("10.0.0.2"),
            ),
            (
                json!([node, entry(HOST_VARIABLE, "$(NODE)")]),
                Some(HostAddress::OfNode),
            ),
            (json!([entry(HOST_VARIABLE, "$(OMS_HOST_IP)")]), None),
            (json!([entry(HOST_VARIABLE, "10.$(NET).1")]), None),
            (json!([entry(HOST_VARIABLE, "")]), None),
            (json!([entry("OTHER", "10.0.0.1")]), None),
        ];
        for (env, wanted) in cases {
            assert_eq!(find(json!({"env": env}), false), wanted, "{env}");
        }
    }
}
