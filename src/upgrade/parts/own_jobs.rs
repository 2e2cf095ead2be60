//! Our own Jobs: stopped and gone before anything else is done. Pure.
use crate::api::Reason;
use crate::facts::{Fact, OwnKind};
use crate::upgrade::context::Context;
use crate::upgrade::effect::Effect;
use crate::upgrade::next::Next;

/// `None` when no Job of ours runs and none of their pods is left. Pre-pull pods touch nothing and may never end: they wait for
/// the clean-up.
pub(crate) fn stop_own_jobs(cx: &Context<'_>) -> Option<Next> {
    let own = match &cx.observed.leftovers {
        Fact::Unknown(reason) => {
            return Some(Next::trouble(2, Reason::OwnObjectsUnseen, reason.clone()));
        }
        Fact::Known(own) => own,
    };
    let mut active = own.iter().filter(|own| own.active);
    if let Some(job) = active.clone().find(|own| own.kind == OwnKind::Job) {
        return Some(Next::Do(Effect::DeleteOwn(job.clone())));
    }
    active
        .any(|own| own.kind == OwnKind::Pod && !is_prepull(&own.name))
        .then(Next::watch)
}

/// Pods of Jobs go with their Job; pre-pull pods are deleted one by one.
pub(crate) fn is_prepull(name: &str) -> bool {
    name.contains("-prepull-")
}
