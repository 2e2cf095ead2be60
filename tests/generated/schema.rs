//! The schema of the definition as a list of places, each with what the rules ask of it.
use oms_operator::api::build_crd;
use serde_json::Value;

/// One place of the schema: a field, or the items of a list.
pub struct Place {
    /// `spec.targets[].name`.
    pub path: String,
    /// Name of the field; empty for the items of a list.
    pub name: String,
    /// Its schema.
    pub schema: Value,
    /// Whether an object has to have it.
    pub is_required: bool,
}

impl Place {
    pub fn is_of(&self, part: &str) -> bool {
        self.path == part || self.path.starts_with(&format!("{part}."))
    }

    pub fn is(&self, kind: &str) -> bool {
        self.schema["type"] == kind
    }

    pub fn has(&self, key: &str) -> bool {
        self.schema.get(key).is_some()
    }

    pub fn text(&self, key: &str) -> &str {
        self.schema[key].as_str().unwrap_or_default()
    }

    /// Words of a list of texts.
    pub fn texts(&self, key: &str) -> Vec<&str> {
        read_texts(&self.schema[key])
    }
}

pub fn read_texts(list: &Value) -> Vec<&str> {
    let texts = list.as_array().into_iter().flatten();
    texts.filter_map(Value::as_str).collect()
}

/// The definition as the API server gets it.
pub fn read_version() -> Value {
    let crd = serde_json::to_value(build_crd()).unwrap();
    crd["spec"]["versions"][0].clone()
}

/// Every place of `spec` and `status`.
pub fn list_places() -> Vec<Place> {
    let root = &read_version()["schema"]["openAPIV3Schema"];
    let mut places = Vec::new();
    for part in ["spec", "status"] {
        collect(
            part,
            part,
            &root["properties"][part],
            part == "spec",
            &mut places,
        );
    }
    places
}

fn collect(path: &str, name: &str, schema: &Value, is_required: bool, places: &mut Vec<Place>) {
    places.push(Place {
        path: path.into(),
        name: name.into(),
        schema: schema.clone(),
        is_required,
    });
    let required = read_texts(&schema["required"]);
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        collect(&path, name, field, required.contains(&&**name), places);
    }
    if schema["items"].is_object() {
        collect(&format!("{path}[]"), "", &schema["items"], true, places);
    }
}
