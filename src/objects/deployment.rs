//! The target Deployment: its shapes during an upgrade, and what is read of it.
//!
//! Deployments are not ours. A write is a JSON patch that tests what it was decided on; a template
//! is always one of three that follow from the original, so that "somebody else changed it" can be
//! told from "we did".
use crate::api::{FIELD_MANAGER, Target, TargetOriginal};
use crate::facts::DeploymentFacts;
use crate::objects::originals::{read_owners_text, read_template_text};
use crate::objects::replica_set::is_same_template;
use crate::protocol::hex::hash_text;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::{Map, Value, json};

/// Environment variable that marks the first start of a new version (OMS 4.0.0 upgrade guide,
/// single node, step 4).
pub const UPGRADE_VARIABLE: &str = "IS_UPGRADE";

/// The OMS container of a target: the one named, or the only one.
pub fn find_container_name(target: &Target, object: &Value) -> Option<String> {
    let containers = read_containers(object);
    match (&target.container, containers) {
        (Some(name), all) => all
            .iter()
            .any(|c| c.get("name").and_then(Value::as_str) == Some(name))
            .then(|| name.clone()),
        (None, [only]) => only.get("name").and_then(Value::as_str).map(str::to_owned),
        (None, _) => None,
    }
}

/// Templates that a target can have during an upgrade.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TemplateKind {
    /// The original.
    Old,
    /// New image, `IS_UPGRADE=true`, no liveness and startup probes.
    Upgrade,
    /// The original with the new image.
    Final,
    /// None of these: somebody else changed it.
    Foreign,
}

/// `spec.replicas`; the API server always fills it in.
pub fn read_replicas(object: &Value) -> i32 {
    object
        .pointer("/spec/replicas")
        .and_then(Value::as_i64)
        .and_then(|n| i32::try_from(n).ok())
        .unwrap_or(1)
}

/// `metadata.generation`.
pub fn read_generation(object: &Value) -> i64 {
    object
        .pointer("/metadata/generation")
        .and_then(Value::as_i64)
        .unwrap_or(0)
}

/// Whether the Deployment controller has seen the newest spec.
pub fn is_observed(object: &Value) -> bool {
    object
        .pointer("/status/observedGeneration")
        .and_then(Value::as_i64)
        .unwrap_or(-1)
        >= read_generation(object)
}

/// Whether the Deployment controller has seen the newest spec and counts no pod any more.
pub fn is_drained(object: &Value) -> bool {
    is_observed(object)
        && object
            .pointer("/status/replicas")
            .and_then(Value::as_i64)
            .unwrap_or(0)
            == 0
}

/// Whether the Deployment is paused: its controller would not act on a new template.
pub fn is_paused(object: &Value) -> bool {
    object
        .pointer("/spec/paused")
        .and_then(Value::as_bool)
        .unwrap_or(false)
}

/// Who paused the Deployment, as the API server recorded it.
pub fn find_pauser(object: &Value) -> Option<&str> {
    object
        .pointer("/metadata/managedFields")?
        .as_array()?
        .iter()
        .find(|entry| entry.pointer("/fieldsV1/f:spec/f:paused").is_some())?
        .get("manager")?
        .as_str()
}

/// Reads an annotation; `None` where there is none of that name.
pub fn read_annotation<'a>(object: &'a Value, name: &str) -> Option<&'a str> {
    object.pointer("/metadata/annotations")?.get(name)?.as_str()
}

/// Containers of the template.
pub fn read_containers(object: &Value) -> &[Value] {
    object
        .pointer("/spec/template/spec/containers")
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

/// A container of the template by name.
pub fn find_container<'a>(object: &'a Value, name: &str) -> Option<&'a Value> {
    read_containers(object)
        .iter()
        .find(|container| container.get("name").and_then(Value::as_str) == Some(name))
}

/// The image of a container, as the template says it.
pub fn read_image<'a>(object: &'a Value, container: &str) -> Option<&'a str> {
    find_container(object, container)?.get("image")?.as_str()
}

/// A literal environment value of a container.
pub fn read_environment<'a>(container: &'a Value, name: &str) -> Option<&'a str> {
    container
        .get("env")?
        .as_array()?
        .iter()
        .find(|entry| entry.get("name").and_then(Value::as_str) == Some(name))?
        .get("value")?
        .as_str()
}

