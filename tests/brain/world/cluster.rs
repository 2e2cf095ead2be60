//! What the cluster and OMS do by themselves.
use super::*;

impl World {
    pub fn list_sessions(&self) -> Vec<ForeignSession> {
        let up = self.nodes.iter().any(|node| node.pod.is_some());
        let own = self.oms_comes_from.filter(|_| up).into_iter();
        let mut all: Vec<ForeignSession> = own
            .flat_map(|host| [session(host, Some("oms_rm")), session(host, None)])
            .collect();
        all.extend(self.strangers.iter().cloned());
        all
    }

    /// What is not said otherwise is stored as it is sent.
    pub fn rehearse(&self) -> Vec<RehearsalFacts> {
        let tell = |act: RehearsedAct| {
            let told = self.rehearsed.iter().find(|(known, _)| *known == act);
            let outcome = told.map(|(_, outcome)| outcome.clone());
            RehearsalFacts {
                act,
                outcome: outcome.unwrap_or(Rehearsed::Taken(vec![])),
            }
        };
        RehearsedAct::ALL.into_iter().map(tell).collect()
    }

    /// Before the upgrade projects keep up while OMS runs.
    pub fn replicate(&mut self) {
        self.checkpoint = self.read_checkpoint();
    }

    /// How far the project is.
    pub fn read_checkpoint(&self) -> i64 {
        let up = self.nodes.iter().all(|node| node.pod.is_some());
        if up && self.status.started_time.is_none() {
            self.checkpoint.max(EPOCH + self.clock - self.lags)
        } else {
            self.checkpoint
        }
    }

    /// Lets the cluster do everything that it does by itself, once. True when something changed.
    pub fn run_cluster(&mut self) -> bool {
        let before = self.clone();
        for index in 0..self.nodes.len() {
            self.run_node(index);
        }
        let stopped = self.nodes.iter().all(|node| node.pod.is_none());
        for (role, (attempt, end)) in &mut self.jobs {
            let reads = [JobRole::Verify, JobRole::Compare, JobRole::Restore].contains(role);
            if *end == JobEnd::Running && reads && self.claim_empty {
                *end = JobEnd::Bad(Reason::ManifestMismatch);
            } else if *end == JobEnd::Running {
                *end = JobEnd::Ok;
                match role {
                    JobRole::Dump => self.dump = Some((self.schema, self.writes)),
                    JobRole::Restore => {
                        assert!(stopped, "a restore while pods exist");
                        let (schema, writes) = self.dump.unwrap();
                        self.schema = schema;
                        self.writes = writes;
                        self.copies.push(format!("oms_rm__omsnew_{attempt}"));
                    }
                    JobRole::DropCopies => self.copies.clear(),
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
            .internal
            .projects
            .first()
            .and_then(|project| project.resumed_at.or(project.checkpoint))
            .unwrap_or(EPOCH)
    }

    fn run_node(&mut self, index: usize) {
        let wanted = read_replicas(&self.nodes[index].object);
        let paused = is_paused(&self.nodes[index].object);
        let template = self.nodes[index].object["spec"]["template"].clone();
        // A paused Deployment is scaled, and nothing else.
        if !paused {
            let node = &mut self.nodes[index];
            if !node.replica_sets.contains(&template) {
                node.replica_sets.push(template.clone());
            }
            let current = |pod: &Pod| pod.template == template;
            if self.trouble.no_history && node.pod.as_ref().is_none_or(current) {
                node.replica_sets.retain(|one| *one == template);
            }
        }
        let generation = self.nodes[index].object["metadata"]["generation"].clone();
        self.nodes[index].object["status"]["observedGeneration"] = generation;
        let (schema, trouble) = (self.schema, self.trouble);
        let text = self.ha.clone();
        if self.nodes[index]
            .pod
            .as_ref()
            .is_some_and(|pod| pod.leaving && !self.keeps_pods)
        {
            let pod = self.nodes[index].pod.take().unwrap();
            if let Some(text) = pod.console_text.filter(|_| trouble.write_back && pod.up) {
                self.ha = text;
            }
        }
        let init = (self.nodes[index].init_pod, self.nodes[index].init.clone());
        match &mut self.nodes[index].pod {
            Some(pod) if wanted == 0 || !paused && pod.template != template => pod.leaving = true,
            None if wanted > 0 && self.refuses_pods.is_some() => {}
            None if wanted > 0 => self.start_pod(index),
            None => {}
            Some(pod) if !pod.running => {
                let unpullable = trouble.unpullable && pod.kind != TemplateKind::Old;
                if !unpullable {
                    pod.running = true;
                    if pod.image() == OLD {
                        assert_eq!(schema, Schema::Old, "the old image runs on a new schema");
                    } else if pod.kind == TemplateKind::Final && schema == Schema::Old {
                        // Nobody knows what it does to them; at best nothing.
                        self.schema = Schema::Half;
                        self.writes += 1;
                    }
                    self.nodes[index].pulled = true;
                }
            }
            Some(pod) if !pod.up => {
                let ended = matches!(
                    init.1,
                    InitState::Completed | InitState::Ended { code: 0, .. }
                );
                let helped = init.0 == pod.number && ended;
                pod.up = match pod.kind {
                    TemplateKind::Old => schema == Schema::Old,
                    TemplateKind::Upgrade => helped && !trouble.console_dead,
                    TemplateKind::Final => {
                        schema == Schema::New
                            && !trouble.console_dead
                            && (!trouble.programs_need_init || helped)
                    }
                    TemplateKind::Foreign if pod.image() == OLD => schema == Schema::Old,
                    TemplateKind::Foreign => schema == Schema::New,
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
        node.object["status"]["conditions"] = match self.refuses_pods {
            Some(words) if pods == 0 && wanted > 0 => json!([{"type": "ReplicaFailure",
                "status": "True", "reason": "FailedCreate", "message": words}]),
            _ => json!([]),
        };
        if node.init == InitState::Running {
            let alive = node
                .pod
                .as_ref()
                .is_some_and(|pod| pod.number == node.init_pod);
            if !alive {
                node.init = InitState::Vanished;
            } else if trouble.init_kills {
                node.init = InitState::Vanished;
                node.init_log = build_init_log("waiting for table lock");
                node.pod.as_mut().unwrap().restarts += 1;
            } else if trouble.init_fails {
                node.init = InitState::Ended { code: 1 };
                node.init_log = build_init_log("ERROR 1060 (42S21): Duplicate column name");
            } else if trouble.init_lies || trouble.init_silent {
                node.init = InitState::Ended { code: 0 };
                node.init_log = build_init_log("bye");
                if !trouble.init_lies {
                    self.schema = Schema::New;
                }
            } else {
                node.init = InitState::Completed;
                node.init_log = InitLog::default();
                self.schema = Schema::New;
            }
            self.writes += 1;
        }
    }
}

/// As many lines of a log as the container shows at most, and what it came to.
fn build_init_log(end: &str) -> InitLog {
    let mut last_lines = vec!["正在初始化元信息库".repeat(4); 8];
    last_lines.push("【步骤五】初始化 OMS 资源标签和资源组".into());
    last_lines.push(end.into());
    InitLog {
        step: Some(5),
        last_lines,
    }
}
