//! The new image: on every node, another one than runs, of a version that the running one may become. Pure.
use crate::api::{CheckName, CheckPolicy, Reason};
use crate::facts::{PrePullFacts, PrePullState};
use crate::oms::version::{is_upgrade_supported, parse_image_version};
use crate::upgrade::context::Context;
use crate::upgrade::effect::Effect;
use crate::upgrade::next::Next;
use crate::upgrade::parts::pods::is_placed;
use crate::upgrade::parts::source::read_source_image;
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
    let Some(target) = parse_image_version(image) else {
        return Verdict::unseen(
            format!("no version can be read from {image}"),
            "name one in the tag of spec.image",
        );
    };
    if let Err(verdict) = require_deployment(cx, index) {
        return verdict;
    }
    let Some(source) = read_source_image(cx, index) else {
        return Verdict::not_made(&name_target(cx, index));
    };
    match parse_image_version(&source) {
        None => Verdict::unseen(
            format!("no version can be read from the running image {source}"),
            "find out which version runs",
        ),
        Some(version) if !is_upgrade_supported(version, target) => Verdict::failed(
            format!("OMS does not support an upgrade from {version} to {target}"),
            "supported sources of 4.0.0 are 3.2.2, 3.3.0 and 3.3.1: upgrade to one of them first, or correct spec.image",
        ),
        Some(version) => Verdict::passed(format!("from {version} to {target}")),
    }
}
