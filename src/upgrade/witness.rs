//! The record in the MetaDB beside the status: what it has to tell before anything rests on the status, and what
//! follows where the two differ. Pure.
//!
//! The status can go back to an older state with the API server, the record with the MetaDB, and neither notices. So
//! the number of rows that the status knows is kept (`status.internal.recordSeq`), and what a status asserts is a row
//! before an effect that rests on it is carried out. A row that the status neither knows nor asserts says that the
//! status is older than what was done; rows that are missing say that the MetaDB is.
use crate::api::{AcceptReason, JobRole, OmsUpgradeStatus, OtherImage, Reason, Stall};
use crate::facts::Fact;
use crate::metadb::record::{RecordFact, RecordedOutcome};
use crate::objects::deployment::{TemplateKind, read_replicas};
use crate::objects::target_change::TargetChange;
use crate::oms::metadb::{RecordClaim, RecordRow, UpgradeRecord};
use crate::upgrade::asserted::{count_rows, list_asserted};
use crate::upgrade::context::Context;
use crate::upgrade::disagreement::{accept_or_stall, refuse_older};
use crate::upgrade::effect::Effect;
use crate::upgrade::next::Next;
use crate::upgrade::older_status::rebuild;
use crate::upgrade::orders::patch_target;
use crate::upgrade::parts::abandonment::is_abandoned;
use crate::upgrade::parts::acceptance::is_accepted;
use crate::upgrade::parts::lock::{describe_holder, describe_ways_out, secure_lock};
use crate::upgrade::parts::originals::find_kind;
use crate::upgrade::parts::targets::read_targets;
use crate::upgrade::surroundings::Gap;

/// What the record says to the status.
pub(crate) enum Agreement {
    /// Nothing is asked of it: the upgrade was begun before there was one, or has settled.
    NotKept,
    /// It could not be read.
    Unseen(String),
    /// It tells what the status knows. The first fact that is not in it yet, if any, and its place.
    Agrees { missing: Option<(u32, RecordFact)> },
    /// It tells more than the status knows: this is written in the place of it.
    Tells(Box<OmsUpgradeStatus>),
}

/// Whether the record is held against this status.
pub(crate) fn is_kept(status: &OmsUpgradeStatus) -> bool {
    status.internal.record_seq.is_some() && !status.settled
}

/// Holds the record against the status, and remembers how many rows are known.
pub(crate) fn compare_record(
    cx: &Context<'_>,
    draft: &mut OmsUpgradeStatus,
) -> Result<Agreement, Next> {
    let Some(known) = cx.status.internal.record_seq.filter(|_| is_kept(cx.status)) else {
        return Ok(Agreement::NotKept);
    };
    // Nothing rests on a status that was given up: it would hold the object for ever that people were told to let go.
    if is_abandoned(cx) {
        draft.stall.take_if(|stall| is_disagreement(stall));
        return Ok(Agreement::NotKept);
    }
    let record = match &cx.observed.metadb.record {
        Fact::Known(record) => record,
        Fact::Unknown(why) => return Ok(Agreement::Unseen(why.clone())),
    };
    let rows = &record.rows;
    let asserted = list_asserted(cx.status);
    let count = count_rows(rows);
    if count < known {
        accept_or_stall(
            cx,
            Reason::RecordBehind,
            AcceptReason::RecordBehind,
            count,
            || {
                format!(
                    "the record of upgrades in the MetaDB has {count} rows of this one and its status knows {known}: the MetaDB is older than the status, as after \
                 a restore or a failover of it; nothing is started or written any more"
                )
            },
        )?;
    }
    if tells_more(cx) {
        if let Some(status) = follow_record(cx, record)? {
            return Ok(Agreement::Tells(Box::new(status)));
        }
        stop_wrong_version(cx, rows)?;
        stay_refused(cx, rows)?;
    }
    draft.internal.record_seq = Some(count);
    draft.internal.record_ahead = None;
    adopt_other_image(cx, draft, rows);
    // What a person took upon himself, or what came back.
    let ended = draft
        .stall
        .take_if(|stall| !stall.accept.is_empty() && is_disagreement(stall));
    if ended.is_some() {
        // What is left of the step has as much time as if it had not stalled.
        draft.step_started_time = Some(cx.now.clone());
        draft.internal.overdue = None;
    }
    let missing = asserted.into_iter().find(|fact| {
        find_last(rows, fact.name())
            .is_none_or(|row| row.fact != *fact || is_told_before_take_over(rows, row))
    });
    Ok(Agreement::Agrees {
        missing: missing.map(|fact| (record.next_seq(), fact)),
    })
}