/// Who else wrote `spec` last, by the owners of its fields.
///
/// The API server notes no time with a write of the subresource `scale` (seen with 1.35), as `kubectl scale` and
/// autoscalers make them. Whoever owns the replicas in that way after the operator wrote has taken them from it, and so
/// came last; before, he may have scaled long ago.
pub fn find_last_writer(object: &Value) -> Option<String> {
    let entries = object.pointer("/metadata/managedFields")?.as_array()?;
    let is_own =
        |entry: &&Value| entry.get("manager").and_then(Value::as_str) == Some(FIELD_MANAGER);
    let has_replicas = |entry: &Value| entry.pointer("/fieldsV1/f:spec/f:replicas").is_some();
    let time = |entry: &Value| entry.get("time").and_then(Value::as_str).map(str::to_owned);
    let has_written = entries.iter().any(|entry| is_own(&entry));
    entries
        .iter()
        .filter(|entry| {
            entry
                .get("subresource")
                .is_none_or(|s| s.as_str() == Some("scale"))
        })
        .filter(|entry| entry.pointer("/fieldsV1/f:spec").is_some())
        .filter(|entry| !is_own(entry))
        .max_by_key(|entry| match time(entry) {
            None => (has_written && has_replicas(entry), String::new()),
            Some(time) => (false, time),
        })
        .and_then(|entry| entry.get("manager").and_then(Value::as_str))
        .map(str::to_owned)
}

/// Since when `spec.replicas` are the operator's own, as the API server recorded it; `None` when they are not.
///
/// The API server takes a field from its owner when another one changes its value, also when that one changes it back.
pub fn read_replicas_owned_time(object: &Value) -> Option<Time> {
    let entries = object.pointer("/metadata/managedFields")?.as_array()?;
    let own = entries
        .iter()
        .filter(|entry| entry.get("manager").and_then(Value::as_str) == Some(FIELD_MANAGER))
        .find(|entry| entry.pointer("/fieldsV1/f:spec/f:replicas").is_some())?;
    serde_json::from_value(own.get("time")?.clone()).ok()
}

/// Captures the original of a target: what is small of it, and the hashes of its texts.
pub fn capture_original(
    facts: &DeploymentFacts,
    name: &str,
    container: &str,
    image_id: Option<String>,
) -> Option<TargetOriginal> {
    let image = read_image(&facts.object, container)?.to_owned();
    Some(TargetOriginal {
        name: name.into(),
        uid: facts.uid.clone(),
        container: container.into(),
        replicas: read_replicas(&facts.object),
        image,
        image_id,
        template_hash: hash_text(&read_template_text(&facts.object)?),
        managed_fields_hash: hash_text(&read_owners_text(&facts.object)),
    })
}

/// Builds one of the three templates from the text of the original one.
pub fn build_template(
    original: &TargetOriginal,
    text: &str,
    new_image: &str,
    kind: &TemplateKind,
) -> Option<Value> {
    let mut template: Value = serde_json::from_str(text).ok()?;
    if *kind == TemplateKind::Old {
        return Some(template);
    }
    let containers = template.pointer_mut("/spec/containers")?.as_array_mut()?;
    let container = containers
        .iter_mut()
        .find(|container| {
            container.get("name").and_then(Value::as_str) == Some(original.container.as_str())
        })?
        .as_object_mut()?;
    container.insert("image".into(), json!(new_image));
    if *kind == TemplateKind::Upgrade {
        container.remove("livenessProbe");
        container.remove("startupProbe");
        let environment = container
            .entry("env")
            .or_insert_with(|| json!([]))
            .as_array_mut()?;
        environment
            .retain(|entry| entry.get("name").and_then(Value::as_str) != Some(UPGRADE_VARIABLE));
        environment.push(json!({"name": UPGRADE_VARIABLE, "value": "true"}));
    }
    Some(template)
}

/// Tells which template a target has. `text` is the original one.
pub fn classify_template(
    object: &Value,
    original: &TargetOriginal,
    text: &str,
    new_image: &str,
) -> TemplateKind {
    let Some(template) = object.pointer("/spec/template") else {
        return TemplateKind::Foreign;
    };
    for kind in [
        TemplateKind::Old,
        TemplateKind::Upgrade,
        TemplateKind::Final,
    ] {
        // An API server of another version may have stored, or may tell, a null where this one leaves it out.
        let built = build_template(original, text, new_image, &kind);
        if built.is_some_and(|built| is_same_template(&built, template)) {
            return kind;
        }
    }
    TemplateKind::Foreign
}

