//! Dropping the safety copies, long after the end. Pure.
//!
//! A settled upgrade holds nothing. When the time of its copies is over it takes the lock of the MetaDB once more, a
//! Job drops them, and everything is given back again. What fails is told and tried again later: nobody's data is at
//! risk.
use crate::api::{CopyCleanup, Direction, JobRole, OmsUpgradeStatus, Reason};
use crate::protocol::report::{CommandResult, Report};
use crate::upgrade::context::Context;
use crate::upgrade::effect::Effect;
use crate::upgrade::next::{Failure, Next, require_known};
use crate::upgrade::orders::build_lock_claim;
use crate::upgrade::parts::abandonment::{is_abandoned, is_released};
use crate::upgrade::parts::account::ensure_account;
use crate::upgrade::parts::job::{begin_anew, run_job};
use crate::upgrade::parts::lock::describe_holder;
use crate::upgrade::parts::own_jobs::stop_own_jobs;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;

/// Pause after the first failure; it doubles with each further one.
const FIRST_PAUSE: i64 = 300;
/// A pause grows no longer than that: what stood in the way may have been mended.
const LONGEST_PAUSE: i64 = 6 * 3600;
/// Longest sleep: a clock may be set meanwhile.
const LONGEST_SLEEP: i64 = 3600;
/// How often the lock of another upgrade is looked at.
const LOCK_POLL: u64 = 60;

/// Until when the copies are kept, in Unix seconds. `None`: the operator does not drop them.
pub(crate) fn find_end(cx: &Context<'_>, status: &OmsUpgradeStatus) -> Option<i64> {
    let over = status.direction == Some(Direction::RollBack) && !is_released(status);
    let finished = status.finished_time.as_ref().filter(|_| over)?;
    if cx.object.deleting || !status.leftovers.iter().any(|one| one.is_kept_copy()) {
        return None;
    }
    let kept = i64::from(cx.spec.cleanup.safety_copies.as_seconds());
    Some(finished.0.as_second() + kept)
}

/// When something is to be done with them next.
fn find_due(cx: &Context<'_>, status: &OmsUpgradeStatus) -> Option<i64> {
    let end = find_end(cx, status)?;
    let failed = status.internal.copy_cleanup.as_ref();
    let next = failed.and_then(|failed| failed.next_time.as_ref());
    Some(next.map_or(end, |next| end.max(next.0.as_second())))
}

/// Seconds after which a settled upgrade has something to do again.
pub(crate) fn find_sleep(cx: &Context<'_>, status: &OmsUpgradeStatus) -> Option<u64> {
    let left = find_due(cx, status)? - cx.unix_now();
    u64::try_from(left.clamp(1, LONGEST_SLEEP)).ok()
}

/// Whether copies are being dropped now.
pub(crate) fn is_dropping(status: &OmsUpgradeStatus) -> bool {
    let cleanup = status.internal.copy_cleanup.as_ref();
    cleanup.is_some_and(|cleanup| cleanup.under_way)
}

/// Drops the copies whose time is over. `Ok`: nothing is under way.
pub(crate) fn drop_due_copies(cx: &Context<'_>, draft: &mut OmsUpgradeStatus) -> Result<(), Next> {
    let due = find_due(cx, draft).is_some_and(|due| due <= cx.unix_now());
    match (is_dropping(draft), due) {
        (false, true) if cx.status.settled => {
            begin(draft);
            Err(Next::poll())
        }
        (false, _) => Ok(()),
        (true, true) if !is_abandoned(cx) => drop_copies(cx, draft),
        // Somebody deletes the object, or wants them kept for longer.
        (true, _) => {
            if !is_abandoned(cx) {
                stop_own_jobs(cx)?;
            }
            draft.progress = None;
            draft.internal.copy_cleanup = None;
            Ok(())
        }
    }
}

fn begin(draft: &mut OmsUpgradeStatus) {
    draft.settled = false;
    begin_anew(draft, JobRole::DropCopies);
    let cleanup = draft.internal.copy_cleanup.get_or_insert_default();
    cleanup.under_way = true;
    cleanup.next_time = None;
}

fn drop_copies(cx: &Context<'_>, draft: &mut OmsUpgradeStatus) -> Result<(), Next> {
    if !cx.object.finalizer {
        return Err(Next::Do(Effect::AddFinalizer));
    }
    ensure_account(cx)?;
    take_lock(cx)?;
    match run_job(cx, draft, JobRole::DropCopies) {
        Ok(report) => note_end(cx, draft, &report),
        Err(Next::Fail(failure)) => note_failure(cx, draft, &failure),
        Err(next) => return Err(next),
    }
    Ok(())
}

fn take_lock(cx: &Context<'_>) -> Result<(), Next> {
    match require_known(&cx.observed.metadb.lock, 10, Reason::MetaDbUnseen)? {
        None => Err(Next::Do(Effect::AcquireLock(build_lock_claim(cx)))),
        Some(row) if row.holder == cx.object.uid => Ok(()),
        Some(row) => Err(Next::trouble(
            LOCK_POLL,
            Reason::MetaDbLocked,
            format!(
                "the MetaDB is locked by another upgrade ({}); the safety copies of this one are dropped when that one is finished",
                describe_holder(row)
            ),
        )),
    }
}

fn note_end(cx: &Context<'_>, draft: &mut OmsUpgradeStatus, report: &Report) {
    let Some(CommandResult::DropSafetyCopies(done)) = &report.result else {
        let message = "the Job that drops the safety copies reported success without a result";
        return note_failure(cx, draft, &Failure::new(Reason::ReportIncomplete, message));
    };
    for copy in draft.leftovers.iter_mut().filter(|one| one.is_kept_copy()) {
        copy.dropped_time = Some(cx.now.clone());
        copy.problem = done.foreign.contains(&copy.name).then(|| {
            "it was gone; the database of that name is no copy of this upgrade and was left alone"
                .into()
        });
    }
    draft.internal.copy_cleanup = None;
}

fn note_failure(cx: &Context<'_>, draft: &mut OmsUpgradeStatus, failure: &Failure) {
    for copy in draft.leftovers.iter_mut().filter(|one| one.is_kept_copy()) {
        copy.problem = Some(failure.message.clone());
    }
    let before = draft.internal.copy_cleanup.take().unwrap_or_default();
    let doublings = u32::try_from(before.failures).unwrap_or(0).min(10);
    let pause = (FIRST_PAUSE << doublings).min(LONGEST_PAUSE);
    draft.internal.copy_cleanup = Some(CopyCleanup {
        under_way: false,
        failures: before.failures.saturating_add(1),
        next_time: Timestamp::from_second(cx.unix_now() + pause).ok().map(Time),
    });
}
