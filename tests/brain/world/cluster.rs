//! What the cluster and OMS do by themselves.
use super::*;

impl World {
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
            if *end == JobEnd::Running {
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
                node.pod.as_mut().unwrap().restarts += 1;
            } else if trouble.init_fails {
                node.init = InitState::Ended {
                    code: 1,
                    last_lines: vec![],
                };
            } else if trouble.init_lies || trouble.init_silent {
                node.init = InitState::Ended {
                    code: 0,
                    last_lines: vec!["[步骤 5/5] 完成".into(), "bye".into()],
                };
                if !trouble.init_lies {
                    self.schema = Schema::New;
                }
            } else {
                node.init = InitState::Completed;
                self.schema = Schema::New;
            }
            self.writes += 1;
        }
    }
}
