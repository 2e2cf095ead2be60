//! The upgrade of an object that is gone for good is continued by another one (`spec.takeOver`), as where a backup tool
//! has brought the object back under a new uid. Pure.
//!
//! First everything is looked at, with nothing done: whose the lock is, that no object of that uid is there, and what
//! records and record tell. Then the record says who was taken over, and lock and record change hands in one statement.
//! Only then the status is put in the place where the records on the Deployments are; it is older than the record in
//! the MetaDB there, and is rebuilt from it like any other that is.
use crate::api::{
    ORIGINALS_ANNOTATION, OmsUpgradeStatus, Reason, Step, TakeOverOutcome, TakenOver,
};
use crate::facts::Fact;
use crate::metadb::record::RecordFact;
use crate::objects::deployment::read_annotation;
use crate::oms::metadb::{LockClaim, LockRow, RecordClaim, TakeOverClaim, UpgradeRecord};
use crate::upgrade::context::Context;
use crate::upgrade::effect::{Effect, IntentKind};
use crate::upgrade::next::{Failure, Next, require_known};
use crate::upgrade::orders::build_lock_claim;
use crate::upgrade::parts::abandonment::is_abandoned;
use crate::upgrade::parts::lock::describe_holder;
use crate::upgrade::surroundings::Gap;
use crate::upgrade::taken_status::build_taken;
use crate::upgrade::target_record::read_target_record;
use crate::upgrade::transition::enter;

/// What a take-over comes to in this reconcile.
pub(crate) enum TakeOver {
    /// What is done or waited for before anything else.
    Next(Next),
    /// This is written in the place of the status.
    Tells(Box<OmsUpgradeStatus>),
}

/// What a take-over that is wanted, or under way, asks for; `None` where the upgrade goes its own way.
pub(crate) fn take_over(cx: &Context<'_>) -> Option<TakeOver> {
    let Some(taken) = &cx.status.internal.taken_over else {
        return find_wish(cx).map(|from| begin(cx, from));
    };
    if taken.by != cx.object.uid {
        // A backup tool has given the status of another object to this one.
        return Some(TakeOver::Tells(Box::new(forget(cx, None))));
    }
    match taken.outcome {
        Some(TakeOverOutcome::Taken) => None,
        Some(TakeOverOutcome::Nothing) => find_wish(cx)
            .filter(|from| *from != taken.from)
            .map(|from| begin(cx, from)),
        None => Some(match pursue(cx, taken) {
            Ok(status) => TakeOver::Tells(Box::new(status)),
            Err(Gap::Unseen(next)) => TakeOver::Next(next),
            Err(Gap::Missing(what)) => TakeOver::Next(refuse(taken, &what)),
        }),
    }
}

/// Whether a take-over is looked at or carried out.
pub(crate) fn is_pending(status: &OmsUpgradeStatus) -> bool {
    let taken = status.internal.taken_over.as_ref();
    taken.is_some_and(|taken| taken.outcome.is_none())
}

/// Before anything was begun it is looked at what the spec names; afterwards, as with a status that a backup tool has
/// brought back, only where that uid is seen to hold the lock.
fn find_wish<'a>(cx: &Context<'a>) -> Option<&'a str> {
    let wanted = cx.spec.take_over.as_deref()?;
    if wanted == cx.object.uid || cx.status.settled || cx.object.deleting || is_abandoned(cx) {
        return None;
    }
    let lock = cx.observed.metadb.lock.known().and_then(Option::as_ref);
    let theirs = lock.is_some_and(|row| row.holder == wanted);
    let begun = cx.status.started_time.is_some() || cx.status.step == Some(Step::Settling);
    (theirs || !begun).then_some(wanted)
}

fn begin(cx: &Context<'_>, from: &str) -> TakeOver {
    let mut draft = cx.status.clone();
    draft.stall = None;
    draft.waiting = None;
    draft.internal.intent = None;
    draft.internal.overdue = None;
    draft.internal.taken_over = Some(TakenOver {
        by: cx.object.uid.clone(),
        from: from.into(),
        marks: find_root(cx, from),
        outcome: None,
    });
    TakeOver::Tells(Box::new(draft))
}

