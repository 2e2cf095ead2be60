//! Whether a definition that is stored in a cluster knows every field that this operator writes or reads. No I/O.
//!
//! An API server drops a field that its definition does not have without a word, when it is written and when it is
//! read.
use super::{VERSION, build_crd};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};

/// Name of the definition in the cluster.
pub const DEFINITION_NAME: &str = "omsupgrades.oms.oceanbase.com";

/// Paths of the fields that a stored definition lacks, in alphabetical order: `status.internal.intent`. What is below
/// a field that it lacks is not named. `VERSION` itself where it does not have that version.
pub fn list_lacking_fields(stored: &CustomResourceDefinition) -> Vec<String> {
    let own = build_crd();
    let mut lacking = Vec::new();
    match (find_schema(&own), find_schema(stored)) {
        (Some(own), Some(stored)) => compare(own, stored, "", &mut lacking),
        _ => lacking.push(VERSION.into()),
    }
    lacking.sort();
    lacking
}

/// Whether a field is one that the operator remembers something in.
pub fn is_memory(field: &str) -> bool {
    field == "status" || field.starts_with("status.")
}

fn find_schema(definition: &CustomResourceDefinition) -> Option<&JSONSchemaProps> {
    let mut versions = definition.spec.versions.iter();
    let version = versions.find(|version| version.name == VERSION)?;
    version.schema.as_ref()?.open_api_v3_schema.as_ref()
}

fn compare(own: &JSONSchemaProps, stored: &JSONSchemaProps, path: &str, lacking: &mut Vec<String>) {
    if stored.x_kubernetes_preserve_unknown_fields == Some(true) {
        return;
    }
    let at = |name: &str| match path {
        "" => name.to_owned(),
        path => format!("{path}.{name}"),
    };
    for (name, own) in own.properties.iter().flatten() {
        let known = stored.properties.as_ref().and_then(|all| all.get(name));
        match known.or_else(|| find_values(stored)) {
            Some(stored) => compare(own, stored, &at(name), lacking),
            None if takes_all(stored) => {}
            None => lacking.push(at(name)),
        }
    }
    if let Some(JSONSchemaPropsOrArray::Schema(own)) = &own.items
        && let Some(JSONSchemaPropsOrArray::Schema(stored)) = &stored.items
    {
        compare(own, stored, &format!("{path}[]"), lacking);
    }
    if let Some(own) = find_values(own) {
        match find_values(stored) {
            Some(stored) => compare(own, stored, &at("*"), lacking),
            None if takes_all(stored) => {}
            None => lacking.push(at("*")),
        }
    }
}

/// The schema of the values, where the names are free.
fn find_values(schema: &JSONSchemaProps) -> Option<&JSONSchemaProps> {
    match &schema.additional_properties {
        Some(JSONSchemaPropsOrBool::Schema(values)) => Some(values),
        _ => None,
    }
}

fn takes_all(schema: &JSONSchemaProps) -> bool {
    matches!(
        schema.additional_properties,
        Some(JSONSchemaPropsOrBool::Bool(true))
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn read(definition: Value) -> CustomResourceDefinition {
        serde_json::from_value(definition).unwrap()
    }

    /// Our own, changed below the schemas of spec and status.
    fn change(change: impl FnOnce(&mut Value)) -> CustomResourceDefinition {
        let mut definition = serde_json::to_value(build_crd()).unwrap();
        change(&mut definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]);
        read(definition)
    }

    fn take(fields: &mut Value, name: &str) {
        assert!(fields.as_object_mut().unwrap().remove(name).is_some());
    }

    #[test]
    fn a_definition_of_this_version_lacks_nothing() {
        assert_eq!(list_lacking_fields(&build_crd()), [""; 0]);
        // One that is newer neither.
        let newer = change(|parts| {
            parts["status"]["properties"]["ofTomorrow"] = json!({"type": "string"});
        });
        assert_eq!(list_lacking_fields(&newer), [""; 0]);
    }

    #[test]
    fn what_an_older_one_lacks_is_named_wherever_it_is() {
        let older = change(|parts| {
            let status = &mut parts["status"]["properties"];
            take(status, "backup");
            let internal = &mut status["internal"]["properties"];
            take(internal, "recordSeq");
            take(&mut internal["intent"]["properties"], "before");
            take(&mut internal["jobs"]["items"]["properties"], "uid");
            take(&mut parts["spec"]["properties"], "accept");
        });
        let lacking = list_lacking_fields(&older);
        let named = [
            "spec.accept",
            "status.backup",
            "status.internal.intent.before",
            "status.internal.jobs[].uid",
            "status.internal.recordSeq",
        ];
        assert_eq!(lacking, named);
        assert!(!is_memory(&lacking[0]) && is_memory(&lacking[1]));
    }

    #[test]
    fn what_a_definition_takes_without_knowing_it_is_not_lacking() {
        for word in [
            "x-kubernetes-preserve-unknown-fields",
            "additionalProperties",
        ] {
            let open = change(|parts| {
                parts["status"]["properties"]["internal"] = json!({"type": "object", word: true});
            });
            assert_eq!(list_lacking_fields(&open), [""; 0], "{word}");
        }
        let closed = change(|parts| {
            parts["status"]["properties"]["internal"] = json!({"type": "object"});
        });
        let lacking = list_lacking_fields(&closed);
        assert!(
            lacking.contains(&"status.internal.epoch".to_owned()),
            "{lacking:?}"
        );
    }

    #[test]
    fn another_version_is_none_of_ours() {
        let mut other = build_crd();
        other.spec.versions[0].name = "v9".into();
        assert_eq!(list_lacking_fields(&other), [VERSION]);
    }

    #[test]
    fn the_definition_has_its_name() {
        assert_eq!(build_crd().metadata.name.as_deref(), Some(DEFINITION_NAME));
    }
}
