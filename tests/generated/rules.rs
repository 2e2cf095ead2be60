//! The rules of kube-api-linter, held against the schema: the linter itself reads Go types only.
//!
//! Not carried over is what a schema cannot show: `commentstart` (kubectl shows the name of a field before its
//! description), `nonpointerstructs` and the pointers of `optionalfields` and `requiredfields` (types of Go; that an
//! empty text never counts as one is `minlength`), `optionalorrequired` (a schema has no third way),
//! `preferredmarkers` and `uniquemarkers` (a schema says each thing once).
use super::schema::{Place, list_places, read_version};
use serde_json::Value;
use std::collections::BTreeSet;

/// What is wrong at a place, if anything.
type Rule = fn(&Place) -> Option<String>;

/// Each under the name that kube-api-linter has for it.
const RULES: [(&str, Rule); 21] = [
    ("arrayofstruct", check_items),
    ("conditions", check_conditions),
    ("conflictingmarkers", check_conflicts),
    ("defaultorrequired", check_required_default),
    ("defaults", check_default),
    ("dependenttags", check_dependents),
    ("duplicatemarkers", check_duplicates),
    ("forbiddenmarkers", check_forbidden),
    ("integers", check_integer),
    ("jsontags", check_name),
    ("maxlength", check_upper_bound),
    ("minlength", check_lower_bound),
    ("namingconventions", check_convention),
    ("nobools", check_bool),
    ("nodurations", check_duration),
    ("nofloats", check_float),
    ("nomaps", check_map),
    ("nophase", check_phase),
    ("noreferences", check_reference),
    ("notimestamp", check_timestamp),
    ("ssatags", check_list),
];

/// Places that break a rule on purpose, and why. A line that is needed no more fails the test.
const EXCEPTIONS: &[(&str, &str, &str)] = &[
    (
        "nobools",
        "spec.paused",
        "the very word of Deployments, Flux and Cluster API; there is no third state between held and not held",
    ),
    (
        "nobools",
        "spec.console.tls.insecureSkipVerify",
        "the very word of kubeconfig, APIService and Prometheus; a half of it would be a trap",
    ),
    (
        "nobools",
        "spec.ha.parameters.enableConnector",
        "the value of a boolean of OMS",
    ),
    (
        "nobools",
        "spec.ha.parameters.enableHost",
        "the value of a boolean of OMS",
    ),
    (
        "nobools",
        "spec.ha.parameters.enableJdbcWriter",
        "the value of a boolean of OMS",
    ),
    (
        "nobools",
        "spec.ha.parameters.enableStore",
        "the value of a boolean of OMS",
    ),
    (
        "nobools",
        "spec.ha.parameters.perceiveStoreClientCheckpoint",
        "the value of a boolean of OMS",
    ),
    (
        "nobools",
        "status.settled",
        "a fact that was seen or was not",
    ),
    (
        "nobools",
        "status.backup.verified",
        "a fact that was seen or was not",
    ),
    (
        "nobools",
        "status.backup.scratchRestored",
        "a fact that was seen or was not",
    ),
    (
        "nobools",
        "status.internal.initRuns[].completed",
        "a fact of the operator's own memory",
    ),
    (
        "nobools",
        "status.internal.originals.ha.enabled",
        "the value of a boolean of OMS",
    ),
    (
        "nobools",
        "status.internal.projects[].recovered",
        "a fact of the operator's own memory",
    ),
    (
        "nobools",
        "status.internal.copyCleanup.underWay",
        "a fact of the operator's own memory",
    ),
    (
        "nophase",
        "status.phase",
        "one word for kubectl get; whoever decides by program has the conditions, which are kept",
    ),
    (
        "namingconventions",
        "spec.metadb.loginsWithoutTls[]",
        "the name that servers themselves have for it",
    ),
    (
        "namingconventions",
        "status.internal.requests.abort",
        "named after the request; the operator's own memory",
    ),
    (
        "namingconventions",
        "status.internal.requests.rollBack",
        "named after the request; the operator's own memory",
    ),
];

