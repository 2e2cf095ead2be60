//! The world as the operator sees it.
use super::*;
use oms_operator::api::MetaDbSource;
use oms_operator::metadb::record::RecordFact;
use oms_operator::objects::names::old_pull_name;

impl World {
    pub fn observe(&self) -> Observed {
        let needs = find_needs(&self.status);
        let mut observed = Observed {
            targets: self
                .nodes
                .iter()
                .map(|node| self.observe_node(node, &needs))
                .collect(),
            rivals: match &self.rivals {
                Some(rivals) => Fact::Known(rivals.clone()),
                None => Fact::Unknown("not read yet".into()),
            },
            ..Observed::default()
        };
        if needs.claim {
            observed.claim = Fact::Known(ClaimFacts {
                exists: !self.claim_gone,
                phase: "Bound".into(),
            });
        }
        let digest = self.digest.clone();
        let retagged = self.trouble.retagged.then(|| format!("{OLD:?}"));
        if needs.prepulls
            && let Some(digest) = digest.or(retagged)
        {
            let pull = |node: &Node| PrePullFacts {
                target: node.object["metadata"]["name"].as_str().unwrap().into(),
                state: PrePullState::Pulled,
                image_id: Some(digest.clone()),
            };
            observed.prepulls = self.nodes.iter().map(pull).collect();
        }
        if let Some(round) = needs.old_pulls {
            let originals = self.status.internal.originals.iter();
            observed.old_pulls = originals
                .flat_map(|originals| &originals.targets)
                .map(|original| {
                    let name = old_pull_name(
                        self.status.internal.find_marks(&self.uid),
                        &original.name,
                        &original.image,
                        round,
                    );
                    PrePullFacts {
                        target: original.name.clone(),
                        state: match self.old_pulls.get(&name) {
                            None => PrePullState::Absent,
                            Some(true) => PrePullState::Failed("ImagePullBackOff".into()),
                            Some(false) => PrePullState::Pulled,
                        },
                        image_id: None,
                    }
                })
                .collect();
        }
        if let Some(role) = needs.job {
            observed.job = Fact::Known(self.observe_job(role));
        }
        if needs.leftovers {
            observed.leftovers = Fact::Known(self.list_own());
        }
        let wanted = match needs.originals {
            CopyNeed::Never => false,
            CopyNeed::Always => true,
            CopyNeed::WhereMissing => lacks_record(
                self.status.internal.find_marks(&self.uid),
                &self.status,
                observed.targets.iter(),
            ),
        };
        observed.originals_copy = match (wanted, self.copy_unseen) {
            (false, _) => Fact::default(),
            (true, true) => Fact::Unknown("secrets is forbidden".into()),
            (true, false) => Fact::Known(self.copy.clone().filter(|_| self.finds_own())),
        };
        let addresses: Vec<String> = (1..=self.nodes.len())
            .map(|n| format!("10.0.0.{n}"))
            .collect();
        // One that was read from the container is in a Secret of ours, which goes at the end.
        let unread = matches!(self.spec.metadb.find_source(), MetaDbSource::Container);
        let account_gone = self.account_gone || (unread && !self.secret);
        if needs.wants_metadb() && !account_gone {
            observed.account = Fact::Known(AccountSource::Keys {
                secret: "oms-metadb".into(),
                user_key: "user".into(),
                password_key: "password".into(),
            });
            observed.installation = Fact::Known(Installation {
                metadb: Address {
                    host: self.metadb_host.clone(),
                    port: 2881,
                },
                databases: Databases {
                    rm: "oms_rm".into(),
                    cm: "oms_cm".into(),
                    heartbeats: vec!["oms_cm_hb".into()],
                },
                regions: vec![],
                nodes: match (self.trouble.no_nodes, self.trouble.named_nodes) {
                    (true, _) => vec![],
                    (_, true) => addresses.iter().map(|ip| format!("node-{ip}")).collect(),
                    _ if self.trouble.lost_node.is_some() => {
                        [addresses.clone(), vec!["10.0.0.9".into()]].concat()
                    }
                    _ => addresses.clone(),
                },
                target_addresses: addresses.iter().cloned().map(Some).collect(),
                init_targets: (1..=self.init_targets)
                    .map(|n| format!("oms-{n}"))
                    .collect(),
                departure: self.departure.clone(),
            });
        }
        if account_gone {
            let missing = "no Secret is mounted as config.yaml".to_owned();
            observed.installation = Fact::Unknown(missing.clone());
            observed.account = Fact::Unknown(missing);
            return observed;
        }
        let metadb = &mut observed.metadb;
        metadb.identity = Fact::Known(ServerIdentity {
            engine: Engine::SeekDb,
            version: "1".into(),
            tenant: None,
            server: None,
            account: "oms".into(),
            utc_offset_seconds: self.trouble.metadb_offset,
            clock: EPOCH + self.metadb_clock.unwrap_or(self.clock),
        });
        metadb.ha = Fact::Known(HaRow::Text(self.ha.clone()));
        metadb.kept_keys = Fact::Known(self.kept.clone());
        metadb.store_limit = Fact::Known(None);
        metadb.sessions = Fact::Known(SessionReport {
            visibility: SessionVisibility::AllAccounts,
            coverage: self.coverage,
            sees_oms_account: true,
            foreign: self.list_sessions(),
        });
        let key = ProjectKey {
            kind: ProjectKind::Sync,
            id: "p_1".into(),
        };
        metadb.projects = Fact::Known(vec![ProjectRow {
            key: key.clone(),
            name: "p".into(),
            status: if self.project_released {
                ProjectStatus::Released
            } else {
                ProjectStatus::Running
            },
        }]);
        let beat = |ip: &String| HeartBeat {
            task_type: "supervisor".into(),
            host_ip: ip.clone(),
            age_seconds: match self.trouble {
                Trouble {
                    beats_off: true, ..
                } => 28_801,
                Trouble {
                    beats_ahead: true, ..
                } => -28_799,
                _ => 1,
            },
            written: format!("{:06}", self.writes),
        };
        metadb.hosts = Fact::Known(
            addresses
                .iter()
                .map(|ip| HostRow {
                    ip: ip.clone(),
                    status: if self.trouble.hosts_offline {
                        "OFFLINE"
                    } else {
                        "ONLINE"
                    }
                    .into(),
                })
                .chain(self.trouble.lost_node.map(|status| HostRow {
                    ip: "10.0.0.9".into(),
                    status: status.into(),
                }))
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
        metadb.record = Fact::Known(self.tell_record(&self.uid));
        if needs.forerunner {
            let held = self.lock.as_ref().map(|(holder, _)| holder);
            observed.forerunner = ForerunnerFacts {
                object: self.forerunner.clone(),
                record: match held {
                    Some(holder) => Fact::Known(self.tell_record(holder)),
                    None => Fact::default(),
                },
            };
        }
        let digit = format!("{:x}", self.schema as u8 + 8 * u8::from(self.own_table));
        metadb.fingerprint = if self.schema_unseen {
            Fact::Unknown("the MetaDB answered error 1142".into())
        } else {
            Fact::Known(SchemaFingerprint::try_from(digit.repeat(16)).unwrap())
        };
        observed.progress = self.observe_progress(key);
        observed
    }

    fn tell_record(&self, uid: &str) -> UpgradeRecord {
        let is_verdict = |row: &&RecordRow| matches!(row.fact, RecordFact::Verdict { .. });
        let mut last: BTreeMap<&str, &RecordRow> = BTreeMap::new();
        for row in self.record.iter().filter(|row| row.uid != uid) {
            last.insert(&row.uid, row);
        }
        let own = self.record.iter().filter(|row| row.uid == uid);
        UpgradeRecord {
            rows: own.cloned().collect(),
            newest_verdict: self
                .record
                .iter()
                .filter(is_verdict)
                .max_by_key(|row| row.ordinal)
                .cloned(),
            unfinished: last
                .into_values()
                .filter(|row| !is_verdict(row))
                .cloned()
                .collect(),
        }
    }

    fn observe_progress(&self, key: ProjectKey) -> Fact<ProgressReport> {
        if self.trouble.unwatched {
            return Fact::Unknown("OMS answered HTTP 404".into());
        }
        let running = ProjectProgress {
            key,
            status: ProjectStatus::Running,
            current_step: Some("CONNECTOR_INCR_SYNC".into()),
            incremental: true,
            reverse_incremental: false,
            checkpoint: Some(self.read_checkpoint()),
            reverse_checkpoint: None,
        };
        let paused = ProjectProgress {
            key: ProjectKey {
                kind: ProjectKind::Sync,
                id: "p_2".into(),
            },
            status: ProjectStatus::Suspended,
            ..running.clone()
        };
        let mut all = vec![];
        if !self.trouble.no_project {
            all.push(running);
        }
        if self.trouble.paused_beside {
            all.push(paused);
        }
        let unread = self.trouble.project_unread.then(|| UnreadProject {
            key: ProjectKey {
                kind: ProjectKind::Sync,
                id: "p_9".into(),
            },
            reason: "OMS answered HTTP 500".into(),
        });
        all.extend(self.others.iter().cloned());
        Fact::Known(ProgressReport {
            seen: all,
            unread: unread.into_iter().collect(),
        })
    }

    /// On an upgrade start nobody starts it; in a version that cannot run on the schema it ends at once, and
    /// supervisord does not try it again.
    fn tell_console(&self, node: &Node, pod: &Pod) -> ProgramState {
        let trouble = self.trouble;
        let helped = node.init_pod == pod.number
            && matches!(
                node.init,
                InitState::Completed | InitState::Ended { code: 0 }
            );
        let needs_help = trouble.programs_need_init && !helped;
        match pod.kind {
            _ if pod.up => ProgramState::Running,
            TemplateKind::Upgrade => ProgramState::Stopped,
            TemplateKind::Final if self.schema != Schema::New => ProgramState::Fatal,
            TemplateKind::Final if trouble.console_dead || needs_help => ProgramState::Fatal,
            // It came up too slowly once, and is tried again.
            TemplateKind::Final => ProgramState::Backoff,
            _ => ProgramState::Starting,
        }
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
            .map(|pod| PodFacts {
                template: match self.replica_sets_unseen {
                    false if needs.templates => Fact::Known(Some(pod.template.clone())),
                    false => Fact::default(),
                    true => Fact::Unknown("replicasets is forbidden".into()),
                },
                stay: (pod.leaving && self.keeps_pods).then(|| STAYS.into()),
                ..observe_pod(pod, self.trouble)
            })
            .collect();
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
                    "oms_console" if pod.console_stopped => ProgramState::Stopped,
                    program if self.trouble.fatal_program == Some(program) => ProgramState::Fatal,
                    program if self.trouble.starting_program == Some(program) => {
                        ProgramState::Starting
                    }
                    "oms_console" => self.tell_console(node, pod),
                    _ => ProgramState::Running,
                },
                pid: (program != "oms_console" || pod.up && !pod.console_stopped)
                    .then_some(pod.console_pid),
            })
            .into_iter()
            .filter(|program| self.trouble.without_program != Some(program.name.as_str()))
            .collect::<Vec<Program>>()
        });
        let record = self
            .status
            .internal
            .init_runs
            .iter()
            .find(|run| run.target == name);
        let (spec, status) = (&self.spec, &self.status);
        let is_guard_asked = find_guarded_image(spec, status, &name, &node.object).is_some();
        TargetFacts {
            name,
            deployment: if self.targets_unseen {
                Fact::Unknown("deployments is forbidden".into())
            } else if node.gone {
                Fact::Known(None)
            } else {
                Fact::Known(Some(deployment))
            },
            pods: Fact::Known(pods),
            programs: match (needs.programs, programs) {
                (true, Some(programs)) => Fact::Known(programs),
                _ => Fact::default(),
            },
            init: match record {
                Some(run) if run.attempt == node.init_attempt => Fact::Known(node.init.clone()),
                _ => Fact::Known(InitState::NotStarted),
            },
            init_log: match record {
                Some(run) if run.attempt == node.init_attempt => node.init_log.clone(),
                _ => InitLog::default(),
            },
            health: Fact::Known(Health::NotOffered),
            cgroup_v1: Fact::Known(true),
            utc_offset_seconds: match self.trouble.no_time_zone {
                true => Fact::Unknown("no offset such as +0800".into()),
                false => Fact::Known(0),
            },
            application: match needs.applications {
                true => self.application.clone(),
                false => Fact::default(),
            },
            image_guard: match needs.image_guard && is_guard_asked {
                true => self.guard.clone(),
                false => Fact::default(),
            },
            rehearsals: match needs.rehearsal && !node.gone {
                true => self.rehearse(),
                false => vec![],
            },
        }
    }
}

