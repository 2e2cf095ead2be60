//! A status that was lost, whole or only what the operator remembers in it, and what is made of that. Pure.
//!
//! A restore of a cluster may drop the status. A definition that is older than the operator cuts what it does not know:
//! then the step is there and `status.internal` is not. In neither case anything goes on with defaults. The records say
//! how to get back; where there are none, nothing is done.
use crate::api::{
    Action, Cause, Direction, HaOriginal, Internal, JobRecord, JobRole, OmsUpgradeStatus,
    Originals, PlanStatus, Reason, Requests, RollbackPolicy, Stall, Step, TargetOriginal, Waiting,
};
use crate::facts::{DeploymentFacts, Fact, OriginalsCopy};
use crate::objects::deployment::{capture_original, find_container_name};
use crate::objects::names::originals_name;
use crate::objects::originals::{OriginalTexts, read_template_text};
use crate::protocol::hex::hash_text;
use crate::upgrade::context::Context;
use crate::upgrade::parts::abandonment::describe_release;
use crate::upgrade::parts::abandonment::is_abandoned;
use crate::upgrade::parts::other_image::needs_rollback;
use crate::upgrade::target_record::{TargetRecord, find_record, read_copied_record};

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

/// The records of this object's upgrade, those on the targets first. A copy that belongs to the object is one of an
/// upgrade that has settled.
struct Records {
    targets: Vec<TargetRecord>,
    copied: Vec<TargetRecord>,
}

impl Records {
    fn find(cx: &Context<'_>) -> Self {
        let uid = cx.marks();
        let records = list_deployments(cx)
            .filter_map(|(_, deployment)| find_record(&deployment.object, uid))
            .filter(TargetRecord::is_whole);
        let names = cx.spec.targets.iter().map(|target| target.name.as_str());
        let copy = find_copy(cx);
        let copied = names.filter_map(|name| read_copied_record(copy?, uid, name));
        Self {
            targets: records.collect(),
            copied: copied.filter(TargetRecord::is_whole).collect(),
        }
    }

    fn all(&self) -> impl Iterator<Item = &TargetRecord> {
        self.targets.iter().chain(&self.copied)
    }

    /// A target of which the two places tell different originals.
    fn find_contradiction(&self) -> Option<&str> {
        let differs = |record: &&TargetRecord| {
            let other = self
                .copied
                .iter()
                .find(|one| one.original.name == record.original.name);
            other.is_some_and(|other| other.original.template_hash != record.original.template_hash)
        };
        let record = self.targets.iter().find(differs)?;
        Some(&record.original.name)
    }
}

fn find_copy<'a>(cx: &Context<'a>) -> Option<&'a OriginalsCopy> {
    let copy = cx.observed.originals_copy.known()?.as_ref();
    copy.filter(|copy| !copy.owned)
}

