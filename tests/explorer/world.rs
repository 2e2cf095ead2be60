//! The world that the operator acts on: the objects of an API server, a MetaDB, OMS containers, a
//! volume with backups. Plain data that can be cloned and compared. No I/O.
use super::manifests::{build_config, build_config_secret, build_deployment, build_spec};
use super::store::Ask;
use k8s_openapi::jiff::Timestamp;
use oms_operator::controller::CallSite;
use oms_operator::metadb::record::InstallationId;
use oms_operator::oms::metadb::{KeptKeys, RecordRow};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

pub const OLD_IMAGE: &str = "registry.example.com/oms:feature_3.3.1-ce";
pub const NEW_IMAGE: &str = "registry.example.com/oms:feature_4.0.0-ce";
pub const NAMESPACE: &str = "oms";
pub const UPGRADE: &str = "up";
/// A password that must be seen nowhere but in its Secret.
pub const CANARY: &str = "canary-7f3a'\"#%ü 9";
/// Start of the world's clock, Unix seconds.
pub const EPOCH: i64 = 1_800_000_000;
/// Raised `ob_query_timeout` goes back to this, microseconds.
pub const QUERY_TIMEOUT: u64 = 10_000_000;
pub const HA_ON: &str =
    r#"{"enable":true,"enableStore":true,"refetchStoreIntervalMin":30,"custom":"kept"}"#;
pub const HA_OFF: &str =
    r#"{"enable":false,"enableStore":true,"refetchStoreIntervalMin":30,"custom":"kept"}"#;

/// One object of the API server: plural resource and name. Everything lives in one namespace.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    pub resource: &'static str,
    pub name: String,
}

pub fn place(resource: &'static str, name: &str) -> Place {
    Place {
        resource,
        name: name.into(),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Version {
    Old,
    New,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Schema {
    Old,
    /// `docker_init.sh` is, or was left, half way.
    Half,
    New,
    /// A restore is, or was left, half way.
    Torn,
}

/// The MetaDB.
#[derive(Clone, Debug, PartialEq)]
pub struct Database {
    pub schema: Schema,
    /// Names the content: every write of OMS gives another one, a restore brings an earlier one back.
    pub content: u64,
    pub ha: Option<String>,
    pub kept: Option<KeptKeys>,
    pub lock: Option<(String, i64)>,
    pub record: Vec<RecordRow>,
    pub installation: Option<InstallationId>,
    pub query_timeout: u64,
}

/// What runs inside the OMS container of a pod.
#[derive(Clone, Debug, PartialEq)]
pub struct Oms {
    pub version: Version,
    /// Started with `IS_UPGRADE=true`: the console waits for `docker_init.sh`.
    pub upgrade_start: bool,
    /// All programs run.
    pub up: bool,
    pub console_pid: u64,
    /// `ha.config` as the running console holds it.
    pub console_text: Option<String>,
    /// Somebody stopped the console.
    pub console_stopped: bool,
}

impl Oms {
    /// Whether the console, when it read `ha.config`, saw HA on.
    pub fn console_ha(&self) -> bool {
        reads_enabled(self.console_text.as_deref())
    }
}

fn reads_enabled(text: Option<&str>) -> bool {
    text.is_some_and(|text| {
        serde_json::from_str::<Value>(text).is_ok_and(|value| value["enable"] == true)
    })
}

/// A run of `docker_init.sh`, recorded on the logs volume of a target.
#[derive(Clone, Debug, PartialEq)]
pub struct InitRun {
    /// Container that it runs in.
    pub container: String,
    pub end: Option<InitEnd>,
}

/// How a run of `docker_init.sh` ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum InitEnd {
    /// With a completion text.
    Told,
    /// With exit status 0 and without one.
    Silent,
    /// With another exit status and without one.
    Failed,
}

/// One dump on the claim.
#[derive(Clone, Debug, PartialEq)]
pub struct Artefact {
    pub complete: bool,
    pub verified: bool,
    pub schema: Schema,
    pub content: u64,
    pub ha: Option<String>,
}

/// What is wrong with this world from the start.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Trouble {
    /// The new image cannot be pulled any more once preflight is over.
    pub unpullable: bool,
    /// The old image is gone from the nodes and from its registry.
    pub old_image_gone: bool,
    /// `docker_init.sh` ends with an error.
    pub init_fails: bool,
    /// It does its work, ends with exit status 0 and does not say that it is complete.
    pub init_silent: bool,
    /// It stops half way and ends with exit status 0 nevertheless.
    pub init_lies: bool,
    /// The container is killed while `docker_init.sh` runs.
    pub init_kills: bool,
    /// The new console never comes up.
    pub console_dead: bool,
    /// After a normal start the new programs wait for `docker_init.sh` once more.
    pub programs_need_init: bool,
    /// A console writes its cached HA parameter back when it stops.
    pub write_back: bool,
    /// A webhook rewrites the images of pods to those of a mirror.
    pub mirror: bool,
    /// A webhook rewrites the images of Deployments, too.
    pub template_mirror: bool,
    /// All along sshd is FATAL and the heart beats are hours old, and a person vouches for it.
    pub unwell: bool,
    /// All along supervisord lists no sshd.
    pub without_sshd: bool,
}

/// Where `config.yaml` comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum ConfigFrom {
    #[default]
    Secret,
    ConfigMap,
    /// A file of the node: read from the container, because the spec allows it.
    Container,
}

