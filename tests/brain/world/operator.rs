//! The operator in the small world: one pass of the brain, its effects, and strangers who write targets.
use super::*;
use crate::ownership::{raise_generation, record_manager};
use oms_operator::api::ORIGINALS_ANNOTATION;
use oms_operator::metadb::record::{RecordFact, RecordedOutcome};
use oms_operator::objects::target_change::TargetChange;
use oms_operator::protocol::request::VerifyExtent;

impl World {
    /// One pass of the operator. True when it changed something.
    pub fn run_pass(&mut self) -> bool {
        let observed = self.observe();
        self.run_pass_on(&observed)
    }

    /// The same on facts that are given.
    pub fn run_pass_on(&mut self, observed: &Observed) -> bool {
        self.replicate();
        let decision = self.ask_brain(observed, decide);
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
                    .internal
                    .intent
                    .clone()
                    .expect("an effect without a recorded intent");
                let wanted = effect.describe_intent();
                assert_eq!(
                    (&intent.effect, &intent.subject, &intent.before),
                    (&wanted.effect, &wanted.subject, &wanted.before)
                );
                if self.refused == Some(intent.effect.as_str()) {
                    return match self.refuse(&intent.effect) {
                        Decision::Record { status, .. } => {
                            self.status = *status;
                            true
                        }
                        _ => false,
                    };
                }
                if self.ineffective == Some(intent.effect.as_str()) {
                    return false;
                }
                self.perform(effect);
                true
            }
            Decision::Wait { .. } | Decision::Sleep { .. } | Decision::Rest => false,
        }
    }

    pub fn ask_brain(
        &self,
        observed: &Observed,
        question: impl FnOnce(&Context<'_>) -> Decision,
    ) -> Decision {
        let object = ObjectFacts {
            namespace: "oms".into(),
            name: self.name.into(),
            uid: self.uid.clone(),
            generation: self.generation,
            deleting: self.deleting,
            finalizer: self.finalizer,
            release: self.release,
            heard: self.heard,
        };
        question(&Context {
            now: self.now(),
            object: &object,
            spec: &self.spec,
            status: &self.status,
            observed,
        })
    }

    /// What the brain makes of a refusal.
    pub fn refuse(&self, effect: &str) -> Decision {
        self.ask_brain(&Observed::default(), |cx| {
            // The port of the connection is another one each time.
            decide_refusal(cx, effect, &format!("the webhook said no: {}", self.clock))
        })
    }

    /// Image and replicas of a target, where something is to run.
    fn find_started(&self, target: &str) -> Option<Value> {
        let mut nodes = self.nodes.iter();
        let node = nodes.find(|node| node.object["metadata"]["name"] == target);
        let spec = &node?.object["spec"];
        let image = &spec["template"]["spec"]["containers"][0]["image"];
        (spec["replicas"] != 0).then(|| image.clone())
    }

    /// What the status forbids to everybody else, the operator does not start either.
    fn check_allowed(&self, target: &str, before: Option<Value>) {
        let image = self.find_started(target);
        let mut forbidden = self.status.forbidden_images.iter();
        let refused = forbidden.any(|one| {
            one.target == target && image.as_ref().is_some_and(|image| *image == one.image)
        });
        assert!(
            image == before || !refused,
            "{image:?} is started, and forbidden"
        );
    }

    fn perform(&mut self, effect: Effect) {
        if matches!(
            effect,
            Effect::CreateJob(_)
                | Effect::CreateCredentialsSecret
                | Effect::CreateOriginalsCopy { .. }
        ) {
            self.begin_own();
        }
        match effect {
            Effect::AddFinalizer => self.finalizer = true,
            Effect::RemoveFinalizer => self.finalizer = false,
            Effect::CreateCredentialsSecret => self.secret = true,
            Effect::CreatePrePull { .. } => {}
            Effect::CreateOldPull { pull, .. } => {
                assert_eq!(
                    (pull.image.as_str(), pull.policy.as_str()),
                    (OLD, "IfNotPresent")
                );
                self.old_pulls.insert(pull.name, self.old_image_gone);
            }
            Effect::CreateJob(order) => {
                let (role, attempt) = (order.role, order.attempt);
                // The same name again is fine only when the Job was deleted before it was ever seen.
                let request = &order.request;
                assert_eq!(
                    request.upgrade_uid,
                    self.status.internal.find_marks(&self.uid)
                );
                if let Some(lock) = &request.lock {
                    assert_eq!(
                        Some((lock.holder.clone(), lock.epoch)),
                        self.lock,
                        "a Job without the lock"
                    );
                }
                let fresh = self.jobs.get(&role).is_none_or(|(old, end)| {
                    *end == JobEnd::Gone
                        || *old < attempt
                            && !matches!(end, JobEnd::Running | JobEnd::Lost | JobEnd::NotBegun(_))
                });
                assert!(
                    self.orphans.is_empty(),
                    "{role:?} beside {:?}",
                    self.orphans
                );
                assert!(
                    fresh,
                    "{role:?} attempt {attempt} beside {:?}",
                    self.jobs.get(&role)
                );
                if role == JobRole::DropCopies {
                    let held = self.lock.as_ref().map(|(holder, _)| holder);
                    assert_eq!(held, Some(&self.uid), "copies are dropped without the lock");
                    assert!(self.finalizer && !self.deleting);
                    assert_eq!(order.request.safety_copies, self.copies);
                } else if role != JobRole::Probe
                    && order.request.verify_extent == VerifyExtent::Everything
                {
                    assert!(
                        self.nodes.iter().all(|node| node.pod.is_none()),
                        "{role:?} Job while pods exist"
                    );
                }
                self.jobs.insert(role, (attempt, JobEnd::Running));
            }
            Effect::CreateOriginalsCopy { records } => {
                // The API server knows no other answer to a second one.
                let _ = self.copy.get_or_insert_with(|| OriginalsCopy {
                    name: "oms-x-originals".into(),
                    uid: format!("copy-{}", self.clock),
                    resource_version: "1".into(),
                    owned: false,
                    records,
                });
            }
            Effect::PassOriginalsCopy { uid, owned, .. } => {
                let copy = self.copy.as_mut().unwrap();
                assert_eq!(copy.uid, uid);
                assert_ne!(copy.owned, owned, "a write that changes nothing");
                copy.owned = owned;
            }
            Effect::DeleteOwn(own) if own.kind == OwnKind::OriginalsCopy => {
                assert_eq!(self.copy.take().unwrap().uid, own.uid);
            }
            Effect::DeleteOwn(own) if own.kind == OwnKind::Secret => self.secret = false,
            Effect::DeleteOwn(own) if own.kind == OwnKind::PrePull => {
                self.old_pulls.remove(&own.name).unwrap();
            }
            Effect::DeleteOwn(own) => {
                assert_eq!(own.kind, OwnKind::Job, "the pod of a Job is deleted");
                let role = self
                    .jobs
                    .iter()
                    .find(|(role, _)| own.name == format!("{role:?}"))
                    .map(|(role, _)| *role);
                self.jobs.get_mut(&role.unwrap()).unwrap().1 = JobEnd::Gone;
            }
            Effect::AcquireLock(claim) | Effect::RaiseLock(claim) => {
                self.lock = Some((claim.holder, claim.epoch));
            }
            Effect::TakeOverLock(claim) => {
                assert_eq!(self.forerunner, Fact::Known(None), "taken from the living");
                let held = (claim.from.clone(), claim.from_epoch);
                assert_eq!(self.lock, Some(held));
                assert_eq!(claim.to.holder, self.uid);
                assert!(claim.to.epoch > claim.from_epoch);
                self.lock = Some((claim.to.holder.clone(), claim.to.epoch));
                for row in self.record.iter_mut().filter(|row| row.uid == claim.from) {
                    row.uid = claim.to.holder.clone();
                }
            }
            Effect::AppendRecord(claim) => {
                let rows = self.record.iter();
                let own = rows.filter(|row| row.uid == claim.holder).count();
                assert_eq!(usize::try_from(claim.seq).unwrap(), own + 1);
                assert_eq!(self.lock, Some((claim.holder.clone(), claim.epoch)));
                let newest = self.record.iter().map(|row| row.ordinal).max().unwrap_or(0);
                self.record.push(RecordRow {
                    uid: claim.holder,
                    seq: claim.seq,
                    ordinal: newest + 1,
                    epoch: claim.epoch,
                    fact: claim.fact,
                    written: EPOCH + self.clock,
                });
            }
            Effect::ReleaseLock => self.lock = None,
            Effect::SetHa { .. } if self.trouble.unheeded => {}
            Effect::SetHa { write, .. } => self.set_ha(&write.patch),
            Effect::KeepKeys { keys } => self.keep_keys(keys),
            Effect::StopConsole { target } => self.stop_console(&target),
            Effect::StartConsole { target } => self.start_console(&target),
            Effect::RestartConsole { target, pid } => {
                assert_eq!(self.find_pod(&target).console_pid, pid);
                self.stop_console(&target);
                self.start_console(&target);
            }
            Effect::SetQueryTimeout { microseconds } => self.query_timeout = microseconds,
            Effect::PatchTarget {
                target,
                change,
                patch,
                ..
            } => {
                let before = self.find_started(&target);
                self.patch(&target, &change, &patch);
                self.check_allowed(&target, before);
            }
            Effect::StartInit(run) => {
                let (target, attempt) = (run.target, run.attempt);
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
                assert_eq!(self.trouble.starting_program, None, "a program is STARTING");
                node.init = InitState::Running;
                node.init_log = InitLog::default();
                node.init_attempt = attempt;
                let pod = node.pod.as_ref().unwrap();
                assert_ne!(
                    pod.kind,
                    TemplateKind::Old,
                    "docker_init.sh in the old version"
                );
                node.init_pod = pod.number;
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
        let forward = self.status.direction == Some(Direction::Forward);
        if forward && self.ha_enabled() {
            // A person's answer; nobody else gives it in this world. A success was one of a script that was complete.
            let told = |node: &Node| node.init == InitState::Completed;
            let succeeded = RecordFact::Verdict {
                outcome: RecordedOutcome::Succeeded,
                fingerprint: None,
            };
            assert!(
                self.nodes.iter().any(told)
                    || !self.spec.accept.is_empty()
                    || self.record.iter().any(|row| row.fact == succeeded),
                "HA is switched on and nobody said that docker_init.sh is complete"
            );
        }
        assert!(
            self.ha.contains("\"custom\":\"kept\""),
            "an unknown key was lost"
        );
    }

    fn keep_keys(&mut self, keys: Vec<KeptKey>) {
        let kept = (!keys.is_empty()).then(|| KeptKeys {
            note: "oms/up".into(),
            keys,
        });
        assert_ne!(self.kept, kept, "what is left is written down again");
        self.kept = kept;
    }

    fn patch(&mut self, target: &str, change: &TargetChange, patch: &json_patch::Patch) {
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
        if let TargetChange::Stop = change
            && self.status.direction == Some(Direction::RollBack)
        {
            assert!(
                !self.claim_empty,
                "a rollback stops OMS with nothing to go back to"
            );
        }
        let index = self
            .nodes
            .iter()
            .position(|node| node.object["metadata"]["name"] == target)
            .unwrap();
        let before = self.nodes[index].object.clone();
        let mut object = before.clone();
        json_patch::patch(&mut object, patch).unwrap();
        if !matches!(change, TargetChange::GiveBack) {
            self.own(&before, &mut object, "oms-operator");
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
        raise_generation("deployments", before, &mut object);
        self.nodes[index].object = object;
    }

    /// A stranger notes something on a target.
    pub fn annotate(&mut self, index: usize, note: &str) {
        let mut object = self.nodes[index].object.clone();
        object["metadata"]["annotations"]["example.com/note"] = json!(note);
        self.store(index, object);
    }

    /// A stranger scales a target.
    pub fn scale(&mut self, index: usize, replicas: i32) {
        let before = self.nodes[index].object.clone();
        let mut object = before.clone();
        object["spec"]["replicas"] = json!(replicas);
        self.own(&before, &mut object, "argocd-controller");
        self.store(index, object);
    }

    /// A stranger scales a target by its subresource `scale`, as `kubectl scale` and autoscalers do: the API server
    /// notes who, and not when (seen with 1.35).
    pub fn scale_by_subresource(&mut self, index: usize, replicas: i32, who: &str) {
        let before = self.nodes[index].object.clone();
        let mut object = before.clone();
        object["spec"]["replicas"] = json!(replicas);
        self.own(&before, &mut object, who);
        let entries = object["metadata"]["managedFields"].as_array_mut();
        let entry = entries.and_then(|entries| entries.last_mut()).unwrap();
        entry["subresource"] = json!("scale");
        entry.as_object_mut().unwrap().remove("time");
        self.store(index, object);
    }

    /// A stranger pauses or resumes a target.
    pub fn pause(&mut self, index: usize, paused: bool) {
        let before = self.nodes[index].object.clone();
        let mut object = before.clone();
        object["spec"]["paused"] = json!(paused);
        self.own(&before, &mut object, "kubectl-rollout");
        self.store(index, object);
    }

    /// A stranger writes a target's template.
    pub fn write_template(&mut self, index: usize) {
        let before = self.nodes[index].object.clone();
        let mut object = before.clone();
        object["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] = json!(7);
        self.own(&before, &mut object, "argocd-controller");
        self.store(index, object);
    }

    /// A stranger names another image (`kubectl set image`).
    pub fn set_image(&mut self, index: usize, image: &str) {
        let before = self.nodes[index].object.clone();
        let mut object = before.clone();
        object["spec"]["template"]["spec"]["containers"][0]["image"] = json!(image);
        self.own(&before, &mut object, "kubectl-set");
        self.store(index, object);
    }

    /// A stranger restarts a target (`kubectl rollout restart`).
    pub fn restart(&mut self, index: usize) {
        let before = self.nodes[index].object.clone();
        let mut object = before.clone();
        object["spec"]["template"]["metadata"] =
            json!({"annotations": {"kubectl.kubernetes.io/restartedAt": self.now().0.to_string()}});
        self.own(&before, &mut object, "kubectl-rollout");
        self.store(index, object);
    }

    /// A stranger takes back the last change of a template (`kubectl rollout undo`).
    pub fn write_back(&mut self, index: usize, template: serde_json::Value) {
        let before = self.nodes[index].object.clone();
        let mut object = before.clone();
        object["spec"]["template"] = template;
        self.own(&before, &mut object, "kubectl-rollout");
        self.store(index, object);
    }

    /// The record on a target.
    pub fn read_record(&self, index: usize) -> Option<String> {
        let annotations = &self.nodes[index].object["metadata"]["annotations"];
        Some(annotations[ORIGINALS_ANNOTATION].as_str()?.to_owned())
    }

    /// A stranger takes the record off a target, or writes another one.
    pub fn write_record(&mut self, index: usize, record: Option<String>) {
        let before = self.nodes[index].object.clone();
        let mut object = before.clone();
        let annotations = object["metadata"]["annotations"].as_object_mut();
        let Some(annotations) = annotations.filter(|all| all.contains_key(ORIGINALS_ANNOTATION))
        else {
            return;
        };
        match record {
            Some(record) => annotations.insert(ORIGINALS_ANNOTATION.into(), json!(record)),
            None => annotations.remove(ORIGINALS_ANNOTATION),
        };
        self.own(&before, &mut object, "kubectl-annotate");
        self.store(index, object);
    }

    fn own(&self, before: &Value, object: &mut Value, manager: &str) {
        record_manager(before, object, manager, &self.now().0.to_string());
    }
}
