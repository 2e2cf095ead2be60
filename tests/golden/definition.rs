//! Every field of the custom resource with its type, and every value that a field may have.
use super::pin;
use oms_operator::api::build_crd;
use serde_json::Value;

const MEANING: &str = "A line is a field of OmsUpgrade, with `required`, and `=` before the words that it may have. \
    Lines that come are free when they are not required. A line or a word that went or was renamed stands in manifests in git and in the \
    status of upgrades that are under way: the operator that follows must still read it (serde: alias, or a field of its own that is read \
    and not written), or it forgets what it has done to OMS.";

/// The schema of `spec` or `status`.
pub fn read_schema(part: &str) -> Value {
    let crd = serde_json::to_value(build_crd()).unwrap();
    crd.pointer(&format!(
        "/spec/versions/0/schema/openAPIV3Schema/properties/{part}"
    ))
    .unwrap()
    .clone()
}

/// The words that a field may have; none when it may have any. Those of the status stand in its description only.
pub fn list_words(schema: &Value) -> Vec<&str> {
    if let Some(words) = schema.get("enum").and_then(Value::as_array) {
        return words.iter().filter_map(Value::as_str).collect();
    }
    let paragraphs = schema["description"]
        .as_str()
        .unwrap_or_default()
        .split("\n\n");
    paragraphs
        .filter_map(|text| text.strip_prefix('`')?.split_once("`: "))
        .map(|(word, _)| word)
        .collect()
}

fn describe(schema: &Value, path: &str, required: bool, lines: &mut Vec<String>) {
    let kind = schema["type"].as_str().unwrap_or("any");
    let format = schema["format"].as_str();
    let words = list_words(schema);
    lines.push(format!(
        "{path}: {kind}{}{}{}",
        format.map_or(String::new(), |format| format!("/{format}")),
        if required { " required" } else { "" },
        if words.is_empty() {
            String::new()
        } else {
            format!(" = {}", words.join(" "))
        },
    ));
    if let Some(items) = schema.get("items") {
        describe(items, &format!("{path}[]"), false, lines);
    }
    let needed: Vec<&str> = schema["required"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let needed = needed.contains(&name.as_str());
        describe(field, &format!("{path}.{name}"), needed, lines);
    }
}

#[test]
fn fields_and_their_words() {
    let mut lines = Vec::new();
    for part in ["spec", "status"] {
        describe(&read_schema(part), part, false, &mut lines);
    }
    assert!(lines.len() > 100, "the schema was not read");
    pin::check(
        "tests/golden/files/definition.txt",
        &format!("{}\n", lines.join("\n")),
        MEANING,
    );
}
