//! The old version starts on databases that suit it. Pure.
use crate::api::{AcceptReason, Acceptance, Direction, Phase, Reason, Step};
use crate::facts::{CopyNeed, Needs};
use crate::objects::deployment::{TemplateKind, read_replicas};
use crate::objects::target_change::{OldStartProof, TargetChange};
use crate::upgrade::context::Context;
use crate::upgrade::next::{Failure, Next};
use crate::upgrade::parts::acceptance::{describe_acceptance, is_accepted};
use crate::upgrade::parts::departure::require_same_metadb;
use crate::upgrade::parts::last_look::require_same_schema;
use crate::upgrade::parts::late_writes::may_write_late;
use crate::upgrade::parts::other_image::require_accepted_image;
use crate::upgrade::parts::pods::find_running_pod;
use crate::upgrade::parts::services::{await_services, revive_console};
use crate::upgrade::parts::start::bring_up;
use crate::upgrade::parts::targets::{Target, read_targets};
use crate::upgrade::steps::def::{HaStage, Limit, OnFailure, StepDef};

/// What there is to know about this step.
pub(crate) const DEF: StepDef = StepDef {
    step: Step::StartingOld,
    words: "starting the old version",
    phase: Phase::Starting,
    limit: Some(Limit::Health),
    job: None,
    looks: |status| Needs {
        fingerprint: status.direction == Some(Direction::Abort)
            && status.internal.fingerprint.is_some(),
        templates: true,
        programs: true,
        health: true,
        originals: CopyNeed::WhereMissing,
        ..Needs::default()
    },
    ha: HaStage::TakenBack,
    failure: OnFailure::Stalls,
    retries: &[
        // Once the old version may run and write again, nothing is compared or restored any more.
        (Reason::LockLost, Step::Fencing),
        (Reason::TargetContended, Step::StoppingNew),
        (Reason::ContentUnproven, Step::StoppingNew),
    ],
    leads_to: &[Step::EnablingHa, Step::StoppingNew, Step::Settling],
    decide: |cx, _| decide(cx),
};

/// The old image on databases that suit it.
fn decide(cx: &Context<'_>) -> Result<Step, Next> {
    if cx.originals().is_none() {
        return Ok(Step::Settling);
    }
    // A rollback compares with the backup; an abort has nothing to compare with, or may not go back to it any more.
    let abort = cx.status.direction == Some(Direction::Abort);
    let seen = cx.status.internal.other_image.as_ref();
    if let Some(seen) = seen.filter(|_| abort && cx.status.internal.content_proof.is_none()) {
        require_accepted_image(cx, seen)?;
        return Ok(Step::StoppingNew);
    }
    let Some(proof) = OldStartProof::from_status(cx.status) else {
        return Err(Next::Stall(Failure::with_advice(
            Reason::ContentUnproven,
            "the new version was started and the content of the databases is not proven to suit the old image; write a new spec.retryRequest to compare it again",
        )));
    };
    // An abort that comes before OMS was stopped leaves the Deployments alone, and whatever their owner has made of
    // them since.
    let written = !abort || may_write_late(cx);
    // A version that runs may alter its schema itself.
    if is_all_stopped(cx)? {
        require_same_metadb(cx)?;
        if abort {
            require_same_schema(cx)?;
        }
    }
    let targets = if written {
        bring_up(cx, TemplateKind::Old, &TargetChange::StartOld(proof))?
    } else {
        read_targets(cx)?
    };
    revive_console(cx)?;
    await_services(cx, &targets)?;
    if written {
        targets
            .iter()
            .try_for_each(|target| require_old_image(cx, target))?;
    }
    Ok(Step::EnablingHa)
}

/// Nothing was started yet.
fn is_all_stopped(cx: &Context<'_>) -> Result<bool, Next> {
    let targets = read_targets(cx)?;
    let mut objects = targets.iter().map(|target| &target.deployment.object);
    Ok(objects.all(|object| read_replicas(object) == 0))
}

/// The pod runs the image that ran before the upgrade, and not only one of its name.
fn require_old_image(cx: &Context<'_>, target: &Target<'_>) -> Result<(), Next> {
    let pod = find_running_pod(target).map_err(|_| Next::watch())?;
    let runs = &pod.container.image_id;
    match &target.original.image_id {
        Some(wanted) if runs != wanted && !is_accepted(cx, AcceptReason::ImageDiffers, runs) => {
            let accept = Acceptance {
                reason: AcceptReason::ImageDiffers,
                value: runs.clone(),
            };
            let failure = Failure::with_advice(
                Reason::ImageDiffers,
                format!(
                    "{} runs {runs} although {wanted} ran before under the same name: the tag was moved; the data is that of before the upgrade; \
                     let the tag name the old image again, delete the pod, and write a new spec.retryRequest; or, where you know that image, take it \
                     upon you: {}",
                    target.original.name,
                    describe_acceptance(&accept)
                ),
            );
            Err(Next::Fail(failure.with_acceptance(vec![accept])))
        }
        _ => Ok(()),
    }
}
