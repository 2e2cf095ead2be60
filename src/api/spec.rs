//! What the user asks for. No I/O.
use super::{Check, Duration, OmsUpgradeStatus};
use crate::protocol::request::LoginMethod;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

mod account;
mod console;
pub(super) mod control;
mod ha;
mod ha_parameters;
mod init;
mod tls;

pub use account::*;
pub use console::*;
pub use control::*;
pub use ha::*;
pub use ha_parameters::*;
pub use init::*;
pub use tls::*;

/// One upgrade of one OMS installation: an operation that begins, ends and leaves a verdict.
///
/// Once the operation has started, only what steers it may change: `action`, `paused`, `planRequest`, `retryRequest`,
/// `accept`, `timeouts`, `cleanup`, `gitops` and `takeOver`, and until a rollback began `approval` and `rollback`.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "oms.oceanbase.com",
    version = "v1alpha1",
    kind = "OmsUpgrade",
    namespaced,
    status = "OmsUpgradeStatus",
    shortname = "omsup",
    category = "oms",
    derive = "PartialEq",
    doc = "Upgrades an OceanBase Migration Service (OMS) installation; brings it back when that fails or is asked for.",
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "Step", type_ = "string", json_path = ".status.stepSummary"),
    printcolumn(
        name = "Progress",
        type_ = "string",
        json_path = ".status.progress.summary"
    ),
    printcolumn(name = "ETA", type_ = "string", json_path = ".status.progress.eta"),
    printcolumn(name = "HA", type_ = "string", json_path = ".status.ha"),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    ),
    printcolumn(
        name = "From",
        type_ = "string",
        json_path = ".status.sourceVersion",
        priority = 1
    ),
    printcolumn(
        name = "To",
        type_ = "string",
        json_path = ".status.targetVersion",
        priority = 1
    ),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].message",
        priority = 1
    )
)]
#[cfg_attr(test, kube(cel))]
#[expect(
    clippy::duplicated_attributes,
    reason = "each column names its type and its path"
)]
#[serde(rename_all = "camelCase")]
pub struct OmsUpgradeSpec {
    /// The Deployments that run OMS: one per OMS node, all nodes of the installation.
    #[schemars(length(min = 1, max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub targets: Vec<Target>,

    /// Image of the new version. Use a digest where you can.
    #[schemars(length(min = 1, max = 512), regex(pattern = r"^[^\s]+$"))]
    pub image: String,

    /// Version that runs now, e.g. `3.3.0` or `3.3.0_BP1`, where the tags of the running images do not tell it.
    #[schemars(
        length(max = 16),
        regex(pattern = r"^[0-9]{1,2}(\.[0-9]{1,3}){2}(_BP[0-9]{1,3})?$")
    )]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_version: Option<String>,

    /// Version of `image`, in the same way, where its tag does not tell it.
    #[schemars(
        length(max = 16),
        regex(pattern = r"^[0-9]{1,2}(\.[0-9]{1,3}){2}(_BP[0-9]{1,3})?$")
    )]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_version: Option<String>,

    /// Addresses of nodes that `config.yaml` or the MetaDB still lists and that are gone for good: they are no targets,
    /// and nothing is asked of them. One that the MetaDB has as ONLINE is refused.
    #[schemars(
        length(max = 16),
        inner(length(min = 1, max = 253), regex(pattern = r"^[0-9A-Za-z.:-]+$"))
    )]
    #[x_kube(merge_strategy = ListMerge::Set)]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub retired_nodes: Vec<String>,

    /// How to reach the MetaDB. Everything is discovered by default.
    #[serde(default)]
    pub metadb: MetaDb,

    /// How to reach the OMS console, and how to log in to its open API, which tells how far each project is.
    #[serde(default)]
    pub console: Console,

    /// What is asked of projects before the upgrade.
    #[serde(default)]
    pub projects: Projects,

    /// How high availability (HA) is switched off and on again.
    #[serde(default)]
    pub ha: Ha,

    /// How the end of `docker_init.sh` is known.
    #[serde(default)]
    pub init: Init,

    /// Preflight checks that are attested or skipped. Those not listed must pass.
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<Check>,

    /// Where the backup goes and how it is proven.
    pub backup: Backup,

    /// How long each part may take, from `1s` to `720h` (30 days). A Job that runs keeps the limit that it was made
    /// with.
    #[serde(default)]
    pub timeouts: Timeouts,

    /// What happens when the upgrade fails after the new version was started.
    #[serde(default)]
    pub rollback: Rollback,

    /// What is asked for. Requests to abort or to roll back are remembered in the status once seen:
    /// re-applying the manifest does not take them back.
    #[serde(default)]
    pub action: Action,

    /// Holds the upgrade at the next phase boundary. A way back (abort, rollback) is never held.
    #[serde(default)]
    pub paused: bool,

    /// Makes the plan anew: write any text that was not there before. A text counts once: writing an earlier one again,
    /// by a revert in git or by applying an old manifest, asks for nothing.
    #[schemars(length(min = 1, max = 128))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan_request: Option<String>,

    /// Lets an upgrade that is `Stalled` try its step again: write any text that was not there before. A text counts
    /// once, as with `planRequest`.
    #[schemars(length(min = 1, max = 128))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_request: Option<String>,

    /// While this is there, the upgrade waits at its gates for the approval of its plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<Approval>,

    /// What a person takes upon himself where the upgrade is `Stalled` and says that it can be accepted.
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["reason".into(), "value".into()]))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub accept: Vec<Acceptance>,

    /// When an upgrade may begin. Without it, at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Window>,

    /// What becomes of what an upgrade leaves behind.
    #[serde(default)]
    pub cleanup: Cleanup,

    /// What the Deployments are kept from, where a tool as Argo CD or Flux writes them from git.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gitops: Option<GitOps>,

    /// Continues the upgrade of an object that is gone for good, as where a backup tool has brought it back under a new
    /// uid: the uid that the old object had, which holds the lock of the MetaDB. The new object has to bear the same
    /// name, and nothing is taken over while an object of that uid can be seen, or its absence cannot. Its own uid
    /// means nothing, and neither does one that holds no lock.
    #[schemars(
        length(min = 36, max = 36),
        regex(pattern = r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")
    )]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub take_over: Option<String>,
}

