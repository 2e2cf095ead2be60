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
mod tests {
    use super::*;

    fn deployment() -> Value {
        json!({"metadata": {"name": "oms", "namespace": "prod", "annotations": {
                "argocd.argoproj.io/tracking-id": "team:apps/Deployment:prod/oms"}},
            "spec": {"replicas": 1, "template": {"spec": {"containers": [
                {"name": "side", "image": "side:1"}, {"name": "oms", "image": "oms:3", "livenessProbe": {}, "startupProbe": {}}]}}}})
    }

    fn spec(options: Value, ignored: Value) -> Value {
        json!({"syncPolicy": {"automated": {"prune": true, "selfHeal": true}, "syncOptions": options}, "ignoreDifferences": ignored})
    }

    fn judge(spec: &Value) -> ApplicationJudgement {
        judge_application(spec, &deployment(), "oms")
    }

    #[test]
    fn the_application_is_that_which_the_deployment_names() {
        let named = |labels: Value, annotations: Value| {
            let mut object = deployment();
            object["metadata"]["labels"] = labels;
            object["metadata"]["annotations"] = annotations;
            find_application(&object).map(|found| (found.namespace, found.name))
        };
        let id = |text: &str| json!({"argocd.argoproj.io/tracking-id": text});
        let none = json!({});
        let plain = Some((None, "team".to_owned()));
        assert_eq!(
            named(none.clone(), id("team:apps/Deployment:prod/oms")),
            plain
        );
        let elsewhere = named(
            none.clone(),
            id("apps-of-team_team:apps/Deployment:prod/oms"),
        );
        assert_eq!(
            elsewhere,
            Some((Some("apps-of-team".into()), "team".into()))
        );
        // Copied with the manifest of another one.
        for other in [
            "team:apps/Deployment:test/oms",
            "team:/Service:prod/oms",
            "a",
            "",
        ] {
            assert_eq!(named(none.clone(), id(other)), None, "{other}");
        }
        let label =
            json!({"argocd.argoproj.io/instance": "team", "app.kubernetes.io/instance": "chart"});
        assert_eq!(named(label, none.clone()), plain);
        let label = json!({"app.kubernetes.io/instance": "team"});
        assert_eq!(named(label, none.clone()), plain);
        assert_eq!(named(none.clone(), none), None);
    }