/// How an installation and its `OmsUpgrade` differ from the usual.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Setup {
    pub ha_off: bool,
    pub config: ConfigFrom,
    /// HA is written through the console's own call.
    pub by_api: bool,
    /// No console tells how far projects are, and a person vouches for them.
    pub unwatched: bool,
    /// A person wants parameters of HA for after the upgrade.
    pub parameters: bool,
    /// The targets have the strategy RollingUpdate.
    pub rolling: bool,
    pub trouble: Trouble,
}

/// What people may still ask for in this world.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Asks {
    pub abort: bool,
    pub roll_back: bool,
    pub delete: bool,
    pub retry: bool,
    /// Git goes back to the manifest of before, and comes again.
    pub git: Git,
}

/// What a repository may still do after people asked for something.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Git {
    #[default]
    Nothing,
    /// Writes the manifest of before, in which nobody asks for anything.
    Revert,
    /// Writes again what was asked for.
    Reapply,
}

#[derive(Clone, Debug, PartialEq)]
pub struct World {
    pub objects: BTreeMap<Place, Arc<Value>>,
    pub db: Database,
    /// By pod name.
    pub oms: BTreeMap<String, Oms>,
    /// Containers that still run although their pod is gone (a lost node).
    pub ghosts: Vec<Version>,
    /// By target and name of the attempt.
    pub inits: BTreeMap<(String, String), InitRun>,
    /// By attempt.
    pub claim: BTreeMap<i64, Artefact>,
    /// Checkpoint of the one project since OMS was stopped, Unix seconds.
    pub checkpoint: i64,
    pub clock: i64,
    pub versions: u64,
    pub ids: u64,
    pub config: ConfigFrom,
    /// No console tells how far projects are.
    pub unwatched: bool,
    pub trouble: Trouble,
    pub asks: Asks,
    /// Bad things that may still happen.
    pub mishaps: u8,
    /// How many requests may still be delayed.
    pub delays: u8,
    /// A request that was sent and has not arrived.
    pub delayed: Option<Ask>,
    /// A Job that came into being by a request that nobody waited for any more.
    pub late_job: Option<String>,
    /// A Secret was made when the operator had gone on without it.
    pub late_copy: bool,
    /// Somebody deleted the second copy of the originals.
    pub copy_lost: bool,
    /// Somebody else scaled a target up, and it is not stopped again: what follows from that alone is nobody's broken
    /// promise.
    pub stranger: bool,
    /// OMS went down while HA was off, by us or by itself: from then on only HA starts the components of projects.
    pub stopped: bool,
    /// The components were started again since.
    pub resumed: bool,
    /// A person was asked about a silent end of `docker_init.sh` and took it for complete; none ended so since.
    pub accepted: bool,
    /// The new version ran, and the databases were not proven to suit the old one since.
    pub new_ran: bool,
    /// A call that is refused whenever it is made: a right that is lacking, a webhook, a quota.
    pub refused: Option<CallSite>,
    /// What the definition of the API server does not have, as a pointer into the status (`*` for each item of a list):
    /// whatever is written there is dropped without a word.
    pub lacking: Option<String>,
    /// A paused Deployment started the old version although it names the new one: until everything was stopped again
    /// the backup is stale, and what the Deployment starts once it is resumed is nobody's broken promise.
    pub spoilt: bool,
    /// Something durable changed since this was cleared.
    pub touched: bool,
    /// Rules that a single act has broken.
    pub broken: Vec<String>,
}