/// What the user asks of the upgrade.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Action {
    /// Preflight only: fill in the plan and stop.
    Plan,
    /// Upgrade.
    #[default]
    Run,
    /// Give up: before the new version is started everything goes back as it was; afterwards this is a rollback, and
    /// after success nothing.
    Abort,
    /// Bring back data and image, also after success. Before the new version is started this is an abort.
    RollBack,
}

/// Kinds of workload that can run an OMS node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum TargetKind {
    /// An apps/v1 Deployment with one replica.
    Deployment,
}

/// One OMS node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Target {
    /// Kind of the workload; `Deployment` where it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<TargetKind>,
    /// Name of the workload, in the namespace of the `OmsUpgrade`.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Name of the OMS container. Needed only when the pod has several containers.
    #[schemars(length(min = 1, max = 63))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
}

/// How to reach the MetaDB.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = ("!has(self.source) || (self.source == 'Secret') == has(self.credentialsSecretRef)", "metadb.credentialsSecretRef: give it with source Secret, and only there"))]
#[x_kube(validation = ("!has(self.address) || has(self.databases)", "metadb.databases: needed when metadb.address is given"))]
pub struct MetaDb {
    /// Where the account comes from: the discriminator of this union. Where it is not said, `Secret` when
    /// `credentialsSecretRef` is there, and `ConfigMount` otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<AccountOrigin>,
    /// A Secret with an account of the MetaDB, for source `Secret`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials_secret_ref: Option<SecretCredentials>,
    /// Address of the MetaDB, when it cannot be taken from `config.yaml`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<MetaDbAddress>,
    /// Names of the OMS databases, when they cannot be taken from `config.yaml`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub databases: Option<MetaDbDatabases>,
    /// Ways to log in that are allowed although the connection is not encrypted and the password can be had by whoever
    /// answers at the address of the MetaDB, or sits between. Without it they are refused. Only where you trust the
    /// network.
    #[schemars(length(max = 4))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub logins_without_tls: Vec<LoginWithoutTls>,
    /// How the connections to the MetaDB are encrypted. Without it they are not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<MetaDbTls>,
}

/// A way to log in that gives the password away where nothing encrypts the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LoginWithoutTls {
    /// What MySQL gives new accounts, and the only one that MySQL 9 has.
    CachingSha2Password,
}

impl MetaDb {
    /// What the agent is told of them.
    pub fn list_allowed_logins(&self) -> Vec<LoginMethod> {
        let allowed = self.logins_without_tls.iter();
        allowed
            .map(|LoginWithoutTls::CachingSha2Password| LoginMethod::CachingSha2Password)
            .collect()
    }

    /// Where the account comes from.
    pub fn find_source(&self) -> MetaDbSource<'_> {
        match (&self.credentials_secret_ref, self.source) {
            (Some(secret), _) => MetaDbSource::Secret(secret),
            (None, Some(AccountOrigin::Container)) => MetaDbSource::Container,
            (None, _) => MetaDbSource::ConfigMount,
        }
    }
}

/// Where the account of the MetaDB comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetaDbSource<'a> {
    /// The Secret or ConfigMap that the pod mounts as `config.yaml`.
    ConfigMount,
    /// `config.yaml` as the running container sees it.
    Container,
    /// This Secret.
    Secret(&'a SecretCredentials),
}

