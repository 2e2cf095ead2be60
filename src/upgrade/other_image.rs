//! Another image than the original's that somebody else starts while OMS is stopped for the backup. Pure.
//!
//! What it made of the databases is not known, so the old version does not suit them by itself any more. With a
//! verified backup that is what a rollback is for: it counts as the line. Without one nothing can prove it, and a
//! person is asked.
use crate::api::{Direction, OmsUpgradeStatus, Step, TargetOriginal};
use crate::facts::{DeploymentFacts, PodFacts, TargetFacts};
use crate::objects::deployment::{find_container, read_replicas};
use crate::upgrade::context::Context;
use crate::upgrade::effect::IntentKind;
use crate::upgrade::next::Failure;
use crate::upgrade::parts::late_writes::may_write_late;
use crate::upgrade::parts::other_image::describe_other_image;
use crate::upgrade::transition::{fail, turn_back};
use serde_json::{Value, json};

/// Remembers that another image was started, and leads to the way back that suits it. True when the draft must be
/// recorded before anything else.
pub(crate) fn note_other_image(cx: &Context<'_>, draft: &mut OmsUpgradeStatus) -> bool {
    if draft.internal.other_image_seen_time.is_some() || !is_watched(cx, draft) {
        return false;
    }
    let mut targets = cx.observed.targets.iter();
    let Some(failure) = targets.find_map(|facts| find_other(cx, facts)) else {
        return false;
    };
    draft.internal.other_image_seen_time = Some(cx.now.clone());
    if draft.step == Some(Step::StartingOld) {
        // The old version may have run and written since the backup.
        return true;
    }
    let verified = draft.backup.as_ref().is_some_and(|backup| backup.verified);
    if verified {
        draft.point_of_no_return_time = Some(cx.now.clone());
    }
    match (draft.direction, draft.cause.clone()) {
        (Some(Direction::Abort), Some(cause)) if verified => {
            turn_back(cx, draft, Direction::RollBack, cause);
        }
        (Some(Direction::Abort), _) => {}
        _ => fail(cx, draft, failure),
    }
    true
}

/// Whether OMS is stopped by us, or being stopped, and its old version was not started again.
fn is_watched(cx: &Context<'_>, draft: &OmsUpgradeStatus) -> bool {
    let begun = draft.internal.intent.as_ref().and_then(IntentKind::read);
    let stopped = match (draft.direction, draft.step) {
        (
            Some(Direction::Forward),
            Some(Step::StoppingOld | Step::BackingUp | Step::VerifyingBackup),
        )
        | (Some(Direction::Abort), Some(Step::StoppingJobs | Step::Fencing)) => true,
        (Some(Direction::Abort), Some(Step::StartingOld)) => begun != Some(IntentKind::StartOld),
        _ => false,
    };
    stopped
        && draft.stall.is_none()
        && draft.point_of_no_return_time.is_none()
        && may_write_late(cx)
}

/// What is said of a target that asks for pods of another image, or has one that ran.
fn find_other(cx: &Context<'_>, facts: &TargetFacts) -> Option<Failure> {
    let original = cx.original(&facts.name)?;
    let deployment = facts.deployment.known()?.as_ref()?;
    let image = find_image_asked_for(original, deployment)
        .or_else(|| find_image_that_ran(original, facts.pods.known()?))?;
    Some(describe_other_image(deployment, original, &image))
}

fn find_image_asked_for(original: &TargetOriginal, deployment: &DeploymentFacts) -> Option<String> {
    let object = &deployment.object;
    (deployment.uid == original.uid && read_replicas(object) > 0)
        .then(|| find_other_image(original, object))?
}

fn find_image_that_ran(original: &TargetOriginal, pods: &[PodFacts]) -> Option<String> {
    pods.iter()
        .filter(|pod| !pod.container.id.is_empty())
        .find_map(|pod| {
            let template = pod.template.known()?.as_ref()?;
            find_other_image(original, &json!({"spec": {"template": template}}))
        })
}

fn find_other_image(original: &TargetOriginal, object: &Value) -> Option<String> {
    let image = find_container(object, &original.container)?
        .get("image")?
        .as_str()?;
    (image != original.image).then(|| image.to_owned())
}
