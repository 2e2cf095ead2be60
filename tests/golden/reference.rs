//! `docs/reference.md`: every field of the custom resource, as the definition describes it.
use super::definition::read_schema;
use super::pin;
use serde_json::Value;

const MEANING: &str =
    "The page is made from the comments in src/api, as the definition is. It changes with them.";

const HEAD: &str = "# Fields of OmsUpgrade\n\n\
    <!-- Generated from src/api: UPDATE_GOLDEN=1 cargo test --test golden. Do not edit. -->\n\n\
    What `kubectl explain omsupgrades.spec` and `kubectl explain omsupgrades.status` tell, on one page. A field in bold is required. Which fields\n\
    may change when, and how fields depend on each other, is checked by the API server, which names the field that it refuses.\n";

/// A description in a cell of a table.
fn read_description(schema: &Value) -> String {
    let text = schema["description"].as_str().unwrap_or_default();
    let paragraphs = text.split("\n\n").map(|one| one.replace('\n', " "));
    let cell: Vec<String> = paragraphs.collect();
    cell.join("<br>").replace('|', "\\|")
}

/// `string`, `list of objects`, `map of strings`.
fn name_type(schema: &Value) -> String {
    let kind = schema["type"].as_str().unwrap_or("any");
    match kind {
        "array" => format!("list of {}s", name_type(&schema["items"])),
        "object" if schema["additionalProperties"].is_object() => {
            format!("map of {}s", name_type(&schema["additionalProperties"]))
        }
        _ => kind.to_owned(),
    }
}

fn describe_limits(schema: &Value) -> String {
    let mut words = vec![name_type(schema)];
    let bound = |key: &str| schema.get(key).and_then(Value::as_f64);
    match (bound("minimum"), bound("maximum")) {
        (Some(least), Some(most)) => words.push(format!("{least} to {most}")),
        (Some(least), None) => words.push(format!("at least {least}")),
        (None, Some(most)) => words.push(format!("at most {most}")),
        (None, None) => {}
    }
    // Defaults of objects follow from those of their fields.
    let plain = |default: &&Value| !default.is_object() && !default.is_array();
    if let Some(default) = schema.get("default").filter(plain) {
        let text = default.to_string();
        words.push(format!("default `{}`", text.trim_matches('"')));
    }
    words.join(", ")
}

/// A table of the fields of an object, then those of the objects in it.
fn write_object(text: &mut String, path: &str, schema: &Value) {
    let Some(fields) = schema["properties"].as_object() else {
        return;
    };
    text.push_str(&format!("\n## {path}\n\n"));
    if path.contains('.') {
        let about = schema["description"].as_str().unwrap_or_default();
        text.push_str(&format!("{}\n\n", about.replace('\n', " ")));
    }
    text.push_str("| Field | Type | What it is |\n|---|---|---|\n");
    let required = schema["required"].as_array();
    for (name, field) in fields {
        let is_required = required.is_some_and(|all| all.iter().any(|one| one == name));
        let shown = if is_required {
            format!("**`{name}`**")
        } else {
            format!("`{name}`")
        };
        let description = read_description(field);
        text.push_str(&format!(
            "| {shown} | {} | {description} |\n",
            describe_limits(field)
        ));
    }
    for (name, field) in fields {
        if field["items"].is_object() {
            write_object(text, &format!("{path}.{name}[]"), &field["items"]);
        } else {
            write_object(text, &format!("{path}.{name}"), field);
        }
    }
}

#[test]
fn the_reference_is_the_definition() {
    let mut text = HEAD.to_owned();
    for part in ["spec", "status"] {
        write_object(&mut text, part, &read_schema(part));
    }
    assert!(text.lines().count() > 200);
    pin::check("docs/reference.md", &text, MEANING);
}