/// Whether a stall says that status and record differ.
fn is_disagreement(stall: &Stall) -> bool {
    matches!(
        Reason::parse(&stall.reason),
        Some(Reason::StatusOlder | Reason::RecordBehind)
    )
}

/// What the record knows of another image is known from now on: no acceptance of the rows says that the databases suit
/// the old version.
fn adopt_other_image(cx: &Context<'_>, draft: &mut OmsUpgradeStatus, rows: &[RecordRow]) {
    let seen = rows.iter().rev().find_map(|row| match &row.fact {
        RecordFact::NewImageSeen { target, image_id } => Some((target, image_id)),
        _ => None,
    });
    if let (None, Some((target, image))) = (&draft.internal.other_image, seen) {
        draft.internal.other_image = Some(OtherImage {
            target: target.clone(),
            image: image.clone(),
            seen_time: cx.now.clone(),
        });
    }
}

/// Whether the record has a row that the status neither knows nor asserts.
pub(crate) fn tells_more(cx: &Context<'_>) -> bool {
    let known = cx.status.internal.record_seq.filter(|_| is_kept(cx.status));
    let (Some(known), Some(record)) = (known, cx.observed.metadb.record.known()) else {
        return false;
    };
    let asserted = list_asserted(cx.status);
    let known = usize::try_from(known).unwrap_or_default();
    let mut unknown = record.rows.iter().skip(known);
    unknown.any(|row| !asserted.contains(&row.fact))
}

/// What is made of a record that tells more: first everything is looked at, then the status is rebuilt; `None` where
/// neither is to be done.
fn follow_record(
    cx: &Context<'_>,
    record: &UpgradeRecord,
) -> Result<Option<OmsUpgradeStatus>, Next> {
    let count = count_rows(&record.rows);
    let accepted = is_accepted(cx, AcceptReason::StatusOlder, &count.to_string());
    if cx.status.stall.is_some() || accepted {
        return Ok(None);
    }
    if cx.status.internal.record_ahead.is_none() {
        let mut looking = cx.status.clone();
        looking.internal.record_ahead = Some(count);
        return Ok(Some(looking));
    }
    stop_wrong_version(cx, &record.rows)?;
    match rebuild(cx, record) {
        Ok(status) => Ok(Some(status)),
        Err(Gap::Unseen(next)) => Err(next),
        Err(Gap::Missing(what)) => refuse_older(cx, &record.rows, &what).map(|()| None),
    }
}

/// A person was asked, about this or about something of an earlier time.
fn stay_refused(cx: &Context<'_>, rows: &[RecordRow]) -> Result<(), Next> {
    let value = count_rows(rows).to_string();
    let asks = |stall: &Stall| {
        let mut accept = stall.accept.iter();
        accept.any(|one| one.reason == AcceptReason::StatusOlder && one.value == value)
    };
    match &cx.status.stall {
        Some(stall) if asks(stall) && !is_accepted(cx, AcceptReason::StatusOlder, &value) => {
            Err(Next::Wait {
                poll: 10,
                problem: None,
            })
        }
        _ => refuse_older(
            cx,
            rows,
            "it waits for a person already, of an earlier time",
        ),
    }
}

