//! The schema of the custom resource beyond what the derive makes of the types. No I/O.
//!
//! `kubectl explain` shows descriptions and nothing else, so what the words of an enum mean is written into them, from
//! the comments in the sources. The words of the status are open: what writes it is the operator, and an operator that
//! is newer than the definition must not be refused in the middle of an upgrade for a word that the definition does not
//! know.
use super::checks::{CheckName, CheckOutcome, CheckPolicy};
use super::spec::{
    AcceptReason, AccountOrigin, Action, BackupRetention, ConsoleScheme, Gate, HaDriver, HaGoal,
    HaRollbackGoal, HeartbeatSequence, HttpMethod, LoginWithoutTls, PullBackMethod, RollbackPolicy,
    TargetKind, TlsMode, Verification, Weekday,
};
use super::status::{
    ActionName, ContentProof, Direction, HaState, JobRole, LeftoverKind, Phase, SourceGuard, Step,
    TakeOverOutcome,
};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    JSON, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use schemars::JsonSchema;
use serde_json::Value;
use std::collections::BTreeMap;

/// A word of an enum, and what it means.
type Meaning = (String, String);

/// Type of a condition in `metav1.Condition`.
const CONDITION_TYPE: &str = r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$";
/// Reason of a condition in `metav1.Condition`.
const CONDITION_REASON: &str = "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$";

/// Gives the schema of `spec` or `status` its final shape.
pub(super) fn shape(schema: &mut JSONSchemaProps, is_open: bool) {
    let meanings = list_meanings();
    walk(schema, &|one| {
        one.description = one.description.take().map(|text| join_lines(&text));
        explain_words(one, &meanings);
        if is_open {
            one.enum_ = None;
        }
        // Nothing that is absent is ever written as null, and the API server drops a null that somebody else writes.
        one.nullable = None;
        if one.items.is_some() && one.x_kubernetes_list_type.is_none() {
            one.x_kubernetes_list_type = Some("atomic".into());
        }
    });
}

/// Gives conditions what the API of Kubernetes asks of them: the derive knows the types of `metav1.Condition`, not its
/// bounds. Everything that the operator writes keeps within them.
pub(super) fn bound_conditions(status: &mut JSONSchemaProps) {
    let conditions = status
        .properties
        .as_mut()
        .and_then(|fields| fields.get_mut("conditions"));
    let Some(JSONSchemaPropsOrArray::Schema(items)) =
        conditions.and_then(|list| list.items.as_mut())
    else {
        return;
    };
    for (name, field) in items.properties.iter_mut().flat_map(BTreeMap::iter_mut) {
        match name.as_str() {
            "type" => {
                field.max_length = Some(316);
                field.pattern = Some(CONDITION_TYPE.into());
            }
            "status" => {
                let words = ["True", "False", "Unknown"];
                field.enum_ = Some(words.map(|word| JSON(word.into())).into());
            }
            "observedGeneration" => field.minimum = Some(0.0),
            "reason" => {
                (field.min_length, field.max_length) = (Some(1), Some(1024));
                field.pattern = Some(CONDITION_REASON.into());
            }
            "message" => field.max_length = Some(32_768),
            _ => {}
        }
    }
}

/// Each paragraph as one line: kubectl breaks lines by itself, and keeps those of the sources as well.
fn join_lines(text: &str) -> String {
    let paragraphs = text.split("\n\n").map(|one| one.replace('\n', " "));
    paragraphs.collect::<Vec<_>>().join("\n\n")
}

fn walk(schema: &mut JSONSchemaProps, change: &impl Fn(&mut JSONSchemaProps)) {
    change(schema);
    for field in schema.properties.iter_mut().flat_map(BTreeMap::values_mut) {
        walk(field, change);
    }
    match &mut schema.items {
        Some(JSONSchemaPropsOrArray::Schema(items)) => walk(items, change),
        Some(JSONSchemaPropsOrArray::Schemas(all)) => {
            all.iter_mut().for_each(|items| walk(items, change));
        }
        None => {}
    }
    if let Some(JSONSchemaPropsOrBool::Schema(values)) = &mut schema.additional_properties {
        walk(values, change);
    }
}

/// Adds what each word means to the description of a field.
fn explain_words(schema: &mut JSONSchemaProps, meanings: &[Vec<Meaning>]) {
    let Some(words) = schema.enum_.as_deref() else {
        return;
    };
    let is_it = |meaning: &&Vec<Meaning>| {
        let known = meaning.iter().map(|(word, _)| Some(word.as_str()));
        known.eq(words.iter().map(|JSON(word)| word.as_str()))
    };
    let Some(meaning) = meanings.iter().find(is_it) else {
        return;
    };
    let text = schema.description.get_or_insert_default();
    for (word, says) in meaning {
        text.push_str(&format!("\n\n`{word}`: {}", says.replace('\n', " ")));
    }
}

