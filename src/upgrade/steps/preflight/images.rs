//! The new image: on every node, another one than runs, of a version that the running one may become. Pure.
use crate::api::{CheckName, CheckPolicy, Reason};
use crate::facts::{PrePullState, TargetFacts};
use crate::oms::version::{is_upgrade_supported, parse_image_version};
use crate::upgrade::context::Context;
use crate::upgrade::effect::Effect;
use crate::upgrade::next::Next;
use crate::upgrade::parts::source::read_source_images;
use crate::upgrade::steps::preflight::check::{CheckId, Verdict, find_policy};

pub(crate) fn pull_images(cx: &Context<'_>) -> Result<(), Next> {
    if find_policy(cx, CheckId::Named(CheckName::ImagePullable)) == CheckPolicy::Skip {
        return Ok(());
    }
    let mut pulls = cx.observed.prepulls.iter();
    pulls.try_for_each(|pull| match &pull.state {
        PrePullState::Absent => Err(Next::Do(Effect::CreatePrePull {
            target: pull.target.clone(),
        })),
        PrePullState::Pending => Err(Next::watch()),
        PrePullState::Unknown(why) => Err(Next::trouble(2, Reason::PrePullUnseen, why.as_str())),
        PrePullState::Pulled | PrePullState::Failed(_) => Ok(()),
    })
}

pub(crate) fn judge_pulls(cx: &Context<'_>) -> Verdict {
    let failed: Vec<String> = cx
        .observed
        .prepulls
        .iter()
        .filter_map(|pull| match &pull.state {
            PrePullState::Failed(reason) => Some(format!("{} ({reason})", pull.target)),
            _ => None,
        })
        .collect();
    if let Some(target) = find_same_image(cx) {
        Verdict::Failed(format!(
            "spec.image {} is the image that Deployment {target} runs already, under another name; there is nothing to upgrade: see where the name leads",
            cx.spec.image
        ))
    } else if failed.is_empty() {
        Verdict::Passed(format!("{} is on every node", cx.spec.image))
    } else {
        Verdict::Failed(format!(
            "spec.image {} cannot be pulled on the node of {}; check the name, and imagePullSecrets of the Deployment's pod",
            cx.spec.image,
            failed.join(", ")
        ))
    }
}

/// A target whose running image is the very one that was pulled for the upgrade. Two ids that differ say nothing: an
/// image has one by each way it came to the node.
fn find_same_image<'a>(cx: &Context<'a>) -> Option<&'a str> {
    let pulled = |facts: &TargetFacts| {
        let pull = cx
            .observed
            .prepulls
            .iter()
            .find(|pull| pull.target == facts.name);
        pull.and_then(|pull| pull.image_id.as_deref())
    };
    let is_same = |facts: &&TargetFacts| {
        let pods = facts.pods.known().map(Vec::as_slice).unwrap_or_default();
        pods.iter().any(|pod| {
            pod.container.running && Some(pod.container.image_id.as_str()) == pulled(facts)
        })
    };
    let found = cx.observed.targets.iter().find(is_same)?;
    Some(&found.name)
}

pub(crate) fn judge_versions(cx: &Context<'_>) -> Verdict {
    let Some(target) = parse_image_version(&cx.spec.image) else {
        return Verdict::Unseen(format!(
            "spec.image: no version can be read from {}",
            cx.spec.image
        ));
    };
    for source in read_source_images(cx) {
        match parse_image_version(&source) {
            None => {
                return Verdict::Unseen(format!(
                    "no version can be read from the running image {source}"
                ));
            }
            Some(version) if !is_upgrade_supported(version, target) => {
                return Verdict::Failed(format!(
                    "OMS does not support an upgrade from {version} to {target}; supported sources of 4.0.0 are 3.2.2, 3.3.0 and 3.3.1"
                ));
            }
            Some(_) => {}
        }
    }
    Verdict::Passed(format!("to {target}"))
}
