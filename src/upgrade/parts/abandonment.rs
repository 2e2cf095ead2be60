//! Whether an upgrade is given up as it stands. Pure.
use crate::api::{Cause, OmsUpgradeStatus, Reason, Step};
use crate::facts::Fact;
use crate::upgrade::context::Context;

/// Whether nothing may be called any more that needs the namespace.
pub(crate) fn is_abandoned(cx: &Context<'_>) -> bool {
    cx.observed.namespace_terminating
        || (cx.object.deleting && (cx.object.release || is_every_target_gone(cx)))
}

pub(crate) fn is_every_target_gone(cx: &Context<'_>) -> bool {
    let targets = &cx.observed.targets;
    !targets.is_empty()
        && targets
            .iter()
            .all(|facts| matches!(facts.deployment, Fact::Known(None)))
}

/// Whether it was given up as it stood.
pub(crate) fn is_released(status: &OmsUpgradeStatus) -> bool {
    let released = |cause: &Cause| cause.reason == Reason::Released;
    status.step == Some(Step::Settling) && status.cause.as_ref().is_some_and(released)
}
