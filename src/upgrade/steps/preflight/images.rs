//! The new image: on every node, another one than runs, of a version that the running one may become. Pure.
use crate::api::{CheckName, CheckPolicy, Reason};
use crate::facts::{PrePullFacts, PrePullState};
use crate::oms::version::{
    OmsVersion, UPGRADE_PATHS, is_upgrade_supported, list_sources, parse_image_version,
    parse_version,
};
use crate::upgrade::context::Context;
use crate::upgrade::effect::Effect;
use crate::upgrade::next::Next;
use crate::upgrade::parts::pods::is_placed;
use crate::upgrade::parts::source::{find_source_version, find_target_version, read_source_image};
use crate::upgrade::steps::preflight::check::CheckId;
use crate::upgrade::steps::preflight::targets::{name_target, require_deployment};
use crate::upgrade::steps::preflight::verdict::{Verdict, find_policy};

/// Pulls on every node that is known. `Do` goes before waiting: the pulls go on side by side.
pub(crate) fn pull_images(cx: &Context<'_>) -> Result<(), Next> {
    if find_policy(cx, CheckId::Named(CheckName::ImagePullable)) == CheckPolicy::Skip {
        return Ok(());
    }
    let pulls = || (0..cx.spec.targets.len()).filter_map(|index| find_pull(cx, index));
    let absent = pulls().find(|pull| pull.state == PrePullState::Absent);
    if let Some(pull) = absent {
        return Err(Next::Do(Effect::CreatePrePull {
            target: pull.target.clone(),
        }));
    }
    pulls().try_for_each(|pull| match &pull.state {
        PrePullState::Pending => Err(Next::watch()),
        PrePullState::Unknown(why) => Err(Next::trouble(2, Reason::PrePullUnseen, why.as_str())),
        PrePullState::Absent
        | PrePullState::Pulled
        | PrePullState::Failed(_)
        | PrePullState::NotStarted(_) => Ok(()),
    })
}

/// The pull for a target, where a pod tells on which node.
fn find_pull<'a>(cx: &Context<'a>, index: usize) -> Option<&'a PrePullFacts> {
    let facts = cx.observed.targets.get(index)?;
    let pods = facts.pods.known()?;
    let placed = pods.iter().any(is_placed);
    let mut pulls = cx.observed.prepulls.iter();
    pulls.find(|pull| placed && pull.target == facts.name)
}

pub(crate) fn judge_pull(cx: &Context<'_>, index: usize) -> Verdict {
    let image = &cx.spec.image;
    let Some(pull) = find_pull(cx, index) else {
        return Verdict::not_made(&name_target(cx, index));
    };
    let target = &pull.target;
    if is_same_image(cx, index, pull) {
        return Verdict::failed(
            format!(
                "{image} is the image that Deployment {target} runs already, under another name; there is nothing to upgrade"
            ),
            "see where the name leads, and correct spec.image",
        );
    }
    match &pull.state {
        PrePullState::Pulled => Verdict::passed(format!("{image} is on the node of {target}")),
        PrePullState::Failed(reason) => Verdict::failed(
            format!("{image} cannot be pulled on the node of {target} ({reason})"),
            "check spec.image, and imagePullSecrets of the Deployment's pod",
        ),
        PrePullState::NotStarted(reason) => Verdict::failed(
            format!(
                "the pod that pulls {image} was not taken by the node of {target} ({reason}), so nothing was asked of a registry"
            ),
            "make room on that node, or lower jobs.resources of the chart",
        ),
        PrePullState::Absent | PrePullState::Pending => Verdict::unseen(
            format!("{image} was not pulled yet on the node of {target}"),
            "see the pre-pull pod",
        ),
        PrePullState::Unknown(reason) => Verdict::unread(reason.as_str()),
    }
}

/// Whether the image that a target runs is the very one that was pulled for the upgrade. Two ids that differ say
/// nothing: an image has one by each way it came to the node.
fn is_same_image(cx: &Context<'_>, index: usize, pull: &PrePullFacts) -> bool {
    let pods = cx.observed.targets[index].pods.known();
    let mut pods = pods.into_iter().flatten();
    pull.image_id.as_deref().is_some_and(|pulled| {
        pods.any(|pod| pod.container.running && pod.container.image_id == pulled)
    })
}

pub(crate) fn judge_version(cx: &Context<'_>, index: usize) -> Verdict {
    let image = &cx.spec.image;
    let told = |field: &str, text: &Option<String>, found: &str| {
        let told = text.as_deref().and_then(parse_version)?;
        let tagged = parse_image_version(found)?;
        (told.release() != tagged.release()).then(|| {
            Verdict::failed(
                format!("{field} says {told}, and {found} is {tagged}"),
                format!("correct {field}, or leave it out: it counts where a tag says nothing"),
            )
        })
    };
    if let Some(verdict) = told("spec.targetVersion", &cx.spec.target_version, image) {
        return verdict;
    }
    let Some(target) = find_target_version(cx) else {
        return Verdict::unseen(
            format!("no version can be read from {image}"),
            "name one in the tag of spec.image, or in spec.targetVersion",
        );
    };
    if let Err(verdict) = require_deployment(cx, index) {
        return verdict;
    }
    let Some(source) = read_source_image(cx, index) else {
        return Verdict::not_made(&name_target(cx, index));
    };
    if let Some(verdict) = told("spec.sourceVersion", &cx.spec.source_version, &source) {
        return verdict;
    }
    match find_source_version(cx, &source) {
        None => Verdict::unseen(
            format!("no version can be read from the running image {source}"),
            "find out which version runs, and name it in spec.sourceVersion",
        ),
        Some(version) if !is_upgrade_supported(version, target) => Verdict::failed(
            format!("OMS does not support an upgrade from {version} to {target}"),
            advise_on_path(target),
        ),
        Some(version) => Verdict::passed(format!("from {version} to {target}")),
    }
}

