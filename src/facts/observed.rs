//! What was seen of the world in one reconcile. Plain facts; the controller fills them in. No I/O.
//!
//! `Unknown` is a value: a call that failed or timed out is never taken for an answer.
use super::{AccountSource, Fact, ForerunnerFacts, RehearsalFacts};
use crate::api::JobRole;
use crate::metadb::SchemaFingerprint;
use crate::oms::container::ProgramState;
use crate::oms::installation::Installation;
use crate::oms::metadb::{
    ConnectorReport, HaRow, HeartBeat, HostRow, KeptKeys, LockRow, ServerIdentity, SessionReport,
    UpgradeRecord,
};
use crate::oms::open_api::Health;
use crate::oms::project::{ProjectKey, ProjectProgress, ProjectRow};
use crate::protocol::report::{Progress as AgentProgress, Report};
use serde_json::Value;
use std::collections::BTreeMap;

/// Everything seen in one reconcile. What the present step does not need stays `Unknown`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observed {
    /// The namespace is being deleted: nothing can be created any more.
    pub namespace_terminating: bool,
    /// Unfinished upgrades of the same namespace that share a target with this one and go first.
    pub rivals: Fact<Vec<String>>,
    /// The targets, in the order of the spec.
    pub targets: Vec<TargetFacts>,
    /// The claim of the backup.
    pub claim: Fact<ClaimFacts>,
    /// Pre-pull pods, one per target.
    pub prepulls: Vec<PrePullFacts>,
    /// Pods that pull the image of before the upgrade, one per target whose original is recorded.
    pub old_pulls: Vec<PrePullFacts>,
    /// The newest recorded attempt of the Job that the present step is about.
    pub job: Fact<JobState>,
    /// Our own Jobs, pods and Secrets that still exist.
    pub leftovers: Fact<Vec<OwnObject>>,
    /// The Secret with the second copy of the originals; `Known(None)` when there is none of ours.
    pub originals_copy: Fact<Option<OriginalsCopy>>,
    /// The installation as `config.yaml` (or the spec) tells it.
    pub installation: Fact<Installation>,
    /// Where Jobs find the account of the MetaDB.
    pub account: Fact<AccountSource>,
    /// What was read from the MetaDB.
    pub metadb: MetaDbFacts,
    /// Progress of the projects by the open API.
    pub progress: Fact<ProgressReport>,
    pub forerunner: ForerunnerFacts,
}

/// What the open API tells of the projects that were asked for; `Unknown` where it tells of none.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ProgressReport {
    pub seen: Vec<ProjectProgress>,
    /// Those of which it told nothing.
    pub unread: Vec<UnreadProject>,
}

/// A project whose progress could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnreadProject {
    pub key: ProjectKey,
    /// In words.
    pub reason: String,
}

/// What was seen of one target.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TargetFacts {
    /// Name of the Deployment.
    pub name: String,
    /// The Deployment; `Known(None)` when it does not exist.
    pub deployment: Fact<Option<DeploymentFacts>>,
    /// Its pods, terminating ones included.
    pub pods: Fact<Vec<PodFacts>>,
    /// Programs under supervisord in its container.
    pub programs: Fact<Vec<Program>>,
    /// The run of `docker_init.sh` of the recorded attempt.
    pub init: Fact<InitState>,
    /// What its log says so far; empty where it was not read.
    pub init_log: InitLog,
    /// `/oms/health`.
    pub health: Fact<Health>,
    /// The node runs cgroup v1.
    pub cgroup_v1: Fact<bool>,
    /// What `date` says in its container: seconds east of UTC.
    pub utc_offset_seconds: Fact<i32>,
    /// The Application of Argo CD that keeps it; `Known(None)` where the Deployment names none, or nobody let the
    /// operator read it.
    pub application: Fact<Option<ApplicationFacts>>,
    /// Whether the API server refuses the image that the status forbids for it.
    pub image_guard: Fact<bool>,
    /// Its writes, as they were rehearsed; empty where none was, or none could be built.
    pub rehearsals: Vec<RehearsalFacts>,
}

impl TargetFacts {
    /// The live pod whose container runs.
    pub fn find_running(&self) -> Option<&PodFacts> {
        self.pods
            .known()?
            .iter()
            .find(|pod| !pod.terminating && pod.container.running)
    }
}

/// A Deployment as read.
#[derive(Clone, Debug, PartialEq)]
pub struct DeploymentFacts {
    pub uid: String,
    pub resource_version: String,
    /// The whole object.
    pub object: Value,
}

/// An Application of Argo CD as read.
#[derive(Clone, Debug, PartialEq)]
pub struct ApplicationFacts {
    /// `NAMESPACE/NAME`.
    pub name: String,
    /// Its `spec`, whole.
    pub spec: Value,
}

