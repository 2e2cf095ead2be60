//! The agent in its Jobs, as far as the databases and the claim are concerned: it can be killed at
//! any moment, and its report is the only proof of what it did.
use super::world::{Artefact, Schema, World};
use oms_operator::protocol::report::{
    CommandResult, CompareReport, DropReport, DumpReport, Engine, Outcome, OutputLine, ProbeReport,
    Progress, Reason, Report, RestoreReport, Trial, VerifyReport,
};
use oms_operator::protocol::request::{Request, VerifyExtent};
use serde_json::{Value, json};

/// How a run ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Done,
    /// Killed: no report.
    Killed,
    /// Killed after the work, so that nobody hears of it.
    DoneUnheard,
    Fails(Reason),
}

impl World {
    fn read_request(&self, job: &str) -> Option<(String, Request)> {
        // A pod that its Job left behind knows what it was asked.
        let job_spec = self
            .get("jobs", job)
            .and_then(|job| job.pointer("/spec/template/spec"));
        let pods = self.find_job_pods(job);
        let pod = pods.first().and_then(|pod| self.get("pods", pod));
        let spec = job_spec.or_else(|| pod?.pointer("/spec"))?;
        let container = spec.pointer("/containers/0")?;
        let args: Vec<&str> = container["args"]
            .as_array()?
            .iter()
            .filter_map(Value::as_str)
            .collect();
        match args.as_slice() {
            ["agent", command, "--request", request] => {
                Some(((*command).to_owned(), Request::parse(request).ok()?))
            }
            _ => None,
        }
    }

    /// The agent's pod goes from pending to running, and from running to its end.
    pub fn step_job_pod(&mut self, pod: &str, job: &str) {
        if self.phase_of(pod) != "Running" {
            self.edit("pods", pod, |pod| {
                pod["status"]["phase"] = json!("Running");
                pod["status"]["containerStatuses"] = json!([{"name": "agent", "ready": true, "restartCount": 0, "image": "", "imageID": "a",
                    "containerID": "containerd://agent", "state": {"running": {}}}]);
            });
            let command = self.read_request(job).map(|(command, _)| command);
            if command
                .as_ref()
                .is_some_and(|command| self.is_beside_another(command, job))
            {
                self.finish_agent(pod, job, End::Fails(Reason::AgentBusy));
            } else if command.is_some_and(|command| self.is_disturbed(&command, job)) {
                self.finish_agent(pod, job, End::Fails(Reason::NotQuiesced));
            } else {
                self.begin_agent(job);
            }
        } else {
            self.finish_agent(pod, job, End::Done);
        }
    }

    /// OMS was started by a stranger after the Job was made, or the Job was made too late: the agent sees OMS's
    /// sessions, at its beginning and again before it trusts what it has read or swaps.
    fn is_disturbed(&self, command: &str, job: &str) -> bool {
        matches!(command, "dump" | "compare" | "restore")
            && (self.stranger || self.late_job.as_deref() == Some(job))
            && !self.running_versions().is_empty()
    }

    /// Agents that write keep each other away by a row lock.
    fn is_beside_another(&self, command: &str, job: &str) -> bool {
        matches!(command, "dump" | "verify" | "restore")
            && self.late_job.is_some()
            && self.list("jobs").iter().any(|other| {
                let runs = |pod: &String| self.phase_of(pod) == "Running";
                other != job && self.find_job_pods(other).iter().any(runs)
            })
    }

