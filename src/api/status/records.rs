//! What a status remembers: originals, Jobs, backup, projects, intents. No I/O.
use super::*;
use crate::api::Acceptance;
use crate::protocol::names::name_variants;

/// An effect that may be carried out, recorded before it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Intent {
    /// Kind of the effect.
    pub effect: String,
    /// What it is done to (a Deployment, a Job, a node).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// What the world looked like before (a generation, a process id): tells afterwards whether the
    /// effect has happened, and whether somebody undid it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
}

/// Why the direction changed, or why the upgrade was given up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Cause {
    /// Machine-readable reason (CamelCase).
    pub reason: String,
    /// What happened, what it means for the data, what to do next.
    pub message: String,
}

/// Why the operator cannot go on by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Stall {
    /// Machine-readable reason (CamelCase).
    pub reason: String,
    /// What happened, what it means for the data, what to do next.
    pub message: String,
    /// What `spec.accept` takes here, where a person can take it upon himself.
    #[x_kube(merge_strategy = ListMerge::Map(vec!["reason".into(), "value".into()]))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub accept: Vec<Acceptance>,
}

/// One thing that a person can do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NextAction {
    /// What it is.
    pub name: ActionName,
    /// What comes of it.
    pub description: String,
    /// The command that does it.
    pub command: String,
}

/// Names of what a person can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum ActionName {
    /// Take upon you what the stall asks about.
    Accept,
    /// Approve the plan that is in the status.
    Approve,
    /// Let the step that is stalled begin again.
    Retry,
    /// Begin the upgrade that was planned.
    Run,
    /// Make the plan anew.
    PlanAgain,
    /// Go on after a pause.
    Resume,
    /// Stop at the next phase boundary.
    Pause,
    /// Bring everything back as it was; the new version was not started yet.
    Abort,
    /// Bring back the old version and its data.
    RollBack,
    /// Let go of it as it stands: only people can bring back what is gone.
    Release,
}

name_variants!(
    ActionName:
    Accept, Approve, Retry, Run, PlanAgain, Resume, Pause, Abort, RollBack, Release,
);

/// What the present step waits for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Waiting {
    /// Machine-readable reason (CamelCase).
    pub reason: String,
    /// What is waited for.
    pub message: String,
}

/// Progress of a data operation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Progress {
    /// One line for `kubectl get`.
    pub summary: String,
    /// 0 to 100, when the total is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percent: Option<i32>,
    /// Bytes done.
    pub bytes_done: i64,
    /// Bytes in all, estimated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes_total: Option<i64>,
    /// Bytes per second.
    pub bytes_per_second: i64,
    /// Time left, estimated, in words: `3m20s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eta: Option<String>,
    /// Seconds left, estimated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eta_seconds: Option<i64>,
    /// Database worked on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<String>,
    /// When this was seen. It is written anew when the line changes, at most every ten
    /// seconds; the Job's log tells more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_time: Option<Time>,
}

/// The installation as discovered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InstallationStatus {
    /// Host of the MetaDB.
    pub metadb_host: String,
    /// Port of the MetaDB.
    pub metadb_port: i32,
    /// All databases: resource manager, cluster manager, every region's heartbeat.
    pub databases: Vec<String>,
    /// Database of the resource manager.
    pub rm_database: String,
    /// Database of the cluster manager.
    pub cm_database: String,
    /// Heartbeat databases.
    pub heartbeat_databases: Vec<String>,
    /// Product and version of the MetaDB's server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// Addresses of the OMS nodes.
    #[serde(default)]
    pub nodes: Vec<String>,
    /// Addresses that OMS may connect to the MetaDB from: nodes, targets, rows of `host`, pods. Empty where one is not
    /// known; then every session of its account counts as OMS's.
    #[serde(default)]
    pub addresses: Vec<String>,
    /// Targets on which `docker_init.sh` must run: one per region, or each where configurations differ.
    #[serde(default)]
    pub init_targets: Vec<String>,
}

/// Originals of everything that is changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Originals {
    /// The targets.
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    #[serde(default)]
    pub targets: Vec<TargetOriginal>,
    /// HA.
    #[serde(default)]
    pub ha: HaOriginal,
    /// Global `ob_query_timeout` of the MetaDB in microseconds, where the engine has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ob_query_timeout: Option<i64>,
    /// Uid of the Secret with the second copy of the targets' texts, once it was seen. No target is stopped before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copy_uid: Option<String>,
}

impl Originals {
    /// The original of a target.
    pub fn find_target(&self, name: &str) -> Option<&TargetOriginal> {
        self.targets.iter().find(|original| original.name == name)
    }
}

/// Originals of one target.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TargetOriginal {
    /// Name of the Deployment.
    pub name: String,
    /// Uid of the Deployment.
    pub uid: String,
    /// Name of the OMS container.
    pub container: String,
    /// Replicas.
    pub replicas: i32,
    /// Image as written in the template.
    pub image: String,
    /// Image as pulled, from the running container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_id: Option<String>,
    /// sha256 of `spec.template` of the Deployment as JSON text. The text itself stands in the annotation
    /// `oms.oceanbase.com/originals` of the Deployment and in a Secret; one that has another hash is never written
    /// back.
    pub template_hash: String,
    /// sha256 of the entries of `metadata.managedFields` as JSON text: who owned which field.
    pub managed_fields_hash: String,
}

