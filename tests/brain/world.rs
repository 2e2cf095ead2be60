//! A small world that the brain acts on: Deployments as real JSON with the product's own patches,
//! pods, Jobs, a MetaDB with a schema, and people. No I/O: everything is an enum or a text.
mod cluster;
mod consoles;
mod ends;
mod gone;
mod jobs;
mod observing;
mod operator;
mod own;

pub use gone::Gone;
pub use observing::session;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use oms_operator::api::{
    Action, Direction, JobRole, KeptKey, OmsUpgradeSpec, OmsUpgradeStatus, Originals, Step,
};
use oms_operator::facts::*;
use oms_operator::metadb::{Engine, SchemaFingerprint};
use oms_operator::objects::deployment::{
    TemplateKind, classify_template, is_paused, read_replicas, read_replicas_owned_time,
};
use oms_operator::oms::container::ProgramState;
use oms_operator::oms::ha::{HaConfig, HaPatch};
use oms_operator::oms::installation::{Address, Databases, Departure, Installation};
use oms_operator::oms::metadb::*;
use oms_operator::oms::open_api::Health;
use oms_operator::oms::project::*;
use oms_operator::protocol::report::{
    CommandResult, CompareReport, DropReport, DumpReport, Engine as AgentEngine, Outcome,
    ProbeReport, Reason, Report, RestoreReport, SafetyCopy, Trial, VerifyReport,
};
use oms_operator::upgrade::*;
use serde_json::{Value, json};
use std::collections::BTreeMap;

pub const OLD: &str = "registry.example.com/oms:feature_3.3.1-ce";
pub const NEW: &str = "registry.example.com/oms:feature_4.0.0-ce";
const UID: &str = "11111111-2222-3333-4444-555555555555";
/// Start of the world's clock, Unix seconds.
const EPOCH: i64 = 1_800_000_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Schema {
    Old,
    Half,
    New,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Pod {
    pub kind: TemplateKind,
    /// Of its ReplicaSet.
    pub template: Value,
    pub number: u32,
    pub running: bool,
    pub up: bool,
    pub leaving: bool,
    pub restarts: i32,
    pub console_pid: i64,
    /// `ha.config` as the running console holds it.
    pub console_text: Option<String>,
    pub console_stopped: bool,
}

impl Pod {
    /// The image that its template names.
    pub fn image(&self) -> &str {
        let image = &self.template["spec"]["containers"][0]["image"];
        image.as_str().unwrap()
    }

    /// Whether the console, by what it holds, starts components.
    fn console_sees_ha(&self) -> bool {
        self.console_text.as_deref().is_some_and(reads_enabled)
    }
}

fn reads_enabled(text: &str) -> bool {
    HaConfig::parse(text).unwrap().read_setting().enable
}

#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    pub object: Value,
    /// Its template before the upgrade, as text.
    pub before: String,
    /// Templates of its ReplicaSets, the newest last.
    pub replica_sets: Vec<Value>,
    pub pod: Option<Pod>,
    /// Its Deployment was deleted.
    pub gone: bool,
    pub pulled: bool,
    pub init: InitState,
    pub init_log: InitLog,
    pub init_attempt: i32,
    pub init_pod: u32,
}

#[derive(Clone, Debug, PartialEq)]
pub enum JobEnd {
    Running,
    /// It runs on a node that does not answer.
    Lost,
    /// Its pod does not begin; made at this time, Unix seconds.
    NotBegun(i64),
    Killed,
    Ok,
    Bad(Reason),
    Gone,
}

