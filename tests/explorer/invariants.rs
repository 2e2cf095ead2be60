//! What must hold: rules for single acts, rules for every world, rules for worlds at their end.
//! Judged from the world alone, never from the operator's word.
use super::cluster::PodKind;
use super::store::Ask;
use super::world::{InitEnd, NEW_IMAGE, OLD_IMAGE, QUERY_TIMEOUT, Schema, Version, World};
use oms_operator::controller::CallSite;
use serde_json::Value;

impl World {
    /// A verified dump holds exactly what the databases hold.
    pub fn has_proof(&self) -> bool {
        self.claim.values().any(|artefact| {
            artefact.complete
                && artefact.verified
                && artefact.content == self.db.content
                && artefact.schema == self.db.schema
                && artefact.schema == Schema::Old
        })
    }

    /// I2, I10: a pod of the new version is made only when the backup is verified and fresh, or when
    /// that was so before and the new version ran since.
    pub fn check_new_start(&mut self) {
        if self.has_image_of_others() {
            return;
        }
        let verified = self.claim.values().any(|artefact| {
            artefact.complete && artefact.verified && artefact.schema == Schema::Old
        });
        if !verified {
            self.break_rule("I2: the new version is started without a verified backup");
        } else if !self.new_ran && !self.has_proof() && !self.spoilt {
            self.break_rule("I10: the backup is stale when the new version is started");
        }
    }

    /// Jobs on the databases run alone: no OMS, no other Job, HA off in what is dumped.
    pub fn check_agent_start(&mut self, command: &str, job: &str) {
        // It looks for itself, and is refused by the lock or by sessions: see `agent.rs`.
        if self.late_job.as_deref() == Some(job) {
            return;
        }
        // Also those whose Job is gone.
        let running = self
            .list("pods")
            .iter()
            .filter(|pod| match self.kind_of(pod) {
                PodKind::Job(job) => {
                    Some(&job) != self.late_job.as_ref() && self.phase_of(pod) == "Running"
                }
                _ => false,
            })
            .count();
        if running > 1 {
            self.break_rule("two Jobs run at the same time");
        }
        // The one needs no lock, the other works on what is no database of OMS any more.
        if matches!(command, "probe" | "drop-safety-copies") {
            return;
        }
        if !self.running_versions().is_empty() && !self.stranger {
            self.break_rule(format!("I12: {command} begins while OMS runs"));
        }
        if matches!(command, "compare" | "restore") {
            let epoch = self
                .status("/internal/epoch")
                .map(ToString::to_string)
                .unwrap_or_default();
            let fenced = self.list("deployments").iter().all(|name| {
                self.get("deployments", name).is_some_and(|one| {
                    one["metadata"]["annotations"]["oms.oceanbase.com/fence"] == epoch.as_str()
                })
            });
            if !fenced {
                self.break_rule(format!("{command} begins while a write decided before the rollback could still start the new version"));
            }
        }
        if command == "dump" && self.ha_enabled() {
            self.break_rule("the dump holds HA on");
        }
        if command != "probe" && self.db.query_timeout <= QUERY_TIMEOUT {
            self.break_rule(format!(
                "{command} begins with a query timeout that cuts it"
            ));
        }
    }

    pub fn check_restore(&mut self) {
        if !self.running_versions().is_empty() {
            self.break_rule("I12: a restore ends while OMS runs");
        }
    }

    /// HA starts what a rollback does not bring back: it goes on in the new version only when `docker_init.sh` said
    /// that it is complete, or a person did.
    pub fn check_ha_on(&mut self) {
        let told = self
            .inits
            .values()
            .any(|run| run.end == Some(InitEnd::Told));
        let new_runs = self.running_versions().contains(&Version::New);
        let others = self.has_image_of_others();
        if self.ha_enabled() && new_runs && !told && !self.accepted && !others {
            self.break_rule("HA is switched on and nobody said that docker_init.sh is complete");
        }
    }

    /// I15: whatever is changed was announced in the status before, and by nobody else.
    pub fn check_intent(&mut self, allowed: &[&str], subject: Option<&str>) {
        let effect = self.status_text("/internal/intent/effect").to_owned();
        if !allowed.contains(&effect.as_str()) {
            self.break_rule(format!(
                "I15: {allowed:?} is carried out, the recorded intent is {effect:?}"
            ));
        } else if let Some(subject) = subject
            && self.status_text("/internal/intent/subject") != subject
        {
            let recorded = self.status_text("/internal/intent/subject").to_owned();
            self.break_rule(format!(
                "I15: {effect} of {subject:?} is carried out, recorded is {recorded:?}"
            ));
        }
    }

