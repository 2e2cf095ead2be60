use super::*;

const PRETTY: &str = "{\n  \"enable\": true,\n  \"enableHost\": false,\n  \"x\\u0041\": {\"enable\": true, \"s\": \"a,}\\\"\"},\n  \"refetchStoreIntervalMin\": 30\n}\n";

fn parse(text: &str) -> HaConfig {
    HaConfig::parse(text).unwrap()
}

/// What the keys that a patch changes read now, absent ones as removals.
fn invert(config: &HaConfig, patch: &HaPatch) -> HaPatch {
    patch.keys().fold(HaPatch::new(), |inverse, key| {
        inverse.with_value(key, config.read_value(key).map(str::to_owned))
    })
}

#[test]
fn changes_one_value_and_no_other_byte() {
    let off = parse(PRETTY)
        .apply_patch(&HaPatch::new().with_bool(ENABLE, false))
        .unwrap();
    assert_eq!(
        off.as_str(),
        PRETTY.replacen("\"enable\": true", "\"enable\": false", 1)
    );
    assert!(!off.read_setting().enable);
}

#[test]
fn adds_a_missing_key_in_the_style_of_the_text() {
    let patch = HaPatch::new().with_bool(PERCEIVE_STORE_CLIENT_CHECKPOINT, true);
    let pretty = parse(PRETTY).apply_patch(&patch).unwrap();
    assert!(
        pretty.as_str().ends_with(
            "\"refetchStoreIntervalMin\": 30,\n  \"perceiveStoreClientCheckpoint\": true\n}\n"
        ),
        "{}",
        pretty.as_str()
    );
    let dense = parse(r#"{"enable":true}"#).apply_patch(&patch).unwrap();
    assert_eq!(
        dense.as_str(),
        r#"{"enable":true,"perceiveStoreClientCheckpoint":true}"#
    );
    assert_eq!(
        parse(" { } ").apply_patch(&patch).unwrap().as_str(),
        r#"{"perceiveStoreClientCheckpoint":true}"#
    );
}

#[test]
fn originals_bring_back_every_byte() {
    for text in [
        PRETTY,
        r#"{"enable":"true","z":1}"#,
        "{\"a\":[1,{\"b\":2}] , \"enable\" :false}",
        r#"{"refetchStoreIntervalMin":30}"#,
    ] {
        let config = parse(text);
        let patch = HaPatch::new()
            .with_bool(ENABLE, false)
            .with_number(REFETCH_STORE_INTERVAL_MIN, 95)
            .with_bool("new", true);
        let originals = invert(&config, &patch);
        let changed = config.apply_patch(&patch).unwrap();
        assert!(changed.satisfies(&patch));
        let back = changed.apply_patch(&originals).unwrap();
        assert!(back.satisfies(&originals));
        assert_eq!(back.as_str(), text);
    }
}

#[test]
fn removes_first_middle_last_and_only_key() {
    let remove = |text: &str, key: &str| {
        parse(text)
            .apply_patch(&HaPatch::new().with_value(key, None))
            .unwrap()
            .as_str()
            .to_owned()
    };
    assert_eq!(remove(r#"{"a":1, "b":2, "c":3}"#, "a"), r#"{"b":2, "c":3}"#);
    assert_eq!(remove(r#"{"a":1, "b":2, "c":3}"#, "b"), r#"{"a":1, "c":3}"#);
    assert_eq!(remove(r#"{"a":1, "b":2, "c":3}"#, "c"), r#"{"a":1, "b":2}"#);
    assert_eq!(remove(r#"{"a":1}"#, "a"), "{}");
    assert_eq!(remove(r#"{"a":1}"#, "b"), r#"{"a":1}"#);
}

#[test]
fn missing_or_odd_switch_means_off() {
    for text in [
        "{}",
        r#"{"enable":null}"#,
        r#"{"enable":1}"#,
        r#"{"Enable":true}"#,
        r#"{"enable":"no"}"#,
        r#"{"x":{"enable":true}}"#,
    ] {
        assert!(!parse(text).read_setting().enable, "{text}");
    }
    assert!(parse(r#"{"enable":"TRUE"}"#).read_setting().enable);
}

#[test]
fn reads_numbers_as_strings() {
    let setting = parse(r#"{"refetchStoreIntervalMin":"45","subtopicStoreNumberThreshold":5}"#)
        .read_setting();
    assert_eq!(setting.refetch_store_interval_min, Some(45));
    assert_eq!(setting.subtopic_store_number_threshold, Some(5));
}

#[test]
fn refuses_what_is_no_object_and_does_not_quote_it() {
    for text in ["", "null", "[]", "{", "{\"a\":canary}", "{\"a\":1} x"] {
        let error = HaConfig::parse(text).unwrap_err();
        assert!(matches!(error, HaError::NotAnObject { .. }), "{text}");
        assert!(!error.to_string().contains("canary"));
    }
    assert_eq!(
        HaConfig::parse(r#"{"enable":true,"en\u0061ble":false}"#),
        Err(HaError::DuplicateKey {
            key: "enable".into()
        })
    );
    let bad = HaPatch::new().with_value("a", Some("true} , {".into()));
    assert_eq!(
        parse("{}").apply_patch(&bad),
        Err(HaError::BadValue { key: "a".into() })
    );
}

#[test]
fn pull_back_is_more_than_the_time_that_passed() {
    assert_eq!(compute_pull_back_minutes(3600, 30), 90);
    assert_eq!(compute_pull_back_minutes(3601, 30), 91);
    assert_eq!(compute_pull_back_minutes(3600, 0), 61);
    assert_eq!(compute_pull_back_minutes(-100, 5), 5);
    assert!(compute_pull_back_minutes(i64::MAX, u32::MAX) > 0);
    for elapsed in 0..200 {
        assert!(compute_pull_back_minutes(elapsed, 0) * 60 > elapsed as u64);
    }
}

mod properties {
    use proptest::prelude::*;
    use serde_json::{Map, Value};

    use super::*;

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "[a-z\"\\\\{}\\[\\],: é\n]{0,6}".prop_map(Value::from),
        ];
        leaf.prop_recursive(2, 8, 3, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                proptest::collection::btree_map("[a-c\"]{1,2}", inner, 0..3)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    fn object() -> impl Strategy<Value = Map<String, Value>> {
        proptest::collection::btree_map("[a-d,\"}]{1,2}", value(), 0..5)
            .prop_map(|map| map.into_iter().collect())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]

        /// A patch does to the text what it would do to the object, and its originals undo it.
        #[test]
        fn patches_like_an_object_and_back(
            before in object(),
            changes in proptest::collection::vec(("[a-d,\"}]{1,2}", proptest::option::of(value())), 0..4),
            pretty in any::<bool>(),
        ) {
            let text = if pretty { serde_json::to_string_pretty(&before) } else { serde_json::to_string(&before) };
            let config = HaConfig::parse(&text.unwrap()).unwrap();
            let mut patch = HaPatch::new();
            let mut expected = before.clone();
            for (key, change) in &changes {
                patch = patch.with_value(key, change.as_ref().map(Value::to_string));
                match change {
                    Some(value) => expected.insert(key.clone(), value.clone()),
                    None => expected.remove(key),
                };
            }
            let after = config.apply_patch(&patch).unwrap();
            prop_assert!(after.satisfies(&patch));
            prop_assert_eq!(serde_json::from_str::<Value>(after.as_str()).unwrap(), Value::Object(expected));
            let back = after.apply_patch(&invert(&config, &patch)).unwrap();
            prop_assert_eq!(serde_json::from_str::<Value>(back.as_str()).unwrap(), Value::Object(before));
            let untouched: Vec<String> = config
                .members()
                .iter()
                .map(|m| m.key.clone())
                .filter(|k| !patch.keys().any(|p| p == k))
                .collect();
            for key in untouched {
                prop_assert_eq!(config.read_value(&key), after.read_value(&key));
            }
        }
    }
}

#[test]
fn keys_that_were_left_are_told_from_those_that_somebody_set_since() {
    let before = parse(r#"{"enable":true,"refetchStoreIntervalMin":30}"#);
    let left = parse(
        r#"{"enable":false,"refetchStoreIntervalMin":120,"perceiveStoreClientCheckpoint":true}"#,
    );
    let kept = left.find_kept(&before);
    assert_eq!(kept.len(), 2);
    let withdrawn = left.apply_patch(&left.build_withdrawal(&kept)).unwrap();
    assert_eq!(
        withdrawn.as_str(),
        r#"{"enable":false,"refetchStoreIntervalMin":30}"#
    );
    assert!(before.find_kept(&before).is_empty());
    // White space is nobody's change; another value is.
    let since =
        parse("{\"refetchStoreIntervalMin\": 120 , \"perceiveStoreClientCheckpoint\": false}");
    assert_eq!(
        since.build_withdrawal(&kept),
        HaPatch::new().with_value(REFETCH_STORE_INTERVAL_MIN, Some("30".into()))
    );
    let removed = parse("{}");
    assert!(removed.list_still_kept(&kept).is_empty());
}

/// Every documented key but the switch, by its name and in its documented type (OMS guide, modify HA configurations).
#[test]
fn parameters_are_the_documented_keys_in_their_documented_types() {
    let all: HaParameters = serde_json::from_str(
        r#"{"enableHost": true, "enableStore": true, "perceiveStoreClientCheckpoint": true, "enableConnector": false,
            "enableJdbcWriter": false, "subtopicStoreNumberThreshold": 6, "checkRequestIntervalSec": 601,
            "checkJdbcWriterIntervalSec": 602, "checkHostDownIntervalSec": 541, "checkModuleExceptionIntervalSec": 241,
            "clearAbnormalResourceHours": 73, "refetchStoreIntervalMin": 31}"#,
    )
    .unwrap();
    let patch = HaPatch::of_parameters(&all);
    assert_eq!(patch.changes.len(), 12);
    let config = HaConfig::empty().apply_patch(&patch).unwrap();
    for (key, value) in [
        ("enableHost", "true"),
        ("enableStore", "true"),
        ("perceiveStoreClientCheckpoint", "true"),
        ("enableConnector", "false"),
        ("enableJdbcWriter", "false"),
        ("subtopicStoreNumberThreshold", "6"),
        ("checkRequestIntervalSec", "601"),
        ("checkJdbcWriterIntervalSec", "602"),
        ("checkHostDownIntervalSec", "541"),
        ("checkModuleExceptionIntervalSec", "241"),
        ("clearAbnormalResourceHours", "73"),
        ("refetchStoreIntervalMin", "31"),
    ] {
        assert_eq!(config.read_value(key), Some(value), "{key}");
    }
    assert_eq!(
        HaPatch::of_parameters(&HaParameters::default()),
        HaPatch::new()
    );
    // A number that stands there as a text is another value.
    let text = parse(r#"{"subtopicStoreNumberThreshold":"6"}"#);
    let number = HaPatch::new().with_number(SUBTOPIC_STORE_NUMBER_THRESHOLD, 6);
    assert!(!text.satisfies(&number));
    assert_eq!(
        patch.to_string().split(", ").next(),
        Some("\"checkHostDownIntervalSec\": 541")
    );
}