/// What is wrong with this world from the start.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Trouble {
    pub unpullable: bool,
    /// Seconds by which the MetaDB is east of UTC; OMS is at UTC.
    pub metadb_offset: i32,
    /// What `date` says in the container cannot be read.
    pub no_time_zone: bool,
    /// `docker_init.sh` ends with an error, half way.
    pub init_fails: bool,
    /// It does its work, ends with exit status 0 and does not say that it is complete.
    pub init_silent: bool,
    /// It stops half way and ends with exit status 0 nevertheless.
    pub init_lies: bool,
    pub init_kills: bool,
    pub console_dead: bool,
    pub programs_need_init: bool,
    pub write_back: bool,
    /// HA does not bring the project back.
    pub project_down: bool,
    /// Whatever is written to `ha.config`, it stays as it is.
    pub unheeded: bool,
    /// No console tells how far projects are, and a person vouches for them.
    pub unwatched: bool,
    /// Another project is paused.
    pub paused_beside: bool,
    /// The console tells nothing of one project.
    pub project_unread: bool,
    /// There is no project.
    pub no_project: bool,
    /// The new name leads to the old image.
    pub retagged: bool,
    /// `revisionHistoryLimit: 0`: no ReplicaSet but the newest is kept.
    pub no_history: bool,
    /// supervisord has no program of this name.
    pub without_program: Option<&'static str>,
    /// A program of this name has given up for good.
    pub fatal_program: Option<&'static str>,
    /// A program of this name is in the middle of its start.
    pub starting_program: Option<&'static str>,
    /// Heart beats are written in another time zone than that of the MetaDB's sessions.
    pub beats_off: bool,
    /// OMS writes its heart beats in a time zone east of that of the MetaDB.
    pub beats_ahead: bool,
    /// `config.yaml` names its nodes otherwise than OMS does in its host table.
    pub named_nodes: bool,
    /// `config.yaml` names no nodes.
    pub no_nodes: bool,
    /// No node is ONLINE.
    pub hosts_offline: bool,
    /// `config.yaml` lists 10.0.0.9 too, which is no target; the MetaDB has it with this status.
    pub lost_node: Option<&'static str>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct World {
    pub clock: i64,
    pub spec: OmsUpgradeSpec,
    /// Projects of which the console tells besides.
    pub others: Vec<ProjectProgress>,
    pub status: OmsUpgradeStatus,
    pub finalizer: bool,
    pub deleting: bool,
    pub release: bool,
    pub generation: i64,
    pub uid: String,
    pub name: &'static str,
    /// What a Job that runs says of its progress.
    pub progress: Option<oms_operator::protocol::report::Progress>,
    /// The effect that a webhook refuses.
    pub refused: Option<&'static str>,
    /// The effect that is carried out and changes nothing.
    pub ineffective: Option<&'static str>,
    /// Attempts of Jobs that were deleted without their pods, which work on.
    pub orphans: Vec<JobRole>,
    /// The pod of a Job that was deleted is still there, on a node that does not answer.
    pub pod_stays: bool,
    /// Pods of targets that are told to end do not.
    pub keeps_pods: bool,
    /// Why nobody may make a pod of a target, in the words of the API server.
    pub refuses_pods: Option<&'static str>,
    /// Containers of others that run on in the pods of Jobs.
    pub helpers: Vec<String>,
    pub claim_gone: bool,
    /// Somebody emptied the claim, or made another one under its name.
    pub claim_empty: bool,
    /// The old image is gone from the nodes and from its registry.
    pub old_image_gone: bool,
    /// Pods that pull the old image, and whether it was gone when they were made.
    pub old_pulls: BTreeMap<String, bool>,
    /// No Secret holds the account of the MetaDB.
    pub account_gone: bool,
    /// The image as it was pulled for the upgrade.
    pub digest: Option<String>,
    pub metadb_host: String,
    /// What `config.yaml` of today says otherwise than the recorded installation.
    pub departure: Departure,
    /// What the clock of the MetaDB says, where it is not that of the operator.
    pub metadb_clock: Option<i64>,
    /// What the probe finds.
    pub probe: ProbeReport,
    /// ReplicaSets cannot be read.
    pub replica_sets_unseen: bool,
    /// Nodes on which `docker_init.sh` has to run.
    pub init_targets: usize,
    /// Deployments cannot be read.
    pub targets_unseen: bool,
    /// The project was released by a person.
    pub project_released: bool,
    pub nodes: Vec<Node>,
    pub jobs: BTreeMap<JobRole, (i32, JobEnd)>,
    pub schema: Schema,
    /// Counts writes of OMS to its databases; a dump remembers the count.
    pub writes: u32,
    pub dump: Option<(Schema, u32)>,
    pub ha: String,
    pub kept: Option<KeptKeys>,
    /// Whose sessions the server shows.
    pub coverage: ServerCoverage,
    /// Sessions that are there all the time.
    pub strangers: Vec<ForeignSession>,
    /// Where OMS's own sessions come from; none are shown without it.
    pub oms_comes_from: Option<&'static str>,
    pub lock: Option<(String, i64)>,
    /// OMS has made a table of its own.
    pub own_table: bool,
    /// The schema cannot be read.
    pub schema_unseen: bool,
    /// Whether a forbidden image is refused.
    pub guard: Fact<bool>,
    /// Asked for since the last look.
    pub heard: HeardRequests,
    /// The Application of Argo CD that keeps the targets.
    pub application: Fact<Option<ApplicationFacts>>,
    /// What dry runs come to.
    pub rehearsed: Vec<(RehearsedAct, Rehearsed)>,
    /// What this upgrade has in the record.
    pub record: Vec<RecordRow>,
    /// Databases of replaced tables.
    pub copies: Vec<String>,
    /// The Secret with the account that was read from the container.
    pub secret: bool,
    /// The Secret with the second copy of the originals.
    pub copy: Option<OriginalsCopy>,
    /// It cannot be read.
    pub copy_unseen: bool,
    /// Objects whose uid bears what there is of an upgrade, and that are gone: with the originals of before it.
    pub gone: Option<Gone>,
    /// What a look for the object whose upgrade is taken over comes to.
    pub forerunner: Fact<Option<String>>,
    /// What the watch tells of others with the same target; `None`: nothing yet.
    pub rivals: Option<Vec<String>>,
    pub query_timeout: u64,
    pub checkpoint: i64,
    /// Before the upgrade the project is so many seconds behind.
    pub lags: i64,
    pub trouble: Trouble,
    pub pods_made: u32,
}