/// HA before the upgrade.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HaOriginal {
    /// Whether HA was on. A missing row or key means off.
    pub enabled: bool,
    /// Value of `ha.config` as JSON text, when there was a row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<String>,
}

/// A Deployment that was stopped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StoppedTarget {
    /// Name of the Deployment.
    pub name: String,
    /// Its generation then. Another one says that somebody wrote its spec or its annotations.
    pub generation: i64,
    /// Since when the operator had owned its `spec.replicas` then. As long as that is so, nobody else changed them,
    /// whatever else was written: who changes a field takes it from its owner (Kubernetes, Server-Side Apply, field
    /// management).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas_owned_time: Option<Time>,
}

/// What a Job is for.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub enum JobRole {
    /// Tries claim, login, privileges and tools.
    Probe,
    /// Dumps the databases.
    Dump,
    /// Proves the dump.
    Verify,
    /// Compares the databases with the backup.
    Compare,
    /// Restores the backup.
    Restore,
    /// Drops the tables that a restore replaced.
    DropCopies,
}

name_variants!(JobRole: Probe, Dump, Verify, Compare, Restore, DropCopies);

/// The newest attempt of a Job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct JobRecord {
    /// What the Job is for.
    pub role: JobRole,
    /// Attempt, counted from one.
    pub attempt: i32,
    /// The first attempt of the present pass through the step: attempts are granted anew with each pass.
    #[serde(default)]
    pub first_attempt: i32,
    /// Uid of the Job, once it was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
}

/// The backup.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct BackupStatus {
    /// Directory on the claim.
    pub directory: String,
    /// sha256 of the manifest. A restore trusts nothing else.
    pub manifest_digest: String,
    /// When the dump was complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_time: Option<Time>,
    /// The content was proven.
    #[serde(default)]
    pub verified: bool,
    /// Also by a restore into scratch databases.
    #[serde(default)]
    pub scratch_restored: bool,
    /// Databases.
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    #[serde(default)]
    pub databases: Vec<DatabaseSummary>,
}

/// Why the old image may run on the databases as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum ContentProof {
    /// Compared with the backup: equal.
    Equal,
    /// Restored from the backup and compared.
    Restored,
    /// A person took upon himself that they suit it.
    Accepted,
}

/// One database of the backup.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DatabaseSummary {
    /// Name.
    pub name: String,
    /// Tables and views.
    pub objects: i64,
    /// Rows.
    pub rows: i64,
    /// Bytes of SQL text.
    pub raw_bytes: i64,
    /// Bytes stored.
    pub stored_bytes: i64,
}

/// One run of `docker_init.sh`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InitRecord {
    /// Name of the Deployment.
    pub target: String,
    /// Uid of the pod it runs in; empty when this attempt failed and another one was asked for.
    pub pod_uid: String,
    /// Id of the container it runs in.
    pub container_id: String,
    /// Restarts of that container when it was started.
    pub restart_count: i32,
    /// Attempt, counted from one.
    pub attempt: i32,
    /// A completion text was seen.
    #[serde(default)]
    pub completed: bool,
    /// The last of its steps that it announced (`[Step 4]`, `【步骤四】`), where it announces any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<i32>,
    /// A run on this target, the present one or an earlier one, ended with exit status 0 and without a completion text,
    /// and none has printed one since: whether the schema is complete is not told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unconfirmed: Option<UnconfirmedInit>,
}

/// A run of `docker_init.sh` that did not say whether it was done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UnconfirmedInit {
    /// Its attempt.
    pub attempt: i32,
    /// The end of its log, shortened. Lines that may hold a password are left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub last_lines: Vec<String>,
    /// When a person took it for complete. HA is not switched on before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted_time: Option<Time>,
}

impl InitRecord {
    /// Whether a person took it for complete.
    pub fn is_accepted(&self) -> bool {
        self.unconfirmed
            .as_ref()
            .is_some_and(|unconfirmed| unconfirmed.accepted_time.is_some())
    }
}

/// A project that ran before the upgrade.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProjectRecord {
    /// Id (`p_…`).
    pub id: String,
    /// `Migration` or `Sync`.
    pub kind: String,
    /// Checkpoint when OMS was stopped, in Unix seconds, when it could be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<i64>,
    /// First checkpoint seen after the start, to tell an advance from a re-read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resumed_at: Option<i64>,
    /// Its checkpoint was seen to advance again.
    #[serde(default)]
    pub recovered: bool,
}

/// A project whose checkpoint does not advance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OpenComponent {
    /// Id of the project.
    pub project: String,
    /// `Migration` or `Sync`; ids are unique only within a kind.
    pub kind: String,
    /// What was seen and what a person can do.
    pub message: String,
}

/// A phase that was passed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PhaseRecord {
    /// The step.
    pub step: Step,
    /// Direction it was passed in; left out on the way forward.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direction: Option<Direction>,
    /// Begin; left out where it is the end of the step before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_time: Option<Time>,
    /// End.
    pub finished_time: Time,
}

/// One key that was left changed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KeptKey {
    /// Name of the key.
    pub key: String,
    /// Its value now, as JSON text.
    pub value: String,
    /// Its value before, as JSON text; nothing where the key was not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub original: Option<String>,
}
