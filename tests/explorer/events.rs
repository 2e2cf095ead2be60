//! What can happen in a world without the operator: the cluster's own moves, people, bad luck, time.
use super::agent::End;
use super::cluster::PodKind;
use super::ownership::record_manager;
use super::world::{Git, NEW_IMAGE, OLD_IMAGE, UPGRADE, Version, World};
use oms_operator::api::ORIGINALS_ANNOTATION;
use oms_operator::protocol::report::Reason;
use serde_json::{Value, json};

/// Seconds that each step may last in these worlds.
pub const LIMIT: i64 = 3600;
/// Seconds after which every deadline is over.
const AGES_END: i64 = 4 * LIMIT;
/// What a person writes to have a step tried again.
const RETRY: &str = "again";

#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A round of the Deployment controller.
    Controller(String),
    /// A pod's own next move.
    Pod(String),
    /// A round of the Job controller.
    Job(String),
    /// `docker_init.sh` comes to its end.
    Init((String, String)),
    /// The project's checkpoint advances.
    Replicate,
    /// A container that outlived its pod ends at last.
    GhostsEnd,
    /// A little time passes: short patience is over.
    Tick,
    /// Much time passes, and nothing else: the next deadline is just over. The operator has looked all the time.
    Late,
    /// A little time passes after a deadline: the next look counts.
    Look,
    /// Much time passes in which nobody looks: every deadline was over long ago.
    Away,
    /// The container of a pod is killed and started again.
    ContainerRestarts(String),
    /// Somebody deletes a pod.
    PodDeleted(String),
    /// The node of a pod is lost: the pod is taken out of the API, its container still runs.
    NodeLost(String),
    /// The agent's pod ends badly.
    AgentEnds(String, End),
    /// Somebody deletes a Job of ours.
    JobDeleted(String),
    /// Somebody deletes a Job of ours and leaves its pods behind.
    JobOrphans(String),
    /// Somebody scales a target up.
    Reverted(String),
    /// Somebody names the other image in a target, and has it run (`kubectl apply`, Argo CD).
    Applied(String),
    /// Somebody scales a target to nothing.
    ScaledDown(String),
    /// Somebody restarts a target (`kubectl rollout restart`).
    Restarted(String),
    /// Somebody annotates a target.
    Annotated(String),
    /// Somebody takes the record off a target.
    RecordLost(String),
    /// Somebody deletes the Secret with the second copy of the originals.
    CopyLost,
    /// Somebody pauses a target.
    Paused(String),
    /// A paused target is resumed by whom the status asks for it.
    Resumed(String),
    /// Whom the object tells so installs the definition that fits the operator.
    Defined,
    /// Somebody drops the lock.
    LockLost,
    /// A delayed request arrives.
    Arrives,
    /// A person asks.
    Ask(&'static str),
    /// A person starts the components of the project by hand.
    Helped,
}

impl Event {
    /// Bad luck, of which there is a limited amount; everything else happens for free.
    pub fn is_mishap(&self) -> bool {
        matches!(
            self,
            Self::ContainerRestarts(_)
                | Self::PodDeleted(_)
                | Self::NodeLost(_)
                | Self::AgentEnds(..)
                | Self::JobDeleted(_)
                | Self::JobOrphans(_)
                | Self::Reverted(_)
                | Self::Applied(_)
                | Self::ScaledDown(_)
                | Self::Restarted(_)
                | Self::Annotated(_)
                | Self::RecordLost(_)
                | Self::CopyLost
                | Self::Paused(_)
                | Self::LockLost
        )
    }

    /// Part of the normal course of things: what a fault-free way to an end may rely on.
    pub fn is_progress(&self) -> bool {
        !self.is_mishap()
            && !matches!(
                self,
                Self::Ask(_) | Self::Helped | Self::Arrives | Self::Resumed(_) | Self::Defined
            )
    }
}

impl World {
    /// Whether the object asks for nothing, by its own content.
    pub fn asks_for_nothing(&self) -> bool {
        let Some(upgrade) = self.upgrade() else {
            return true;
        };
        let action = upgrade["spec"]["action"].as_str().unwrap_or_default();
        let direction = self.status_text("/direction");
        let honoured = self.status("/internal/requests/retries");
        let honoured = honoured.and_then(Value::as_array).into_iter().flatten();
        let retry = &upgrade["spec"]["retryRequest"];
        let retried = retry.is_null() || honoured.into_iter().any(|one| one == retry);
        (action != "RollBack" || direction != "Forward") && retried
    }

