//! Our own Jobs: stopped and gone before anything else is done. Pure.
use crate::api::Reason;
use crate::facts::{OwnKind, OwnObject};
use crate::upgrade::context::Context;
use crate::upgrade::effect::Effect;
use crate::upgrade::next::{Next, require_known};

/// No Job of ours runs, and none of their pods is left. Pre-pull pods touch nothing and may never end: they wait for
/// the clean-up.
pub(crate) fn stop_own_jobs(cx: &Context<'_>) -> Result<(), Next> {
    let own = require_known(&cx.observed.leftovers, 2, Reason::OwnObjectsUnseen)?;
    let mut active = own.iter().filter(|own| own.active);
    if let Some(job) = active.clone().find(|own| own.kind == OwnKind::Job) {
        return Err(Next::Do(Effect::DeleteOwn(job.clone())));
    }
    match active.find(|own| own.kind == OwnKind::Pod) {
        Some(pod) => Err(await_end(pod)),
        None => Ok(()),
    }
}

fn await_end(pod: &OwnObject) -> Next {
    match &pod.trouble {
        Some(trouble) => Next::trouble(
            5,
            Reason::JobPodLost,
            format!(
                "a Job of ours was stopped, and its pod may still work on the databases, so nothing else is done: {}; once the pod is gone this goes \
                 on by itself",
                trouble.message
            ),
        ),
        None => Next::watch(),
    }
}
