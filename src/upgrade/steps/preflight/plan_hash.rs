//! What an approval is given to, as one hash. Pure.
//!
//! It stays the same as long as the upgrade would do the same to the same things, for the same reasons: so numbers,
//! times and sizes are left out, and of what was seen only the verdict counts. What a person gave as a reason counts
//! word by word.
use crate::api::{CheckOutcome, CheckResult, OmsUpgradeStatus, PlanStatus};
use crate::protocol::hex::hash_text;
use crate::upgrade::context::Context;
use crate::upgrade::parts::source::{find_source_version, read_source_images};
use serde_json::{Value, json};

/// `sha256:` and the hash of a plan. What it is made of beside the plan stands in the rest of the status.
pub(crate) fn hash_plan(cx: &Context<'_>, status: &OmsUpgradeStatus, plan: &PlanStatus) -> String {
    format!("sha256:{}", hash_text(&build_text(cx, status, plan)))
}

/// The canonical text: JSON with sorted keys.
fn build_text(cx: &Context<'_>, status: &OmsUpgradeStatus, plan: &PlanStatus) -> String {
    let installation = status.installation.as_ref();
    let mut verdicts: Vec<Value> = plan.checks.iter().map(describe_verdict).collect();
    verdicts.sort_by_key(Value::to_string);
    let text = json!({
        "image": cx.spec.image,
        "imageDigests": plan.image_digests,
        "targets": list_uids(cx),
        "sourceVersions": list_versions(cx),
        "metadb": installation.map(|found| format!("{} {}", found.metadb_host, found.metadb_port)),
        "databases": installation.map(|found| &found.databases),
        "restoreMethod": plan.restore_method,
        // What is asked for, in the words that the approver reads.
        "steps": plan.steps,
        "verification": cx.spec.backup.verification,
        "verdicts": verdicts,
        "uncoveredProjects": plan.uncovered_projects,
    });
    text.to_string()
}

fn describe_verdict(check: &CheckResult) -> Value {
    let reason = match check.outcome {
        CheckOutcome::Attested | CheckOutcome::Skipped => Some(&check.evidence),
        CheckOutcome::Passed
        | CheckOutcome::Warning
        | CheckOutcome::Failed
        | CheckOutcome::Unknown => None,
    };
    json!([check.name, check.subject, check.outcome, reason])
}

/// The targets by what they are, not by their names alone: a Deployment that was made anew is another one.
fn list_uids(cx: &Context<'_>) -> Vec<Value> {
    let targets = cx.observed.targets.iter();
    let mut uids: Vec<Value> = targets
        .map(|facts| {
            let deployment = facts.deployment.known().and_then(Option::as_ref);
            json!([facts.name, deployment.map(|known| &known.uid)])
        })
        .collect();
    uids.sort_by_key(Value::to_string);
    uids
}

/// Under another name, of a mirror for instance, a version is the same.
fn list_versions(cx: &Context<'_>) -> Vec<String> {
    let images = read_source_images(cx).into_iter();
    let mut versions: Vec<String> = images
        .map(|image| find_source_version(cx, &image).map_or(image, |version| version.to_string()))
        .collect();
    versions.sort();
    versions.dedup();
    versions
}
