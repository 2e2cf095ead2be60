//! The Application of Argo CD that keeps a Deployment: which one it is, and which fields of the Deployment it leaves
//! alone. Pure.
//!
//! Read as Argo CD 3.5 does (util/argo/diff/ignore.go, normalizers/diff_normalizer.go). What is not understood, as an
//! expression of jq that does more than to walk to a field, counts as leaving nothing alone, and is told.
use crate::api::FIELD_MANAGER;
use crate::objects::deployment::read_annotation;
use crate::objects::ignored_path::{FieldStep, IgnoredPath};
use serde_json::{Value, json};

/// Without it a sync writes what is ignored.
const RESPECT: &str = "RespectIgnoreDifferences=true";
/// Writes by `kubectl replace`, which takes away every annotation that git does not name.
const REPLACE: &str = "Replace=true";

/// Where an Application lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApplicationName {
    /// `None`: the namespace of Argo CD itself.
    pub namespace: Option<String>,
    pub name: String,
}

/// How an Application stands to what the operator writes.
#[derive(Clone, Debug, PartialEq)]
pub struct ApplicationJudgement {
    /// It syncs by itself.
    pub automated: bool,
    /// Sync options that have to come into `spec.syncPolicy.syncOptions`.
    pub missing_option: Option<&'static str>,
    /// A sync option that has to go.
    pub harmful_option: Option<&'static str>,
    /// Fields of the Deployment that it writes, as paths.
    pub written: Vec<String>,
    /// An entry of `spec.ignoreDifferences` by which it would not.
    pub missing_entry: Option<Value>,
    /// Expressions that were not understood.
    pub unread: Vec<String>,
}

impl ApplicationJudgement {
    /// Whether nothing that the operator writes is written back.
    pub fn leaves_alone(&self) -> bool {
        self.missing_option.is_none() && self.harmful_option.is_none() && self.written.is_empty()
    }
}

/// The Application that a Deployment names as its own, by annotation or by label; `None` where it names none. An
/// annotation that speaks of another object was copied with a manifest, and Argo CD passes over it, too.
pub fn find_application(object: &Value) -> Option<ApplicationName> {
    let label = |name: &str| object.pointer("/metadata/labels")?.get(name)?.as_str();
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str);
    let full = match read_annotation(object, "argocd.argoproj.io/tracking-id") {
        Some(id) => {
            let (full, rest) = id.split_once(':')?;
            let (namespace, name) = (text("/metadata/namespace")?, text("/metadata/name")?);
            (rest == format!("apps/Deployment:{namespace}/{name}")).then_some(full)?
        }
        None => {
            label("argocd.argoproj.io/instance").or_else(|| label("app.kubernetes.io/instance"))?
        }
    };
    // Names have no underscore: with one the namespace is put before the name where it is not that of Argo CD.
    let (namespace, name) = match full.split_once('_') {
        Some((namespace, name)) => (Some(namespace.to_owned()), name),
        None => (None, full),
    };
    // A name goes into the path of a call; whatever else stands there is none.
    let is_name = |text: &str| {
        let mut bytes = text.bytes();
        !text.is_empty()
            && bytes.all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.'))
    };
    (is_name(name) && namespace.as_deref().is_none_or(is_name)).then(|| ApplicationName {
        namespace,
        name: name.to_owned(),
    })
}