    /// What runs is stopped for a rollback only where there is something to go back to.
    fn check_stop(&mut self) {
        let rolls_back = self.status_text("/direction") == "RollBack";
        let stops = self.status_text("/internal/intent/effect") == "Stop";
        let digest = self.status_text("/backup/manifestDigest").to_owned();
        let found = self.claim.iter().any(|(attempt, artefact)| {
            artefact.complete && super::agent::digest_of(*attempt) == digest
        });
        if rolls_back && stops && !found {
            self.break_rule("OMS is stopped for a rollback whose backup is not on the claim");
        }
    }

    /// Rules for a request to the API server that writes.
    pub fn check_request(&mut self, site: CallSite, ask: &Ask) {
        let text = ask.body.to_string();
        if text.contains("canary") && site != CallSite::CreateSecret {
            self.break_rule(format!("I6: a secret is in a request of {site:?}"));
        }
        let path_name = ask.path.rsplit('/').next().unwrap_or_default().to_owned();
        match site {
            CallSite::PatchDeployment => {
                self.check_stop();
                self.check_intent(
                    &[
                        "Fence",
                        "Stop",
                        "StartUpgrade",
                        "StartFinal",
                        "StartOld",
                        "GiveBack",
                    ],
                    Some(&path_name),
                );
                let tests = ask.body.as_array().is_some_and(|all| {
                    all.iter().any(|one| {
                        one["op"] == "test" && one["path"] == "/metadata/resourceVersion"
                    })
                });
                if !tests {
                    self.break_rule("a Deployment is written without a test of its version");
                }
                let forward = self.status_text("/direction") == "Forward";
                let stops = self.status_text("/internal/intent/effect") == "Stop";
                if forward && stops && self.find_copy().is_none() && !self.copy_lost {
                    self.break_rule(
                        "I16: a target is stopped while there is no second copy of the originals",
                    );
                }
            }
            CallSite::CreateJob => {
                let labels = ask.body["metadata"]["labels"].clone();
                let role = labels["oms.oceanbase.com/role"]
                    .as_str()
                    .unwrap_or_default();
                let attempt = labels["oms.oceanbase.com/attempt"]
                    .as_str()
                    .unwrap_or_default();
                let mut capital = role.replace("drop-safety-copies", "dropCopies");
                if let Some(first) = capital.get_mut(..1) {
                    first.make_ascii_uppercase();
                }
                self.check_intent(&["CreateJob"], Some(&format!("{capital}-{attempt}")));
                if labels["oms.oceanbase.com/upgrade-uid"].as_str() != self.find_marks() {
                    self.break_rule("I15: a Job does not carry the uid of its upgrade");
                }
                if ask.body.pointer("/metadata/ownerReferences").is_some() {
                    self.break_rule("a Job has an owner: a foreground deletion would kill it behind the finalizer");
                }
                let once = ask.body.pointer("/spec/backoffLimit") == Some(&Value::from(0))
                    && ask.body.pointer("/spec/podReplacementPolicy")
                        == Some(&Value::from("Failed"));
                if !once || ask.body.pointer("/spec/ttlSecondsAfterFinished").is_some() {
                    self.break_rule("a Job may run twice, or vanish before it was seen");
                }
            }
            CallSite::CreatePrePullPod => {
                let old = ask.body.pointer("/spec/containers/0/image") == Some(&OLD_IMAGE.into());
                let effect = if old {
                    "CreateOldPull"
                } else {
                    "CreatePrePull"
                };
                self.check_intent(&[effect], None);
            }
            CallSite::CreateSecret => {
                let of_originals =
                    ask.body["metadata"]["labels"]["oms.oceanbase.com/role"] == "originals";
                let effect = match of_originals {
                    true => "CreateOriginalsCopy",
                    false => "CreateCredentialsSecret",
                };
                self.check_intent(&[effect], None);
                if ask.body.pointer("/metadata/ownerReferences").is_some() {
                    self.break_rule("a Secret has an owner: a foreground deletion would kill it behind the finalizer");
                }
            }
            CallSite::PatchSecret => self.check_intent(&["PassOriginalsCopy"], None),
            CallSite::PatchFinalizer => {
                self.check_intent(&["AddFinalizer", "RemoveFinalizer"], None)
            }
            CallSite::DeleteJob | CallSite::DeletePod | CallSite::DeleteSecret => {
                self.check_intent(&["DeleteOwn"], None);
                if ask.body.pointer("/preconditions/uid").is_none() {
                    self.break_rule("something is deleted without naming its uid");
                }
            }
            CallSite::ReplaceStatus => {
                let seen = self
                    .upgrade()
                    .map(|one| one["status"].clone())
                    .unwrap_or_default();
                if seen["settled"] == true
                    && ask.body["status"]["settled"] == true
                    && seen["direction"] == ask.body["status"]["direction"]
                {
                    let (before, after) =
                        (drop_generation(&seen), drop_generation(&ask.body["status"]));
                    if before == after
                        && seen["observedGeneration"] == ask.body["status"]["observedGeneration"]
                    {
                        self.break_rule("I8: a settled status is written although nothing changed");
                    }
                }
            }
            _ => {}
        }
    }