/// What a live Deployment's template was, as far as it can be told from the template itself: as it stands, and with the
/// original image and without what the operator adds. None is right unless it has the recorded hash.
pub fn list_candidates(object: &Value, original: &TargetOriginal) -> Vec<String> {
    let Some(template) = object.pointer("/spec/template") else {
        return vec![];
    };
    let mut candidates = vec![template.to_string()];
    let mut before = template.clone();
    let containers = before.pointer_mut("/spec/containers");
    let mut containers = containers
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten();
    let name = Some(original.container.as_str());
    let Some(container) = containers
        .find(|one| one.get("name").and_then(Value::as_str) == name)
        .and_then(Value::as_object_mut)
    else {
        return candidates;
    };
    container.insert("image".into(), json!(original.image));
    if let Some(environment) = container.get_mut("env").and_then(Value::as_array_mut) {
        environment.retain(|one| one.get("name").and_then(Value::as_str) != Some(UPGRADE_VARIABLE));
        if environment.is_empty() {
            container.remove("env");
        }
    }
    candidates.push(before.to_string());
    candidates
}

/// Where an annotation stands, as a JSON patch names it.
pub(crate) fn annotation_path(name: &str) -> String {
    format!(
        "/metadata/annotations/{}",
        name.replace('~', "~0").replace('/', "~1")
    )
}

/// The pod selector as a label selector text (`matchLabels` only; expressions are added in the same
/// syntax).
pub fn read_selector(object: &Value) -> Option<String> {
    let selector = object.pointer("/spec/selector")?;
    let empty = Map::new();
    let labels = selector
        .get("matchLabels")
        .and_then(Value::as_object)
        .unwrap_or(&empty);
    let mut parts: Vec<String> = labels
        .iter()
        .filter_map(|(key, value)| Some(format!("{key}={}", value.as_str()?)))
        .collect();
    for expression in selector
        .get("matchExpressions")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        let key = expression.get("key")?.as_str()?;
        let values: Vec<&str> = expression
            .get("values")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        parts.push(match expression.get("operator")?.as_str()? {
            "In" => format!("{key} in ({})", values.join(",")),
            "NotIn" => format!("{key} notin ({})", values.join(",")),
            "Exists" => key.to_owned(),
            "DoesNotExist" => format!("!{key}"),
            _ => return None,
        });
    }
    (!parts.is_empty()).then(|| parts.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn original(template: &Value) -> TargetOriginal {
        TargetOriginal {
            container: "oms".into(),
            image: "oms:3".into(),
            template_hash: hash_text(&template.to_string()),
            ..TargetOriginal::default()
        }
    }

    fn template(environment: Option<&str>, probe: bool) -> Value {
        let mut container = json!({"name": "oms", "image": "oms:3"});
        if let Some(value) = environment {
            container["env"] = json!([{"name": "A", "value": value}]);
        }
        if probe {
            container["livenessProbe"] = json!({"tcpSocket": {"port": 8089}});
        }
        json!({"spec": {"containers": [{"name": "side", "image": "side:1"}, container]}})
    }

    /// The control plane was upgraded, or two API servers of different versions stand behind one address.
    #[test]
    fn api_servers_of_different_versions_tell_the_same_template() {
        let plain = template(Some("a"), true);
        let mut with_null = plain.clone();
        with_null["metadata"] = json!({"creationTimestamp": null, "labels": {"app": "oms"}});
        let mut without = plain.clone();
        without["metadata"] = json!({"labels": {"app": "oms"}});
        let mut other = without.clone();
        other["spec"]["containers"][1]["tty"] = json!(true);
        for (recorded, live, wanted) in [
            (&with_null, &without, TemplateKind::Old),
            (&without, &with_null, TemplateKind::Old),
            (&with_null, &other, TemplateKind::Foreign),
        ] {
            let object = json!({"spec": {"template": live}});
            let text = recorded.to_string();
            let found = classify_template(&object, &original(recorded), &text, "oms:4");
            assert_eq!(found, wanted, "{recorded} {live}");
        }
    }

    proptest! {
        /// Whatever the operator itself makes of a template leads back, save where it has taken something out.
        #[test]
        fn a_template_is_told_from_its_successors(environment in proptest::option::of("[a-z]{0,5}"), probe: bool) {
            let before = template(environment.as_deref(), probe);
            let original = original(&before);
            let text = before.to_string();
            for kind in [TemplateKind::Old, TemplateKind::Final, TemplateKind::Upgrade] {
                let live = build_template(&original, &text, "oms:4", &kind).unwrap();
                let found = list_candidates(&json!({"spec": {"template": live}}), &original);
                let right = found.iter().any(|one| hash_text(one) == original.template_hash);
                prop_assert_eq!(right, kind != TemplateKind::Upgrade || !probe);
            }
        }
    }
}
