//! The image of before the upgrade on the nodes: held there from before anything is stopped, and asked for before a
//! rollback stops anything. Pure.
//!
//! Nodes throw away images that nothing runs, and registries those that nobody asks for: a rollback that finds it out
//! when the old version shall start has OMS down until somebody brings the image back.
use crate::api::{
    AcceptReason, Acceptance, CheckName, CheckPolicy, JobRole, OmsUpgradeStatus, Reason,
    TargetOriginal,
};
use crate::facts::PrePullState;
use crate::objects::names::old_pull_name;
use crate::objects::prepull::{AfterPull, Pull};
use crate::upgrade::context::Context;
use crate::upgrade::effect::Effect;
use crate::upgrade::next::{Failure, Next, require_known};
use crate::upgrade::parts::abandonment::describe_release;
use crate::upgrade::parts::acceptance::{describe_acceptance, is_accepted};
use crate::upgrade::parts::originals::find_texts;
use crate::upgrade::parts::pods::is_placed;
use crate::upgrade::parts::policy::find_check;
use crate::upgrade::parts::start::PULL_PATIENCE;

/// Which time it is that the step looks: that of the Job which looks for the backup beside it. A pod of an earlier one
/// proves nothing of today.
pub(crate) fn find_round(status: &OmsUpgradeStatus) -> i32 {
    let mut jobs = status.internal.jobs.iter();
    jobs.find(|job| job.role == JobRole::Verify)
        .map_or(1, |job| job.attempt)
}

/// The round of the pods that hold the image; those that ask whether it can be had begin with 1.
pub(crate) const HOLDING_ROUND: i32 = 0;

/// Has a pod hold the image on each node that something runs on. The image is there, so nothing is waited for, and a
/// pod that was driven away is not made again: a rollback asks anew anyway.
pub(crate) fn hold_old_images(cx: &Context<'_>) -> Result<(), Next> {
    for (original, state) in list_due(cx)? {
        match state {
            PrePullState::Absent => {
                let policy = "IfNotPresent".to_owned();
                return Err(make_pull(
                    cx,
                    original,
                    HOLDING_ROUND,
                    policy,
                    AfterPull::Stay,
                ));
            }
            PrePullState::Unknown(why) => {
                return Err(Next::trouble(2, Reason::PrePullUnseen, why.as_str()));
            }
            PrePullState::Pending
            | PrePullState::Pulled
            | PrePullState::Failed(_)
            | PrePullState::NotStarted(_) => {}
        }
    }
    Ok(())
}

/// Has the image pulled on each node that something runs on, with the policy of the original template.
pub(crate) fn pull_old_images(cx: &Context<'_>) -> Result<(), Next> {
    for (original, state) in list_due(cx)? {
        if *state == PrePullState::Absent {
            return Err(ask_for_image(cx, original));
        }
    }
    Ok(())
}

/// Waits until it is on each of them.
pub(crate) fn require_old_images(cx: &Context<'_>) -> Result<(), Next> {
    let mut pending = None;
    for (original, state) in list_due(cx)? {
        match state {
            PrePullState::Pulled => {}
            PrePullState::Failed(reason) => return Err(describe_failed(original, reason)),
            PrePullState::NotStarted(reason) => {
                let reason = format!("the node did not take the pod that pulls it: {reason}");
                return Err(describe_failed(original, &reason));
            }
            PrePullState::Unknown(why) => {
                return Err(Next::trouble(2, Reason::PrePullUnseen, why.as_str()));
            }
            PrePullState::Absent => return Err(ask_for_image(cx, original)),
            PrePullState::Pending => pending = Some(original),
        }
    }
    match pending {
        None => Ok(()),
        Some(original) => Err(await_pull(cx, original)),
    }
}

/// Targets with something to stop, and how far their pull is. Where nothing runs, nothing is stopped, and no pod tells
/// on which node it would be. Who cannot have pods that pull has said so of the new image.
fn list_due<'a>(cx: &'a Context<'_>) -> Result<Vec<(&'a TargetOriginal, &'a PrePullState)>, Next> {
    let check = find_check(cx, CheckName::ImagePullable);
    if check.is_some_and(|check| check.policy == CheckPolicy::Skip) {
        return Ok(Vec::new());
    }
    let originals = cx.originals();
    let mut due = Vec::new();
    for original in originals.into_iter().flat_map(|all| &all.targets) {
        let mut targets = cx.observed.targets.iter();
        let Some(facts) = targets.find(|facts| facts.name == original.name) else {
            continue;
        };
        let pods = require_known(&facts.pods, 2, Reason::PodsUnseen)?;
        let runs = pods.iter().any(is_placed);
        let accepted = is_accepted(cx, AcceptReason::OldImageNotPulled, &name_pull(original));
        let mut pulls = cx.observed.old_pulls.iter();
        let pull = pulls.find(|pull| pull.target == original.name);
        if let Some(pull) = pull.filter(|_| runs && !accepted) {
            due.push((original, &pull.state));
        }
    }
    Ok(due)
}

/// Asks as the old version itself would be asked for.
fn ask_for_image(cx: &Context<'_>, original: &TargetOriginal) -> Next {
    let texts = match find_texts(cx, &original.name) {
        Ok(texts) => texts,
        Err(next) => return next,
    };
    let policy = texts.read_pull_policy(&original.container);
    let policy = policy.unwrap_or_else(|| "IfNotPresent".into());
    make_pull(cx, original, find_round(cx.status), policy, AfterPull::End)
}

fn make_pull(
    cx: &Context<'_>,
    original: &TargetOriginal,
    round: i32,
    policy: String,
    after: AfterPull,
) -> Next {
    Next::Do(Effect::CreateOldPull {
        target: original.name.clone(),
        pull: Pull {
            name: old_pull_name(cx.marks(), &original.name, &original.image, round),
            image: original.image.clone(),
            policy,
            after,
        },
    })
}

fn name_pull(original: &TargetOriginal) -> String {
    format!("{}/{}", original.name, original.image)
}

fn await_pull(cx: &Context<'_>, original: &TargetOriginal) -> Next {
    if cx.count_step_seconds().unwrap_or(0) < PULL_PATIENCE {
        return Next::watch();
    }
    let TargetOriginal { name, image, .. } = original;
    Next::trouble(
        5,
        Reason::OldImageNotPulled,
        format!(
            "{image}, which ran before the upgrade, is being pulled on the node of Deployment {name}; nothing is stopped before it is there"
        ),
    )
}

fn describe_failed(original: &TargetOriginal, reason: &str) -> Next {
    let TargetOriginal { name, image, .. } = original;
    let accept = Acceptance {
        reason: AcceptReason::OldImageNotPulled,
        value: name_pull(original),
    };
    let message = format!(
        "{image}, which ran before the upgrade, cannot be pulled on the node of Deployment {name} ({reason}), and the old version could not be started \
         there; so nothing was stopped for this rollback, and nothing of OMS, HA or the databases was changed; bring the image back into its registry \
         (imagePullSecrets and the node's way there count as well), then write a new spec.retryRequest, which pulls again; to stop OMS and go \
         back nevertheless: {}; or {release}, and what runs stays",
        describe_acceptance(&accept),
        release = describe_release()
    );
    let failure = Failure::with_advice(Reason::OldImageNotPulled, message);
    Next::Fail(failure.with_acceptance(vec![accept]))
}