    /// What must hold in every world.
    pub fn check_always(&mut self) {
        let versions = self.running_versions();
        if versions.is_empty() && !self.is_scaled_by_others() {
            self.stranger = false;
        }
        let others = self.has_image_of_others();
        if versions.contains(&Version::Old) && versions.contains(&Version::New) && !others {
            self.break_rule("I1: two versions of OMS run at once");
        }
        if self.db.schema == Schema::Torn && !versions.is_empty() && !self.stranger {
            self.break_rule("I12: OMS runs on a database that is being restored");
        }
        if versions.contains(&Version::Old) && self.db.schema != Schema::Old && !others {
            self.break_rule("I5: the old version runs on a schema that is not its own");
        }
        let restores = self
            .list("jobs")
            .iter()
            .filter(|job| job.contains("-restore-") && !self.is_job_over(job))
            // It finds OMS at work, or nothing to do: see `agent.rs`.
            .filter(|job| Some(*job) != self.late_job.as_ref())
            .count();
        let replicas = self.list("deployments").iter().any(|name| {
            self.get("deployments", name)
                .is_some_and(|one| one["spec"]["replicas"] != 0)
        });
        if restores > 1 {
            self.break_rule("I12: two restores at once");
        }
        if restores > 0 && replicas && !self.is_scaled_by_others() {
            self.break_rule("I12: a target has replicas while a restore may run");
        }
        for name in self.list("deployments") {
            if let Some(wrong) = self.check_template(&name) {
                self.break_rule(wrong);
            }
        }
    }

    /// I3: a template differs from the original by the image, and for the first start by
    /// `IS_UPGRADE` and two probes.
    fn check_template(&self, target: &str) -> Option<String> {
        let live = &self.get("deployments", target)?["spec"]["template"];
        let container = &live["spec"]["containers"][0];
        let mut like_original = live.clone();
        // A restart by hand.
        let restarted = ["metadata", "annotations"];
        if live["metadata"]["annotations"]["kubectl.kubernetes.io/restartedAt"].is_string() {
            like_original[restarted[0]]
                .as_object_mut()?
                .remove(restarted[1]);
        }
        let first = &mut like_original["spec"]["containers"][0];
        let image = container["image"].as_str().unwrap_or_default();
        if image != OLD_IMAGE && image != NEW_IMAGE {
            return Some(format!("I3: {target} has the image {image}"));
        }
        first["image"] = OLD_IMAGE.into();
        let upgrade_start = container["env"].to_string().contains("IS_UPGRADE");
        if upgrade_start {
            if image != NEW_IMAGE && !self.has_image_of_others() {
                return Some(format!("I3: {target} has IS_UPGRADE with the old image"));
            }
            if let Some(env) = first["env"].as_array_mut() {
                env.retain(|entry| entry["name"] != "IS_UPGRADE");
            }
            for probe in ["livenessProbe", "startupProbe"] {
                if !container[probe].is_null() {
                    return Some(format!(
                        "{target} has a {probe} while its console waits for docker_init.sh"
                    ));
                }
                first[probe] = serde_json::json!({"tcpSocket": {"port": 8089}});
            }
        }
        let number = target.trim_start_matches("oms-").parse().unwrap_or(1);
        (like_original
            != super::manifests::build_deployment(target, number, self.config)["spec"]["template"])
            .then(|| {
                format!(
                    "I3: the template of {target} differs from the original in more than is allowed"
                )
            })
    }

