//! The record on the targets, and its second copy. Pure.
//!
//! Status is dropped by some restores of a cluster. Then the annotation on the targets, written together with every
//! change of them, says how far the upgrade got and how to get back.
use crate::api::{
    BackupStatus, HaOriginal, InstallationStatus, Intent, ORIGINALS_ANNOTATION, OmsUpgradeStatus,
    OtherImage, TargetOriginal,
};
use crate::facts::OriginalsCopy;
use crate::objects::deployment::read_annotation;
use crate::objects::originals::OriginalTexts;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde::Deserialize;
use serde::Serialize;
use serde_json::Value;

/// What an annotation on a target, and a key of the Secret with the second copy, remembers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TargetRecord {
    /// Name of the `OmsUpgrade`.
    pub upgrade: String,
    /// Uid of the object that began the upgrade.
    pub uid: String,
    /// Uid of the object that continues it; absent where that is the one that began it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holder: Option<String>,
    /// Epoch of the last write.
    pub epoch: i64,
    /// The intent of the write that brought this record: it tells whether a write has happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intent: Option<Intent>,
    /// The new version may have been started.
    pub past_no_return: bool,
    /// What somebody else started before the new version was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub other_image: Option<OtherImage>,
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
    /// How a restore brings the content in: the probe that found it out is not made again on a way back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restore_method: Option<String>,
    /// The target.
    pub original: TargetOriginal,
    /// What it was, word for word.
    pub texts: OriginalTexts,
}

impl TargetRecord {
    /// Whether its texts are those whose hashes it tells.
    pub(crate) fn is_whole(&self) -> bool {
        self.texts.is_of(&self.original)
    }
}

/// How a restore brings the content in, as far as the plan knows.
pub(crate) fn read_restore_method(status: &OmsUpgradeStatus) -> Option<String> {
    status.plan.as_ref()?.restore_method.clone()
}

/// Builds the text of a target's annotation from the status and the texts of the original.
pub fn build_target_record(
    upgrade: &str,
    uid: &str,
    status: &OmsUpgradeStatus,
    target: &str,
    texts: OriginalTexts,
) -> Option<String> {
    let originals = status.internal.originals.as_ref()?;
    let taken = status.internal.find_taken();
    let record = TargetRecord {
        upgrade: upgrade.into(),
        uid: uid.into(),
        holder: taken.map(|taken| taken.by.clone()),
        epoch: status.internal.epoch,
        intent: status.internal.intent.clone(),
        past_no_return: status.point_of_no_return_time.is_some(),
        other_image: status.internal.other_image.clone(),
        started_time: status.started_time.clone(),
        old_stopped_time: status.old_stopped_time.clone(),
        installation: status.installation.clone(),
        backup: status.backup.clone(),
        ha: originals.ha.clone(),
        ob_query_timeout: originals.ob_query_timeout,
        restore_method: read_restore_method(status),
        original: originals.find_target(target)?.clone(),
        texts,
    };
    serde_json::to_string(&record).ok()
}

/// Reads a target's annotation, when it carries one.
pub(crate) fn read_target_record(deployment: &Value) -> Option<TargetRecord> {
    serde_json::from_str(read_annotation(deployment, ORIGINALS_ANNOTATION)?).ok()
}

/// The record of an upgrade on a target. Another object of the same name knows nothing of what was done to OMS since
/// the record was written.
pub(crate) fn find_record(deployment: &Value, uid: &str) -> Option<TargetRecord> {
    read_target_record(deployment).filter(|record| record.uid == uid)
}

/// The record of another upgrade on a target: what it has begun is its own to end.
pub(crate) fn find_anothers_record(deployment: &Value, uid: &str) -> Option<TargetRecord> {
    read_target_record(deployment).filter(|record| record.uid != uid)
}

/// The record of a target in the second copy.
pub(crate) fn read_copied_record(
    copy: &OriginalsCopy,
    uid: &str,
    target: &str,
) -> Option<TargetRecord> {
    let record: TargetRecord = serde_json::from_str(copy.records.get(target)?).ok()?;
    (record.uid == uid && record.original.name == target).then_some(record)
}

/// The original template, where the record on a target has the one that was recorded.
pub fn read_recorded_template(
    deployment: &Value,
    uid: &str,
    original: &TargetOriginal,
) -> Option<Value> {
    let texts = find_record(deployment, uid)?.texts;
    let right = texts.is_of(original);
    right.then(|| serde_json::from_str(&texts.template).ok())?
}