/// What is supported instead.
fn advise_on_path(target: OmsVersion) -> String {
    let name = |versions: &mut dyn Iterator<Item = OmsVersion>| {
        let names: Vec<String> = versions.map(|one| one.to_string()).collect();
        names.join(", ")
    };
    let sources = list_sources(target);
    if sources.is_empty() {
        let targets = name(&mut UPGRADE_PATHS.iter().map(|(target, _)| *target));
        return format!(
            "no guide describes this procedure for {target}; versions that it leads to are {targets}: correct spec.image"
        );
    }
    format!(
        "supported sources of {target} are {}: upgrade to one of them first, or correct spec.image",
        name(&mut sources.iter().copied())
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{OmsUpgradeSpec, OmsUpgradeStatus};
    use crate::facts::{DeploymentFacts, Fact, Observed, TargetFacts};
    use crate::upgrade::ObjectFacts;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
    use serde_json::json;

    fn judge(running: &str, image: &str, source: Option<&str>, target: Option<&str>) -> String {
        let spec: OmsUpgradeSpec = serde_json::from_value(json!({
            "targets": [{"name": "oms"}], "image": image, "backup": {"claimName": "c"},
            "sourceVersion": source, "targetVersion": target
        }))
        .unwrap();
        let container = json!({"name": "oms", "image": running});
        let observed = Observed {
            targets: vec![TargetFacts {
                name: "oms".into(),
                deployment: Fact::Known(Some(DeploymentFacts {
                    uid: "d".into(),
                    resource_version: "1".into(),
                    object: json!({"spec": {"template": {"spec": {"containers": [container]}}}}),
                })),
                ..TargetFacts::default()
            }],
            ..Observed::default()
        };
        let cx = Context {
            now: Time(k8s_openapi::jiff::Timestamp::UNIX_EPOCH),
            object: &ObjectFacts::default(),
            spec: &spec,
            status: &OmsUpgradeStatus::default(),
            observed: &observed,
        };
        format!("{:?}", judge_version(&cx, 0))
    }

    /// What a tag tells counts; what it does not tell, the spec says; and where both speak, they agree.
    #[test]
    fn versions_come_from_tags_and_from_the_spec() {
        let digest = "r/oms@sha256:00";
        for (running, image, source, target, found) in [
            ("oms:3.3.1-ce", "oms:4.0.0-ce", None, None, "Passed"),
            (
                "oms:feature_3.3.0-bp1",
                "oms:4.0.0",
                None,
                None,
                "from 3.3.0-CE_BP1 to 4.0.0-CE",
            ),
            ("oms:4.0.0-ce", "oms:4.1.0-ce", None, None, "Passed"),
            (digest, "oms:4.0.0-ce", None, None, "spec.sourceVersion"),
            (digest, "oms:4.0.0-ce", Some("3.2.2"), None, "Passed"),
            ("oms:3.3.1-ce", digest, None, None, "spec.targetVersion"),
            (
                "oms:3.3.1-ce",
                digest,
                None,
                Some("4.1.0"),
                "from 3.3.1-CE to 4.1.0-CE",
            ),
            (
                "oms:3.3.1-ce",
                "oms:4.0.0-ce",
                Some("3.2.2"),
                None,
                "spec.sourceVersion says 3.2.2-CE, and oms:3.3.1-ce is 3.3.1-CE",
            ),
            (
                "oms:3.3.1-ce",
                "oms:4.0.0-ce",
                None,
                Some("4.1.0"),
                "spec.targetVersion says 4.1.0-CE",
            ),
            (
                "oms:3.3.1-ce",
                "oms:4.0.0-ce",
                Some("3.3.1"),
                Some("4.0.0_BP1"),
                "Passed",
            ),
            (
                "oms:4.0.0-ce",
                "oms:4.0.0_bp1",
                None,
                None,
                "supported sources of 4.0.0-CE_BP1 are 3.2.2-CE, 3.3.0-CE, 3.3.1-CE",
            ),
            (
                "oms:4.1.0-ce",
                "oms:4.1.1-ce",
                None,
                None,
                "versions that it leads to are 4.0.0-CE, 4.1.0-CE",
            ),
        ] {
            let verdict = judge(running, image, source, target);
            assert!(verdict.contains(found), "{running} {image}: {verdict}");
        }
    }
}
