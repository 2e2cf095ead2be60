//! Preflight check: the record that is written on a target fits beside the annotations that it has. Pure.
//!
//! Kubernetes takes 256 KiB of annotations per object (`TotalAnnotationSizeLimitB`), and 1 MiB of data per Secret
//! (`MaxSecretSize`). A stop that is refused for that would be the first effect of an upgrade that cannot go on.
use crate::api::{FENCE_ANNOTATION, ORIGINALS_ANNOTATION};
use crate::objects::originals::capture_texts;
use crate::upgrade::context::Context;
use crate::upgrade::steps::preflight::check::CheckId;
use crate::upgrade::steps::preflight::verdict::{Found, Verdict};
use serde_json::Value;

/// Bytes of all annotations of an object.
const MOST_ANNOTATIONS: usize = 256 * 1024;
/// Bytes of all values of a Secret.
const MOST_DATA: usize = 1024 * 1024;
/// Bytes of a record beside the texts and `ha.config`: installation, backup, intent, fence. What is known now of it has
/// a fifth of that.
const REST: usize = 16 * 1024;

/// Whether the records of the targets fit where they have to stand.
pub(crate) fn check_records(cx: &Context<'_>) -> Option<Found> {
    let mut all = 0;
    for facts in &cx.observed.targets {
        // What cannot be read is told by the check of the targets.
        let object = &facts.deployment.known()?.as_ref()?.object;
        let record = measure_record(cx, object)?;
        if let Some(verdict) = judge_annotations(&facts.name, object, record) {
            return Some(Found::new(CheckId::RecordsFit, &facts.name, verdict));
        }
        all += record;
    }
    let verdict = match all {
        ..=MOST_DATA => Verdict::passed(format!("{all} bytes")),
        _ => Verdict::failed(
            format!(
                "the records of all Deployments together have {all} bytes, more than the {MOST_DATA} that a Secret holds, so there would be no second \
                 copy of the originals"
            ),
            "shorten their pod templates, for example by files in place of long environment values",
        ),
    };
    Some(Found::new(CheckId::RecordsFit, "all Deployments", verdict))
}

fn measure_record(cx: &Context<'_>, object: &Value) -> Option<usize> {
    let texts = serde_json::to_string(&capture_texts(object)?).ok()?;
    let ha = cx.observed.metadb.ha.known().and_then(|row| row.text());
    let ha = serde_json::to_string(ha.unwrap_or_default()).ok()?;
    Some(texts.len() + ha.len() + REST)
}

fn judge_annotations(name: &str, object: &Value, record: usize) -> Option<Verdict> {
    let annotations = object.pointer("/metadata/annotations");
    let annotations = annotations.and_then(Value::as_object).into_iter().flatten();
    let sizes: Vec<(&str, usize)> = annotations
        .filter(|(key, _)| ![ORIGINALS_ANNOTATION, FENCE_ANNOTATION].contains(&key.as_str()))
        .map(|(key, value)| (key.as_str(), key.len() + value.as_str().map_or(0, str::len)))
        .collect();
    let present: usize = sizes.iter().map(|(_, size)| size).sum();
    if present + record <= MOST_ANNOTATIONS {
        return None;
    }
    let largest = sizes.iter().max_by_key(|(_, size)| size);
    let largest = largest.map_or_else(String::new, |(key, size)| {
        format!("; the largest is {key} with {size}: kubectl annotate deployment {name} {key}-")
    });
    Some(Verdict::failed(
        format!(
            "the annotations of Deployment {name} have {present} bytes, and the record of its original would have {record}: together more than the \
             {MOST_ANNOTATIONS} that Kubernetes takes, so it could not be stopped"
        ),
        format!("take off annotations that nobody needs, or shorten its pod template{largest}"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{OmsUpgradeSpec, OmsUpgradeStatus};
    use crate::facts::{DeploymentFacts, Fact, Observed, TargetFacts};
    use crate::upgrade::ObjectFacts;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
    use serde_json::json;

    fn judge(objects: Vec<Value>) -> Option<Verdict> {
        let spec: OmsUpgradeSpec = serde_json::from_value(json!({
            "targets": [{"name": "oms"}], "image": "oms:4.0.0-ce", "backup": {"claimName": "c"}
        }))
        .unwrap();
        let target = |object| TargetFacts {
            name: "oms".into(),
            deployment: Fact::Known(Some(DeploymentFacts {
                uid: "d".into(),
                resource_version: "1".into(),
                object,
            })),
            ..TargetFacts::default()
        };
        let observed = Observed {
            targets: objects.into_iter().map(target).collect(),
            ..Observed::default()
        };
        let found = check_records(&Context {
            now: Time(k8s_openapi::jiff::Timestamp::UNIX_EPOCH),
            object: &ObjectFacts::default(),
            spec: &spec,
            status: &OmsUpgradeStatus::default(),
            observed: &observed,
        });
        found.map(|found| found.verdict)
    }

    fn deployment(annotation: usize, value: usize) -> Value {
        json!({"metadata": {"annotations": {"example.com/note": "x".repeat(annotation)}},
            "spec": {"template": {"spec": {"containers": [{"name": "oms", "env": [{"name": "A", "value": "y".repeat(value)}]}]}}}})
    }

    #[test]
    fn a_record_that_does_not_fit_is_told_with_the_way_out() {
        let fits = judge(vec![deployment(100, 100)]).unwrap();
        assert!(fits.is_good(), "{fits:?}");
        for object in [deployment(250_000, 100), deployment(100, 250_000)] {
            let verdict = judge(vec![object]).unwrap();
            let message = format!("{}; {}", verdict.evidence, verdict.way_out.unwrap());
            for word in [
                "Deployment oms",
                "262144",
                "kubectl annotate deployment oms example.com/note-",
            ] {
                assert!(message.contains(word), "{word}: {message}");
            }
        }
    }

    #[test]
    fn the_records_of_all_targets_fit_into_one_secret() {
        let message = judge(vec![deployment(100, 200_000); 5]).unwrap().evidence;
        assert!(message.contains("1048576"), "{message}");
        let fits = judge(vec![deployment(100, 200_000); 4]).unwrap();
        assert!(fits.is_good(), "{fits:?}");
    }

    #[test]
    fn what_cannot_be_read_is_told_elsewhere() {
        assert_eq!(judge(vec![json!({})]), None);
    }
}