/// The uid that the records on the Deployments bear: another one where the object that is gone had taken over, too.
fn find_root(cx: &Context<'_>, from: &str) -> String {
    let targets = cx.observed.targets.iter();
    let mut records = targets.filter_map(|facts| {
        let deployment = facts.deployment.known()?.as_ref()?;
        read_target_record(&deployment.object)
    });
    let record = records.find(|record| record.holder.as_deref() == Some(from));
    record.map_or_else(|| from.into(), |record| record.uid)
}

/// The upgrade is one of its own again; one that was only prepared is looked at anew.
fn forget(cx: &Context<'_>, taken: Option<TakenOver>) -> OmsUpgradeStatus {
    let mut draft = cx.status.clone();
    draft.stall = None;
    draft.waiting = None;
    draft.internal.intent = None;
    draft.internal.taken_over = taken;
    let prepared = draft.started_time.is_none();
    if prepared && matches!(draft.step, Some(Step::Planned | Step::Locking)) {
        enter(cx, &mut draft, Step::Preflight);
    }
    draft
}

/// What the lock row says is done.
fn pursue(cx: &Context<'_>, taken: &TakenOver) -> Result<OmsUpgradeStatus, Gap> {
    let lock = &cx.observed.metadb.lock;
    let held = lock.known().and_then(Option::as_ref);
    let ours = held.is_some_and(|row| row.holder == cx.object.uid);
    if !ours && is_withdrawn(cx, taken) {
        let begun = cx.status.internal.intent.as_ref();
        let begun = begun.and_then(IntentKind::read) == Some(IntentKind::TakeOverLock);
        if begun && !is_abandoned(cx) {
            require_known(lock, 2, Reason::MetaDbUnseen)?;
        }
        return Ok(forget(cx, None));
    }
    let row = lock.as_result().map_err(|why| {
        Next::trouble(
            2,
            Reason::MetaDbUnseen,
            format!(
                "whether the lock of the MetaDB is held by the uid in spec.takeOver cannot be seen: {why}; nothing is touched until it can; where there is nothing to take over, \
                 take spec.takeOver out"
            ),
        )
    })?;
    match row {
        None => find_nothing(cx, taken),
        Some(row) if ours => finish(cx, taken, row),
        Some(row) if row.holder == taken.from => advance(cx, taken, row),
        Some(row) => Err(Gap::Missing(format!(
            "the lock of the MetaDB is another upgrade's ({})",
            describe_holder(row)
        ))),
    }
}

fn is_withdrawn(cx: &Context<'_>, taken: &TakenOver) -> bool {
    let wanted = cx.spec.take_over.as_deref() == Some(taken.from.as_str());
    !wanted || cx.object.deleting || is_abandoned(cx)
}

/// Nobody holds the lock. An upgrade that has ended is not taken over, and one that has not would hold it.
fn find_nothing(cx: &Context<'_>, taken: &TakenOver) -> Result<OmsUpgradeStatus, Gap> {
    let record = require_known(&cx.observed.metadb.record, 2, Reason::MetaDbUnseen)?;
    if record.unfinished.iter().any(|row| row.uid == taken.from) {
        return Err(Gap::Missing(
            "its record tells of no end, and nobody holds the lock of the MetaDB: somebody has removed the row".into(),
        ));
    }
    Ok(forget(cx, Some(end_with_nothing(taken))))
}

fn end_with_nothing(taken: &TakenOver) -> TakenOver {
    TakenOver {
        outcome: Some(TakeOverOutcome::Nothing),
        ..taken.clone()
    }
}

/// The lock is that of the object that is to be gone. Nothing is written before everything is seen that the upgrade is
/// continued with.
fn advance(cx: &Context<'_>, taken: &TakenOver, row: &LockRow) -> Result<OmsUpgradeStatus, Gap> {
    require_gone(cx)?;
    let record = find_record(cx)?;
    if let Some(status) = correct_marks(cx, taken, record) {
        return Ok(status);
    }
    require_continuation(cx, taken, record, row)?;
    if !cx.object.finalizer {
        return Err(Gap::Unseen(Next::Do(Effect::AddFinalizer)));
    }
    let fact = RecordFact::TakenOver {
        from: taken.from.clone(),
        marks: taken.marks.clone(),
    };
    let told = record.rows.last().is_none_or(|last| last.fact == fact);
    Err(Gap::Unseen(Next::Do(match told {
        true => Effect::TakeOverLock(Box::new(TakeOverClaim {
            from: taken.from.clone(),
            from_epoch: row.epoch,
            to: LockClaim {
                epoch: row.epoch.saturating_add(1),
                ..build_lock_claim(cx)
            },
        })),
        false => Effect::AppendRecord(Box::new(RecordClaim {
            holder: taken.from.clone(),
            epoch: row.epoch,
            seq: record.next_seq(),
            fact,
        })),
    })))
}