/// Where the account of the MetaDB comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum AccountOrigin {
    /// The Secret or ConfigMap that the pod mounts as `config.yaml`: read when needed, kept nowhere.
    ConfigMount,
    /// `config.yaml` is read once from the running container, and the account is kept in a Secret that the operator makes
    /// and deletes. For installations whose `config.yaml` is a file of the node.
    Container,
    /// The Secret in `credentialsSecretRef`.
    Secret,
}

/// Address of the MetaDB (or of the proxy in front of it).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct MetaDbAddress {
    /// Host name or IP address.
    #[schemars(length(min = 1, max = 253))]
    pub host: String,
    /// Port.
    #[schemars(range(min = 1, max = 65535))]
    pub port: i32,
}

/// Names of the OMS databases (`drc_rm_db`, `drc_cm_db`, `drc_cm_heartbeat_db` of `config.yaml`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct MetaDbDatabases {
    /// Resource manager database (`drc_rm_db`).
    #[schemars(length(min = 1, max = 64))]
    pub resource_manager: String,
    /// Cluster manager database (`drc_cm_db`).
    #[schemars(length(min = 1, max = 64))]
    pub cluster_manager: String,
    /// Heartbeat database of every region (`drc_cm_heartbeat_db`).
    #[schemars(length(min = 1, max = 16), inner(length(min = 1, max = 64)))]
    pub heartbeat: Vec<String>,
}

/// What is asked of projects before the upgrade.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Projects {
    /// Lag of a running project that still counts as quasi-real-time, in seconds. OMS gives no number; the default is
    /// that of its strictest delay alarm (system parameter `alarm.thresholds.delayThreshold`, HIGH).
    #[schemars(range(min = 1, max = 86400))]
    #[serde(default = "default_max_lag")]
    pub max_lag_seconds: i32,
}

fn default_max_lag() -> i32 {
    30
}

impl Default for Projects {
    fn default() -> Self {
        Self {
            max_lag_seconds: default_max_lag(),
        }
    }
}

/// Where the backup goes and how it is proven.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Backup {
    /// PersistentVolumeClaim for the dumps. It stays when the upgrade is deleted. The dumps hold
    /// the passwords of data sources: guard it like the MetaDB.
    #[schemars(length(min = 1, max = 253))]
    pub claim_name: String,
    /// How the backup is proven before the new version is started.
    #[serde(default)]
    pub verification: Verification,
    /// What becomes of table `heatbeat_sequence` (the name is spelt so) once OMS is stopped, before the dump.
    #[serde(default)]
    pub heartbeat_sequence: HeartbeatSequence,
}

/// What becomes of the table from which heart beats take their numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum HeartbeatSequence {
    /// It is dumped as it is.
    #[default]
    Keep,
    /// All rows but the newest are deleted, as the upgrade guide lets one do (single node, step 2). It shortens the
    /// dump and nothing else; the rows do not come back by a rollback.
    Trim,
}

/// How the backup is proven.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Verification {
    /// Manifest, and a restore into scratch databases when that is estimated to take five minutes at most.
    #[default]
    Auto,
    /// Files re-read and hashed, object lists and row counts against the manifest.
    Manifest,
    /// Manifest, and always a restore into scratch databases with equal content digests.
    ScratchRestore,
}

/// What happens when the upgrade fails after the new version was started.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Rollback {
    /// Roll back by itself, or stop and wait for `action: RollBack`.
    #[serde(default)]
    pub policy: RollbackPolicy,
}

/// When a rollback begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum RollbackPolicy {
    /// As soon as the upgrade fails.
    #[default]
    Automatic,
    /// Only when `action: RollBack` asks for it. Until then the upgrade is `Stalled`.
    OnRequest,
}

/// How long each part may take, as Go durations (`90s`, `15m`, `1h30m`): at least `1s`, at most `720h` (30 days).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Timeouts {
    /// Preflight, with the pre-pull of images.
    pub preflight: Duration,
    /// HA off or on, read back.
    pub ha: Duration,
    /// Old or new version stopped, no session left.
    pub stop: Duration,
    /// The backup Job.
    pub backup: Duration,
    /// The verification Job.
    pub verify: Duration,
    /// Containers run.
    pub start: Duration,
    /// `docker_init.sh`.
    pub init: Duration,
    /// Services healthy after a normal start.
    pub health: Duration,
    /// Checkpoints of all projects advance again.
    pub recovery: Duration,
    /// The restore Job of a rollback.
    pub restore: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            preflight: Duration::of_minutes::<10>(),
            ha: Duration::of_minutes::<10>(),
            stop: Duration::of_minutes::<10>(),
            backup: Duration::of_minutes::<360>(),
            verify: Duration::of_minutes::<360>(),
            start: Duration::of_minutes::<15>(),
            init: Duration::of_minutes::<30>(),
            health: Duration::of_minutes::<20>(),
            recovery: Duration::of_minutes::<30>(),
            restore: Duration::of_minutes::<720>(),
        }
    }
}
