//! Which version a pod is: judged by the template that it was made from. Pure.
//!
//! The text of its own image says little: mirrors and webhooks rewrite it. The id of the image that runs counts against
//! a pod and never for it: the same image has one id by one name and another by the next.
use crate::api::Reason;
use crate::facts::{Fact, PodFacts};
use crate::objects::deployment::is_paused;
use crate::objects::replica_set::is_same_template;
use crate::upgrade::context::Context;
use crate::upgrade::next::Next;
use crate::upgrade::parts::pausing::wait_for_resumption;
use crate::upgrade::parts::targets::Target;
use serde_json::Value;

/// Whether a pod was made from the Deployment's present template. One without a ReplicaSet was not.
pub(crate) fn is_current(deployment: &Value, pod: &PodFacts) -> Fact<bool> {
    match &pod.template {
        Fact::Unknown(reason) => Fact::Unknown(reason.clone()),
        Fact::Known(template) => Fact::Known(
            template
                .as_ref()
                .zip(deployment.pointer("/spec/template"))
                .is_some_and(|(one, other)| is_same_template(one, other)),
        ),
    }
}

/// Waits until the pod is one of the Deployment's present template.
pub(crate) fn require_current(target: &Target<'_>, pod: &PodFacts) -> Result<(), Next> {
    let object = &target.deployment.object;
    let (pod_name, name) = (&pod.name, &target.original.name);
    match is_current(object, pod) {
        Fact::Known(true) => Ok(()),
        Fact::Known(false) => {
            wait_for_resumption(object)?;
            Err(Next::trouble(
                5,
                Reason::FormerPod,
                format!(
                    "pod {pod_name} was made from another template than Deployment {name} has now, and is not replaced yet"
                ),
            ))
        }
        Fact::Unknown(reason) => Err(describe_unseen(target, &reason)),
    }
}

/// Whether a target that was started may have run, or may still run, another template than the one that was written to
/// it. A container of one that has run says so, also on its way out. So does a pause before there is a pod of the
/// written template: it may have come between our write and the look of the Deployment controller, which scales up a
/// former one then.
pub(crate) fn find_doubt(target: &Target<'_>) -> Fact<bool> {
    let object = &target.deployment.object;
    let (mut came, mut unseen) = (false, None);
    for pod in target.pods {
        match is_current(object, pod) {
            Fact::Known(true) => came = true,
            Fact::Known(false) if pod.container.id.is_empty() => {}
            Fact::Known(false) => return Fact::Known(true),
            Fact::Unknown(reason) => unseen = Some(reason),
        }
    }
    match unseen {
        Some(reason) => Fact::Unknown(reason),
        None => Fact::Known(is_paused(object) && !came),
    }
}

/// Waits until it can be seen what a pod was made from.
pub(crate) fn describe_unseen(target: &Target<'_>, reason: &str) -> Next {
    Next::trouble(
        2,
        Reason::ReplicaSetUnseen,
        format!(
            "a ReplicaSet of Deployment {} cannot be read, so it is not known which of its templates runs: {reason}",
            target.original.name
        ),
    )
}

/// Fails where the image of before the upgrade runs under the new one's name. Preflight refuses two names of one image,
/// as far as it sees both; so it was led there since, or the check was skipped.
pub(crate) fn refuse_old_image(
    cx: &Context<'_>,
    target: &Target<'_>,
    pod: &PodFacts,
) -> Result<(), Next> {
    let old = target.original.image_id.as_deref().unwrap_or_default();
    if old.is_empty() || pod.container.image_id != old {
        return Ok(());
    }
    Err(Next::fail(
        Reason::OldImageRuns,
        format!(
            "pod {} runs {old}, the very image that ran before the upgrade, although {} was asked for: that name leads to the old image \
             (a tag that was moved or copied, a registry mirror, a webhook that rewrites images), so the new version was not started; \
             let it name the new image",
            pod.name, cx.spec.image
        ),
    ))
}
