//! After the verdict: what was borrowed is given back, until everything reads as it should. Pure.
use super::orders::patch_target;
use super::requests::is_abandoned;
use super::{Context, Effect, Next, needs};
use crate::facts::{Fact, OwnKind};
use crate::objects::deployment::is_given_back;
use crate::objects::target_change::TargetChange;

/// Verdict and `settled` are two facts: clean-up goes on after the verdict.
pub(super) fn decide_settling(cx: &Context<'_>) -> Next {
    if cx.status.settled {
        // An object that is deleted after it settled has no finalizer, unless somebody put it back.
        return if cx.object.finalizer {
            Next::Do(Effect::RemoveFinalizer)
        } else {
            Next::Settled
        };
    }
    if !is_abandoned(cx)
        && let Some(next) = give_back(cx)
    {
        return next;
    }
    if cx.object.finalizer {
        return Next::Do(Effect::RemoveFinalizer);
    }
    Next::Settled
}

fn give_back(cx: &Context<'_>) -> Option<Next> {
    if let Some(micros) = cx
        .originals()
        .and_then(|originals| originals.ob_query_timeout)
    {
        let original = u64::try_from(micros).unwrap_or(0);
        match &cx.observed.metadb.query_timeout {
            Fact::Unknown(_) if is_blind(cx) => {}
            Fact::Unknown(reason) => return Some(Next::trouble(5, "MetaDbUnseen", reason.clone())),
            Fact::Known(Some(now)) if *now != original => {
                return Some(Next::Do(Effect::SetQueryTimeout {
                    microseconds: original,
                }));
            }
            Fact::Known(_) => {}
        }
    }
    for target in &cx.observed.targets {
        let Some(original) = cx.original(&target.name) else {
            continue;
        };
        match &target.deployment {
            Fact::Unknown(reason) => return Some(Next::trouble(5, "TargetUnseen", reason.clone())),
            Fact::Known(Some(deployment))
                if deployment.uid == original.uid && !is_given_back(&deployment.object) =>
            {
                return Some(patch_target(cx, &target.name, TargetChange::GiveBack));
            }
            Fact::Known(_) => {}
        }
    }
    let own = match &cx.observed.leftovers {
        Fact::Unknown(reason) => return Some(Next::trouble(5, "OwnObjectsUnseen", reason.clone())),
        Fact::Known(own) => own,
    };
    let mut work: Vec<_> = own
        .iter()
        .filter(|own| own.kind != OwnKind::Secret)
        .filter(|own| own.kind != OwnKind::Pod || !own.active || is_prepull(&own.name))
        .collect();
    work.sort();
    if let Some(next) = work.first() {
        return Some(Next::Do(Effect::DeleteOwn((*next).clone())));
    }
    match &cx.observed.metadb.lock {
        Fact::Known(Some(row)) if row.holder == cx.object.uid => {
            return Some(Next::Do(Effect::ReleaseLock));
        }
        Fact::Unknown(reason) if needs::may_hold_lock(cx.status) && !is_blind(cx) => {
            return Some(Next::trouble(5, "MetaDbUnseen", reason.clone()));
        }
        _ => {}
    }
    // Secrets last: without the account nothing can be put back in the MetaDB.
    own.iter()
        .find(|own| own.kind == OwnKind::Secret)
        .map(|secret| Next::Do(Effect::DeleteOwn(secret.clone())))
}

/// The account that was read from the container is deleted already: the MetaDB was cleaned up before.
fn is_blind(cx: &Context<'_>) -> bool {
    cx.spec.metadb.from_container.is_some()
        && cx
            .observed
            .leftovers
            .known()
            .is_some_and(|own| own.iter().all(|own| own.kind != OwnKind::Secret))
}

/// Pods of Jobs go with their Job; pre-pull pods are deleted one by one.
pub(super) fn is_prepull(name: &str) -> bool {
    name.contains("-prepull-")
}
