//! What the operator knows and has done: the only memory of an upgrade. No I/O.
use super::CheckResult;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

mod forbidden;
mod internal;
mod leftovers;
mod machine;
mod plan;
mod records;

pub use forbidden::{ForbiddenImage, RevertedImage, SourceGuard, TargetSource};
pub use internal::{
    HealthBaseline, HealthSubject, Internal, Looks, OtherImage, Requests, TakeOverOutcome,
    TakenOver,
};
pub use leftovers::{CopyCleanup, Leftover, LeftoverKind};
pub use machine::{Direction, HaState, Phase, Step};
pub use plan::{AssumptionsStatus, Estimates, PlanStatus};
pub use records::*;

/// Status of an `OmsUpgrade`. Everything that matters is here: the operator can be killed anywhere.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct OmsUpgradeStatus {
    /// Generation of the spec that this status speaks of; −1 before the operator saw the object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Where the upgrade stands, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<Phase>,
    /// How far the upgrade is on the way that it goes, in one line: `5 of 13: dumping the databases`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step_summary: Option<String>,
    /// What you can do now, what helps first. Nothing where nothing is to be done any more.
    #[schemars(length(max = 6))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub next_actions: Vec<NextAction>,
    /// What HA is at. Not there where nobody has looked yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ha: Option<HaState>,
    /// Where the upgrade stands, in the operator's own terms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<Step>,
    /// Forward, or a way back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direction: Option<Direction>,
    /// The promises, one condition each.
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// Version of OMS before the upgrade.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_version: Option<String>,
    /// Version of OMS after the upgrade.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_version: Option<String>,
    /// Version of the operator that wrote this status last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator_version: Option<String>,

    /// When preflight passed and the operation began. The spec is frozen from here on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_time: Option<Time>,
    /// When the present step began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step_started_time: Option<Time>,
    /// When the verdict fell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_time: Option<Time>,
    /// When the old version was stopped and no session was left (T1 of the upgrade guide).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old_stopped_time: Option<Time>,
    /// When HA was switched on again (T2 of the upgrade guide).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ha_enabled_time: Option<Time>,
    /// When the new version was stopped for a rollback (T3 of the upgrade guide).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new_stopped_time: Option<Time>,
    /// When the intent to start the new version was recorded. From here on the way back is a rollback.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub point_of_no_return_time: Option<Time>,
    /// Everything is as it should be after the verdict: nothing left to clean up.
    #[serde(default)]
    pub settled: bool,

    /// Why the direction changed, or why the upgrade was given up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// Why the operator cannot go on by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stall: Option<Stall>,
    /// What the present step waits for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting: Option<Waiting>,
    /// Progress of the data operation under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<Progress>,

    /// What preflight found and what will happen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<PlanStatus>,
    /// The installation as discovered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub installation: Option<InstallationStatus>,
    /// The backup.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup: Option<BackupStatus>,
    /// What an upgrade that is over has left behind, and until when.
    #[x_kube(merge_strategy = ListMerge::Map(vec!["kind".into(), "place".into(), "name".into()]))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub leftovers: Vec<Leftover>,
    /// Images that must not be started on the databases as they are, from the point of no return on: the old one, after
    /// a rollback the new one. The chart's admission policy refuses them to everybody but the operator, as long as this
    /// object is there.
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["target".into(), "image".into()]))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub forbidden_images: Vec<ForbiddenImage>,
    /// Keys of `ha.config` that were changed for the recovery and are left so, because nobody could see it. The next
    /// upgrade of this MetaDB puts them back, or a person.
    #[x_kube(merge_strategy = ListMerge::Map(vec!["key".into()]))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kept_keys: Vec<KeptKey>,
    /// Projects whose checkpoint does not advance, with what a person can do.
    #[x_kube(merge_strategy = ListMerge::Map(vec!["kind".into(), "project".into()]))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub open_projects: Vec<OpenComponent>,
    /// Phases passed, oldest first, the last forty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<PhaseRecord>,
    /// What the operator has to remember and nobody has to read. It is no part of the API: it may be otherwise in every
    /// version.
    #[serde(default)]
    pub internal: Internal,
}