/// Holds the `spec` of an Application against what the operator writes of a Deployment.
pub fn judge_application(spec: &Value, object: &Value, container: &str) -> ApplicationJudgement {
    let automated = spec
        .pointer("/syncPolicy/automated")
        .filter(|automated| !automated.is_null())
        .is_some_and(|automated| automated.get("enabled") != Some(&Value::Bool(false)));
    let options = list_texts(spec.pointer("/syncPolicy/syncOptions"));
    // The Deployment may say so, too.
    let own = read_annotation(object, "argocd.argoproj.io/sync-options").unwrap_or_default();
    let replaces = options.contains(&REPLACE) || own.split(',').any(|one| one.trim() == REPLACE);
    let entries = spec.get("ignoreDifferences").and_then(Value::as_array);
    let entries: Vec<&Value> = entries
        .into_iter()
        .flatten()
        .filter(|entry| is_about(entry, object))
        .collect();
    let managed = entries
        .iter()
        .any(|entry| list_texts(entry.get("managedFieldsManagers")).contains(&FIELD_MANAGER));
    let mut unread = Vec::new();
    let mut ignored: Vec<IgnoredPath> = Vec::new();
    for entry in &entries {
        ignored.extend(
            list_texts(entry.get("jsonPointers"))
                .into_iter()
                .map(IgnoredPath::from_pointer),
        );
        for expression in list_texts(entry.get("jqPathExpressions")) {
            match IgnoredPath::from_jq(expression) {
                Some(path) => ignored.push(path),
                None => unread.push(expression.to_owned()),
            }
        }
    }
    let fields = list_written(object, container);
    let written = |field: &&Field| {
        let by_manager = managed && !field.is_taken_away;
        !by_manager && !ignored.iter().any(|path| path.covers(&field.path))
    };
    let written: Vec<&Field> = fields.iter().filter(written).collect();
    ApplicationJudgement {
        automated,
        missing_option: (!options.contains(&RESPECT)).then_some(RESPECT),
        harmful_option: replaces.then_some(REPLACE),
        missing_entry: build_entry(&written),
        written: written.iter().map(|field| field.words.clone()).collect(),
        unread,
    }
}

/// A field of the Deployment that the operator writes.
struct Field {
    path: Vec<FieldStep>,
    /// The path for people, which is an expression of jq, too.
    words: String,
    /// It is taken out for one start: what is not there has no manager.
    is_taken_away: bool,
}

fn list_written(object: &Value, container: &str) -> Vec<Field> {
    let replicas = Field {
        path: vec![FieldStep::key("spec"), FieldStep::key("replicas")],
        words: ".spec.replicas".into(),
        is_taken_away: false,
    };
    let containers = object.pointer("/spec/template/spec/containers");
    let mut containers = containers
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .enumerate();
    let name = |one: &Value| one.get("name").and_then(Value::as_str) == Some(container);
    let Some((index, found)) = containers.find(|(_, one)| name(one)) else {
        return vec![replicas];
    };
    let field = |name: &str, is_taken_away| Field {
        path: ["spec", "template", "spec", "containers"]
            .into_iter()
            .map(FieldStep::key)
            .chain([
                FieldStep::Element {
                    index,
                    name: container.to_owned(),
                },
                FieldStep::key(name),
            ])
            .collect(),
        words: format!(".spec.template.spec.containers[].{name}"),
        is_taken_away,
    };
    let probes = ["livenessProbe", "startupProbe"]
        .into_iter()
        .filter(|probe| found.get(probe).is_some())
        .map(|probe| field(probe, true));
    [replicas, field("image", false)]
        .into_iter()
        .chain(probes)
        .collect()
}

/// As docs/gitops.md has it, without what is there already.
fn build_entry(written: &[&Field]) -> Option<Value> {
    if written.is_empty() {
        return None;
    }
    let mut entry = json!({"group": "apps", "kind": "Deployment"});
    if written.iter().any(|field| !field.is_taken_away) {
        entry["managedFieldsManagers"] = json!([FIELD_MANAGER]);
    }
    let probes = written.iter().filter(|field| field.is_taken_away);
    let probes: Vec<&str> = probes.map(|field| field.words.as_str()).collect();
    if !probes.is_empty() {
        entry["jqPathExpressions"] = json!(probes);
    }
    Some(entry)
}

fn is_about(entry: &Value, object: &Value) -> bool {
    let text = |name: &str| entry.get(name).and_then(Value::as_str).unwrap_or_default();
    let same = |name: &str| {
        let own = object.pointer(&format!("/metadata/{name}"));
        text(name).is_empty() || own.and_then(Value::as_str) == Some(text(name))
    };
    let matches = |pattern: &str, word: &str| pattern == word || pattern == "*";
    matches(text("group"), "apps")
        && matches(text("kind"), "Deployment")
        && same("name")
        && same("namespace")
}

fn list_texts(list: Option<&Value>) -> Vec<&str> {
    let list = list.and_then(Value::as_array).into_iter().flatten();
    list.filter_map(Value::as_str).collect()
}

#[cfg(test)]
#[path = "application_tests.rs"]
mod tests;
