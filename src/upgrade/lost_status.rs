//! A status that was lost, whole or only what the operator remembers in it, and what is made of that. Pure.
//!
//! A restore of a cluster may drop the status. A definition that is older than the operator cuts what it does not know:
//! then the step is there and `status.internal` is not. In neither case anything goes on with defaults. The records say
//! how to get back; where there are none, nothing is done.
use crate::api::{
    Action, Direction, OmsUpgradeStatus, Reason, RollbackPolicy, Stall, Step, TargetOriginal,
    Waiting,
};
use crate::facts::Fact;
use crate::objects::names::originals_name;
use crate::objects::originals::read_template_text;
use crate::protocol::hex::hash_text;
use crate::upgrade::context::Context;
use crate::upgrade::parts::abandonment::describe_release;
use crate::upgrade::parts::abandonment::is_abandoned;
use crate::upgrade::parts::other_image::needs_rollback;
use crate::upgrade::recorded::{Records, build_status, collect_originals, list_deployments};

/// What becomes of an upgrade whose status was lost.
#[derive(Debug)]
pub(crate) enum Recovery {
    /// The way back, from the records.
    Rebuilt(Box<OmsUpgradeStatus>),
    /// A place where a record may be cannot be read now.
    Unseen(Waiting),
    /// A person has to say how it goes on.
    Asks(Stall),
    /// It has settled, and nothing is asked of it.
    Rests,
}

/// Whether a status does not remember what it must. The epoch of an upgrade that has begun is at least one.
pub(crate) fn is_lost(status: &OmsUpgradeStatus) -> bool {
    status.step.is_none() || status.internal.epoch == 0
}

/// What to do about a status that was lost; `None` where nothing was, or where the object is a new one.
pub(crate) fn recover(cx: &Context<'_>) -> Option<Recovery> {
    if !is_lost(cx.status) || is_abandoned(cx) {
        return None;
    }
    if cx.status.step.is_some() {
        return Some(recover_memory(cx));
    }
    match find_unseen(cx) {
        // Before anything is touched the object gets its finalizer: without one nothing can be under way.
        Some(unseen) if cx.object.finalizer => Some(Recovery::Unseen(unseen)),
        Some(_) => None,
        None => rebuild(cx),
    }
}

/// The step is known and what the operator remembers is not.
fn recover_memory(cx: &Context<'_>) -> Recovery {
    let status = cx.status;
    let over = status.step == Some(Step::Settling);
    if over && status.settled && !cx.object.deleting && cx.spec.action != Action::RollBack {
        return Recovery::Rests;
    }
    if over {
        return Recovery::Asks(describe_loss(
            "its verdict stands, and nothing is done any more, neither a rollback nor what is left to clean up",
        ));
    }
    let rebuilt_before = status.cause.as_ref();
    if rebuilt_before.is_some_and(|cause| cause.reason == Reason::StatusLost) {
        return Recovery::Asks(describe_loss(
            "it was rebuilt before and is lost again, so nothing is done",
        ));
    }
    if leaves_running(cx) {
        return Recovery::Asks(describe_loss(
            "the version of OMS that runs was up already, so it is left as it is, and so are its databases",
        ));
    }
    if let Some(unseen) = find_unseen(cx) {
        return Recovery::Unseen(unseen);
    }
    let nothing = match status.started_time {
        Some(_) => {
            "no record of it is on the Deployments nor in its Secret, so nothing is done; OMS stays as it stands, the backup too"
        }
        None => "nothing was touched yet; OMS and its databases are as they were",
    };
    rebuild(cx).unwrap_or_else(|| Recovery::Asks(describe_loss(nothing)))
}