    /// The agent begins: from here on it can be caught half way.
    fn begin_agent(&mut self, job: &str) {
        let Some((command, request)) = self.read_request(job) else {
            self.break_rule(format!(
                "Job {job} does not say what is asked in a way that the agent takes"
            ));
            return;
        };
        if !looks_for_files(&request) {
            self.check_agent_start(&command, job);
        }
        let attempt = i64::from(request.attempt);
        match command.as_str() {
            "dump" if self.holds_lock(&request) => {
                if self.holds_complete(attempt) {
                    // Refused: see `work`.
                    return;
                }
                let artefact = Artefact {
                    complete: false,
                    verified: false,
                    schema: self.db.schema,
                    content: self.db.content,
                    ha: self.db.ha.clone(),
                };
                self.claim.insert(attempt, artefact);
            }
            "restore" if self.holds_lock(&request) => {
                if let Some((_, artefact)) = self.find_artefact(&request)
                    && (artefact.content != self.db.content || artefact.schema != self.db.schema)
                {
                    self.db.schema = Schema::Torn;
                    self.write_content();
                }
            }
            _ => {}
        }
        self.touched = true;
    }

    /// The agent refuses to work under a lock that is not its own any more.
    fn holds_lock(&self, request: &Request) -> bool {
        match (&request.lock, &self.db.lock) {
            (None, _) => true,
            (Some(wanted), Some((holder, epoch))) => {
                wanted.holder == *holder && wanted.epoch == *epoch
            }
            (Some(_), None) => false,
        }
    }

    fn holds_complete(&self, attempt: i64) -> bool {
        self.claim
            .get(&attempt)
            .is_some_and(|artefact| artefact.complete)
    }

    fn find_artefact(&self, request: &Request) -> Option<(i64, Artefact)> {
        let digest = request.expected_manifest_digest.as_deref()?;
        self.claim
            .iter()
            .find(|(attempt, artefact)| artefact.complete && digest_of(**attempt) == digest)
            .map(|(attempt, artefact)| (*attempt, artefact.clone()))
    }

    /// The agent's run ends, its pod too.
    pub fn finish_agent(&mut self, pod: &str, job: &str, end: End) {
        let Some((command, request)) = self.read_request(job) else {
            return self.terminate(pod, false, None);
        };
        let report = match end {
            End::Killed => return self.terminate(pod, false, None),
            End::Fails(reason) => Err(reason),
            End::Done | End::DoneUnheard => self.work(&command, &request, job),
        };
        if end == End::DoneUnheard {
            return self.terminate(pod, false, None);
        }
        let (outcome, reason, digest, result) = match report {
            Ok((digest, result)) => (Outcome::Succeeded, Reason::Completed, digest, Some(result)),
            Err(reason) => (Outcome::Failed, reason, None, None),
        };
        let report = Report {
            command,
            upgrade_uid: request.upgrade_uid,
            attempt: request.attempt,
            outcome,
            reason,
            message: "as asked".into(),
            manifest_digest: digest,
            seconds: 1,
            result,
        };
        self.terminate(pod, outcome == Outcome::Succeeded, Some(report.to_line()));
    }

