//! What the records on the targets and their second copy tell of an upgrade, and the status that is made of that. Pure.
use crate::api::{
    Cause, HaOriginal, Internal, JobRecord, JobRole, OmsUpgradeStatus, Originals, PlanStatus,
    Reason, Requests, Step, TargetOriginal,
};
use crate::facts::{DeploymentFacts, OriginalsCopy};
use crate::objects::deployment::{capture_original, find_container_name};
use crate::objects::names::originals_name;
use crate::objects::originals::OriginalTexts;
use crate::upgrade::context::Context;
use crate::upgrade::target_record::{TargetRecord, find_record, read_copied_record};

/// The records of this object's upgrade, those on the targets first. A copy that belongs to the object is one of an
/// upgrade that has settled.
pub(crate) struct Records {
    pub(crate) targets: Vec<TargetRecord>,
    pub(crate) copied: Vec<TargetRecord>,
}

impl Records {
    pub(crate) fn find(cx: &Context<'_>) -> Self {
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

    pub(crate) fn all(&self) -> impl Iterator<Item = &TargetRecord> {
        self.targets.iter().chain(&self.copied)
    }

    /// A target of which the two places tell different originals.
    pub(crate) fn find_contradiction(&self) -> Option<&str> {
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

pub(crate) fn list_deployments<'a>(
    cx: &Context<'a>,
) -> impl Iterator<Item = (&'a str, &'a DeploymentFacts)> {
    let seen = cx.observed.targets.iter();
    seen.filter_map(|facts| Some((facts.name.as_str(), facts.deployment.known()?.as_ref()?)))
}

/// The status that the records of an upgrade tell that was taken over; `None` where there is none. `past`: the new
/// version may have been started.
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

/// The status of an upgrade that has left no record anywhere, because it has touched no Deployment: what they are now
/// is what they were. `find_image` tells what an image was pulled as, where it is still the same one.
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
pub(crate) fn collect_originals(
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

/// What people read stays as far as it is there.
pub(crate) fn build_status(
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