    /// Everything that may happen now, time apart.
    pub fn list_events(&self) -> Vec<Event> {
        let mut events = Vec::new();
        for target in self.list("deployments") {
            let mut after = self.clone();
            after.run_deployment_controller(&target);
            if after.objects != self.objects {
                events.push(Event::Controller(target));
            }
        }
        for pod in self.list("pods") {
            if self.can_step(&pod) {
                events.push(Event::Pod(pod));
            }
        }
        for job in self.list("jobs") {
            if self.can_run_job(&job) || self.has_lost_pod(&job) {
                events.push(Event::Job(job));
            }
        }
        events.extend(self.list_live_inits().into_iter().map(Event::Init));
        if self.stopped && self.is_replicating() && self.wants_replication() {
            events.push(Event::Replicate);
        }
        if !self.ghosts.is_empty() {
            events.push(Event::GhostsEnd);
        }
        if self.status_text("/stall/reason") == "ReplicationNotRecovered"
            && self.wants_replication()
            && self.oms.values().all(|oms| oms.up)
        {
            events.push(Event::Helped);
        }
        for target in self.list("deployments") {
            if self.is_paused(&target) && self.is_resumption_asked(&target) {
                events.push(Event::Resumed(target));
            }
        }
        if self.lacking.is_some() && self.is_definition_asked() {
            events.push(Event::Defined);
        }
        if self.mishaps > 0 && !self.is_settled() && self.status("/step").is_some() {
            self.list_mishaps(&mut events);
        }
        if self.delayed.is_some() {
            events.push(Event::Arrives);
        }
        self.list_asks(&mut events);
        events
    }

    fn has_record(&self, target: &str) -> bool {
        self.get("deployments", target)
            .is_some_and(|one| one["metadata"]["annotations"][ORIGINALS_ANNOTATION].is_string())
    }

    /// The Secret with the second copy of the originals.
    pub fn find_copy(&self) -> Option<String> {
        let mut secrets = self.list("secrets").into_iter();
        secrets.find(|name| name.ends_with("-originals"))
    }

    fn is_paused(&self, target: &str) -> bool {
        self.get("deployments", target)
            .is_some_and(|one| one["spec"]["paused"] == true)
    }

    /// Whether the person who can resume a target is told so: only then an upgrade may wait for it.
    fn is_resumption_asked(&self, target: &str) -> bool {
        self.status_text("/waiting/message")
            .contains(&format!("kubectl rollout resume deployment {target}"))
    }

    fn wants_replication(&self) -> bool {
        let number = |pointer: &str| self.status(pointer).and_then(Value::as_i64);
        let open = self.status("/internal/projects/0").is_some()
            && self.status("/internal/projects/0/recovered") != Some(&Value::Bool(true));
        let reached = number("/internal/projects/0/checkpoint")
            .max(number("/internal/projects/0/resumedAt"))
            .unwrap_or(0);
        open && self.checkpoint <= reached
    }

    fn list_mishaps(&self, events: &mut Vec<Event>) {
        for pod in self.list("pods") {
            match self.kind_of(&pod) {
                PodKind::Target(_) if !self.is_terminating(&pod) => {
                    if self.oms.contains_key(&pod) {
                        if self.restarts_of(&pod) == 0 {
                            events.push(Event::ContainerRestarts(pod.clone()));
                        }
                        events.push(Event::NodeLost(pod.clone()));
                    }
                    events.push(Event::PodDeleted(pod));
                }
                PodKind::Job(_) if self.phase_of(&pod) == "Running" => {
                    for end in [
                        End::Killed,
                        End::DoneUnheard,
                        End::Fails(Reason::ConnectionLost),
                        End::Fails(Reason::NoSpace),
                    ] {
                        events.push(Event::AgentEnds(pod.clone(), end));
                    }
                }
                _ => {}
            }
        }
        for job in self.list("jobs") {
            if !self.find_job_pods(&job).is_empty() && !self.is_job_over(&job) {
                events.push(Event::JobOrphans(job.clone()));
            }
            events.push(Event::JobDeleted(job));
        }
        // Once the verdict has fallen, whoever changes a target changes his own.
        let fallen = self.status_text("/step") == "Settling";
        for target in self.list("deployments") {
            if self
                .get("deployments", &target)
                .is_some_and(|one| one["spec"]["replicas"] == 0)
            {
                events.push(Event::Reverted(target.clone()));
            } else if !fallen {
                events.push(Event::ScaledDown(target.clone()));
            }
            if !fallen {
                events.push(Event::Applied(target.clone()));
                events.push(Event::Restarted(target.clone()));
            }
            if !self.is_paused(&target) {
                events.push(Event::Paused(target.clone()));
            }
            if self.has_record(&target) {
                events.push(Event::RecordLost(target.clone()));
            }
            events.push(Event::Annotated(target));
        }
        if self.find_copy().is_some() {
            events.push(Event::CopyLost);
        }
        if self.db.lock.is_some() {
            events.push(Event::LockLost);
        }
    }