fn list_deployments<'a>(cx: &Context<'a>) -> impl Iterator<Item = (&'a str, &'a DeploymentFacts)> {
    let seen = cx.observed.targets.iter();
    seen.filter_map(|facts| Some((facts.name.as_str(), facts.deployment.known()?.as_ref()?)))
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

/// The status that the records of an upgrade tell that was taken over; `None` where there is none. `past`: the new version
/// may have been started.
///
/// # Errors
/// What is wrong with them, for people.
pub(crate) fn build_from_records(
    cx: &Context<'_>,
    past: bool,
) -> Result<Option<OmsUpgradeStatus>, String> {
    let records = Records::find(cx);
    let newest = records
        .all()
        .max_by_key(|record| (record.past_no_return, record.epoch));
    let Some(newest) = newest else {
        return Ok(None);
    };
    if newest.upgrade != cx.object.name {
        return Err(format!(
            "it was begun by an OmsUpgrade of the name {}; make the new object under that name",
            newest.upgrade
        ));
    }
    if let Some(name) = records.find_contradiction() {
        return Err(format!(
            "the record on Deployment {name} and Secret {} tell different originals of it",
            originals_name(cx.marks())
        ));
    }
    let targets = collect_originals(cx, &records, past).ok_or(
        "the record on one of its Deployments is lost, and the Deployment cannot tell what it was",
    )?;
    Ok(Some(build_status(cx, newest, targets, past)))
}

/// The status of an upgrade that has left no record anywhere, because it has touched no Deployment: what they are now is
/// what they were. `find_image` tells what an image was pulled as, where it is still the same one.
pub(crate) fn capture_untouched(
    cx: &Context<'_>,
    ha: HaOriginal,
    find_image: impl Fn(&TargetOriginal) -> Option<Option<String>>,
) -> Option<OmsUpgradeStatus> {
    let none = Records {
        targets: Vec::new(),
        copied: Vec::new(),
    };
    let mut targets = collect_originals(cx, &none, false)?;
    for original in &mut targets {
        original.image_id = find_image(original)?;
    }
    let record = TargetRecord {
        upgrade: cx.object.name.clone(),
        uid: cx.marks().into(),
        holder: None,
        epoch: 0,
        intent: None,
        past_no_return: false,
        other_image: None,
        started_time: None,
        old_stopped_time: None,
        installation: None,
        backup: None,
        ha,
        ob_query_timeout: None,
        restore_method: None,
        original: targets.first()?.clone(),
        texts: OriginalTexts {
            template: String::new(),
            managed_fields: None,
        },
    };
    Some(build_status(cx, &record, targets, false))
}

/// One original for each target: by the records, else as it is now, where it was not written yet. Past the line
/// each was written, one without replicas was stopped, and the new image is nobody's original.
fn collect_originals(
    cx: &Context<'_>,
    records: &Records,
    past: bool,
) -> Option<Vec<TargetOriginal>> {
    let mut originals: Vec<TargetOriginal> = Vec::new();
    for record in records.all() {
        let known = |one: &TargetOriginal| one.name == record.original.name;
        if !originals.iter().any(known) {
            originals.push(record.original.clone());
        }
    }
    for target in &cx.spec.targets {
        if originals
            .iter()
            .any(|original| original.name == target.name)
        {
            continue;
        }
        let (_, deployment) = list_deployments(cx).find(|(name, _)| *name == target.name)?;
        let container = find_container_name(target, &deployment.object)?;
        let original = capture_original(deployment, &target.name, &container, None)?;
        if past || original.replicas == 0 || original.image == cx.spec.image {
            return None;
        }
        originals.push(original);
    }
    Some(originals)
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

/// What people read stays as far as it is there.
fn build_status(
    cx: &Context<'_>,
    newest: &TargetRecord,
    targets: Vec<TargetOriginal>,
    past: bool,
) -> OmsUpgradeStatus {
    let status = cx.status.clone();
    let epoch = newest.epoch + 1;
    // Job names of the lost life are never used again.
    let attempt = i32::try_from(epoch).unwrap_or(1).saturating_mul(10);
    let roles = JobRole::ALL.iter();
    let mut requests = Requests::default();
    requests.honour_retry(cx.spec.retry_request.as_deref());
    requests.honour_plan(cx.spec.plan_request.as_deref());
    OmsUpgradeStatus {
        observed_generation: Some(cx.object.generation),
        step: Some(Step::StoppingJobs),
        started_time: status
            .started_time
            .or_else(|| newest.started_time.clone())
            .or_else(|| Some(cx.now.clone())),
        step_started_time: Some(cx.now.clone()),
        point_of_no_return_time: status
            .point_of_no_return_time
            .or_else(|| past.then(|| cx.now.clone())),
        old_stopped_time: status
            .old_stopped_time
            .or_else(|| newest.old_stopped_time.clone()),
        cause: Some(Cause {
            reason: Reason::StatusLost.into(),
            message: "the status of this object was lost while its upgrade was under way; it was rebuilt from the record on the Deployments or \
                      from its Secret, and everything goes back as it was"
                .into(),
        }),
        installation: status.installation.or_else(|| newest.installation.clone()),
        plan: status.plan.or_else(|| {
            Some(PlanStatus {
                restore_method: newest.restore_method.clone(),
                ..PlanStatus::default()
            })
        }),
        stall: None,
        waiting: None,
        settled: false,
        finished_time: None,
        internal: Internal {
            epoch,
            requests,
            other_image: newest.other_image.clone(),
            taken_over: status.internal.taken_over,
            originals: Some(Originals {
                targets,
                ha: newest.ha.clone(),
                ob_query_timeout: newest.ob_query_timeout,
                copy_uid: find_copy(cx).map(|copy| copy.uid.clone()),
            }),
            jobs: roles
                .map(|role| JobRecord {
                    role: *role,
                    attempt,
                    first_attempt: attempt,
                    uid: None,
                })
                .collect(),
            ..Internal::default()
        },
        ..status
    }
}
