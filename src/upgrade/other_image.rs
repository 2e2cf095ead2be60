//! Another image than the original's that somebody else starts while OMS is stopped for the backup. Pure.
//!
//! What it made of the databases is not known, so the old version does not suit them by itself any more. With a
//! verified backup that is what a rollback is for. Without one nothing can prove it, and a person is asked.
use crate::api::{Direction, OmsUpgradeStatus, OtherImage, Step, TargetOriginal};
use crate::facts::{DeploymentFacts, PodFacts, TargetFacts};
use crate::objects::deployment::{find_last_writer, read_image, read_replicas};
use crate::upgrade::context::Context;
use crate::upgrade::effect::IntentKind;
use crate::upgrade::parts::late_writes::may_write_late;
use crate::upgrade::parts::other_image::{describe_other_image, is_backup_verified};
use crate::upgrade::transition::{fail, turn_back};
use serde_json::{Value, json};

/// Longest image that is remembered, in characters.
const IMAGE_MAX: usize = 200;

/// Remembers that another image was started, and leads to the way back that suits it. True when the draft must be
/// recorded before anything else.
pub(crate) fn note_other_image(cx: &Context<'_>, draft: &mut OmsUpgradeStatus) -> bool {
    if !is_watched(cx, draft) {
        return false;
    }
    if let Some(seen) = draft.internal.other_image.clone() {
        // It is told again after a retry: nothing goes forward from here.
        let forward = draft.direction == Some(Direction::Forward);
        if forward {
            fail(cx, draft, describe_other_image(&seen, "somebody else"));
        }
        return forward;
    }
    let mut targets = cx.observed.targets.iter();
    let Some((seen, who)) = targets.find_map(|facts| find_other(cx, facts)) else {
        return false;
    };
    let failure = describe_other_image(&seen, &who);
    draft.internal.other_image = Some(seen);
    match (draft.direction, draft.cause.clone()) {
        // The old version may have run and written since the backup: see the step itself.
        (Some(Direction::Abort), _) if draft.step == Some(Step::StartingOld) => {}
        (Some(Direction::Abort), Some(cause)) if is_backup_verified(draft) => {
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

/// A target that asks for pods of another image, or has one that ran; and who wrote it last.
fn find_other(cx: &Context<'_>, facts: &TargetFacts) -> Option<(OtherImage, String)> {
    let original = cx.original(&facts.name)?;
    let deployment = facts.deployment.known()?.as_ref()?;
    let pods = facts.pods.known().map_or(&[][..], Vec::as_slice);
    let image = find_image_that_ran(original, pods)
        .or_else(|| find_image_asked_for(original, deployment))?;
    let who = find_last_writer(&deployment.object).unwrap_or_else(|| "an unknown writer".into());
    let seen = OtherImage {
        target: facts.name.clone(),
        image: image.chars().take(IMAGE_MAX).collect(),
        seen_time: cx.now.clone(),
    };
    Some((seen, who))
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
            let written = find_other_image(original, &json!({"spec": {"template": template}}))?;
            let pulled = pod.container.image_id.clone();
            Some(if pulled.is_empty() { written } else { pulled })
        })
}

fn find_other_image(original: &TargetOriginal, object: &Value) -> Option<String> {
    let image = read_image(object, &original.container)?;
    (image != original.image).then(|| image.to_owned())
}
