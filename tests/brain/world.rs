//! A small world that the brain acts on: Deployments as real JSON with the product's own patches,
//! pods, Jobs, a MetaDB with a schema, and people. No I/O: everything is an enum or a text.
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use oms_operator::agent::report::{
    CommandResult, CompareReport, DumpReport, Engine as AgentEngine, Outcome, ProbeReport, Reason,
    Report, RestoreReport, Trial, VerifyReport,
};
use oms_operator::api::{Action, Direction, JobRole, OmsUpgradeSpec, OmsUpgradeStatus, Step};
use oms_operator::objects::deployment::{
    TemplateKind, build_patch, classify_template, read_replicas,
};
use oms_operator::oms::ha::{HaConfig, HaPatch};
use oms_operator::oms::metadb::*;
use oms_operator::oms::open_api::Health;
use oms_operator::oms::project::{
    ProjectKey, ProjectKind, ProjectProgress, ProjectRow, ProjectStatus,
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
    pub pod: Option<Pod>,
    pub pulled: bool,
    pub init: InitState,
    pub init_attempt: i32,
    pub init_pod: u32,
}

#[derive(Clone, Debug, PartialEq)]
pub enum JobEnd {
    Running,
    Killed,
    Ok,
    Bad(Reason),
    Gone,
}

/// What is wrong with this world from the start.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Trouble {
    pub unpullable: bool,
    pub init_fails: bool,
    pub init_kills: bool,
    pub console_dead: bool,
    pub programs_need_init: bool,
    pub write_back: bool,
    /// HA does not bring the project back.
    pub project_down: bool,
    /// Whatever is written to `ha.config`, it stays as it is.
    pub unheeded: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub struct World {
    pub clock: i64,
    pub spec: OmsUpgradeSpec,
    pub status: OmsUpgradeStatus,
    pub finalizer: bool,
    pub deleting: bool,
    pub nodes: Vec<Node>,
    pub jobs: BTreeMap<JobRole, (i32, JobEnd)>,
    pub schema: Schema,
    /// Counts writes of OMS to its databases; a dump remembers the count.
    pub writes: u32,
    pub dump: Option<(Schema, u32)>,
    pub ha: String,
    pub lock: Option<(String, u64)>,
    pub query_timeout: u64,
    pub checkpoint: i64,
    pub trouble: Trouble,
    pub pods_made: u32,
}

const HA: &str =
    r#"{"enable":true,"enableStore":true,"refetchStoreIntervalMin":30,"custom":"kept"}"#;

