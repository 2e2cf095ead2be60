//! Preflight check: what the operator will write to the targets, and the pods that are made from it, would be stored as
//! they are sent. Pure.
//!
//! A webhook or a policy that rewrites a template would be met after OMS was stopped: what comes back is none of the
//! templates that the operator knows, so it takes it for somebody else's write and turns back.
use crate::api::CheckName;
use crate::facts::{FieldChange, RehearsalFacts, Rehearsed, RehearsedAct, TargetFacts};
use crate::upgrade::context::Context;
use crate::upgrade::steps::preflight::check::CheckId;
use crate::upgrade::steps::preflight::targets::{name_target, require_deployment};
use crate::upgrade::steps::preflight::verdict::{Found, Verdict};
use serde_json::Value;
use std::collections::BTreeMap;

/// Fields of one target that are told one by one.
const MOST: usize = 5;

/// Fields whose values may be told: what else stands in a template may be a password.
const TOLD: [&str; 6] = [
    "image",
    "imagePullPolicy",
    "replicas",
    "paused",
    "serviceAccountName",
    "hostNetwork",
];

/// One finding for each field that would be changed, and for each write that would be refused.
pub(crate) fn check_stored(cx: &Context<'_>) -> Vec<Found> {
    let mut found = Vec::new();
    for (index, target) in cx.spec.targets.iter().enumerate() {
        let name = &target.name;
        let facts = cx.observed.targets.get(index);
        let verdicts = match (require_deployment(cx, index), facts) {
            (Ok(()), Some(facts)) if !facts.rehearsals.is_empty() => judge_target(facts),
            _ => vec![(name.clone(), Verdict::not_made(&name_target(cx, index)))],
        };
        let id = CheckId::Named(CheckName::StoredAsSent);
        let told = verdicts.into_iter();
        found.extend(told.map(|(subject, verdict)| Found::new(id, subject, verdict)));
    }
    found
}

fn judge_target(facts: &TargetFacts) -> Vec<(String, Verdict)> {
    let name = &facts.name;
    let unread = facts.rehearsals.iter().find_map(|one| match &one.outcome {
        Rehearsed::Unseen(reason) => Some((one.act, reason)),
        Rehearsed::Taken(_) | Rehearsed::Refused(_) => None,
    });
    if let Some((act, reason)) = unread {
        let verdict = Verdict::unread(format!(
            "{} of {name} could not be tried as a dry run: {reason}",
            act.as_str()
        ));
        return vec![(name.clone(), verdict)];
    }
    let mut verdicts = judge_refusals(facts);
    let changes = collect_changes(facts);
    let more = changes.len().saturating_sub(MOST);
    for (path, acts) in changes.iter().take(MOST) {
        verdicts.push((format!("{name} {path}"), judge_change(facts, path, acts)));
    }
    if more > 0 {
        let verdict = Verdict::failed(
            format!(
                "{more} more fields of Deployment {name} or its pods would be stored otherwise than they are sent"
            ),
            "see to those that are named first",
        );
        verdicts.push((format!("{name} others"), verdict));
    }
    if verdicts.is_empty() {
        let text = "stop, starts and pods would be stored as they are sent";
        verdicts.push((name.clone(), Verdict::passed(text)));
    }
    verdicts
}

/// The same words are told once: a policy refuses every write alike.
fn judge_refusals(facts: &TargetFacts) -> Vec<(String, Verdict)> {
    let name = &facts.name;
    let mut told: BTreeMap<&str, Vec<RehearsedAct>> = BTreeMap::new();
    for one in &facts.rehearsals {
        if let Rehearsed::Refused(words) = &one.outcome {
            told.entry(words).or_default().push(one.act);
        }
    }
    let judge = |(words, acts): (&str, Vec<RehearsedAct>)| {
        let evidence = format!("{} of {name} would be refused: {words}", list_acts(&acts));
        // The pod that runs counts against the quota too, and is gone when the next one comes.
        let spare = words.contains("exceeded quota") && acts.iter().all(|act| act.is_pod());
        let verdict = match spare {
            true => Verdict::warning(
                evidence,
                "see to it that the quota has room for one pod of OMS once the one that runs is gone",
            ),
            false => Verdict::failed(
                evidence,
                "let the webhook, policy or quota that is named allow it, at least until the upgrade is over",
            ),
        };
        (name.clone(), verdict)
    };
    told.into_iter().map(judge).collect()
}

/// Each field that would be changed, with the writes in which it would.
type Changes<'a> = BTreeMap<&'a str, Vec<(RehearsedAct, &'a FieldChange)>>;

fn collect_changes(facts: &TargetFacts) -> Changes<'_> {
    let mut changes = Changes::new();
    for RehearsalFacts { act, outcome } in &facts.rehearsals {
        if let Rehearsed::Taken(all) = outcome {
            for change in all {
                changes
                    .entry(&change.path)
                    .or_default()
                    .push((*act, change));
            }
        }
    }
    changes
}

fn judge_change(facts: &TargetFacts, path: &str, acts: &[(RehearsedAct, &FieldChange)]) -> Verdict {
    let name = &facts.name;
    let list: Vec<RehearsedAct> = acts.iter().map(|(act, _)| *act).collect();
    let Some((_, change)) = acts.last() else {
        return Verdict::passed("");
    };
    let what = describe_change(path, change);
    let evidence = format!(
        "{what} in {} of {name}: a webhook or a policy of the cluster changes it",
        list_acts(&list)
    );
    let pods_only = list.iter().all(|act| act.is_pod());
    let lives_with_it = list.contains(&RehearsedAct::OldPod);
    if pods_only && lives_with_it {
        return Verdict::warning(
            format!("{evidence}; pods of the version that runs get it too"),
            "nothing, where the new version may have it as well",
        );
    }
    if pods_only && acts.iter().all(|(_, change)| change.only_adds()) {
        return Verdict::unseen(
            format!(
                "{evidence}; nothing that was sent is lost, and the pod that runs does not get it"
            ),
            "exempt the pods of OMS from it until the upgrade is over",
        );
    }
    let image = change.stored.as_ref().and_then(Value::as_str);
    let way_out = match image
        .filter(|_| path.ends_with(".image") && !list.contains(&RehearsedAct::Stop))
    {
        Some(image) => format!("write the image as the cluster stores it: spec.image: {image}"),
        None => format!(
            "exempt Deployment {name} from it until the upgrade is over, or write into the Deployment what it makes of it"
        ),
    };
    let meaning = match pods_only {
        true => "a pod would not be what its template says",
        false => {
            "the operator would take it for somebody else's write, with OMS stopped, and turn back"
        }
    };
    Verdict::failed(format!("{evidence}; {meaning}"), way_out)
}

fn describe_change(path: &str, change: &FieldChange) -> String {
    let told = TOLD
        .iter()
        .any(|field| path.ends_with(&format!(".{field}")));
    let write = |value: &Option<Value>| match value {
        None => "nothing".to_owned(),
        Some(Value::String(text)) => text.chars().take(200).collect(),
        Some(value) => value.to_string().chars().take(200).collect(),
    };
    match (told, &change.sent, &change.stored) {
        (true, sent, stored) => format!(
            "{path} is sent as {} and would be stored as {}",
            write(sent),
            write(stored)
        ),
        (false, None, _) => format!("{path} would be added"),
        (false, _, None) => format!("{path} would be taken out"),
        (false, ..) => format!("{path} would be changed"),
    }
}

fn list_acts(acts: &[RehearsedAct]) -> String {
    let words: Vec<&str> = acts.iter().map(|act| act.as_str()).collect();
    words.join(", ")
}
