//! What follows from another image that somebody started while OMS was stopped for the backup. Pure.
use crate::api::{
    AcceptReason, Acceptance, OmsUpgradeStatus, OtherImage, RELEASE_ANNOTATION, RELEASE_VALUE,
    Reason,
};
use crate::upgrade::context::Context;
use crate::upgrade::next::{Failure, Next};
use crate::upgrade::parts::acceptance::{describe_acceptance, is_accepted};

/// Whether there is a backup that the databases can be compared with, and restored from.
pub(crate) fn is_backup_verified(status: &OmsUpgradeStatus) -> bool {
    status.backup.as_ref().is_some_and(|backup| backup.verified)
}

/// Whether the way back is a rollback: the new version may have run, or another one has and a backup tells how the
/// databases were.
pub(crate) fn needs_rollback(status: &OmsUpgradeStatus) -> bool {
    status.point_of_no_return_time.is_some()
        || status.internal.other_image.is_some() && is_backup_verified(status)
}

/// Another image was started by somebody else before the line.
pub(crate) fn describe_other_image(seen: &OtherImage, who: &str) -> Failure {
    let OtherImage { target, image, .. } = seen;
    Failure::new(
        Reason::TargetContended,
        format!(
            "{who} started {image} in Deployment {target} while the upgrade had OMS stopped for the backup; what it made of the databases is not known"
        ),
    )
}

/// An abort after another image was seen, and no verified backup to go by: a person says whether the databases suit the
/// old version.
pub(crate) fn require_accepted_image(cx: &Context<'_>, seen: &OtherImage) -> Result<(), Next> {
    let OtherImage { target, image, .. } = seen;
    let value = format!("{target}/{image}");
    if is_accepted(cx, AcceptReason::OtherImageSeen, &value) {
        return Ok(());
    }
    let accept = Acceptance {
        reason: AcceptReason::OtherImageSeen,
        value,
    };
    let message = format!(
        "somebody else started {image} in Deployment {target} while OMS was stopped, and there is no backup that the databases could be compared with and \
         restored from without losing what was written since: what that image made of them is not known, so the old version is not started and what runs \
         is left as it is; look at the databases; where they suit the old version, take it upon you, and what runs is stopped and the old version started: \
         {}; else bring OMS by hand to the version that suits them (status.internal.originals has the original, docs/backup.md the restore), then let go of \
         this object with the annotation {RELEASE_ANNOTATION}={RELEASE_VALUE} and delete it; spec.retryRequest does not help",
        describe_acceptance(&accept)
    );
    let failure = Failure::with_advice(Reason::OtherImageSeen, message);
    Err(Next::Stall(failure.with_acceptance(vec![accept])))
}