/// A version was up, or a person was to decide: no way back begins by itself. After a restore the old version may have
/// written since, and what it wrote is in no backup.
fn leaves_running(cx: &Context<'_>) -> bool {
    let is_up = matches!(cx.status.step, Some(Step::EnablingHa | Step::Recovering));
    let restored = cx.status.direction == Some(Direction::RollBack);
    let may_write = restored && cx.status.step == Some(Step::StartingOld);
    let past = cx.status.point_of_no_return_time.is_some() && !restored;
    let asks = past && cx.spec.rollback.policy == RollbackPolicy::OnRequest;
    is_up || may_write || asks
}

fn describe_loss(meaning: &str) -> Stall {
    Stall {
        reason: Reason::StatusLost.into(),
        message: format!(
            "what the operator remembers of this upgrade (status.internal) is lost, as happens where the definition of OmsUpgrade in the cluster is \
             older than the operator: {meaning}; apply the definition of this version, then bring OMS to a version that runs by hand (docs/backup.md, \
             restore by hand), {release}",
            release = describe_release()
        ),
        accept: Vec::new(),
    }
}

/// A place where a record may be and that cannot be read.
fn find_unseen(cx: &Context<'_>) -> Option<Waiting> {
    let mut targets = cx.observed.targets.iter();
    let target = targets.find_map(|facts| match &facts.deployment {
        Fact::Unknown(why) => Some((
            Reason::TargetUnseen,
            format!("Deployment {}", facts.name),
            why,
        )),
        Fact::Known(_) => None,
    });
    let copy = match &cx.observed.originals_copy {
        Fact::Unknown(why) => Some((
            Reason::OwnObjectsUnseen,
            format!("Secret {}", originals_name(cx.marks())),
            why,
        )),
        Fact::Known(_) => None,
    };
    let (reason, place, why) = target.or(copy)?;
    Some(Waiting {
        reason: reason.into(),
        message: format!(
            "the status of this object was lost, and {place}, where a record of its upgrade may be, cannot be read: {why}; nothing is done until it can"
        ),
    })
}

/// The way back, from the records; `None` where there is none.
fn rebuild(cx: &Context<'_>) -> Option<Recovery> {
    let records = Records::find(cx);
    let newest = records
        .all()
        .max_by_key(|record| (record.past_no_return, record.epoch))?;
    if let Some(name) = records.find_contradiction() {
        return Some(Recovery::Asks(describe_loss(&format!(
            "the record on Deployment {name} and Secret {} tell different originals of it, so neither is believed and nothing is done",
            originals_name(cx.marks())
        ))));
    }
    let past = newest.past_no_return || cx.status.point_of_no_return_time.is_some();
    let Some(targets) = collect_originals(cx, &records, past) else {
        return Some(Recovery::Asks(describe_loss(
            "the record of one of its Deployments is lost as well and the Deployment cannot tell what it was, so nothing is done",
        )));
    };
    // The copy was written before anything was stopped: it does not know how far it went.
    let told = !records.targets.is_empty();
    let past = past || !told && !is_all_old(cx, &targets);
    let backup = cx.status.backup.clone().or_else(|| newest.backup.clone());
    if past && backup.is_none() {
        return Some(Recovery::Asks(describe_loss(
            "the new version may have been started, and which backup to go back to is not known any more, so nothing is done",
        )));
    }
    let rebuilt = OmsUpgradeStatus {
        backup,
        ..build_status(cx, newest, targets, past)
    };
    let direction = match needs_rollback(&rebuilt) {
        true => Direction::RollBack,
        false => Direction::Abort,
    };
    Some(Recovery::Rebuilt(Box::new(OmsUpgradeStatus {
        direction: Some(direction),
        ..rebuilt
    })))
}

/// Whether every target has its original template.
fn is_all_old(cx: &Context<'_>, originals: &[TargetOriginal]) -> bool {
    originals.iter().all(|original| {
        let mut seen = list_deployments(cx);
        let deployment = seen.find(|(name, _)| *name == original.name);
        deployment
            .and_then(|(_, deployment)| read_template_text(&deployment.object))
            .is_some_and(|text| hash_text(&text) == original.template_hash)
    })
}
