//! The record in the MetaDB beside the status: what it has to tell before anything rests on the status, and what
//! follows where the two differ. Pure.
//!
//! The status can go back to an older state with the API server, the record with the MetaDB, and neither notices. So
//! the number of rows that the status knows is kept (`status.internal.recordSeq`), and what a status asserts is a row
//! before an effect that rests on it is carried out. A row that the status neither knows nor asserts says that the
//! status is older than what was done; rows that are missing say that the MetaDB is.
use crate::api::{
    AcceptReason, Acceptance, ContentProof, Direction, JobRole, OmsUpgradeStatus, OtherImage,
    Reason, Stall, Step,
};
use crate::facts::Fact;
use crate::metadb::SchemaFingerprint;
use crate::metadb::record::{RecordFact, RecordedOutcome, TargetImage};
use crate::objects::deployment::{TemplateKind, read_replicas};
use crate::objects::target_change::TargetChange;
use crate::oms::metadb::{RecordClaim, RecordRow};
use crate::upgrade::context::Context;
use crate::upgrade::effect::Effect;
use crate::upgrade::next::{Failure, Next};
use crate::upgrade::orders::patch_target;
use crate::upgrade::parts::abandonment::is_abandoned;
use crate::upgrade::parts::acceptance::{describe_acceptance, is_accepted};
use crate::upgrade::parts::lock::secure_lock;
use crate::upgrade::parts::originals::find_kind;
use crate::upgrade::parts::targets::read_targets;

/// What the record says to the status.
pub(crate) enum Agreement {
    /// Nothing is asked of it: the upgrade was begun before there was one, or has settled.
    NotKept,
    /// It could not be read.
    Unseen(String),
    /// It tells what the status knows. The first fact that is not in it yet, if any, and its place.
    Agrees { missing: Option<(u32, RecordFact)> },
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
    let unknown = rows.iter().skip(usize::try_from(known).unwrap_or_default());
    if unknown.clone().any(|row| !asserted.contains(&row.fact)) {
        stop_wrong_version(cx, rows)?;
        refuse_older(cx, rows)?;
    }
    draft.internal.record_seq = Some(count);
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
    let missing = asserted
        .into_iter()
        .find(|fact| find_last(rows, fact.name()).is_none_or(|row| row.fact != *fact));
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

/// How many rows there are, as a status keeps it.
pub(crate) fn count_rows(rows: &[RecordRow]) -> i32 {
    i32::try_from(rows.len()).unwrap_or(i32::MAX)
}

/// The record tells what the status does not know, and nobody has taken that upon himself.
pub(crate) fn refuse_older(cx: &Context<'_>, rows: &[RecordRow]) -> Result<(), Next> {
    let count = count_rows(rows);
    accept_or_stall(
        cx,
        Reason::StatusOlder,
        AcceptReason::StatusOlder,
        count,
        || {
            let last = rows.last().map_or("nothing", |row| row.fact.name());
            format!(
                "the record of upgrades in the MetaDB tells of this one what its status does not know (its last row is {last}): the status is older than what \
             was done, as after a restore of the cluster from a backup; nothing is started or written any more"
            )
        },
    )
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
        Agreement::NotKept => return next,
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
                "the MetaDB is locked by another upgrade ({}), so this one writes nothing; finish that one first",
                row.note
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
        | Effect::AppendRecord(_)
        | Effect::RestartConsole { .. }
        | Effect::StopConsole { .. }
        | Effect::StartConsole { .. }
        | Effect::CreateOriginalsCopy { .. }
        | Effect::PassOriginalsCopy { .. } => false,
    }
}

/// What a status says has happened, in the order of the procedure.
pub(crate) fn list_asserted(status: &OmsUpgradeStatus) -> Vec<RecordFact> {
    let mut facts = Vec::new();
    let internal = &status.internal;
    if let Some(originals) = &internal.originals {
        facts.push(RecordFact::Locked {
            ha: originals.ha.config.clone(),
            images: originals
                .targets
                .iter()
                .map(|target| TargetImage {
                    target: target.name.clone(),
                    image: target.image.clone(),
                    image_id: target.image_id.clone(),
                })
                .collect(),
        });
    }
    let fingerprint = internal.fingerprint.clone();
    if let Some(fingerprint) = fingerprint.and_then(|text| SchemaFingerprint::try_from(text).ok()) {
        facts.push(RecordFact::Stopped { fingerprint });
    }
    if let Some(backup) = status.backup.as_ref().filter(|backup| backup.verified) {
        facts.push(RecordFact::BackupVerified {
            manifest_digest: backup.manifest_digest.clone(),
        });
    }
    if let Some(seen) = &internal.other_image {
        facts.push(RecordFact::NewImageSeen {
            target: seen.target.clone(),
            image_id: seen.image.clone(),
        });
    }
    if status.point_of_no_return_time.is_some() {
        facts.push(RecordFact::Line {});
    }
    let restore = internal
        .jobs
        .iter()
        .find(|job| job.role == JobRole::Restore);
    if let Some(job) = restore {
        let attempt = job.attempt;
        facts.push(RecordFact::RestoreBegun { attempt });
        if internal.content_proof == Some(ContentProof::Restored) {
            facts.push(RecordFact::Swapped { attempt });
        }
    }
    if status.step == Some(Step::Settling)
        && let Some(direction) = status.direction
    {
        let outcome = match (direction, &status.cause) {
            (Direction::Forward, None) => RecordedOutcome::Succeeded,
            (Direction::Forward, Some(_)) => RecordedOutcome::Failed,
            (Direction::Abort, _) => RecordedOutcome::Aborted,
            (Direction::RollBack, _) => RecordedOutcome::RolledBack,
        };
        facts.push(RecordFact::Verdict {
            outcome,
            fingerprint: None,
        });
    }
    facts
}

fn find_last<'a>(rows: &'a [RecordRow], name: &str) -> Option<&'a RecordRow> {
    rows.iter().rev().find(|row| row.fact.name() == name)
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

fn accept_or_stall(
    cx: &Context<'_>,
    reason: Reason,
    accept: AcceptReason,
    rows: i32,
    describe: impl Fn() -> String,
) -> Result<(), Next> {
    let value = format!("{rows}");
    if is_accepted(cx, accept, &value) {
        return Ok(());
    }
    let accept = Acceptance {
        reason: accept,
        value,
    };
    let message = format!(
        "{}; find out what was restored and how far the upgrade was (docs/backup.md, restore by hand); where the status is right, take it upon you: {}; \
         else bring OMS to a version that runs by hand, and let go of this object",
        describe(),
        describe_acceptance(&accept)
    );
    let failure = Failure::with_advice(reason, message);
    Err(Next::Stall(failure.with_acceptance(vec![accept])))
}