const HA: &str =
    r#"{"enable":true,"enableStore":true,"refetchStoreIntervalMin":30,"custom":"kept"}"#;

impl World {
    pub fn new(targets: usize, ha_on: bool, trouble: Trouble) -> Self {
        let names: Vec<String> = (1..=targets).map(|n| format!("oms-{n}")).collect();
        let mut checks = json!([{"name": "OldImageRestarts", "policy": "Attest", "reason": "seen"},
                                {"name": "ImagePullable", "policy": "Skip", "reason": "test"}]);
        if trouble.unwatched {
            for name in ["ProjectsInSync", "ForwardSwitchover"] {
                let check =
                    json!({"name": name, "policy": "Attest", "reason": "looked at in the console"});
                checks.as_array_mut().unwrap().push(check);
            }
        }
        let spec: OmsUpgradeSpec = serde_json::from_value(json!({
            "targets": names.iter().map(|name| json!({"name": name})).collect::<Vec<_>>(),
            "image": NEW,
            "backup": {"claimName": "oms-backup"},
            "checks": checks
        }))
        .unwrap();
        let mut world = Self {
            clock: 0,
            spec,
            status: OmsUpgradeStatus::default(),
            finalizer: false,
            deleting: false,
            release: false,
            generation: 1,
            uid: UID.into(),
            name: "up",
            progress: None,
            refused: None,
            ineffective: None,
            orphans: vec![],
            pod_stays: false,
            keeps_pods: false,
            refuses_pods: None,
            helpers: vec![],
            claim_gone: false,
            claim_empty: false,
            old_image_gone: false,
            old_pulls: BTreeMap::new(),
            account_gone: false,
            digest: None,
            metadb_host: "metadb".into(),
            departure: Departure::None,
            metadb_clock: None,
            probe: observing::probe(),
            replica_sets_unseen: false,
            init_targets: 1,
            targets_unseen: false,
            project_released: false,
            nodes: vec![],
            jobs: BTreeMap::new(),
            schema: Schema::Old,
            writes: 1,
            dump: None,
            ha: if ha_on {
                HA.into()
            } else {
                HA.replace("\"enable\":true", "\"enable\":false")
            },
            kept: None,
            coverage: ServerCoverage::AllServers,
            strangers: vec![],
            others: vec![],
            oms_comes_from: None,
            lock: None,
            own_table: false,
            schema_unseen: false,
            guard: Fact::Known(true),
            application: Fact::Known(None),
            heard: HeardRequests::default(),
            rehearsed: vec![],
            record: Vec::new(),
            copies: vec![],
            secret: false,
            copy: None,
            copy_unseen: false,
            gone: None,
            forerunner: Fact::Known(None),
            rivals: Some(vec![]),
            query_timeout: 10_000_000,
            checkpoint: EPOCH,
            lags: 0,
            trouble,
            pods_made: 0,
        };
        for name in names {
            let object = json!({
                "metadata": {"name": name, "uid": format!("uid-{name}"), "resourceVersion": "1", "generation": 1,
                    "creationTimestamp": "2026-01-01T00:00:00Z",
                    "managedFields": [{"manager": "helm", "operation": "Update", "time": "2026-01-01T00:00:00Z",
                        "fieldsV1": {"f:spec": {"f:replicas": {}, "f:template": {}}}}]},
                "spec": {"replicas": 1, "selector": {"matchLabels": {"app": name}}, "template": {"spec": {"containers": [{
                    "name": "oms", "image": OLD, "livenessProbe": {"tcpSocket": {"port": 8089}}, "startupProbe": {"tcpSocket": {"port": 8089}},
                    "readinessProbe": {"tcpSocket": {"port": 8089}},
                    "env": [{"name": "OMS_HOST_IP", "value": format!("10.0.0.{}", world.nodes.len() + 1)}],
                    "volumeMounts": [{"name": "data", "mountPath": "/home/admin/logs"}, {"name": "data", "mountPath": "/home/ds"}]}],
                    "volumes": [{"name": "data", "hostPath": {"path": "/oms"}}]}}},
                "status": {"observedGeneration": 1, "replicas": 1}
            });
            world.nodes.push(Node {
                replica_sets: vec![object["spec"]["template"].clone()],
                before: object["spec"]["template"].to_string(),
                object,
                pod: None,
                gone: false,
                pulled: false,
                init: InitState::NotStarted,
                init_log: InitLog::default(),
                init_attempt: 0,
                init_pod: 0,
            });
        }
        for index in 0..world.nodes.len() {
            world.start_pod(index);
            let pod = world.nodes[index].pod.as_mut().unwrap();
            (pod.running, pod.up) = (true, true);
        }
        world.refresh_consoles();
        world
    }