/// Lets an effect through only where it rests on nothing that the record does not tell: first the lock at the present
/// epoch, then the missing rows. Another image is told before a person is asked about it, who may take long.
pub(crate) fn hold_for_record(cx: &Context<'_>, agreement: Agreement, next: Next) -> Next {
    let asks = match &next {
        Next::Do(effect) if rests_on_record(effect) => false,
        Next::Stall(failure) if failure.reason == Reason::OtherImageSeen => true,
        _ => return next,
    };
    let missing = match agreement {
        Agreement::NotKept | Agreement::Tells(_) => return next,
        Agreement::Unseen(_) if asks => return next,
        Agreement::Unseen(why) => {
            return Next::trouble(
                2,
                Reason::MetaDbUnseen,
                format!("the record of upgrades in the MetaDB cannot be read: {why}"),
            );
        }
        Agreement::Agrees { missing } => missing,
    };
    let held = secure_lock(cx, |row| {
        Next::trouble(
            5,
            Reason::MetaDbLocked,
            format!(
                "the MetaDB is locked by another upgrade ({}), so this one writes nothing; {}",
                describe_holder(row),
                describe_ways_out(row)
            ),
        )
    });
    match (held, missing) {
        (_, None) if asks => next,
        (Err(first), _) if asks && !matches!(first, Next::Do(_)) => next,
        (Err(first), _) => first,
        (Ok(()), Some((seq, fact))) => Next::Do(Effect::AppendRecord(Box::new(RecordClaim {
            holder: cx.object.uid.clone(),
            epoch: cx.status.internal.epoch,
            seq,
            fact,
        }))),
        (Ok(()), None) => next,
    }
}

/// What starts a version, works on the databases, changes HA, or gives the lock away.
fn rests_on_record(effect: &Effect) -> bool {
    match effect {
        Effect::PatchTarget { change, .. } => {
            !matches!(change, TargetChange::Fence | TargetChange::GiveBack)
        }
        Effect::CreateJob(order) => !matches!(order.role, JobRole::Probe | JobRole::DropCopies),
        Effect::SetHa { .. }
        | Effect::KeepKeys { .. }
        | Effect::SetQueryTimeout { .. }
        | Effect::StartInit(_)
        | Effect::ReleaseLock => true,
        Effect::AddFinalizer
        | Effect::RemoveFinalizer
        | Effect::CreateCredentialsSecret
        | Effect::CreatePrePull { .. }
        | Effect::CreateOldPull { .. }
        | Effect::DeleteOwn(_)
        | Effect::AcquireLock(_)
        | Effect::RaiseLock(_)
        | Effect::TakeOverLock(_)
        | Effect::AppendRecord(_)
        | Effect::RestartConsole { .. }
        | Effect::StopConsole { .. }
        | Effect::StartConsole { .. }
        | Effect::CreateOriginalsCopy { .. }
        | Effect::PassOriginalsCopy { .. } => false,
    }
}

fn find_last<'a>(rows: &'a [RecordRow], name: &str) -> Option<&'a RecordRow> {
    rows.iter().rev().find(|row| row.fact.name() == name)
}

/// A verdict that fell before the upgrade was taken over is told once more, so that its last row says that it has
/// ended.
fn is_told_before_take_over(rows: &[RecordRow], row: &RecordRow) -> bool {
    let taken = find_last(rows, "TakenOver");
    matches!(row.fact, RecordFact::Verdict { .. }) && taken.is_some_and(|taken| taken.seq > row.seq)
}

/// The old version that a restored cluster has started runs on the schema of the new one: it is stopped, once.
fn stop_wrong_version(cx: &Context<'_>, rows: &[RecordRow]) -> Result<(), Next> {
    let newest = rows.iter().rev().find_map(|row| match &row.fact {
        RecordFact::Line {} | RecordFact::NewImageSeen { .. } => Some(true),
        RecordFact::Verdict { outcome, .. } => Some(*outcome == RecordedOutcome::Succeeded),
        RecordFact::Swapped { .. } => Some(false),
        _ => None,
    });
    if newest != Some(true) || cx.status.stall.is_some() || cx.originals().is_none() {
        return Ok(());
    }
    for target in read_targets(cx)? {
        let runs = read_replicas(&target.deployment.object) > 0;
        if runs && find_kind(cx, &target)? == TemplateKind::Old {
            return Err(patch_target(cx, &target.original.name, TargetChange::Stop));
        }
    }
    Ok(())
}