    /// What must hold once the operator says that nothing is left to do.
    pub fn check_settled(&mut self) {
        let released = self.status_text("/cause/reason") == "Released";
        if released {
            return;
        }
        let mut wrong = Vec::new();
        if self.upgrade().is_some_and(|one| {
            one["metadata"]["finalizers"]
                .as_array()
                .is_some_and(|all| !all.is_empty())
        }) {
            wrong.push("the finalizer is left".to_owned());
        }
        if self.db.lock.is_some() {
            wrong.push("the lock is left".into());
        }
        if self.db.query_timeout != QUERY_TIMEOUT {
            wrong.push("ob_query_timeout is not put back".into());
        }
        if self
            .list("jobs")
            .iter()
            .any(|job| Some(job) != self.late_job.as_ref())
        {
            wrong.push("Jobs are left".into());
        }
        let phase = self.status_text("/phase").to_owned();
        let copy = self
            .find_copy()
            .and_then(|name| self.get("secrets", &name).cloned());
        let owner = copy.map(|copy| copy["metadata"]["ownerReferences"][0]["uid"].clone());
        let uid = self.upgrade().map(|one| one["metadata"]["uid"].clone());
        match owner {
            Some(owner) if phase == "Succeeded" && Some(&owner) != uid.as_ref() => {
                wrong.push("I16: the second copy of the originals outlives the object".into());
            }
            Some(_) if phase != "Succeeded" && !self.late_copy => {
                wrong.push(format!(
                    "I16: {phase}, and the second copy of the originals is left"
                ));
            }
            None if phase == "Succeeded" && !self.copy_lost => {
                wrong.push("I16: a rollback would find no second copy of the originals".into());
            }
            _ => {}
        }
        let (image, schema) = if phase == "Succeeded" {
            (NEW_IMAGE, Schema::New)
        } else {
            (OLD_IMAGE, Schema::Old)
        };
        // An upgrade that ends before it has touched anything leaves what others have made of OMS.
        let others = self.has_image_of_others()
            || self.is_scaled_by_others()
            || self
                .list("deployments")
                .iter()
                .any(|name| self.is_scaled_down_by_others(name));
        let untouched = self.status("/internal/originals").is_none() && others;
        if self.db.schema != schema && !untouched {
            wrong.push(format!(
                "I5, I9, I11: {phase} on a schema that is {:?}",
                self.db.schema
            ));
        }
        for name in self.list("deployments") {
            let live = self.get("deployments", &name).cloned().unwrap_or_default();
            let found = live.pointer("/spec/template/spec/containers/0/image");
            let wanted = found == Some(&Value::from(image)) && live["spec"]["replicas"] == 1;
            if !wanted && !untouched {
                wrong.push(format!(
                    "I5, I9, I11: {phase}, but {name} does not run {image}"
                ));
            }
            if live["spec"]["template"].to_string().contains("IS_UPGRADE") {
                wrong.push(format!("I3: {name} keeps IS_UPGRADE"));
            }
            let metadata = live["metadata"].to_string();
            if metadata.contains("oms-operator") || metadata.contains("oms.oceanbase.com") {
                wrong.push(format!(
                    "{name}: annotations or ownership are not given back"
                ));
            }
        }
        let other = match phase.as_str() {
            "Succeeded" => Version::Old,
            _ => Version::New,
        };
        if self.running_versions().contains(&other) && !untouched {
            wrong.push(format!("I5, I9, I11: {phase}, and {other:?} runs"));
        }
        wrong.extend(self.check_ha(&phase));
        for text in wrong {
            self.break_rule(text);
        }
    }

    /// I4: HA at its goal, and nothing else of its parameter changed.
    fn check_ha(&self, phase: &str) -> Vec<String> {
        let before: Value = serde_json::from_str(self.status_text("/internal/originals/ha/config"))
            .unwrap_or_default();
        let now: Value =
            serde_json::from_str(self.db.ha.as_deref().unwrap_or("{}")).unwrap_or_default();
        if before.is_null() {
            // It ended before anything was touched.
            return vec![];
        }
        let mut wanted = before;
        if phase == "Succeeded" {
            wanted["enable"] = true.into();
            self.add_parameters(&mut wanted);
        }
        // Nobody saw a Store made: the pull-back stays, and the next upgrade can tell that it is no person's.
        // After a take-over nobody knows which projects ran: the keys may stay, and are written down then.
        let taken = self.status_text("/internal/takenOver/outcome") == "Taken";
        let unknown = self.unwatched || taken && self.db.kept.is_some();
        let kept = unknown && wanted["enable"] == true;
        if kept {
            wanted["perceiveStoreClientCheckpoint"] = true.into();
        }
        let mut wrong = vec![];
        if now != wanted {
            wrong.push(format!("I4: {phase} with ha.config {now}, wanted {wanted}"));
        }
        let written = self.db.kept.as_ref().is_some_and(|kept| {
            kept.keys.len() == 1 && kept.keys[0].key == "perceiveStoreClientCheckpoint"
        });
        if written != kept || self.db.kept.is_some() != kept {
            wrong.push(format!(
                "I4: {phase}, written down is {:?}, kept: {kept}",
                self.db.kept
            ));
        }
        wrong
    }
}

fn drop_generation(status: &Value) -> Value {
    let mut status = status.clone();
    status["observedGeneration"] = Value::Null;
    status
}