    /// Asks for another try in words that were not used before.
    pub fn ask_retry(&mut self) {
        let asked = self.status.internal.requests.retries.len();
        self.spec.retry_request = Some(format!("retry {asked}"));
    }

    /// OMS has been running another image all along.
    pub fn run_image(&mut self, image: &str) {
        for node in &mut self.nodes {
            node.object["spec"]["template"]["spec"]["containers"][0]["image"] = json!(image);
            let template = node.object["spec"]["template"].clone();
            node.pod.as_mut().unwrap().template = template.clone();
            node.replica_sets = vec![template];
        }
    }

    pub fn now(&self) -> Time {
        Time(Timestamp::from_second(EPOCH + self.clock).unwrap())
    }

    pub fn ha_enabled(&self) -> bool {
        reads_enabled(&self.ha)
    }

    pub fn template(&self, index: usize) -> TemplateKind {
        self.classify(index, &self.nodes[index].object["spec"]["template"])
    }

    fn classify(&self, index: usize, template: &Value) -> TemplateKind {
        let object = json!({"spec": {"template": template}});
        let name = self.nodes[index].object["metadata"]["name"]
            .as_str()
            .unwrap();
        let gone = self.gone.as_ref().and_then(|gone| gone.originals.as_ref());
        match self
            .status
            .internal
            .originals
            .as_ref()
            .or(gone)
            .and_then(|o| o.targets.iter().find(|t| t.name == name))
        {
            Some(original) => classify_template(&object, original, &self.nodes[index].before, NEW),
            None => TemplateKind::Old,
        }
    }

    fn start_pod(&mut self, index: usize) {
        self.pods_made += 1;
        let node = &self.nodes[index];
        // What a ReplicaSet is scaled for: the one of the present template where there is one, else the newest.
        let present = &node.object["spec"]["template"];
        let template = match node.replica_sets.contains(present) {
            true => present.clone(),
            false => node.replica_sets.last().unwrap().clone(),
        };
        let pod = Pod {
            kind: self.classify(index, &template),
            template,
            number: self.pods_made,
            running: false,
            up: false,
            leaving: false,
            restarts: 0,
            console_pid: i64::from(self.pods_made) * 100,
            console_text: None,
            console_stopped: false,
        };
        self.nodes[index].pod = Some(pod);
    }

    fn find_pod(&mut self, target: &str) -> &mut Pod {
        let node = self
            .nodes
            .iter_mut()
            .find(|node| node.object["metadata"]["name"] == target);
        node.unwrap().pod.as_mut().unwrap()
    }
}