/// What is seen of a pod of a target that does not end.
const STAYS: &str = "pod oms-x on node n1: it was told to end at 2027-01-15T08:00:00Z; the finalizer example.com/keep keeps it";

pub(super) fn build_copy(database: &str) -> SafetyCopy {
    SafetyCopy {
        database: database.to_owned(),
        tables: Some(1),
        bytes: Some(2048),
    }
}

fn observe_pod(pod: &Pod, trouble: Trouble) -> PodFacts {
    PodFacts {
        name: format!("pod-{}", pod.number),
        uid: format!("pod-{}", pod.number),
        node: Some("node1".into()),
        ip: Some("10.1.0.1".into()),
        terminating: pod.leaving,
        stay: None,
        created: EPOCH,
        unschedulable: None,
        template: Fact::default(),
        container: ContainerFacts {
            running: pod.running,
            ready: pod.up,
            id: if pod.running {
                format!("c-{}", pod.number)
            } else {
                String::new()
            },
            image_id: if pod.running {
                format!("{:?}", if trouble.retagged { OLD } else { pod.image() })
            } else {
                String::new()
            },
            restart_count: pod.restarts,
            waiting: (!pod.running && trouble.unpullable && pod.kind != TemplateKind::Old)
                .then(|| "ImagePullBackOff".into()),
        },
    }
}

pub(super) fn probe() -> ProbeReport {
    ProbeReport {
        engine: AgentEngine::OceanBase,
        server_version: "1".into(),
        client_version: "1".into(),
        free_bytes: 1 << 40,
        claim: Trial::Works,
        privileges: vec![],
        first_rows: Trial::Works,
        rename_across_databases: Trial::Works,
        ob_query_timeout_micros: Some(10_000_000),
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

/// A session of OMS's account.
pub fn session(host: &str, database: Option<&str>) -> ForeignSession {
    ForeignSession {
        id: 7,
        user: "oms".into(),
        host: host.into(),
        database: database.map(str::to_owned),
        command: "Sleep".into(),
        seconds: 1,
    }
}