impl World {
    pub fn new(targets: usize, ha_on: bool, trouble: Trouble) -> Self {
        let names: Vec<String> = (1..=targets).map(|n| format!("oms-{n}")).collect();
        let spec: OmsUpgradeSpec = serde_json::from_value(json!({
            "targets": names.iter().map(|name| json!({"name": name})).collect::<Vec<_>>(),
            "image": NEW,
            "backup": {"claimName": "oms-backup"},
            "checks": [{"name": "OldImageRestarts", "policy": "Attest", "reason": "seen"},
                       {"name": "ImagePullable", "policy": "Skip", "reason": "test"}]
        }))
        .unwrap();
        let mut world = Self {
            clock: 0,
            spec,
            status: OmsUpgradeStatus::default(),
            finalizer: false,
            deleting: false,
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
            lock: None,
            query_timeout: 10_000_000,
            checkpoint: EPOCH,
            trouble,
            pods_made: 0,
        };
        for name in names {
            let object = json!({
                "metadata": {"name": name, "uid": format!("uid-{name}"), "resourceVersion": "1", "generation": 1,
                    "creationTimestamp": "2026-01-01T00:00:00Z",
                    "managedFields": [{"manager": "helm", "operation": "Update", "fieldsV1": {"f:spec": {"f:replicas": {}}}}]},
                "spec": {"replicas": 1, "selector": {"matchLabels": {"app": name}}, "template": {"spec": {"containers": [{
                    "name": "oms", "image": OLD, "livenessProbe": {"tcpSocket": {"port": 8089}}, "startupProbe": {"tcpSocket": {"port": 8089}},
                    "readinessProbe": {"tcpSocket": {"port": 8089}},
                    "env": [{"name": "OMS_HOST_IP", "value": format!("10.0.0.{}", world.nodes.len() + 1)}]}]}}},
                "status": {"observedGeneration": 1, "replicas": 1}
            });
            world.nodes.push(Node {
                object,
                pod: None,
                pulled: false,
                init: InitState::NotStarted,
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

    pub fn now(&self) -> Time {
        Time(Timestamp::from_second(EPOCH + self.clock).unwrap())
    }

    pub fn ha_enabled(&self) -> bool {
        reads_enabled(&self.ha)
    }

    pub fn template(&self, index: usize) -> TemplateKind {
        let name = self.nodes[index].object["metadata"]["name"]
            .as_str()
            .unwrap();
        match self
            .status
            .originals
            .as_ref()
            .and_then(|o| o.targets.iter().find(|t| t.name == name))
        {
            Some(original) => classify_template(&self.nodes[index].object, original, NEW),
            None => TemplateKind::Old,
        }
    }

    fn start_pod(&mut self, index: usize) {
        self.pods_made += 1;
        let pod = Pod {
            kind: self.template(index),
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

    fn stop_console(&mut self, target: &str) {
        let writes_back = self.trouble.write_back;
        let pod = self.find_pod(target);
        pod.console_stopped = true;
        if let Some(text) = pod.console_text.take().filter(|_| writes_back) {
            self.ha = text;
        }
    }

    fn start_console(&mut self, target: &str) {
        let text = self.ha.clone();
        let pod = self.find_pod(target);
        if pod.console_stopped {
            pod.console_stopped = false;
            pod.console_pid += 1;
            pod.console_text = Some(text);
        }
    }

    fn refresh_consoles(&mut self) {
        let text = self.ha.clone();
        for node in &mut self.nodes {
            if let Some(pod) = node.pod.as_mut().filter(|pod| pod.up) {
                pod.console_text = Some(text.clone());
            }
        }
    }

    /// One pass of the operator. True when it changed something.
    pub fn run_pass(&mut self) -> bool {
        let observed = self.observe();
        let object = ObjectFacts {
            namespace: "oms".into(),
            name: "up".into(),
            uid: UID.into(),
            generation: 1,
            deleting: self.deleting,
            finalizer: self.finalizer,
            release: false,
        };
        let decision = decide(&Context {
            now: self.now(),
            object: &object,
            spec: &self.spec,
            status: &self.status,
            observed: &observed,
        });
        match decision {
            Decision::Record { status, .. } => {
                assert!(
                    *status != self.status,
                    "a status write that changes nothing"
                );
                self.status = *status;
                true
            }
            Decision::Perform(effect) => {
                let intent = self
                    .status
                    .intent
                    .clone()
                    .expect("an effect without a recorded intent");
                let wanted = effect.describe_intent();
                assert_eq!(
                    (&intent.effect, &intent.subject, &intent.before),
                    (&wanted.effect, &wanted.subject, &wanted.before)
                );
                self.perform(effect);
                true
            }
            Decision::Wait { .. } | Decision::Rest => false,
        }
    }

    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::AddFinalizer => self.finalizer = true,
            Effect::RemoveFinalizer => self.finalizer = false,
            Effect::CreateCredentialsSecret | Effect::CreatePrePull { .. } => {}
            Effect::CreateJob { role, attempt } => {
                // The same name again is fine only when the Job was deleted before it was ever seen.
                let fresh = self.jobs.get(&role).is_none_or(|(old, end)| {
                    *end == JobEnd::Gone || *old < attempt && *end != JobEnd::Running
                });
                assert!(
                    fresh,
                    "{role:?} attempt {attempt} beside {:?}",
                    self.jobs.get(&role)
                );
                if role != JobRole::Probe {
                    assert!(
                        self.nodes.iter().all(|node| node.pod.is_none()),
                        "{role:?} Job while pods exist"
                    );
                }
                self.jobs.insert(role, (attempt, JobEnd::Running));
            }
            Effect::DeleteOwn(own) => {
                let role = self
                    .jobs
                    .iter()
                    .find(|(role, _)| own.name == format!("{role:?}"))
                    .map(|(role, _)| *role);
                self.jobs.get_mut(&role.unwrap()).unwrap().1 = JobEnd::Gone;
            }
            Effect::AcquireLock | Effect::RaiseLock => {
                self.lock = Some((UID.into(), u64::try_from(self.status.epoch).unwrap()))
            }
            Effect::ReleaseLock => self.lock = None,
            Effect::SetHa { .. } if self.trouble.unheeded => {}
            Effect::SetHa { patch, .. } => self.set_ha(&patch),
            Effect::StopConsole { target } => self.stop_console(&target),
            Effect::StartConsole { target } => self.start_console(&target),
            Effect::RestartConsole { target, pid } => {
                assert_eq!(self.find_pod(&target).console_pid, pid);
                self.stop_console(&target);
                self.start_console(&target);
            }
            Effect::SetQueryTimeout { microseconds } => self.query_timeout = microseconds,
            Effect::PatchTarget { target, change, .. } => self.patch(&target, &change),
            Effect::StartInit { target, attempt } => {
                let index = self
                    .nodes
                    .iter()
                    .position(|node| node.object["metadata"]["name"] == target.as_str())
                    .unwrap();
                let node = &mut self.nodes[index];
                assert!(
                    node.init_attempt < attempt || node.init == InitState::NotStarted,
                    "docker_init.sh twice under one name"
                );
                node.init = InitState::Running;
                node.init_attempt = attempt;
                node.init_pod = node.pod.as_ref().unwrap().number;
                if self.schema == Schema::Old {
                    self.schema = Schema::Half;
                }
            }
        }
    }

    fn set_ha(&mut self, patch: &HaPatch) {
        let config = HaConfig::parse(&self.ha).unwrap();
        assert!(
            !config.satisfies(patch),
            "HA is written although it reads so"
        );
        self.ha = config.apply_patch(patch).unwrap().as_str().to_owned();
        assert!(
            self.ha.contains("\"custom\":\"kept\""),
            "an unknown key was lost"
        );
    }

    fn patch(&mut self, target: &str, change: &TargetChange) {
        let record = build_target_record("up", UID, &self.status, target).unwrap();
        let original = self
            .status
            .originals
            .as_ref()
            .unwrap()
            .targets
            .iter()
            .find(|t| t.name == target)
            .unwrap()
            .clone();
        if let TargetChange::StartUpgrade = change {
            let backup = self
                .status
                .backup
                .as_ref()
                .expect("the new image starts without a backup");
            assert!(
                backup.verified,
                "the new image starts on an unverified backup"
            );
            assert_eq!(
                self.dump,
                Some((self.schema, self.writes)),
                "the backup is stale when the new image starts"
            );
        }
        let index = self
            .nodes
            .iter()
            .position(|node| node.object["metadata"]["name"] == target)
            .unwrap();
        let before = self.nodes[index].object.clone();
        let facts = DeploymentFacts {
            uid: original.uid.clone(),
            resource_version: before["metadata"]["resourceVersion"]
                .as_str()
                .unwrap()
                .into(),
            object: before.clone(),
        };
        let patch =
            build_patch(&facts, &original, NEW, change, &record, self.status.epoch).unwrap();
        let mut object = before.clone();
        let patch: json_patch::Patch = serde_json::from_value(patch).unwrap();
        json_patch::patch(&mut object, &patch).unwrap();
        if !matches!(change, TargetChange::GiveBack) {
            let entries = object["metadata"]["managedFields"].as_array_mut().unwrap();
            entries.retain(|entry| entry["manager"] != "oms-operator");
            entries.push(json!({"manager": "oms-operator", "operation": "Update"}));
        }
        self.store(index, object);
    }

    /// Stores a Deployment as an API server does: versions count up, the generation with the spec and the annotations.
    fn store(&mut self, index: usize, mut object: Value) {
        let before = &self.nodes[index].object;
        assert_ne!(before, &object, "a write that changes nothing");
        let version: u64 = before["metadata"]["resourceVersion"]
            .as_str()
            .unwrap()
            .parse()
            .unwrap();
        object["metadata"]["resourceVersion"] = json!((version + 1).to_string());
        if before["spec"] != object["spec"]
            || before["metadata"]["annotations"] != object["metadata"]["annotations"]
        {
            object["metadata"]["generation"] =
                json!(before["metadata"]["generation"].as_i64().unwrap() + 1);
        }
        self.nodes[index].object = object;
    }

    /// A stranger notes something on a target.
    pub fn annotate(&mut self, index: usize) {
        let mut object = self.nodes[index].object.clone();
        object["metadata"]["annotations"]["example.com/note"] = json!("seen");
        self.store(index, object);
    }

    /// A stranger scales a target back up.
    pub fn revert_replicas(&mut self, index: usize) {
        let mut object = self.nodes[index].object.clone();
        object["spec"]["replicas"] = json!(1);
        object["metadata"]["managedFields"].as_array_mut().unwrap().push(
            json!({"manager": "argocd-controller", "operation": "Update", "time": "2026-02-01T00:00:00Z", "fieldsV1": {"f:spec": {"f:replicas": {}}}}),
        );
        self.store(index, object);
    }

    /// Lets the cluster do everything that it does by itself, once. True when something changed.
    pub fn run_cluster(&mut self) -> bool {
        let before = self.clone();
        for index in 0..self.nodes.len() {
            self.run_node(index);
        }
        let stopped = self.nodes.iter().all(|node| node.pod.is_none());
        for (role, (_, end)) in &mut self.jobs {
            if *end == JobEnd::Running {
                *end = JobEnd::Ok;
                match role {
                    JobRole::Dump => self.dump = Some((self.schema, self.writes)),
                    JobRole::Restore => {
                        assert!(stopped, "a restore while pods exist");
                        let (schema, writes) = self.dump.unwrap();
                        self.schema = schema;
                        self.writes = writes;
                    }
                    _ => {}
                }
            }
        }
        if self.ha_enabled()
            && self.nodes.iter().all(|node| {
                node.pod
                    .as_ref()
                    .is_some_and(|pod| pod.up && pod.console_sees_ha())
            })
            && self.status.step == Some(Step::Recovering)
            && !self.trouble.project_down
            && self.checkpoint < self.reached_before() + 2000
        {
            self.checkpoint += 1000;
        }
        *self != before
    }

    /// Checkpoint at which the project was seen before: it moves on from there, and not for ever.
    fn reached_before(&self) -> i64 {
        self.status
            .projects
            .first()
            .and_then(|project| project.resumed_at.or(project.checkpoint))
            .unwrap_or(EPOCH)
    }

    fn run_node(&mut self, index: usize) {
        let wanted = read_replicas(&self.nodes[index].object);
        let kind = self.template(index);
        let generation = self.nodes[index].object["metadata"]["generation"].clone();
        self.nodes[index].object["status"]["observedGeneration"] = generation;
        let (schema, trouble) = (self.schema, self.trouble);
        let text = self.ha.clone();
        if self.nodes[index]
            .pod
            .as_ref()
            .is_some_and(|pod| pod.leaving)
        {
            let pod = self.nodes[index].pod.take().unwrap();
            if let Some(text) = pod.console_text.filter(|_| trouble.write_back && pod.up) {
                self.ha = text;
            }
        }
        let init = (self.nodes[index].init_pod, self.nodes[index].init.clone());
        match &mut self.nodes[index].pod {
            Some(pod) if wanted == 0 || pod.kind != kind => pod.leaving = true,
            None if wanted > 0 => self.start_pod(index),
            None => {}
            Some(pod) if !pod.running => {
                let unpullable = trouble.unpullable && pod.kind != TemplateKind::Old;
                if !unpullable {
                    pod.running = true;
                    if pod.kind == TemplateKind::Old {
                        assert_eq!(schema, Schema::Old, "the old image runs on a new schema");
                    }
                    self.nodes[index].pulled = true;
                }
            }
            Some(pod) if !pod.up => {
                let helped =
                    init.0 == pod.number && matches!(init.1, InitState::Ended { banner: true, .. });
                pod.up = match pod.kind {
                    TemplateKind::Old => schema == Schema::Old,
                    TemplateKind::Upgrade => helped && !trouble.console_dead,
                    TemplateKind::Final => {
                        schema == Schema::New
                            && !trouble.console_dead
                            && (!trouble.programs_need_init || helped)
                    }
                    TemplateKind::Foreign => false,
                };
                if pod.up {
                    pod.console_text = Some(text);
                    self.writes += 1;
                }
            }
            Some(_) => {}
        }
        let node = &mut self.nodes[index];
        let pods = i32::from(node.pod.is_some());
        node.object["status"]["replicas"] = json!(pods);
        if node.init == InitState::Running {
            let alive = node
                .pod
                .as_ref()
                .is_some_and(|pod| pod.number == node.init_pod);
            if !alive {
                node.init = InitState::Vanished;
            } else if trouble.init_kills {
                node.init = InitState::Vanished;
                node.pod.as_mut().unwrap().restarts += 1;
            } else if trouble.init_fails {
                node.init = InitState::Ended {
                    code: 0,
                    banner: false,
                };
            } else {
                node.init = InitState::Ended {
                    code: 0,
                    banner: true,
                };
                self.schema = Schema::New;
            }
            self.writes += 1;
        }
    }

    fn observe(&self) -> Observed {
        let needs = find_needs(&self.status);
        let mut observed = Observed {
            targets: self
                .nodes
                .iter()
                .map(|node| self.observe_node(node, &needs))
                .collect(),
            ..Observed::default()
        };
        if needs.claim {
            observed.claim = Fact::Known(ClaimFacts {
                exists: true,
                phase: "Bound".into(),
            });
        }
        if let Some(role) = needs.job {
            observed.job = Fact::Known(self.observe_job(role));
        }
        if needs.leftovers {
            let own = self
                .jobs
                .iter()
                .filter(|(_, (_, end))| *end != JobEnd::Gone)
                .map(|(role, (attempt, end))| OwnObject {
                    kind: OwnKind::Job,
                    name: format!("{role:?}"),
                    uid: format!("job-{attempt}"),
                    active: *end == JobEnd::Running,
                });
            observed.leftovers = Fact::Known(own.collect());
        }
        let addresses: Vec<String> = (1..=self.nodes.len())
            .map(|n| format!("10.0.0.{n}"))
            .collect();
        if needs.installation {
            observed.installation = Fact::Known(Discovered {
                host: "metadb".into(),
                port: 2881,
                rm: "oms_rm".into(),
                cm: "oms_cm".into(),
                heartbeats: vec!["oms_cm_hb".into()],
                nodes: addresses.clone(),
                target_addresses: addresses.iter().cloned().map(Some).collect(),
                init_targets: vec!["oms-1".into()],
            });
        }
        let metadb = &mut observed.metadb;
        metadb.identity = Fact::Known(ServerIdentity {
            engine: Engine::SeekDb,
            version: "1".into(),
            tenant: None,
            server: None,
            account: "oms".into(),
            utc_offset_seconds: 0,
        });
        metadb.ha = Fact::Known(HaRow::Text(self.ha.clone()));
        metadb.sessions = Fact::Known(SessionReport {
            visibility: SessionVisibility::AllAccounts,
            coverage: ServerCoverage::AllServers,
            sees_oms_account: true,
            foreign: vec![],
        });
        let key = ProjectKey {
            kind: ProjectKind::Sync,
            id: "p_1".into(),
        };
        metadb.projects = Fact::Known(vec![ProjectRow {
            key: key.clone(),
            name: "p".into(),
            status: ProjectStatus::Running,
        }]);
        let beat = |ip: &String| HeartBeat {
            task_type: "supervisor".into(),
            host_ip: ip.clone(),
            age_seconds: 1,
        };
        metadb.hosts = Fact::Known(
            addresses
                .iter()
                .map(|ip| HostRow {
                    ip: ip.clone(),
                    status: "ONLINE".into(),
                })
                .collect(),
        );
        metadb.heart_beats = Fact::Known(addresses.iter().map(beat).collect());
        metadb.query_timeout = Fact::Known(Some(self.query_timeout));
        metadb.lock = Fact::Known(self.lock.clone().map(|(holder, epoch)| LockRow {
            holder,
            epoch,
            note: "oms/up".into(),
            age_seconds: 1,
        }));
        observed.progress = Fact::Known(vec![ProjectProgress {
            key,
            status: ProjectStatus::Running,
            current_step: Some("CONNECTOR_INCR_SYNC".into()),
            incremental: true,
            reverse_incremental: false,
            checkpoint: Some(self.checkpoint),
            reverse_checkpoint: None,
        }]);
        observed
    }

    fn observe_node(&self, node: &Node, needs: &Needs) -> TargetFacts {
        let name = node.object["metadata"]["name"].as_str().unwrap().to_owned();
        let deployment = DeploymentFacts {
            uid: node.object["metadata"]["uid"].as_str().unwrap().into(),
            resource_version: node.object["metadata"]["resourceVersion"]
                .as_str()
                .unwrap()
                .into(),
            object: node.object.clone(),
        };
        let pods: Vec<PodFacts> = node
            .pod
            .iter()
            .map(|pod| observe_pod(pod, self.trouble))
            .collect();
        let state = |up: bool| if up { "RUNNING" } else { "STARTING" };
        let programs = node.pod.as_ref().filter(|pod| pod.running).map(|pod| {
            [
                "nginx",
                "oms_console",
                "oms_drc_cm",
                "oms_drc_supervisor",
                "sshd",
            ]
            .map(|program| Program {
                name: program.into(),
                state: match program {
                    "oms_console" if pod.console_stopped => "STOPPED".into(),
                    program => state(pod.up || program != "oms_console").into(),
                },
                pid: (program != "oms_console" || pod.up && !pod.console_stopped)
                    .then_some(pod.console_pid),
            })
            .to_vec()
        });
        let record = self.status.init_runs.iter().find(|run| run.target == name);
        TargetFacts {
            name,
            deployment: Fact::Known(Some(deployment)),
            pods: Fact::Known(pods),
            programs: match (needs.programs, programs) {
                (true, Some(programs)) => Fact::Known(programs),
                _ => Fact::default(),
            },
            init: match record {
                Some(run) if run.attempt == node.init_attempt => Fact::Known(node.init.clone()),
                _ => Fact::Known(InitState::NotStarted),
            },
            health: Fact::Known(Health::NotOffered),
            cgroup_v1: Fact::Known(true),
        }
    }

    fn observe_job(&self, role: JobRole) -> JobState {
        let recorded = self
            .status
            .jobs
            .iter()
            .find(|job| job.role == role)
            .map_or(1, |job| job.attempt);
        let Some((attempt, end)) = self
            .jobs
            .get(&role)
            .filter(|(attempt, _)| *attempt == recorded)
        else {
            return JobState::Absent;
        };
        let uid = format!("job-{attempt}");
        let (outcome, reason) = match end {
            JobEnd::Gone => return JobState::Absent,
            JobEnd::Running => {
                return JobState::Running {
                    uid,
                    progress: None,
                    problem: None,
                };
            }
            JobEnd::Killed => {
                return JobState::Ended {
                    uid,
                    report: None,
                    why: "Evicted".into(),
                };
            }
            JobEnd::Ok => (Outcome::Succeeded, Reason::Completed),
            JobEnd::Bad(reason) => (Outcome::Failed, *reason),
        };
        let equal = self.dump == Some((self.schema, self.writes));
        let result = match role {
            JobRole::Probe => CommandResult::Probe(probe()),
            JobRole::Dump => CommandResult::Dump(DumpReport {
                directory: "/backup/x/attempt-1".into(),
                ..DumpReport::default()
            }),
            JobRole::Verify => CommandResult::Verify(VerifyReport {
                files: 3,
                rows: 1,
                stored_bytes: 1,
                scratch_restore: Trial::Works,
            }),
            JobRole::Compare if equal => CommandResult::Compare(CompareReport::Equal),
            JobRole::Compare => CommandResult::Compare(CompareReport::Different {
                summary: "x".into(),
                objects: 1,
            }),
            JobRole::Restore => CommandResult::Restore(RestoreReport::default()),
        };
        let report = Report {
            command: format!("{role:?}"),
            upgrade_uid: UID.into(),
            attempt: *attempt,
            outcome,
            reason,
            message: "as asked".into(),
            manifest_digest: Some("ab".repeat(32)),
            seconds: 1,
            result: Some(result),
        };
        JobState::Ended {
            uid,
            report: Some(Box::new(report)),
            why: String::new(),
        }
    }

    /// The upgrade has come to an end and is clean, or waits for a person.
    pub fn is_at_rest(&self) -> bool {
        self.status.settled
            || self.status.stall.is_some()
            || self.status.step == Some(Step::Planned)
    }

    /// What must be true of a settled world.
    pub fn check_settled(&self) {
        let status = &self.status;
        assert!(
            !self.finalizer && self.lock.is_none(),
            "finalizer or lock is left"
        );
        assert_eq!(
            self.query_timeout, 10_000_000,
            "ob_query_timeout is not put back"
        );
        assert!(
            self.jobs.values().all(|(_, end)| *end == JobEnd::Gone),
            "Jobs are left: {:?}",
            self.jobs
        );
        for index in 0..self.nodes.len() {
            let node = &self.nodes[index];
            let (wanted, schema) = match status.direction.unwrap() {
                Direction::Forward if status.cause.is_none() => (TemplateKind::Final, Schema::New),
                _ => (TemplateKind::Old, Schema::Old),
            };
            assert_eq!((self.template(index), self.schema), (wanted, schema));
            assert_eq!(read_replicas(&node.object), 1);
            assert!(
                node.pod.as_ref().is_some_and(|pod| pod.up),
                "OMS does not run"
            );
            let managers: Vec<&str> = node.object["metadata"]["managedFields"]
                .as_array()
                .unwrap()
                .iter()
                .filter_map(|entry| entry["manager"].as_str())
                .collect();
            assert!(
                !managers.contains(&"oms-operator"),
                "ownership is not given back"
            );
            assert!(
                node.object["metadata"]["annotations"]
                    .as_object()
                    .is_none_or(|all| !all.keys().any(|name| name.contains("oceanbase.com"))),
                "annotations are left"
            );
        }
    }

    /// What tells two worlds apart: not the moments, only how long the present step has lasted.
    pub fn fingerprint(&self) -> u64 {
        use std::hash::{DefaultHasher, Hash, Hasher};
        let mut same = self.clone();
        let lasted = self
            .status
            .step_started_time
            .as_ref()
            .map(|since| EPOCH + self.clock - since.0.as_second());
        same.clock = 0;
        let status = &mut same.status;
        status.history.clear();
        status.conditions.clear();
        let fixed = Time(Timestamp::from_second(EPOCH).unwrap());
        for time in [
            &mut status.started_time,
            &mut status.step_started_time,
            &mut status.finished_time,
            &mut status.old_stopped_time,
            &mut status.ha_enabled_time,
            &mut status.new_stopped_time,
            &mut status.point_of_no_return_time,
            &mut status.requests.abort,
            &mut status.requests.roll_back,
        ] {
            if time.is_some() {
                *time = Some(fixed.clone());
            }
        }
        if let Some(backup) = &mut status.backup {
            backup.finished_time = None;
        }
        for node in &mut same.nodes {
            if let Some(annotations) = node.object.pointer_mut("/metadata/annotations") {
                annotations["oms.oceanbase.com/originals"] = json!("");
            }
        }
        let mut hasher = DefaultHasher::new();
        format!("{lasted:?} {same:?}").hash(&mut hasher);
        hasher.finish()
    }

    pub fn ask(&mut self, action: Action) {
        self.spec.action = action;
    }
}

fn observe_pod(pod: &Pod, trouble: Trouble) -> PodFacts {
    PodFacts {
        name: format!("pod-{}", pod.number),
        uid: format!("pod-{}", pod.number),
        node: Some("node1".into()),
        ip: Some("10.1.0.1".into()),
        terminating: pod.leaving,
        created: EPOCH,
        unschedulable: None,
        container: ContainerFacts {
            running: pod.running,
            ready: pod.up,
            id: if pod.running {
                format!("c-{}", pod.number)
            } else {
                String::new()
            },
            image_id: if pod.running {
                format!(
                    "{:?}",
                    if pod.kind == TemplateKind::Old {
                        OLD
                    } else {
                        NEW
                    }
                )
            } else {
                String::new()
            },
            restart_count: pod.restarts,
            waiting: (!pod.running && trouble.unpullable && pod.kind != TemplateKind::Old)
                .then(|| "ImagePullBackOff".into()),
        },
    }
}

fn probe() -> ProbeReport {
    ProbeReport {
        engine: AgentEngine::OceanBase,
        server_version: "1".into(),
        client_version: "1".into(),
        free_bytes: 1 << 40,
        claim: Trial::Works,
        privileges: vec![],
        rename_across_databases: Trial::Works,
        ob_query_timeout_micros: Some(10_000_000),
        may_set_ob_query_timeout: Some(true),
        estimated_bytes: 1,
        heartbeat_sequence_rows: 1,
        dump_seconds: 1,
        restore_seconds: 1,
        unsupported_objects: vec![],
        missing_databases: vec![],
    }
}