#[test]
fn the_schema_keeps_the_rules_of_kube_api_linter() {
    let places = list_places();
    assert!(places.len() > 200, "{} places", places.len());
    let mut broken = Vec::new();
    let mut excused = BTreeSet::new();
    for (rule, check) in RULES {
        for place in &places {
            let Some(what) = check(place) else { continue };
            let excuse = EXCEPTIONS
                .iter()
                .find(|(name, path, _)| *name == rule && *path == place.path);
            match excuse {
                Some((name, path, _)) => drop(excused.insert((*name, *path))),
                None => broken.push(format!("{rule}: {}: {what}", place.path)),
            }
        }
    }
    assert!(broken.is_empty(), "\n{}", broken.join("\n"));
    for (rule, path, why) in EXCEPTIONS {
        assert!(
            excused.contains(&(*rule, *path)),
            "{rule}: {path} needs no exception any more"
        );
        assert!(why.len() > 10, "{rule}: {path}: say why");
    }
}

/// `statussubresource`, `statusoptional`, and the columns of `kubectl get`.
#[test]
fn the_status_is_a_part_of_its_own_and_nothing_in_it_must_be_there() {
    let version = read_version();
    assert!(version["subresources"]["status"].is_object());
    let status = &version["schema"]["openAPIV3Schema"]["properties"]["status"];
    assert!(status.get("required").is_none(), "{}", status["required"]);
    let columns = version["additionalPrinterColumns"].as_array().unwrap();
    let names: BTreeSet<&str> = columns
        .iter()
        .filter_map(|one| one["name"].as_str())
        .collect();
    assert_eq!(names.len(), columns.len(), "{columns:?}");
}

/// A list of objects without a required field reads as if its items were one.
fn check_items(place: &Place) -> Option<String> {
    let items = &place.schema["items"];
    let has_required = items["required"]
        .as_array()
        .is_some_and(|all| !all.is_empty());
    (items["type"] == "object" && !has_required).then(|| "no field of its items is required".into())
}