    fn work(
        &mut self,
        command: &str,
        request: &Request,
        job: &str,
    ) -> Result<(Option<String>, CommandResult), Reason> {
        self.touched = true;
        if !self.holds_lock(request) {
            return Err(Reason::LockLost);
        }
        if self.is_disturbed(command, job) {
            return Err(match command {
                // It may be past the last look: then its own comparison at the end tells.
                "restore" => Reason::ContentDiffers,
                _ => Reason::NotQuiesced,
            });
        }
        let attempt = i64::from(request.attempt);
        match command {
            "probe" => Ok((None, CommandResult::Probe(Box::new(build_probe())))),
            // As `agent::volume::attempt`: a complete backup is never written over.
            "dump" if self.holds_complete(attempt) => Err(Reason::VolumeFailed),
            "dump" => {
                let artefact = self.claim.get_mut(&attempt).ok_or(Reason::Internal)?;
                if artefact.content != self.db.content {
                    return Err(Reason::ChangedWhileDumping);
                }
                artefact.complete = true;
                let dump = DumpReport {
                    directory: format!("{}/attempt-{attempt}", request.directory),
                    ..DumpReport::default()
                };
                Ok((Some(digest_of(attempt)), CommandResult::Dump(dump)))
            }
            "verify" => {
                let (found, _) = self
                    .find_artefact(request)
                    .ok_or(Reason::ManifestMismatch)?;
                // What is only looked for is not proven.
                if !looks_for_files(request)
                    && let Some(artefact) = self.claim.get_mut(&found)
                {
                    artefact.verified = true;
                }
                let verify = VerifyReport {
                    files: 3,
                    rows: 1,
                    stored_bytes: 1,
                    scratch_restore: Trial::Works,
                };
                Ok((Some(digest_of(found)), CommandResult::Verify(verify)))
            }
            "compare" => {
                let (found, artefact) = self
                    .find_artefact(request)
                    .ok_or(Reason::ManifestMismatch)?;
                let equal = artefact.content == self.db.content
                    && artefact.schema == self.db.schema
                    && artefact.ha == self.db.ha;
                let compare = if equal {
                    CompareReport::Equal
                } else {
                    CompareReport::Different {
                        summary: "x".into(),
                        objects: 1,
                    }
                };
                Ok((Some(digest_of(found)), CommandResult::Compare(compare)))
            }
            "restore" => {
                let (found, artefact) = self
                    .find_artefact(request)
                    .ok_or(Reason::ManifestMismatch)?;
                self.check_restore();
                self.db.schema = artefact.schema;
                self.db.content = artefact.content;
                self.db.ha = artefact.ha;
                Ok((
                    Some(digest_of(found)),
                    CommandResult::Restore(RestoreReport::default()),
                ))
            }
            "drop-safety-copies" => {
                if request.safety_copies != ["rm__omsnew_1"] {
                    self.break_rule(format!("{:?} are dropped", request.safety_copies));
                }
                Ok((
                    None,
                    CommandResult::DropSafetyCopies(DropReport {
                        dropped: request.safety_copies.clone(),
                        foreign: vec![],
                    }),
                ))
            }
            _ => Err(Reason::InvalidRequest),
        }
    }

    fn terminate(&mut self, pod: &str, succeeded: bool, message: Option<String>) {
        self.edit("pods", pod, |pod| {
            pod["status"]["phase"] = json!(if succeeded { "Succeeded" } else { "Failed" });
            pod["status"]["containerStatuses"] = json!([{"name": "agent", "ready": false, "restartCount": 0, "image": "", "imageID": "a", "containerID": "containerd://agent",
                "state": {"terminated": {"exitCode": if succeeded { 0 } else { 1 }, "reason": if succeeded { "Completed" } else { "Error" }, "message": message}}}]);
        });
        self.touched = true;
    }

    /// The pod of a Job is removed: whatever the agent was at stays half way.
    pub fn end_agent(&mut self, _job: &str) {}

    /// Log of a pod: progress of the agent.
    pub fn read_log(&self, _pod: &str) -> String {
        let line = OutputLine::Progress(Progress {
            bytes_done: 512,
            bytes_total: Some(1024),
            bytes_per_second: 512,
            ..Progress::default()
        });
        format!("{}\n", serde_json::to_string(&line).unwrap_or_default())
    }
}

/// It reads the claim alone, beside whatever runs.
fn looks_for_files(request: &Request) -> bool {
    request.verify_extent == VerifyExtent::Presence
}

pub fn digest_of(attempt: i64) -> String {
    format!("{attempt:02}").repeat(32)
}

fn build_probe() -> ProbeReport {
    ProbeReport {
        engine: Engine::OceanBase,
        server_version: "1".into(),
        client_version: "1".into(),
        free_bytes: 1 << 40,
        claim: Trial::Works,
        privileges: vec![],
        rename_across_databases: Trial::Works,
        first_rows: Trial::Works,
        ob_query_timeout_micros: Some(super::world::QUERY_TIMEOUT),
        may_set_ob_query_timeout: Some(true),
        estimated_bytes: 1,
        heartbeat_sequence_rows: 1,
        dump_seconds: 1,
        restore_seconds: 1,
        unsupported_objects: vec![],
        unsuited_settings: vec![],
        missing_databases: vec![],
    }
}
