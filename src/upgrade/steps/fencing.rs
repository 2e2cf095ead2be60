//! A way back begins: the targets are fenced against writes decided before, in a rollback the lock too. Pure.
//!
//! A correct resourceVersion alone does not stop a request that arrives late: when nothing wrote the Deployment since,
//! a "start the new image" would still be valid in the middle of the restore, and a "stop" after the abort has ended.
use crate::api::{Direction, FENCE_ANNOTATION, Phase, Reason, Step};
use crate::facts::{CopyNeed, Needs};
use crate::objects::deployment::read_annotation;
use crate::objects::target_change::TargetChange;
use crate::upgrade::context::Context;
use crate::upgrade::next::{Failure, Next, require_known};
use crate::upgrade::orders::patch_target;
use crate::upgrade::parts::abandonment::describe_release;
use crate::upgrade::parts::account::ensure_account;
use crate::upgrade::parts::departure::require_same_metadb;
use crate::upgrade::parts::late_writes::may_write_late;
use crate::upgrade::parts::lock::{refuse_holder, secure_lock};
use crate::upgrade::parts::originals::{is_on_target, mend_copy};
use crate::upgrade::parts::targets::read_targets;
use crate::upgrade::steps::def::{HaStage, Limit, OnFailure, StepDef};

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
            templates: true,
            claim: rollback,
            lock: rollback,
            record: rollback,
            leftovers: rollback,
            originals: CopyNeed::Always,
            ..Needs::default()
        }
    },
    ha: HaStage::TakenBack,
    failure: OnFailure::Stalls,
    retries: &[],
    leads_to: &[Step::StartingOld, Step::FindingBackup],
    decide: |cx, _| decide(cx),
};

/// One write per target, which also brings back a record that is gone; then the second copy of the originals, and in a
/// rollback one write to the lock row. An abort leaves the lock: whatever Job comes late under it
/// finds OMS at work and refuses.
fn decide(cx: &Context<'_>) -> Result<Step, Next> {
    let abort = cx.status.direction == Some(Direction::Abort);
    // What made a late write possible was a target that could not be read.
    if abort && !may_write_late(cx) {
        return Ok(Step::StartingOld);
    }
    if !abort {
        ensure_backup(cx)?;
        // What follows asks the MetaDB.
        ensure_account(cx)?;
        ensure_newest(cx)?;
        require_same_metadb(cx)?;
    }
    fence_targets(cx)?;
    mend_copy(cx)?;
    if abort {
        return Ok(Step::StartingOld);
    }
    fence_lock(cx)?;
    Ok(Step::FindingBackup)
}

fn fence_targets(cx: &Context<'_>) -> Result<(), Next> {
    let epoch = cx.status.internal.epoch.to_string();
    for target in read_targets(cx)? {
        let object = &target.deployment.object;
        if read_annotation(object, FENCE_ANNOTATION) != Some(epoch.as_str())
            || !is_on_target(cx.marks(), target.original, object)
        {
            let name = &target.original.name;
            return Err(patch_target(cx, name, TargetChange::Fence));
        }
    }
    Ok(())
}

fn fence_lock(cx: &Context<'_>) -> Result<(), Next> {
    secure_lock(cx, refuse_holder)
}

/// The backup of an older upgrade is never put over what a newer one has made of the databases. One that began before
/// there was a record has no row of its own, and only newer ones have.
fn ensure_newest(cx: &Context<'_>) -> Result<(), Next> {
    let record = require_known(&cx.observed.metadb.record, 2, Reason::MetaDbUnseen)?;
    let Some(newest) = &record.newest_verdict else {
        return Ok(());
    };
    let own = record.rows.iter().map(|row| row.ordinal).max();
    // Rows that were lost are another matter: they are asked about wherever the record is held against the status.
    let lost = own.is_none() && cx.status.internal.record_seq.is_some_and(|known| known > 0);
    if newest.uid == cx.object.uid || lost || own >= Some(newest.ordinal) {
        return Ok(());
    }
    Err(Next::Fail(Failure::with_advice(
        Reason::NewerUpgrade,
        format!(
            "another upgrade (uid {}) ended on these databases after this one, and the backup of this one would take away what was done since; \
             OMS was not stopped for this rollback, and no data was changed; roll that one back instead (kubectl get omsup -A shows uids with -o yaml), \
             or {release}",
            newest.uid,
            release = describe_release()
        ),
    )))
}

/// A rollback stops what runs only when there is something to go back to: weeks after a success the claim may be gone.
fn ensure_backup(cx: &Context<'_>) -> Result<(), Next> {
    let claim = &cx.spec.backup.claim_name;
    let facts = cx.observed.claim.as_result().map_err(|why| {
        Next::trouble(
            2,
            Reason::ClaimUnseen,
            format!("PersistentVolumeClaim {claim} cannot be read: {why}"),
        )
    })?;
    if facts.exists {
        return Ok(());
    }
    Err(Next::Fail(Failure::with_advice(
        Reason::BackupMissing,
        format!(
            "PersistentVolumeClaim {claim} with the backup is gone or being deleted, so there is nothing to go back to; OMS was not stopped for this rollback; \
             bring the claim back under its name, then write a new spec.retryRequest"
        ),
    )))
}