fn list_meanings() -> Vec<Vec<Meaning>> {
    vec![
        read_meanings::<Action>(),
        read_meanings::<TargetKind>(),
        read_meanings::<AccountOrigin>(),
        read_meanings::<LoginWithoutTls>(),
        read_meanings::<TlsMode>(),
        read_meanings::<Gate>(),
        read_meanings::<AcceptReason>(),
        read_meanings::<Weekday>(),
        read_meanings::<BackupRetention>(),
        read_meanings::<Verification>(),
        read_meanings::<RollbackPolicy>(),
        read_meanings::<HeartbeatSequence>(),
        read_meanings::<ConsoleScheme>(),
        read_meanings::<HaDriver>(),
        read_meanings::<HaGoal>(),
        read_meanings::<HaRollbackGoal>(),
        read_meanings::<PullBackMethod>(),
        read_meanings::<HttpMethod>(),
        read_meanings::<CheckName>(),
        read_meanings::<CheckPolicy>(),
        read_meanings::<CheckOutcome>(),
        read_meanings::<Direction>(),
        read_meanings::<Phase>(),
        read_meanings::<Step>(),
        read_meanings::<JobRole>(),
        read_meanings::<LeftoverKind>(),
        read_meanings::<ContentProof>(),
        read_meanings::<SourceGuard>(),
        read_meanings::<TakeOverOutcome>(),
        read_meanings::<HaState>(),
        read_meanings::<ActionName>(),
    ]
}

/// The words of an enum in their order, each with the comment on its variant.
fn read_meanings<T: JsonSchema>() -> Vec<Meaning> {
    let schema = schemars::schema_for!(T);
    let variants = schema.get("oneOf").and_then(Value::as_array);
    let read = |variant: &Value| {
        let text = |key: &str| variant.get(key).and_then(Value::as_str);
        Some((text("const")?.to_owned(), text("description")?.to_owned()))
    };
    variants.into_iter().flatten().filter_map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::super::build_crd;
    use serde_json::Value;

    /// Every schema below a place, with its path.
    fn collect<'a>(schema: &'a Value, path: &str, found: &mut Vec<(String, &'a Value)>) {
        found.push((path.to_owned(), schema));
        for (name, field) in schema["properties"].as_object().into_iter().flatten() {
            collect(field, &format!("{path}.{name}"), found);
        }
        if schema["items"].is_object() {
            collect(&schema["items"], &format!("{path}[]"), found);
        }
    }

    fn read_schemas() -> Value {
        let crd = serde_json::to_value(build_crd()).unwrap();
        crd.pointer("/spec/versions/0/schema/openAPIV3Schema/properties")
            .unwrap()
            .clone()
    }

    #[test]
    fn every_word_of_an_enum_is_explained() {
        let schemas = read_schemas();
        let mut all = Vec::new();
        collect(&schemas["spec"], "spec", &mut all);
        let mut seen = 0;
        for (path, schema) in all {
            let description = schema["description"].as_str().unwrap_or_default();
            for word in schema["enum"].as_array().into_iter().flatten() {
                seen += 1;
                let head = format!("\n\n`{}`: ", word.as_str().unwrap());
                let says = description.split_once(&head).map(|(_, rest)| rest);
                assert!(says.is_some_and(|says| says.len() > 5), "{path}: {word}");
            }
        }
        assert!(seen > 30, "only {seen} words were seen");
    }

    #[test]
    fn every_field_is_explained_and_every_list_says_how_it_is_merged() {
        let schemas = read_schemas();
        for part in ["spec", "status"] {
            let mut all = Vec::new();
            collect(&schemas[part], part, &mut all);
            for (path, schema) in all {
                assert!(schema.get("nullable").is_none(), "{path}");
                let is_item = path.ends_with(']');
                assert!(is_item || schema["description"].is_string(), "{path}");
                // kubectl would show every line of a comment as a line.
                let text = schema["description"].as_str().unwrap_or_default();
                assert!(!text.replace("\n\n", "").contains('\n'), "{path}: {text}");
                assert!(!text.contains("::"), "{path} speaks of the sources: {text}");
                if schema["items"].is_object() {
                    let kind = schema["x-kubernetes-list-type"].as_str();
                    assert!(kind.is_some(), "{path}");
                }
                let is_open = part == "status" && !path.starts_with("status.conditions");
                assert!(!is_open || schema.get("enum").is_none(), "{path} is closed");
            }
        }
        let step = &schemas["status"]["properties"]["step"]["description"];
        assert!(step.as_str().unwrap().contains("`BackingUp`: "), "{step}");
    }
}
