//! After the verdict: what was borrowed is given back, until everything reads as it should. Pure.
use crate::api::{Direction, JobRole, MetaDbSource, OmsUpgradeStatus, Phase, Reason, Step};
use crate::facts::{CopyNeed, Needs, OwnKind, OwnObject, TargetFacts};
use crate::objects::giving_back::is_given_back;
use crate::objects::target_change::TargetChange;
use crate::upgrade::context::Context;
use crate::upgrade::effect::Effect;
use crate::upgrade::next::{Next, require_known};
use crate::upgrade::orders::patch_target;
use crate::upgrade::parts::abandonment::is_abandoned;
use crate::upgrade::parts::convergence::{is_held, must_hold, note_hold, note_sources};
use crate::upgrade::parts::copies::{drop_due_copies, find_sleep, is_dropping};
use crate::upgrade::parts::lock::may_hold_lock;
use crate::upgrade::parts::originals::{keep_copy, settle_copy};
use crate::upgrade::steps::def::{HaStage, OnFailure, StepDef};
use crate::upgrade::target_record::find_anothers_record;

/// Seconds until a Deployment that is held is looked at again: a policy may have come.
const HOLD_POLL: u64 = 60;

/// What there is to know about this step.
pub(crate) const DEF: StepDef = StepDef {
    step: Step::Settling,
    words: "cleaning up",
    phase: Phase::Succeeded,
    limit: None,
    job: None,
    looks: |status| {
        let originals = status.internal.originals.as_ref();
        // While Deployments are held everything else was given back, and is not looked at again and again.
        let open = !status.settled && !is_held(status);
        Needs {
            leftovers: open,
            image_guard: !status.settled && !status.forbidden_images.is_empty(),
            job: is_dropping(status).then_some(JobRole::DropCopies),
            originals: match originals {
                Some(_) if !status.settled => CopyNeed::Always,
                _ => CopyNeed::Never,
            },
            lock: open && may_hold_lock(status),
            query_timeout: open
                && originals.is_some_and(|originals| originals.ob_query_timeout.is_some()),
            ..Needs::default()
        }
    },
    ha: HaStage::AtGoal,
    failure: OnFailure::Stalls,
    retries: &[],
    leads_to: &[],
    decide,
};

/// Verdict and `settled` are two facts: clean-up goes on after the verdict, and again when safety copies are due.
fn decide(cx: &Context<'_>, draft: &mut OmsUpgradeStatus) -> Result<Step, Next> {
    drop_due_copies(cx, draft)?;
    note_sources(cx, draft);
    if !cx.status.settled && !is_abandoned(cx) {
        give_back(cx, draft)?;
    }
    // An object that is deleted after it settled has no finalizer, unless somebody put it back.
    Err(if cx.object.finalizer {
        Next::Do(Effect::RemoveFinalizer)
    } else {
        Next::Settled {
            sleep: find_sleep(cx, draft),
        }
    })
}

fn give_back(cx: &Context<'_>, draft: &mut OmsUpgradeStatus) -> Result<(), Next> {
    if is_held(cx.status) {
        for target in &cx.observed.targets {
            require_known(&target.deployment, 5, Reason::TargetUnseen)?;
        }
        // What ends the hold is written down first: then everything is looked at again.
        return Err(match note_hold(cx, draft) {
            true => hold(),
            false => Next::poll(),
        });
    }
    give_back_query_timeout(cx)?;
    let succeeded = has_succeeded(cx);
    if succeeded {
        keep_copy(cx)?;
    }
    let targets = cx.observed.targets.iter();
    let (held, free): (Vec<_>, Vec<_>) = targets.partition(|target| must_hold(cx, draft, target));
    for target in free {
        give_back_target(cx, target)?;
    }
    let own = require_known(&cx.observed.leftovers, 5, Reason::OwnObjectsUnseen)?;
    let (secrets, others): (Vec<_>, Vec<_>) =
        own.iter().partition(|own| own.kind == OwnKind::Secret);
    let others = others.into_iter().filter(|own| may_delete(own));
    delete_own(others.min_by_key(|own| (own.kind.as_str(), &own.name)))?;
    // Before the copy: nobody shall wait for the lock because a Secret cannot be read.
    release_lock(cx)?;
    if held.is_empty() {
        settle_copy(cx, succeeded)?;
    }
    // Secrets last: without the account nothing can be put back in the MetaDB.
    delete_own(secrets.first().copied())?;
    match note_hold(cx, draft) {
        true => Err(hold()),
        false => Ok(()),
    }
}

fn hold() -> Next {
    Next::Wait {
        poll: HOLD_POLL,
        problem: None,
    }
}

/// A rollback may still be asked for.
fn has_succeeded(cx: &Context<'_>) -> bool {
    cx.status.direction == Some(Direction::Forward) && cx.status.cause.is_none()
}

/// The limit is put back by who raised it: one that works on this MetaDB now has raised it for itself.
fn give_back_query_timeout(cx: &Context<'_>) -> Result<(), Next> {
    let lock = cx.observed.metadb.lock.known().and_then(Option::as_ref);
    if lock.is_some_and(|row| row.holder != cx.object.uid) {
        return Ok(());
    }
    let originals = cx.originals();
    let Some(micros) = originals.and_then(|originals| originals.ob_query_timeout) else {
        return Ok(());
    };
    let original = u64::try_from(micros).unwrap_or(0);
    match require_known(&cx.observed.metadb.query_timeout, 5, Reason::MetaDbUnseen) {
        Err(_) if is_blind(cx) => Ok(()),
        Ok(Some(now)) if *now != original => Err(Next::Do(Effect::SetQueryTimeout {
            microseconds: original,
        })),
        seen => seen.map(|_| ()),
    }
}

fn give_back_target(cx: &Context<'_>, target: &TargetFacts) -> Result<(), Next> {
    let Some(original) = cx.original(&target.name) else {
        return Ok(());
    };
    match require_known(&target.deployment, 5, Reason::TargetUnseen)? {
        Some(deployment)
            if deployment.uid == original.uid
                && find_anothers_record(&deployment.object, cx.marks()).is_none()
                && !is_given_back(&deployment.object) =>
        {
            Err(patch_target(cx, &target.name, TargetChange::GiveBack))
        }
        _ => Ok(()),
    }
}

/// Pods of Jobs go with their Job; pre-pull pods, which may never end, are deleted one by one.
fn may_delete(own: &OwnObject) -> bool {
    own.kind != OwnKind::Pod || !own.active
}

fn delete_own(own: Option<&OwnObject>) -> Result<(), Next> {
    match own {
        Some(own) => Err(Next::Do(Effect::DeleteOwn(own.clone()))),
        None => Ok(()),
    }
}

fn release_lock(cx: &Context<'_>) -> Result<(), Next> {
    match require_known(&cx.observed.metadb.lock, 5, Reason::MetaDbUnseen) {
        Ok(Some(row)) if row.holder == cx.object.uid => Err(Next::Do(Effect::ReleaseLock)),
        Err(next) if may_hold_lock(cx.status) && !is_blind(cx) => Err(next),
        _ => Ok(()),
    }
}

/// The account that was read from the container is deleted already: the MetaDB was cleaned up before.
fn is_blind(cx: &Context<'_>) -> bool {
    cx.spec.metadb.find_source() == MetaDbSource::Container
        && cx
            .observed
            .leftovers
            .known()
            .is_some_and(|own| own.iter().all(|own| own.kind != OwnKind::Secret))
}
