//! What steers an upgrade and may change while it is under way: approval, acceptance, window, cleanup. No I/O.
use super::Duration;
use crate::protocol::names::name_variants;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The fields of the spec that may change at any time. Every other field is frozen once `status.startedTime` is set: so is
/// a new one, unless it is listed here. `timeouts` and `accept` are among them because a restore may need a longer limit,
/// and a moved tag is met on the way back; `takeOver` because a backup tool may bring the status back too; `gitops`
/// because git is changed after the end.
pub const MUTABLE: &[&str] = &[
    "action",
    "paused",
    "planRequest",
    "retryRequest",
    "accept",
    "timeouts",
    "cleanup",
    "takeOver",
    "gitops",
];

/// The fields that may change until a rollback began: it has been decided then what they speak about.
pub const MUTABLE_UNTIL_ROLLBACK: &[&str] = &["approval", "rollback"];

/// The fields that no plan depends on: an edit of them makes none again. Whether and when an upgrade begins is looked
/// at where its plan waits. An edit of any other field, and so of a new one, makes the plan again.
pub const STEERING: &[&str] = &[
    "paused",
    "planRequest",
    "retryRequest",
    "accept",
    "approval",
    "window",
    "cleanup",
    "takeOver",
    "gitops",
];

/// What an upgrade waits for before it goes through a gate.
///
/// A gate is open while `planHash` is that of the plan in the status. Who may write this is a matter of the verb
/// `approve` (see the admission policy); who did is told by the audit log of the API server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Approval {
    /// The plan that is approved: `status.plan.hash`. Without it every gate is closed.
    #[schemars(length(min = 1, max = 128))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan_hash: Option<String>,
    /// Who approves, as a note for people. It proves nothing.
    #[schemars(length(min = 1, max = 128))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Where the upgrade looks for the approval.
    #[schemars(length(min = 1, max = 2))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    #[serde(default = "default_gates")]
    pub gates: Vec<Gate>,
    /// How long the gate `PointOfNoReturn` is waited for, while OMS is stopped. Then the upgrade is aborted, and the old
    /// version starts again.
    #[serde(default = "default_gate_timeout")]
    pub timeout: Duration,
}

fn default_gates() -> Vec<Gate> {
    vec![Gate::Start]
}

fn default_gate_timeout() -> Duration {
    Duration::of_minutes::<60>()
}

/// Where an upgrade waits for an approval.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Gate {
    /// Before anything is changed.
    Start,
    /// Before the new version is started: OMS is stopped and the backup is proven.
    PointOfNoReturn,
}

name_variants!(Gate: Start, PointOfNoReturn);

/// One thing that a person takes upon himself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct Acceptance {
    /// The reason of the stall that this answers.
    pub reason: AcceptReason,
    /// What is accepted: the message of the stall says which text to write here.
    #[schemars(length(min = 1, max = 512))]
    pub value: String,
}

/// Stalls that a person can answer by taking something upon himself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum AcceptReason {
    /// The image that runs under the old name is not the one that ran before. The value is the id of that image.
    ImageDiffers,
    /// `docker_init.sh` ended well without saying that it is complete. The value names the run.
    InitUnconfirmed,
    /// The record in the MetaDB tells what the status does not know. The value is the number of its rows.
    StatusOlder,
    /// Rows of the record in the MetaDB are gone. The value is the number of those that are left.
    RecordBehind,
    /// Somebody else started another image before the point of no return. The value names Deployment and image.
    OtherImageSeen,
    /// HA was brought to its goal and does not read so any more. The value is what it reads.
    HaChanged,
    /// The image of before the upgrade cannot be had on the node of a Deployment. The value names Deployment and
    /// image.
    OldImageNotPulled,
}

name_variants!(
    AcceptReason: ImageDiffers, InitUnconfirmed, StatusOlder, RecordBehind, OtherImageSeen, HaChanged,
    OldImageNotPulled,
);

/// When an upgrade may begin. What has begun is never interrupted.
///
/// It begins only inside, and only when the estimated time without replication fits into what is left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Window {
    /// When it opens, as the time of a day: `22:00`.
    #[schemars(
        length(min = 5, max = 5),
        regex(pattern = r"^([01][0-9]|2[0-3]):[0-5][0-9]$")
    )]
    pub start: String,
    /// How long it stays open.
    pub duration: Duration,
    /// On which days it opens. Without them, on every day.
    #[schemars(length(min = 1, max = 7))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub days: Vec<Weekday>,
    /// The time zone of `start`, by its name in the IANA database: `Asia/Shanghai`.
    #[schemars(length(min = 1, max = 64), regex(pattern = r"^[A-Za-z0-9_+/-]+$"))]
    #[serde(default = "default_time_zone")]
    pub time_zone: String,
}

fn default_time_zone() -> String {
    "UTC".into()
}

/// A day of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Weekday {
    /// The first day of the working week.
    Monday,
    /// The second one.
    Tuesday,
    /// The third one.
    Wednesday,
    /// The fourth one.
    Thursday,
    /// The fifth one.
    Friday,
    /// The first day of the weekend.
    Saturday,
    /// The second day of the weekend.
    Sunday,
}

/// What becomes of what an upgrade leaves behind once it is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Cleanup {
    /// How long the tables that a rollback replaced are kept, as `<database>__omsnew_<attempt>`, counted from the end of
    /// the upgrade. Then they are dropped.
    #[serde(default = "default_safety_copies")]
    pub safety_copies: Duration,
    /// What becomes of the backup.
    #[serde(default)]
    pub backup: BackupRetention,
}

fn default_safety_copies() -> Duration {
    Duration::of_minutes::<{ 168 * 60 }>()
}

impl Default for Cleanup {
    fn default() -> Self {
        Self {
            safety_copies: default_safety_copies(),
            backup: BackupRetention::default(),
        }
    }
}

/// What becomes of the backup.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum BackupRetention {
    /// It stays on its claim, also when the object is deleted: a person removes it.
    #[default]
    Keep,
}

/// What the Deployments are kept from, where a tool as Argo CD or Flux writes them from git.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct GitOps {
    /// The image of OMS that git names: write it in the very commit that brings it there. While it is not the one that
    /// the end left running, nothing is given back to the tool where no admission policy refuses the other image
    /// (condition `SourceConverged`). After the end only an image of `status.forbiddenImages[].useImage` can be written
    /// here.
    #[schemars(length(min = 1, max = 512), regex(pattern = r"^[^\s]+$"))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_image: Option<String>,
}