/// The schema of `metav1.Condition`, as the API of Kubernetes validates it.
fn check_conditions(place: &Place) -> Option<String> {
    if place.name != "conditions" {
        return None;
    }
    let fields = &place.schema["items"]["properties"];
    let wanted = [
        ("type", "maxLength", "316"),
        (
            "type",
            "pattern",
            r#""^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$""#,
        ),
        ("status", "enum", r#"["True","False","Unknown"]"#),
        ("observedGeneration", "minimum", "0.0"),
        ("observedGeneration", "format", r#""int64""#),
        ("lastTransitionTime", "format", r#""date-time""#),
        ("reason", "minLength", "1"),
        ("reason", "maxLength", "1024"),
        (
            "reason",
            "pattern",
            r#""^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$""#,
        ),
        ("message", "maxLength", "32768"),
    ];
    let mut wrong: Vec<String> = wanted
        .iter()
        .filter(|(field, key, value)| {
            let read: Option<Value> = serde_json::from_str(value).ok();
            read.as_ref() != Some(&fields[field][key])
        })
        .map(|(field, key, value)| format!("{field}: {key} {} is not {value}", fields[field][key]))
        .collect();
    let required = super::schema::read_texts(&place.schema["items"]["required"]);
    if required != ["lastTransitionTime", "message", "reason", "status", "type"] {
        wrong.push(format!("required are {required:?}"));
    }
    if place.texts("x-kubernetes-list-map-keys") != ["type"] {
        wrong.push("no list-map by type".into());
    }
    (!wrong.is_empty()).then(|| wrong.join("; "))
}

/// Two words of a schema that say different things.
fn check_conflicts(place: &Place) -> Option<String> {
    let keyed = place.has("x-kubernetes-list-map-keys");
    let is_map = place.text("x-kubernetes-list-type") == "map";
    if keyed != is_map {
        return Some("keys of a list-map belong to a list-map".into());
    }
    (place.has("enum") && place.has("pattern")).then(|| "enum and pattern".into())
}

fn check_required_default(place: &Place) -> Option<String> {
    (place.is_required && place.has("default")).then(|| "required, with a default".into())
}

/// A default is of its own field's kind, one of its words, and written as people write it.
fn check_default(place: &Place) -> Option<String> {
    let default = place.schema.get("default")?;
    let kind = match default {
        Value::String(_) => "string",
        Value::Number(_) => "integer",
        Value::Bool(_) => "boolean",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
        Value::Null => "null",
    };
    if !place.is(kind) {
        return Some(format!("{default} is no {}", place.text("type")));
    }
    let words = place.texts("enum");
    if !words.is_empty() && !words.contains(&default.as_str().unwrap_or_default()) {
        return Some(format!("{default} is no word of {words:?}"));
    }
    let text = default.as_str()?;
    (is_time_limit(place) && !is_written_by_people(text)).then(|| format!("{text}: write 6h, 90s"))
}

fn is_time_limit(place: &Place) -> bool {
    place.text("pattern").contains("(ms|s|m)")
}

/// `6h`, `1h30m`, `90s`; not `21600s`, `360m`.
fn is_written_by_people(text: &str) -> bool {
    let parsed: Option<oms_operator::api::Duration> = text.parse().ok();
    let is_short = |unit: char| {
        let number = text
            .strip_suffix(unit)
            .and_then(|digits| digits.parse().ok());
        number.is_some_and(|number: u32| number < 120)
    };
    parsed.is_some_and(|limit| limit.to_string() == text || is_short('s') || is_short('m'))
}

/// What one word needs beside it.
fn check_dependents(place: &Place) -> Option<String> {
    for key in place.texts("x-kubernetes-list-map-keys") {
        let items = &place.schema["items"];
        let is_there = super::schema::read_texts(&items["required"]).contains(&key)
            || items["properties"][key].get("default").is_some();
        if !is_there {
            return Some(format!("key {key} may be absent"));
        }
    }
    let rules = place.schema["x-kubernetes-validations"].as_array();
    for rule in rules.into_iter().flatten() {
        if rule["message"].as_str().is_none_or(str::is_empty) {
            return Some(format!("a rule without a message: {rule}"));
        }
    }
    (place.has("pattern") && !place.has("maxLength"))
        .then(|| "a pattern is computed over a text without a bound".into())
}

fn check_duplicates(place: &Place) -> Option<String> {
    let lists = [
        "enum",
        "required",
        "x-kubernetes-list-map-keys",
        "x-kubernetes-validations",
    ];
    lists.into_iter().find_map(|key| {
        let all: Vec<String> = place.schema[key]
            .as_array()?
            .iter()
            .map(Value::to_string)
            .collect();
        let once: BTreeSet<&String> = all.iter().collect();
        (once.len() < all.len()).then(|| format!("{key} says something twice"))
    })
}

/// What would let in what nobody looks at.
fn check_forbidden(place: &Place) -> Option<String> {
    let forbidden = [
        "nullable",
        "x-kubernetes-preserve-unknown-fields",
        "x-kubernetes-embedded-resource",
        "x-kubernetes-int-or-string",
        "anyOf",
        "oneOf",
        "allOf",
        "not",
    ];
    let found = forbidden.into_iter().find(|key| place.has(key))?;
    Some(format!("{found} is not to be used"))
}

/// What is written has a kind that Go knows, and in the spec bounds that say what makes sense.
fn check_integer(place: &Place) -> Option<String> {
    if !place.is("integer") {
        return None;
    }
    if !["int32", "int64"].contains(&place.text("format")) {
        return Some(format!("format {:?}", place.text("format")));
    }
    let bounded = place.has("minimum") && place.has("maximum");
    (place.is_of("spec") && !bounded).then(|| "no bounds".into())
}

/// Camel case; acronyms may stand in capitals.
fn check_name(place: &Place) -> Option<String> {
    let mut chars = place.name.chars();
    let fits = chars.next().is_none_or(|first| first.is_ascii_lowercase())
        && chars.all(|c| c.is_ascii_alphanumeric());
    (!fits).then(|| "no camel case".into())
}

/// Texts and lists of the spec are bounded. The status is not: its only author is the operator, and a bound could
/// refuse what it has to remember in the middle of an upgrade.
fn check_upper_bound(place: &Place) -> Option<String> {
    if !place.is_of("spec") {
        return None;
    }
    let is_bounded = match place.text("type") {
        "string" => {
            place.has("maxLength") || place.has("enum") || place.text("format") == "date-time"
        }
        "array" => place.has("maxItems"),
        _ => true,
    };
    (!is_bounded).then(|| "no upper bound".into())
}

/// An empty text means nothing that absence does not mean. An empty list may be written: templates write it.
fn check_lower_bound(place: &Place) -> Option<String> {
    let needs = match place.text("type") {
        "string" => !place.has("minLength") && !place.has("enum") && !place.has("pattern"),
        "array" => place.is_required && !place.has("minItems"),
        _ => false,
    };
    (place.is_of("spec") && needs).then(|| "no lower bound".into())
}

/// Conventions of the API of Kubernetes: a time is called so, a word of an enum is written in Pascal case.
fn check_convention(place: &Place) -> Option<String> {
    let is_time = place.text("format") == "date-time";
    if is_time && !place.name.ends_with("Time") {
        return Some("a time without Time at its end".into());
    }
    let of_http = ["POST", "PUT"];
    let words = place.texts("enum");
    let is_pascal = |word: &&&str| {
        word.starts_with(|c: char| c.is_ascii_uppercase())
            && word.chars().all(|c| c.is_ascii_alphanumeric())
            && (of_http.contains(word) || word.chars().any(|c| c.is_ascii_lowercase()))
    };
    let odd = words.iter().find(|word| !is_pascal(word))?;
    Some(format!("{odd} is no Pascal case"))
}

fn check_bool(place: &Place) -> Option<String> {
    place
        .is("boolean")
        .then(|| "an enum can grow, a boolean cannot".into())
}

/// `metav1.Duration` has no bounds; ours has.
fn check_duration(place: &Place) -> Option<String> {
    if place.text("format").contains("duration") {
        return Some("a duration without bounds".into());
    }
    let has_rule = place.schema["x-kubernetes-validations"].is_array();
    (is_time_limit(place) && !has_rule).then(|| "a time limit without bounds".into())
}

fn check_float(place: &Place) -> Option<String> {
    place.is("number").then(|| "a number that rounds".into())
}

fn check_map(place: &Place) -> Option<String> {
    place
        .has("additionalProperties")
        .then(|| "a list of named objects can be merged, a map cannot".into())
}

fn check_phase(place: &Place) -> Option<String> {
    place
        .name
        .to_lowercase()
        .contains("phase")
        .then(|| "conditions say more".into())
}

fn check_reference(place: &Place) -> Option<String> {
    place
        .name
        .to_lowercase()
        .contains("reference")
        .then(|| "say Ref".into())
}

fn check_timestamp(place: &Place) -> Option<String> {
    place
        .name
        .to_lowercase()
        .contains("timestamp")
        .then(|| "say Time".into())
}

/// Every list says how it is merged: objects by a key where they have one, never as a set.
fn check_list(place: &Place) -> Option<String> {
    if !place.is("array") {
        return None;
    }
    let of_objects = place.schema["items"]["type"] == "object";
    match place.text("x-kubernetes-list-type") {
        "map" if of_objects => None,
        "set" if !of_objects => None,
        "atomic" => {
            let required = super::schema::read_texts(&place.schema["items"]["required"]);
            let keys = ["name", "id", "key", "type", "project", "target", "role"];
            let key = keys.into_iter().find(|key| required.contains(key))?;
            Some(format!("its items have a {key}: make it a list-map"))
        }
        other => Some(format!("list type {other:?}")),
    }
}