/// A pod of a target.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PodFacts {
    pub name: String,
    pub uid: String,
    /// Node it is bound to.
    pub node: Option<String>,
    /// Address.
    pub ip: Option<String>,
    /// Being deleted.
    pub terminating: bool,
    /// Why it does not end, or why nobody can tell whether it still works, with what a person can do.
    pub stay: Option<String>,
    /// Created, Unix seconds.
    pub created: i64,
    /// Why it cannot be scheduled.
    pub unschedulable: Option<String>,
    /// The template of its ReplicaSet, as stored: what it was made from. `Known(None)` where no ReplicaSet owns it any
    /// more.
    pub template: Fact<Option<Value>>,
    /// The OMS container.
    pub container: ContainerFacts,
}

impl PodFacts {
    /// Its address, where it has one that reads as such.
    pub fn address(&self) -> Option<std::net::IpAddr> {
        self.ip.as_deref()?.parse().ok()
    }
}

/// The OMS container of a pod.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ContainerFacts {
    /// It runs now.
    pub running: bool,
    pub ready: bool,
    /// Its id; empty when it never ran.
    pub id: String,
    /// Image as pulled.
    pub image_id: String,
    /// How often kubelet has started it anew.
    pub restart_count: i32,
    /// Reason of its waiting state (`ImagePullBackOff`, `CrashLoopBackOff`, …).
    pub waiting: Option<String>,
}

/// One program under supervisord.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    pub name: String,
    pub state: ProgramState,
    /// Process id while running.
    pub pid: Option<i64>,
}

/// A run of `docker_init.sh`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InitState {
    /// No record of this attempt.
    NotStarted,
    /// Its process lives.
    Running,
    /// It ended, however, and a documented completion text is in its log.
    Completed,
    /// It ended without one.
    Ended {
        /// Exit status.
        code: i32,
    },
    /// It was started, has no exit status, and its process is gone.
    Vanished,
}

/// What the log of a run of `docker_init.sh` says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InitLog {
    /// Number of the last step that it announced.
    pub step: Option<i32>,
    /// Its end, without lines that may hold a secret; none once a completion text is in it.
    pub last_lines: Vec<String>,
}

/// The claim of the backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimFacts {
    pub exists: bool,
    /// Its phase (`Bound`, `Pending`, `Lost`).
    pub phase: String,
}

/// The pre-pull pod of one target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrePullFacts {
    /// Target whose node it is pinned to.
    pub target: String,
    /// What is known of it.
    pub state: PrePullState,
    /// Image as pulled, once it ran.
    pub image_id: Option<String>,
}

/// State of a pre-pull pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PrePullState {
    /// No such pod.
    Absent,
    /// Not told yet.
    Pending,
    /// The image is on the node.
    Pulled,
    /// The kubelet says that it cannot be pulled.
    Failed(String),
    /// The node did not take the pod, so nothing was asked of a registry.
    NotStarted(String),
    /// Not seen.
    Unknown(String),
}

/// State of one of our Jobs.
#[derive(Clone, Debug, PartialEq)]
pub enum JobState {
    /// It does not exist.
    Absent,
    /// It exists and has not ended.
    Running {
        uid: String,
        /// Newest progress line of its pod.
        progress: Option<AgentProgress>,
        /// What keeps its pod from beginning, or nobody from knowing whether it still works.
        trouble: Option<PodTrouble>,
        /// When it was made, Unix seconds.
        made: i64,
    },
    /// It ended and no agent of it is left running.
    Ended {
        uid: String,
        /// Containers of others, put into its pod by somebody's webhook, that run on.
        helpers: Vec<String>,
        /// The agent's report; `None` when it was killed before it could write one.
        report: Option<Box<Report>>,
        /// What Kubernetes says about the end, when there is no report.
        why: String,
    },
    /// An object of this name exists that is not ours.
    Foreign,
}

/// What is wrong with a pod.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PodTrouble {
    pub kind: PodTroubleKind,
    /// Which pod, on which node, why, and what a person can do.
    pub message: String,
}

/// What a trouble of a pod means for what it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PodTroubleKind {
    /// Its container never ran.
    NotBegun,
    /// It ran, and nobody can tell whether it still does.
    Lost,
}

/// The Secret with the second copy of the originals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginalsCopy {
    pub name: String,
    pub uid: String,
    pub resource_version: String,
    /// It belongs to the `OmsUpgrade` and goes with it.
    pub owned: bool,
    /// The record of each target, by its name.
    pub records: BTreeMap<String, String>,
}

/// An object that we made.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct OwnObject {
    pub kind: OwnKind,
    pub name: String,
    /// Uid: a delete names it.
    pub uid: String,
    /// The Job is still running, or the pod is.
    pub active: bool,
    /// Why a pod that is active does not end.
    pub trouble: Option<PodTrouble>,
}

/// Kinds that we make.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum OwnKind {
    /// batch/v1 Job.
    Job,
    /// Pod of a Job.
    Pod,
    /// Pod that pulls an image on a node.
    PrePull,
    /// Secret (credentials read from the container).
    Secret,
    /// Secret with the second copy of the originals. It is not among the own objects that are listed: it is seen, and
    /// deleted, by itself.
    OriginalsCopy,
}

