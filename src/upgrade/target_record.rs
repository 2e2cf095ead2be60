//! The record on the targets, and a status rebuilt from it when the status was lost. Pure.
//!
//! Status is dropped by some restores of a cluster. Then the annotation on the targets, written
//! together with every change of them, says how far the upgrade got and how to get back.
use crate::api::{
    BackupStatus, Cause, Direction, HaOriginal, InstallationStatus, Intent, Internal, JobRecord,
    JobRole, ORIGINALS_ANNOTATION, OmsUpgradeStatus, Originals, Reason, Requests, Step,
    TargetOriginal,
};
use crate::facts::Fact;
use crate::objects::deployment::{find_container_name, read_annotation};
use crate::upgrade::context::Context;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde::Deserialize;
use serde::Serialize;
use serde_json::Value;

/// What an annotation on a target remembers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TargetRecord {
    /// Name of the `OmsUpgrade`.
    pub upgrade: String,
    pub uid: String,
    /// Epoch of the last write.
    pub epoch: i64,
    /// The intent of the write that brought this record: it tells whether a write has happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intent: Option<Intent>,
    /// The new version may have been started.
    pub past_no_return: bool,
    /// When the operation began: the pull-back of HA reaches back to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_time: Option<Time>,
    /// When OMS was seen stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old_stopped_time: Option<Time>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub installation: Option<InstallationStatus>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup: Option<BackupStatus>,
    /// HA before the upgrade.
    pub ha: HaOriginal,
    /// `ob_query_timeout` before it was raised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ob_query_timeout: Option<i64>,
    /// The target.
    pub original: TargetOriginal,
}

/// Builds the text of a target's annotation from the status.
pub fn build_target_record(
    upgrade: &str,
    uid: &str,
    status: &OmsUpgradeStatus,
    target: &str,
) -> Option<String> {
    let originals = status.internal.originals.as_ref()?;
    let record = TargetRecord {
        upgrade: upgrade.into(),
        uid: uid.into(),
        epoch: status.internal.epoch,
        intent: status.internal.intent.clone(),
        past_no_return: status.point_of_no_return_time.is_some(),
        started_time: status.started_time.clone(),
        old_stopped_time: status.old_stopped_time.clone(),
        installation: status.installation.clone(),
        backup: status.backup.clone(),
        ha: originals.ha.clone(),
        ob_query_timeout: originals.ob_query_timeout,
        original: originals.find_target(target)?.clone(),
    };
    serde_json::to_string(&record).ok()
}

/// Reads a target's annotation, when it carries one.
pub(crate) fn read_target_record(deployment: &Value) -> Option<TargetRecord> {
    serde_json::from_str(read_annotation(deployment, ORIGINALS_ANNOTATION)?).ok()
}

/// A status for an object that has none although its targets carry our record: the way back.
pub(crate) fn rebuild_status(cx: &Context<'_>) -> Option<OmsUpgradeStatus> {
    if cx.status.step.is_some() {
        return None;
    }
    let records: Vec<TargetRecord> = cx
        .observed
        .targets
        .iter()
        .filter_map(|facts| match &facts.deployment {
            Fact::Known(Some(deployment)) => read_target_record(&deployment.object),
            _ => None,
        })
        // Another object of the same name knows nothing of what was done to OMS since the record was written.
        .filter(|record| record.uid == cx.object.uid)
        .collect();
    let newest = records
        .iter()
        .max_by_key(|record| (record.past_no_return, record.epoch))?
        .clone();
    let past = newest.past_no_return;
    let mut targets: Vec<TargetOriginal> =
        records.into_iter().map(|record| record.original).collect();
    // Targets that were not written yet are still as they were.
    for (target, facts) in cx.spec.targets.iter().zip(&cx.observed.targets) {
        if targets.iter().any(|original| original.name == target.name) {
            continue;
        }
        let deployment = facts.deployment.known()?.as_ref()?;
        let container = find_container_name(target, &deployment.object)?;
        targets.push(crate::objects::deployment::capture_original(
            deployment,
            &target.name,
            &container,
            None,
        )?);
    }
    let direction = if past {
        Direction::RollBack
    } else {
        Direction::Abort
    };
    let epoch = newest.epoch + 1;
    // Job names of the lost life are never used again.
    let attempt = i32::try_from(epoch).unwrap_or(1).saturating_mul(10);
    let roles = [
        JobRole::Probe,
        JobRole::Dump,
        JobRole::Verify,
        JobRole::Compare,
        JobRole::Restore,
        JobRole::DropCopies,
    ];
    let mut requests = Requests::default();
    requests.honour_retry(cx.spec.retry_request.as_deref());
    requests.honour_plan(cx.spec.plan_request.as_deref());
    Some(OmsUpgradeStatus {
        observed_generation: Some(cx.object.generation),
        direction: Some(direction),
        step: Some(Step::StoppingJobs),
        started_time: newest.started_time.or_else(|| Some(cx.now.clone())),
        step_started_time: Some(cx.now.clone()),
        point_of_no_return_time: past.then(|| cx.now.clone()),
        old_stopped_time: newest.old_stopped_time,
        cause: Some(Cause {
            reason: Reason::StatusLost.into(),
            message: "the status of this object was lost while its upgrade was under way; it was rebuilt from the record on the Deployments, and everything goes back as it was".into(),
        }),
        installation: newest.installation,
        backup: newest.backup,
        internal: Internal {
            epoch,
            requests,
            originals: Some(Originals { targets, ha: newest.ha, ob_query_timeout: newest.ob_query_timeout }),
            jobs: roles.into_iter().map(|role| JobRecord { role, attempt, first_attempt: attempt, uid: None }).collect(),
            ..Internal::default()
        },
        ..OmsUpgradeStatus::default()
    })
}
