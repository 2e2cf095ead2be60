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
        // What would lead the call elsewhere is no name.
        "x/../../other:apps/Deployment:prod/oms",
        "x?watch=true:apps/Deployment:prod/oms",
        "a/b_team:apps/Deployment:prod/oms",
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

/// Argo CD takes the option from the object as well.
#[test]
fn a_deployment_that_is_replaced_says_so_itself() {
    let entries = json!([{"group": "*", "kind": "*", "jsonPointers": ["/spec"]}]);
    let spec = spec(json!(["RespectIgnoreDifferences=true"]), entries);
    for (options, harmful) in [
        ("Prune=false, Replace=true", Some(REPLACE)),
        ("Replace=false", None),
    ] {
        let mut object = deployment();
        object["metadata"]["annotations"]["argocd.argoproj.io/sync-options"] = json!(options);
        let found = judge_application(&spec, &object, "oms");
        assert_eq!(found.harmful_option, harmful, "{options}");
    }
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
    object["spec"]["template"]["spec"]["containers"][1] = json!({"name": "oms", "image": "oms:3"});
    let entries =
        json!([{"group": "apps", "kind": "Deployment", "managedFieldsManagers": ["oms-operator"]}]);
    let spec = spec(json!(["RespectIgnoreDifferences=true"]), entries);
    assert!(judge_application(&spec, &object, "oms").leaves_alone());
}