/// A token that stands for a number given out once; canonical forms rename it by order of appearance.
pub fn token(number: u64) -> String {
    format!("z{number:05}")
}

impl World {
    /// An installation of so many nodes, up and replicating, with an `OmsUpgrade` that nobody has
    /// looked at yet.
    pub fn new(targets: usize, setup: Setup) -> Self {
        let trouble = setup.trouble;
        let ha = if setup.ha_off { HA_OFF } else { HA_ON };
        let mut world = Self {
            objects: BTreeMap::new(),
            db: Database {
                schema: Schema::Old,
                content: 1,
                ha: Some(ha.into()),
                kept: None,
                lock: None,
                record: vec![],
                installation: None,
                query_timeout: QUERY_TIMEOUT,
            },
            oms: BTreeMap::new(),
            ghosts: vec![],
            inits: BTreeMap::new(),
            claim: BTreeMap::new(),
            checkpoint: EPOCH,
            clock: EPOCH,
            versions: 100,
            ids: 1,
            config: setup.config,
            unwatched: setup.unwatched,
            trouble,
            asks: Asks::default(),
            mishaps: 0,
            delays: 0,
            delayed: None,
            late_job: None,
            late_copy: false,
            copy_lost: false,
            stranger: false,
            stopped: false,
            resumed: false,
            accepted: false,
            new_ran: false,
            refused: None,
            lacking: None,
            spoilt: false,
            touched: false,
            broken: vec![],
        };
        let names: Vec<String> = (1..=targets).map(|n| format!("oms-{n}")).collect();
        world.insert(
            "namespaces",
            "oms",
            json!({"kind": "Namespace", "apiVersion": "v1", "status": {"phase": "Active"}}),
        );
        world.insert(
            "persistentvolumeclaims",
            "oms-backup",
            json!({"kind": "PersistentVolumeClaim", "apiVersion": "v1", "status": {"phase": "Bound"}}),
        );
        match setup.config {
            ConfigFrom::Secret => world.insert("secrets", "oms-config", build_config_secret(targets)),
            ConfigFrom::ConfigMap => world.insert(
                "configmaps",
                "oms-config",
                json!({"kind": "ConfigMap", "apiVersion": "v1", "data": {"config.yaml": build_config(targets)}}),
            ),
            ConfigFrom::Container => {}
        }
        world.insert(
            "omsupgrades",
            UPGRADE,
            json!({"kind": "OmsUpgrade", "apiVersion": "oms.oceanbase.com/v1alpha1",
                "spec": build_spec(&names, setup), "status": {"observedGeneration": -1}}),
        );
        for (index, name) in names.iter().enumerate() {
            world.insert(
                "deployments",
                name,
                build_deployment(name, index + 1, setup.config),
            );
            if setup.rolling {
                world.edit("deployments", name, |one| {
                    one["spec"]["strategy"] = json!({"type": "RollingUpdate"});
                });
            }
            world.run_deployment_controller(name);
            let pod = world.find_pods(name)[0].clone();
            world.step_pod(&pod);
            world.step_pod(&pod);
            world.run_deployment_controller(name);
        }
        world.db.content = 1;
        for oms in world.oms.values_mut() {
            oms.console_text = Some(ha.into());
        }
        world.touched = false;
        world
    }

