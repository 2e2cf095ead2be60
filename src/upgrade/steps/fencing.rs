//! A way back begins: the targets are fenced against writes decided before, in a rollback the lock too. Pure.
//!
//! A correct resourceVersion alone does not stop a request that arrives late: when nothing wrote the Deployment since, a
//! "start the new image" would still be valid in the middle of the restore, and a "stop" after the abort has ended.
use crate::api::{Direction, FENCE_ANNOTATION, Phase, Reason, Step};
use crate::facts::{Fact, Needs, OwnKind};
use crate::objects::deployment::read_annotation;
use crate::objects::target_change::TargetChange;
use crate::upgrade::context::Context;
use crate::upgrade::effect::Effect;
use crate::upgrade::next::{Failure, Next};
use crate::upgrade::orders::{build_lock_claim, patch_target};
use crate::upgrade::parts::targets::read_targets;
use crate::upgrade::steps::def::{Limit, OnFailure, StepDef};

/// What there is to know about this step.
pub(crate) const DEF: StepDef = StepDef {
    step: Step::Fencing,
    words: "fencing off earlier writes",
    phase: Phase::Stopping,
    limit: Some(Limit::Stop),
    job: None,
    looks: |status| {
        // An abort has neither backup nor account to look for.
        let rollback = status.direction != Some(Direction::Abort);
        Needs {
            claim: rollback,
            lock: rollback,
            leftovers: rollback,
            ..Needs::default()
        }
    },
    failure: OnFailure::Stalls,
    retries: &[],
    leads_to: &[Step::StartingOld, Step::DisablingHaForRollback],
    decide: |cx, _| decide(cx),
};

/// One write per target, in a rollback one to the lock row. An abort leaves the lock: whatever Job comes late under it finds
/// OMS at work and refuses.
fn decide(cx: &Context<'_>) -> Next {
    let abort = cx.status.direction == Some(Direction::Abort);
    if !abort && let Some(next) = ensure_backup(cx).or_else(|| ensure_account(cx)) {
        return next;
    }
    let targets = match read_targets(cx) {
        Ok(targets) => targets,
        Err(next) => return next,
    };
    let epoch = cx.status.epoch.to_string();
    for target in &targets {
        let object = &target.deployment.object;
        if read_annotation(object, FENCE_ANNOTATION) != Some(epoch.as_str()) {
            return patch_target(cx, &target.original.name, TargetChange::Fence);
        }
    }
    if abort {
        return Next::Go(Step::StartingOld);
    }
    let wanted = cx.status.epoch;
    match &cx.observed.metadb.lock {
        Fact::Unknown(reason) => Next::trouble(2, Reason::MetaDbUnseen, reason.clone()),
        Fact::Known(None) => Next::Do(Effect::AcquireLock(build_lock_claim(cx))),
        Fact::Known(Some(row)) if row.holder != cx.object.uid => Next::Fail(Failure::new(
            Reason::MetaDbLocked,
            format!(
                "the MetaDB is locked by another upgrade ({}); finish that one first",
                row.note
            ),
        )),
        Fact::Known(Some(row)) if row.epoch < wanted => {
            Next::Do(Effect::RaiseLock(build_lock_claim(cx)))
        }
        Fact::Known(Some(_)) => Next::Go(Step::DisablingHaForRollback),
    }
}

/// A rollback stops what runs only when there is something to go back to: weeks after a success the claim may be gone.
fn ensure_backup(cx: &Context<'_>) -> Option<Next> {
    let claim = &cx.spec.backup.claim_name;
    match &cx.observed.claim {
        Fact::Unknown(reason) => Some(Next::trouble(
            2,
            Reason::ClaimUnseen,
            format!("PersistentVolumeClaim {claim} cannot be read: {reason}"),
        )),
        Fact::Known(facts) if facts.exists => None,
        Fact::Known(_) => Some(Next::Fail(Failure::with_advice(
            Reason::BackupMissing,
            format!(
                "PersistentVolumeClaim {claim} with the backup is gone or being deleted, so there is nothing to go back to; OMS was not stopped for this rollback; \
                 bring the claim back under its name, then raise spec.retries"
            ),
        ))),
    }
}

/// A rollback after success finds the account that was read from the container deleted: it is read
/// again while a container still runs.
fn ensure_account(cx: &Context<'_>) -> Option<Next> {
    cx.spec.metadb.from_container.as_ref()?;
    match &cx.observed.leftovers {
        Fact::Unknown(reason) => Some(Next::trouble(2, Reason::OwnObjectsUnseen, reason.clone())),
        Fact::Known(own) if own.iter().all(|own| own.kind != OwnKind::Secret) => {
            Some(Next::Do(Effect::CreateCredentialsSecret))
        }
        Fact::Known(_) => None,
    }
}