/// No object of that uid is there, as the API server says now.
fn require_gone(cx: &Context<'_>) -> Result<(), Gap> {
    match &cx.observed.forerunner.object {
        Fact::Known(None) => Ok(()),
        Fact::Known(Some(there)) => Err(Gap::Missing(there.clone())),
        Fact::Unknown(why) => Err(Gap::Unseen(Next::trouble(
            5,
            Reason::TakeOverRefused,
            format!(
                "whether the object that spec.takeOver names is gone cannot be seen: {why}; nothing is taken over, and nothing touched, until it can"
            ),
        ))),
    }
}

fn find_record<'a>(cx: &Context<'a>) -> Result<&'a UpgradeRecord, Gap> {
    let record = &cx.observed.forerunner.record;
    Ok(require_known(record, 2, Reason::MetaDbUnseen)?)
}

/// The record knows it where the object that is gone had taken over as well.
fn correct_marks(
    cx: &Context<'_>,
    taken: &TakenOver,
    record: &UpgradeRecord,
) -> Option<OmsUpgradeStatus> {
    let told = record.rows.iter().rev().find_map(|row| match &row.fact {
        RecordFact::TakenOver { marks, .. } => Some(marks),
        _ => None,
    });
    let marks = told.unwrap_or(&taken.from);
    if *marks == taken.marks {
        return None;
    }
    let mut draft = cx.status.clone();
    draft.internal.taken_over = Some(TakenOver {
        marks: marks.clone(),
        ..taken.clone()
    });
    Some(draft)
}

/// Whether the upgrade can be continued. One without a row has changed nothing, and is begun anew.
fn require_continuation(
    cx: &Context<'_>,
    taken: &TakenOver,
    record: &UpgradeRecord,
    row: &LockRow,
) -> Result<(), Gap> {
    if !record.rows.is_empty() {
        return build_taken(cx, taken, record, row.epoch).map(|_| ());
    }
    let mut targets = cx.observed.targets.iter();
    let marked = targets.any(|facts| {
        let deployment = facts.deployment.known().and_then(Option::as_ref);
        deployment.is_some_and(|one| read_annotation(&one.object, ORIGINALS_ANNOTATION).is_some())
    });
    match marked {
        true => Err(Gap::Missing(
            "the record of upgrades in the MetaDB has no row of it, and Deployments carry a record: it was begun by an operator that kept none".into(),
        )),
        false => Ok(()),
    }
}

/// The lock is ours.
fn finish(cx: &Context<'_>, taken: &TakenOver, row: &LockRow) -> Result<OmsUpgradeStatus, Gap> {
    let record = find_record(cx)?;
    if record.rows.is_empty() {
        let mut draft = forget(cx, Some(end_with_nothing(taken)));
        draft.internal.epoch = row.epoch.max(draft.internal.epoch);
        return Ok(draft);
    }
    if let Some(status) = correct_marks(cx, taken, record) {
        return Ok(status);
    }
    build_taken(cx, taken, record, row.epoch)
}

fn refuse(taken: &TakenOver, what: &str) -> Next {
    let message = format!(
        "the upgrade of the object with uid {} (spec.takeOver) is not taken over: {what}; nothing is started, stopped or written by this object; once that is mended it goes on by \
         itself; to begin an upgrade of its own instead, take spec.takeOver out; where the other one cannot be continued at all, bring OMS to a version that runs by hand \
         (docs/backup.md, restore by hand)",
        taken.from
    );
    Next::Stall(Failure::with_advice(Reason::TakeOverRefused, message))
}