    fn list_asks(&self, events: &mut Vec<Event>) {
        let Some(upgrade) = self.upgrade() else {
            return;
        };
        let begun = self.status("/step").is_some();
        let asks = self.asks;
        if asks.abort && begun {
            events.push(Event::Ask("Abort"));
        }
        if asks.roll_back && begun {
            events.push(Event::Ask("RollBack"));
        }
        if asks.delete && upgrade["metadata"]["deletionTimestamp"].is_null() {
            events.push(Event::Ask("Delete"));
        }
        if asks.retry && self.status("/stall").is_some_and(Value::is_object) {
            events.push(Event::Ask("Retry"));
        }
        let asked =
            upgrade["spec"]["action"] != "Run" || upgrade["spec"]["retryRequest"].is_string();
        match asks.git {
            Git::Revert if asked => events.push(Event::Ask("Revert")),
            Git::Reapply => events.push(Event::Ask("Reapply")),
            Git::Revert | Git::Nothing => {}
        }
    }

    /// Time can pass: a little once per step, then up to the next deadline, then from look to look.
    pub fn list_times(&self) -> Option<Event> {
        match self.step_age() {
            ..20 => Some(Event::Tick),
            20..AGES_END if self.counts_looks() => Some(Event::Look),
            20..AGES_END => Some(Event::Late),
            _ => None,
        }
    }

    /// Whether looks past a deadline are counted that are not enough yet.
    fn counts_looks(&self) -> bool {
        let count = |kind: &str| self.status(&format!("/internal/overdue/{kind}/count"));
        let few = |kind: &str| {
            count(kind)
                .and_then(Value::as_i64)
                .is_some_and(|count| count < 3)
        };
        let seen = count("wanting").is_some() && count("unseen").is_none();
        if seen { few("wanting") } else { few("unseen") }
    }

    /// The world after an event.
    pub fn after(&self, event: &Event) -> World {
        let mut world = self.clone();
        if event.is_mishap() {
            world.mishaps -= 1;
        }
        world.happen(event);
        world.touched = false;
        world.check_always();
        world
    }