    /// An object that was there before.
    pub fn insert(&mut self, resource: &'static str, name: &str, mut object: Value) {
        let id = self.take_id();
        object["metadata"]["name"] = json!(name);
        if resource != "namespaces" {
            object["metadata"]["namespace"] = json!(NAMESPACE);
        }
        object["metadata"]["uid"] = json!(format!("00000000-0000-4000-8000-{}", token(id)));
        object["metadata"]["generation"] = json!(1);
        object["metadata"]["creationTimestamp"] = json!("2026-01-01T00:00:00Z");
        object["metadata"]["resourceVersion"] = json!(self.take_version());
        self.objects.insert(place(resource, name), Arc::new(object));
    }

    pub fn take_id(&mut self) -> u64 {
        self.ids += 1;
        self.ids
    }

    pub fn take_version(&mut self) -> String {
        self.versions += 1;
        self.versions.to_string()
    }

    pub fn now(&self) -> String {
        Timestamp::from_second(self.clock).unwrap().to_string()
    }

    pub fn get(&self, resource: &'static str, name: &str) -> Option<&Value> {
        self.objects
            .get(&place(resource, name))
            .map(|object| &**object)
    }

    /// Changes an object in place, as a controller of the cluster does.
    pub fn edit(&mut self, resource: &'static str, name: &str, change: impl FnOnce(&mut Value)) {
        let version = self.take_version();
        let Some(object) = self.objects.get_mut(&place(resource, name)) else {
            return;
        };
        let before = object.clone();
        let object = Arc::make_mut(object);
        change(object);
        if *object != *before {
            object["metadata"]["resourceVersion"] = json!(version);
            super::ownership::raise_generation(resource, &before, object);
            self.touched = true;
        }
    }

    /// Names of the objects of a resource.
    pub fn list(&self, resource: &'static str) -> Vec<String> {
        self.objects
            .keys()
            .filter(|place| place.resource == resource)
            .map(|place| place.name.clone())
            .collect()
    }

    pub fn upgrade(&self) -> Option<&Value> {
        self.get("omsupgrades", UPGRADE)
    }

    /// A field of the status.
    pub fn status(&self, pointer: &str) -> Option<&Value> {
        self.upgrade()?.get("status")?.pointer(pointer)
    }

    pub fn status_text(&self, pointer: &str) -> &str {
        self.status(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    pub fn is_settled(&self) -> bool {
        self.status("/settled") == Some(&Value::Bool(true))
    }

    /// The status speaks of the spec as it is now.
    pub fn is_observed(&self) -> bool {
        self.upgrade().is_some_and(|upgrade| {
            upgrade["status"]["observedGeneration"] == upgrade["metadata"]["generation"]
        })
    }

    /// Seconds that the present step has lasted; in worlds that can be told apart: 0, 100, very long.
    pub fn step_age(&self) -> i64 {
        match self.status_text("/stepStartedTime").parse::<Timestamp>() {
            Ok(since) => self.clock - since.as_second(),
            Err(_) => 0,
        }
    }

    /// As if the present step had just begun.
    pub fn restart_step(&mut self) {
        let now = self.now();
        self.edit("omsupgrades", UPGRADE, |one| {
            one["status"]["stepStartedTime"] = now.into();
            one["status"]["internal"]["overdue"] = Value::Null;
        });
    }

    pub fn ha_enabled(&self) -> bool {
        reads_enabled(self.db.ha.as_deref())
    }

    /// The newest heart beat: whatever OMS writes, it has beaten before.
    pub fn read_heart_beat(&self) -> String {
        format!("{:08}", self.db.content)
    }

    /// OMS writes to its databases.
    pub fn write_content(&mut self) {
        self.db.content = self.take_id();
        self.touched = true;
    }

    pub fn break_rule(&mut self, rule: impl Into<String>) {
        self.broken.push(rule.into());
    }
}