    /// The lines of the documents, and others that come to the same.
    #[test]
    fn an_application_may_leave_it_alone_in_many_ways() {
        let respect = json!(["CreateNamespace=true", "RespectIgnoreDifferences=true"]);
        let probes = ".spec.template.spec.containers[].livenessProbe";
        let startup = ".spec.template.spec.containers[].startupProbe";
        let entry = |more: Value| {
            let mut entry = json!({"group": "apps", "kind": "Deployment"});
            entry
                .as_object_mut()
                .unwrap()
                .extend(more.as_object().unwrap().clone());
            entry
        };
        let containers = "/spec/template/spec/containers";
        for entries in [
            json!([entry(
                json!({"managedFieldsManagers": ["oms-operator"], "jqPathExpressions": [probes, startup]})
            )]),
            json!([
                entry(json!({"managedFieldsManagers": ["x", "oms-operator"]})),
                entry(json!({"jqPathExpressions": [probes, startup]}))
            ]),
            json!([{"group": "*", "kind": "*", "jsonPointers": ["/spec"]}]),
            json!([entry(
                json!({"jsonPointers": ["/spec/replicas", "/spec/template"]})
            )]),
            json!([entry(
                json!({"name": "oms", "namespace": "prod", "jsonPointers": ["/spec/replicas", format!("{containers}/1")]})
            )]),
            json!([entry(
                json!({"jsonPointers": ["/spec/replicas", format!("{containers}/1/image"),
                format!("{containers}/1/livenessProbe"), format!("{containers}/1/startupProbe")]})
            )]),
            json!([entry(json!({"jqPathExpressions": [".spec.replicas",
                r#".spec.template.spec.containers[] | select(.name == "oms") | .image"#,
                r#".spec.template.spec.containers[]|select(.name=="oms").livenessProbe"#, startup]}))]),
            json!([entry(
                json!({"jqPathExpressions": [".spec.replicas", ".spec.template.spec.containers[1]"]})
            )]),
            json!([entry(
                json!({"jqPathExpressions": [r#".spec["replicas"]?"#, ".spec.template.spec"]})
            )]),
        ] {
            let found = judge(&spec(respect.clone(), entries.clone()));
            assert!(found.leaves_alone(), "{entries}: {found:?}");
            assert!(found.automated && found.missing_entry.is_none());
        }
    }

    /// Who reads the documents and who reads a finding write the same.
    #[test]
    fn the_lines_of_a_finding_are_those_of_the_documents() {
        let page = std::fs::read_to_string("docs/gitops.md").unwrap();
        let found = judge(&json!({}));
        let entry = found.missing_entry.unwrap();
        let managers = format!(
            "managedFieldsManagers: [{}]",
            list_texts(entry.get("managedFieldsManagers")).join(", ")
        );
        let paths = list_texts(entry.get("jqPathExpressions"));
        let paths: Vec<String> = paths.iter().map(|path| format!("  - {path}\n")).collect();
        let option = format!("syncOptions: [{}]", found.missing_option.unwrap());
        for line in paths.iter().chain([&managers, &option]) {
            assert!(page.contains(line.as_str()), "{line}");
        }
        assert_eq!(paths.len(), 2);
    }

    #[test]
    fn what_is_left_out_is_told_and_mended_by_what_is_told() {
        let respect = json!(["RespectIgnoreDifferences=true"]);
        let both = [".livenessProbe", ".startupProbe"];
        let image = ".spec.template.spec.containers[].image";
        let apps = |more: Value| {
            let mut entry = more;
            entry["group"] = json!("apps");
            entry["kind"] = json!("Deployment");
            json!([entry])
        };
        let all = [".spec.replicas", image, both[0], both[1]];
        for (entries, written) in [
            (json!(null), &all[..]),
            (json!([]), &all[..]),
            (
                apps(json!({"managedFieldsManagers": ["oms-operator"]})),
                &both[..],
            ),
            (
                apps(json!({"managedFieldsManagers": ["kube-controller-manager"]})),
                &all[..],
            ),
            (apps(json!({"jsonPointers": ["/spec/replicas"]})), &all[1..]),
            // Another container, another object, another group, and pointers that only begin alike.
            (
                apps(json!({"jsonPointers": ["/spec/template/spec/containers/0"]})),
                &all[..],
            ),
            (
                apps(json!({"name": "other", "jsonPointers": ["/spec"]})),
                &all[..],
            ),
            (
                apps(json!({"namespace": "test", "jsonPointers": ["/spec"]})),
                &all[..],
            ),
            (
                json!([{"group": "", "kind": "Deployment", "jsonPointers": ["/spec"]}]),
                &all[..],
            ),
            (
                json!([{"kind": "Deployment", "jsonPointers": ["/spec"]}]),
                &all[..],
            ),
            (
                json!([{"group": "apps", "kind": "StatefulSet", "jsonPointers": ["/spec"]}]),
                &all[..],
            ),
            (
                apps(json!({"jsonPointers": ["/spec/replica", "/spec/replicas/x", "/status"]})),
                &all[..],
            ),
            (
                apps(
                    json!({"jqPathExpressions": [r#".spec.template.spec.containers[] | select(.name == "side")"#]}),
                ),
                &all[..],
            ),
        ] {
            let given = spec(respect.clone(), entries);
            let found = judge(&given);
            let told: Vec<bool> = written
                .iter()
                .map(|part| found.written.iter().any(|field| field.ends_with(part)))
                .collect();
            assert_eq!(found.written.len(), written.len(), "{given}: {found:?}");
            assert!(!told.contains(&false), "{given}: {found:?}");
            // The snippet is all that is missing.
            let mut mended = given;
            if mended["ignoreDifferences"].is_null() {
                mended["ignoreDifferences"] = json!([]);
            }
            let list = mended["ignoreDifferences"].as_array_mut().unwrap();
            list.push(found.missing_entry.unwrap());
            assert!(judge(&mended).leaves_alone(), "{mended}");
        }
    }

    #[test]
    fn what_is_ignored_is_written_all_the_same_without_the_option() {
        let entries = json!([{"group": "*", "kind": "*", "jsonPointers": ["/spec"]}]);
        for options in [
            json!(null),
            json!([]),
            json!(["RespectIgnoreDifferences=false"]),
        ] {
            let found = judge(&spec(options, entries.clone()));
            assert_eq!(found.missing_option, Some(RESPECT));
            assert!(found.written.is_empty() && !found.leaves_alone());
        }
        let replacing = json!(["RespectIgnoreDifferences=true", "Replace=true"]);
        let found = judge(&spec(replacing, entries));
        assert_eq!(
            (found.missing_option, found.harmful_option),
            (None, Some(REPLACE))
        );
        assert!(!found.leaves_alone());
    }

    #[test]
    fn what_is_not_understood_counts_for_nothing_and_is_told() {
        let odd = ".spec | to_entries[]";
        let entries = json!([{"group": "apps", "kind": "Deployment", "jqPathExpressions": [odd]}]);
        let found = judge(&spec(json!(["RespectIgnoreDifferences=true"]), entries));
        assert_eq!(found.unread, [odd]);
        assert_eq!(found.written.len(), 4);
    }

    #[test]
    fn automation_is_off_where_it_is_not_there_or_says_so() {
        for (automated, on) in [
            (json!({"automated": {}}), true),
            (json!({"automated": {"selfHeal": false}}), true),
            (json!({"automated": {"enabled": true}}), true),
            (
                json!({"automated": {"enabled": false, "selfHeal": true}}),
                false,
            ),
            (json!({"automated": null}), false),
            (json!({}), false),
        ] {
            let found = judge(&json!({"syncPolicy": automated}));
            assert_eq!(found.automated, on, "{automated}");
        }
        assert!(!judge(&json!({})).automated);
    }

    /// A Deployment without probes wants none ignored.
    #[test]
    fn only_what_is_there_is_taken_away() {
        let mut object = deployment();
        object["spec"]["template"]["spec"]["containers"][1] =
            json!({"name": "oms", "image": "oms:3"});
        let entries = json!([{"group": "apps", "kind": "Deployment", "managedFieldsManagers": ["oms-operator"]}]);
        let spec = spec(json!(["RespectIgnoreDifferences=true"]), entries);
        assert!(judge_application(&spec, &object, "oms").leaves_alone());
    }
}