    pub fn happen(&mut self, event: &Event) {
        match event {
            Event::Controller(target) => self.run_deployment_controller(target),
            Event::Pod(pod) => self.step_pod(pod),
            Event::Job(job) if self.has_lost_pod(job) => {
                self.finish_job(job, "Failed", "PodVanished")
            }
            Event::Job(job) => self.run_job_controller(job),
            Event::Init(key) => self.finish_init(key),
            Event::Replicate | Event::Helped => {
                self.resumed = true;
                self.checkpoint += 10;
            }
            Event::GhostsEnd => {
                self.ghosts.clear();
                self.write_content();
            }
            Event::Tick => self.clock += 100,
            Event::Late => {
                let age = self.step_age();
                self.clock += LIMIT - age % LIMIT + 1;
            }
            Event::Look => self.clock += 40,
            Event::Away => self.clock += 100_000,
            Event::ContainerRestarts(pod) => self.restart_container(pod),
            Event::PodDeleted(pod) => self.delete_object("pods", pod, None),
            Event::NodeLost(pod) => {
                let version = self.oms.remove(pod).map_or(Version::Old, |oms| oms.version);
                self.ghosts.push(version);
                self.objects.remove(&super::world::place("pods", pod));
            }
            Event::AgentEnds(pod, end) => {
                if let PodKind::Job(job) = self.kind_of(pod) {
                    self.finish_agent(pod, &job, *end);
                }
            }
            Event::JobOrphans(job) => self.delete_object("jobs", job, Some("Orphan")),
            Event::JobDeleted(job) => self.delete_object("jobs", job, Some("Background")),
            Event::Reverted(target) => {
                self.stranger = true;
                self.write_as(target, "argocd-controller", |object| {
                    object["spec"]["replicas"] = json!(1);
                });
            }
            Event::Applied(target) => self.apply_other_image(target),
            Event::ScaledDown(target) => self.write_as(target, "kubectl-scale", |object| {
                object["spec"]["replicas"] = json!(0);
            }),
            Event::Restarted(target) => {
                let now = self.now();
                self.write_as(target, "kubectl-rollout", |object| {
                    object["spec"]["template"]["metadata"]["annotations"] =
                        json!({"kubectl.kubernetes.io/restartedAt": now});
                });
            }
            Event::Paused(target) => self.pause(target, true),
            Event::Resumed(target) => self.pause(target, false),
            Event::Annotated(target) => self.edit("deployments", target, |object| {
                object["metadata"]["annotations"]["example.com/note"] = json!("seen");
            }),
            Event::RecordLost(target) => self.edit("deployments", target, |object| {
                let all = object.pointer_mut("/metadata/annotations");
                if let Some(all) = all.and_then(Value::as_object_mut) {
                    all.remove(ORIGINALS_ANNOTATION);
                }
            }),
            Event::CopyLost => {
                self.copy_lost = true;
                if let Some(copy) = self.find_copy() {
                    self.delete_object("secrets", &copy, None);
                }
            }
            Event::Defined => self.lacking = None,
            Event::LockLost => self.db.lock = None,
            Event::Arrives => self.deliver(),
            Event::Ask(what) => self.ask(what),
        }
    }

    fn pause(&mut self, target: &str, paused: bool) {
        self.write_as(target, "kubectl-rollout", |object| {
            object["spec"]["paused"] = json!(paused);
        });
    }

    /// The manifest of somebody else: the old image where the new one stands, else the new one.
    fn apply_other_image(&mut self, target: &str) {
        self.write_as(target, "argocd-controller", |object| {
            let image = &mut object["spec"]["template"]["spec"]["containers"][0]["image"];
            *image = json!(if *image == NEW_IMAGE {
                OLD_IMAGE
            } else {
                NEW_IMAGE
            });
            object["spec"]["replicas"] = json!(1);
        });
        self.stranger |= self.is_scaled_by_others();
    }

    /// Somebody else writes a target, and owns from then on what he changed.
    pub fn write_as(&mut self, target: &str, manager: &str, change: impl FnOnce(&mut Value)) {
        let now = self.now();
        self.edit("deployments", target, |object| {
            let before = object.clone();
            change(object);
            record_manager(&before, object, manager, &now);
        });
    }

    fn ask(&mut self, what: &str) {
        match what {
            "Delete" => {
                self.asks = super::world::Asks::default();
                self.delete_object("omsupgrades", UPGRADE, Some("Background"));
            }
            "Revert" => {
                self.asks.git = Git::Reapply;
                self.edit("omsupgrades", UPGRADE, |one| {
                    one["spec"]["action"] = json!("Run");
                    one["spec"].as_object_mut().unwrap().remove("retryRequest");
                });
            }
            "Reapply" => {
                self.asks.git = Git::Nothing;
                self.edit("omsupgrades", UPGRADE, |one| {
                    one["spec"]["retryRequest"] = json!(RETRY);
                });
            }
            "Retry" => {
                self.asks.retry = false;
                let asks = self.status_text("/stall/reason") == "InitUnconfirmed";
                self.accepted |= asks;
                let message = self.status_text("/stall/message").to_owned();
                self.edit("omsupgrades", UPGRADE, |one| {
                    one["spec"]["retryRequest"] = json!(RETRY);
                    if asks {
                        let values = message.split("value: \"").skip(1);
                        let values = values.filter_map(|rest| rest.split('"').next());
                        one["spec"]["accept"] = values
                            .map(|value| json!({"reason": "InitUnconfirmed", "value": value}))
                            .collect();
                    }
                });
            }
            action => {
                self.asks = super::world::Asks {
                    retry: self.asks.retry,
                    git: self.asks.git,
                    ..Default::default()
                };
                self.edit("omsupgrades", UPGRADE, |one| {
                    one["spec"]["action"] = json!(action)
                });
            }
        }
    }
}