impl OwnKind {
    /// The kind as Kubernetes and intents name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Job => "Job",
            Self::Pod | Self::PrePull => "Pod",
            Self::Secret | Self::OriginalsCopy => "Secret",
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct MetaDbFacts {
    /// Who answers.
    pub identity: Fact<ServerIdentity>,
    /// HA parameter.
    pub ha: Fact<HaRow>,
    /// Recovery keys that an upgrade has left in it.
    pub kept_keys: Fact<Option<KeptKeys>>,
    /// `ops.store.max_count_per_subtopic`; `Known(None)` where there is no such row.
    pub store_limit: Fact<Option<u64>>,
    /// Foreign sessions.
    pub sessions: Fact<SessionReport>,
    pub projects: Fact<Vec<ProjectRow>>,
    pub connectors: Fact<ConnectorReport>,
    /// Nodes.
    pub hosts: Fact<Vec<HostRow>>,
    /// Heart beats of the supervisors.
    pub heart_beats: Fact<Vec<HeartBeat>>,
    /// Global `ob_query_timeout`, microseconds.
    pub query_timeout: Fact<Option<u64>>,
    /// The lock row.
    pub lock: Fact<Option<LockRow>>,
    /// What the record of upgrades tells this one.
    pub record: Fact<UpgradeRecord>,
    /// What the schema is now.
    pub fingerprint: Fact<SchemaFingerprint>,
}

/// When the second copy of the originals is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CopyNeed {
    /// Nothing is made of the originals.
    #[default]
    Never,
    /// Only where the record on a target, or the target itself, does not have the text that was recorded.
    WhereMissing,
    /// Whether it is there, and what it holds, is what the step is about.
    Always,
}

/// What a reconcile has to look at, beyond the targets' Deployments and pods.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    pub claim: bool,
    /// Pre-pull pods.
    pub prepulls: bool,
    /// Pods that pull the image of before the upgrade: those of this round.
    pub old_pulls: Option<i32>,
    /// The Job of this role.
    pub job: Option<JobRole>,
    /// Own objects.
    pub leftovers: bool,
    /// The second copy of the originals.
    pub originals: CopyNeed,
    /// `config.yaml`.
    pub installation: bool,
    /// Server identity.
    pub identity: bool,
    /// HA row.
    pub ha: bool,
    /// Recovery keys that an upgrade has left in the HA row.
    pub kept_keys: bool,
    /// How many Stores a subtopic may have.
    pub store_limit: bool,
    /// Foreign sessions.
    pub sessions: bool,
    /// Project rows and connectors.
    pub projects: bool,
    /// Project progress by the open API.
    pub progress: bool,
    /// Hosts and heart beats.
    pub health: bool,
    /// Templates that the targets' pods were made from.
    pub templates: bool,
    /// supervisord's programs.
    pub programs: bool,
    /// The run of `docker_init.sh`.
    pub init: bool,
    /// `ob_query_timeout`.
    pub query_timeout: bool,
    /// The lock row.
    pub lock: bool,
    /// The record of upgrades.
    pub record: bool,
    /// The schema.
    pub fingerprint: bool,
    /// cgroup version of the nodes.
    pub cgroup: bool,
    /// Time zones of the containers.
    pub time_zones: bool,
    /// Other upgrades of the namespace.
    pub rivals: bool,
    /// What the API server would make of the writes of the targets.
    pub rehearsal: bool,
    /// Whether forbidden images are refused.
    pub image_guard: bool,
    /// The object whose upgrade is to be taken over.
    pub forerunner: bool,
    /// Applications of Argo CD.
    pub applications: bool,
}

impl Needs {
    /// Whether the MetaDB, or the way to it, has to be found. A need that is added has to be named here: none is left
    /// out because nobody thought of it.
    pub fn wants_metadb(self) -> bool {
        let Self {
            claim: _,
            prepulls: _,
            old_pulls: _,
            job,
            leftovers: _,
            originals: _,
            installation,
            identity,
            ha,
            kept_keys,
            store_limit,
            sessions,
            projects,
            progress,
            health,
            templates: _,
            programs: _,
            init: _,
            query_timeout,
            lock,
            record,
            fingerprint,
            cgroup: _,
            time_zones: _,
            rivals: _,
            rehearsal: _,
            image_guard: _,
            forerunner,
            applications: _,
        } = self;
        let asked = [
            identity,
            ha,
            kept_keys,
            store_limit,
            sessions,
            projects,
            query_timeout,
            lock,
            record,
            fingerprint,
            forerunner,
        ];
        // Progress and health begin with the projects and hosts that the MetaDB lists; a Job is told where it is.
        installation || progress || health || job.is_some() || asked.contains(&true)
    }
}
