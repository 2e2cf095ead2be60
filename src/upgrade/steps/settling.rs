//! After the verdict: what was borrowed is given back, until everything reads as it should. Pure.
use crate::api::{Phase, Reason, Step};
use crate::facts::{Fact, Needs, OwnKind};
use crate::objects::deployment::is_given_back;
use crate::objects::target_change::TargetChange;
use crate::upgrade::context::Context;
use crate::upgrade::effect::Effect;
use crate::upgrade::next::Next;
use crate::upgrade::orders::patch_target;
use crate::upgrade::parts::abandonment::is_abandoned;
use crate::upgrade::parts::lock::may_hold_lock;
use crate::upgrade::parts::own_jobs::is_prepull;
use crate::upgrade::steps::def::{OnFailure, StepDef};

/// What there is to know about this step.
pub(crate) const DEF: StepDef = StepDef {
    step: Step::Settling,
    words: "cleaning up",
    phase: Phase::Succeeded,
    limit: None,
    job: None,
    looks: |status| {
        let originals = status.originals.as_ref();
        Needs {
            leftovers: !status.settled,
            lock: !status.settled && may_hold_lock(status),
            query_timeout: !status.settled
                && originals.is_some_and(|originals| originals.ob_query_timeout.is_some()),
            ..Needs::default()
        }
    },
    failure: OnFailure::Stalls,
    retries: &[],
    leads_to: &[],
    decide: |cx, _| decide(cx),
};

/// Verdict and `settled` are two facts: clean-up goes on after the verdict.
fn decide(cx: &Context<'_>) -> Next {
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
            Fact::Unknown(reason) => {
                return Some(Next::trouble(5, Reason::MetaDbUnseen, reason.clone()));
            }
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
            Fact::Unknown(reason) => {
                return Some(Next::trouble(5, Reason::TargetUnseen, reason.clone()));
            }
            Fact::Known(Some(deployment))
                if deployment.uid == original.uid && !is_given_back(&deployment.object) =>
            {
                return Some(patch_target(cx, &target.name, TargetChange::GiveBack));
            }
            Fact::Known(_) => {}
        }
    }
    let own = match &cx.observed.leftovers {
        Fact::Unknown(reason) => {
            return Some(Next::trouble(5, Reason::OwnObjectsUnseen, reason.clone()));
        }
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
        Fact::Unknown(reason) if may_hold_lock(cx.status) && !is_blind(cx) => {
            return Some(Next::trouble(5, Reason::MetaDbUnseen, reason.clone()));
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
