//! OMS as it behaves: programs that come up, a console that caches `ha.config`, `docker_init.sh`,
//! projects that advance only while HA can start their components.
use super::cluster::PodKind;
use super::world::{InitEnd, InitRun, Oms, Schema, Version, World};
use serde_json::{Value, json};

impl InitRun {
    /// It came to its end without an error.
    fn is_done(&self) -> bool {
        matches!(self.end, Some(InitEnd::Told | InitEnd::Silent))
    }
}

impl World {
    /// The container of a target's pod starts.
    pub fn begin_oms(&mut self, pod: &str) {
        let version = self.version_of(pod);
        let upgrade_start = self
            .get("pods", pod)
            .and_then(|pod| pod.pointer("/spec/containers/0/env"))
            .and_then(Value::as_array)
            .is_some_and(|env| {
                env.iter()
                    .any(|entry| entry["name"] == "IS_UPGRADE" && entry["value"] == "true")
            });
        let console_pid = self.take_id();
        self.oms.insert(
            pod.into(),
            Oms {
                version,
                upgrade_start,
                up: false,
                console_pid,
                console_text: None,
                console_stopped: false,
            },
        );
        match (version, self.db.schema) {
            (Version::Old, Schema::Old)
            | (Version::New, Schema::Old | Schema::Half | Schema::New) => {}
            // See `is_scaled_by_others`.
            (_, Schema::Torn) if self.stranger => {}
            (Version::Old, _) if self.has_image_of_others() => {}
            (version, schema) => self.break_rule(format!(
                "I5: {version:?} starts on a database that is {schema:?}"
            )),
        }
        match version {
            Version::New => self.new_ran = true,
            Version::Old if self.new_ran && self.has_proof() => self.new_ran = false,
            // He takes it upon himself, and proves nothing.
            Version::Old if self.new_ran && self.has_image_of_others() => {}
            Version::Old if self.new_ran => {
                self.break_rule(
                    "I5: the old version starts on databases that are not those of the backup",
                );
                self.new_ran = false;
            }
            Version::Old => {}
        }
        // An exit status of 0 is believed that far: nothing is written that a rollback does not bring back.
        let lied_to = self.db.schema == Schema::Half
            && self
                .inits
                .values()
                .any(|run| run.end == Some(InitEnd::Silent));
        let unmigrated = self.db.schema != Schema::New && !lied_to;
        if version == Version::New && self.has_image_of_others() {
            // Nobody knows what it does to databases that are not its own.
            if self.db.schema == Schema::Old {
                self.db.schema = Schema::Half;
                self.write_content();
            }
        } else if version == Version::New && !upgrade_start && unmigrated {
            self.break_rule("the new version starts normally on a database that is not migrated");
        }
        self.touched = true;
    }

    /// Whether the programs of a started container come up by themselves.
    pub fn can_come_up(&self, pod: &str) -> bool {
        let Some(oms) = self.oms.get(pod) else {
            return false;
        };
        let container = self.container_of(pod);
        let helped = self
            .inits
            .values()
            .any(|run| run.container == container && run.is_done());
        match (oms.version, oms.upgrade_start) {
            (Version::Old, _) => self.db.schema == Schema::Old,
            (Version::New, true) => helped && !self.trouble.console_dead,
            (Version::New, false) => {
                self.db.schema == Schema::New
                    && !self.trouble.console_dead
                    && (!self.trouble.programs_need_init || helped)
            }
        }
    }

    /// All programs run: the console reads its parameters, OMS writes to its databases.
    pub fn bring_up(&mut self, pod: &str) {
        let text = self.db.ha.clone();
        if let Some(oms) = self.oms.get_mut(pod) {
            oms.up = true;
            oms.console_text = text;
        }
        self.check_gap();
        self.edit("pods", pod, |pod| {
            pod["status"]["containerStatuses"][0]["ready"] = json!(true)
        });
        self.write_content();
    }

    /// The container ends. Up to its last moment OMS writes, and a console may write back its cache.
    pub fn end_oms(&mut self, pod: &str) {
        let Some(oms) = self.oms.remove(pod) else {
            return;
        };
        self.touched = true;
        if oms.up {
            self.write_content();
        }
        if self.trouble.write_back && oms.up && oms.console_text.is_some() {
            self.db.ha = oms.console_text;
        }
        // While HA is off nobody starts the components of a container that ended by itself, or that a stranger has
        // stopped. It is on for as long as a console holds it so.
        let acts = self.oms.values().any(|oms| oms.up && oms.console_ha());
        let stays_down = self.is_stopped_by_operator() || !self.ha_enabled() && !acts;
        if stays_down && !self.stopped {
            self.checkpoint = self.clock;
        }
        if stays_down {
            self.stopped = true;
            self.resumed = false;
        }
    }

    /// The container is killed and started again by the kubelet.
    pub fn restart_container(&mut self, pod: &str) {
        let restarts = self
            .get("pods", pod)
            .and_then(|pod| pod.pointer("/status/containerStatuses/0/restartCount"))
            .and_then(Value::as_i64)
            .unwrap_or(0);
        self.end_oms(pod);
        self.start_container(pod, restarts + 1);
    }

    pub fn restarts_of(&self, pod: &str) -> i64 {
        self.get("pods", pod)
            .and_then(|pod| pod.pointer("/status/containerStatuses/0/restartCount"))
            .and_then(Value::as_i64)
            .unwrap_or(0)
    }

    pub fn container_of(&self, pod: &str) -> String {
        self.get("pods", pod)
            .and_then(|pod| pod.pointer("/status/containerStatuses/0/containerID"))
            .and_then(Value::as_str)
            .unwrap_or_default()
            .into()
    }

    /// Whether the process of a run lives.
    pub fn is_init_alive(&self, run: &InitRun) -> bool {
        run.end.is_none()
            && self
                .oms
                .keys()
                .any(|pod| self.container_of(pod) == run.container)
    }

    /// Starts `docker_init.sh` in a pod under a name. The word that the start script prints.
    pub fn start_init(&mut self, pod: &str, attempt: &str) -> &'static str {
        let PodKind::Target(target) = self.kind_of(pod) else {
            return "init=failed";
        };
        let key = (target, attempt.to_owned());
        if self.inits.contains_key(&key) {
            return "init=already";
        }
        if self.inits.values().any(|run| self.is_init_alive(run)) {
            return "init=busy";
        }
        let container = self.container_of(pod);
        if self
            .oms
            .get(pod)
            .is_none_or(|oms| oms.version != Version::New)
        {
            self.break_rule("docker_init.sh runs in the old version");
        }
        if self.spoilt {
            self.break_rule("docker_init.sh runs although the old version ran after its backup");
        }
        if self
            .inits
            .values()
            .any(|run| run.container == container && run.is_done())
        {
            self.break_rule("docker_init.sh runs twice in one container");
        }
        if self.db.schema == Schema::Torn {
            self.break_rule("docker_init.sh runs on a database that is half restored");
        }
        self.inits.insert(
            key,
            InitRun {
                container,
                end: None,
            },
        );
        if self.db.schema == Schema::Old {
            self.db.schema = Schema::Half;
        }
        self.write_content();
        "init=started"
    }

    /// The line that the read script prints about an attempt.
    pub fn describe_init(&self, target: &str, attempt: &str) -> String {
        let (state, exit, banner) = match self.inits.get(&(target.to_owned(), attempt.to_owned())) {
            None => ("absent", "-", 0),
            Some(run) => match run.end {
                // The exit status is not to be trusted.
                Some(InitEnd::Told) => ("exited", "7", 1),
                Some(InitEnd::Silent) => ("exited", "0", 0),
                Some(InitEnd::Failed) => ("exited", "1", 0),
                None if self.is_init_alive(run) => ("running", "-", 0),
                None => ("vanished", "-", 0),
            },
        };
        let end = match (state, banner) {
            ("absent", _) | (_, 1) => "",
            _ => "【步骤二】创建 OMS 元信息库\n",
        };
        let steps = if state == "absent" {
            ""
        } else {
            "步骤一],步骤二],"
        };
        format!(
            "init={state} exit={exit} banner={banner} lines=3 age=1 quiet=1 step={steps}\n{end}"
        )
    }

    /// Runs of `docker_init.sh` that are at work.
    pub fn list_live_inits(&self) -> Vec<(String, String)> {
        self.inits
            .iter()
            .filter(|(_, run)| self.is_init_alive(run))
            .map(|(key, _)| key.clone())
            .collect()
    }

    /// A run comes to its end.
    pub fn finish_init(&mut self, key: &(String, String)) {
        let trouble = self.trouble;
        if trouble.init_kills {
            let Some(run) = self.inits.get(key).cloned() else {
                return;
            };
            let pod = self
                .oms
                .keys()
                .find(|pod| self.container_of(pod) == run.container)
                .cloned();
            if let Some(pod) = pod {
                self.restart_container(&pod);
            }
            return;
        }
        let end = if trouble.init_fails {
            InitEnd::Failed
        } else if trouble.init_silent || trouble.init_lies {
            InitEnd::Silent
        } else {
            InitEnd::Told
        };
        if let Some(run) = self.inits.get_mut(key) {
            run.end = Some(end);
        }
        if end == InitEnd::Silent {
            self.accepted = false;
        }
        if end != InitEnd::Failed && !trouble.init_lies {
            self.db.schema = Schema::New;
        }
        self.write_content();
    }

    /// `supervisorctl status` in a pod.
    pub fn describe_programs(&self, pod: &str) -> String {
        let Some(oms) = self.oms.get(pod) else {
            return "unix:///var/run/supervisor.sock no such file\n".into();
        };
        [
            "nginx",
            "oms_console",
            "oms_drc_cm",
            "oms_drc_supervisor",
            "sshd",
        ]
        .map(|program| {
            if program == "sshd" && self.trouble.without_sshd {
                String::new()
            } else if program == "sshd" && self.trouble.unwell {
                format!("{program}   FATAL   Exited too quickly (process log may have details)\n")
            } else if oms.console_stopped && program == "oms_console" {
                format!("{program}   STOPPED   Nov 26 01:02 PM\n")
            } else if oms.up || program != "oms_console" {
                let pid = if program == "oms_console" {
                    oms.console_pid
                } else {
                    7
                };
                format!("{program}   RUNNING   pid {pid}, uptime 0:01:02\n")
            } else if oms.version == Version::New && oms.upgrade_start {
                // Nobody starts it before the initialisation.
                format!("{program}   STOPPED   Not started\n")
            } else if self.can_come_up(pod) {
                let word = match oms.version {
                    Version::Old => "STARTING",
                    // It came up too slowly once, and is tried again.
                    Version::New => "BACKOFF",
                };
                format!("{program}   {word}\n")
            } else {
                format!("{program}   FATAL     Exited too quickly (process log may have details)\n")
            }
        })
        .concat()
    }

    /// `supervisorctl stop oms_console`: it may write back what it has cached.
    pub fn stop_console(&mut self, pod: &str) {
        let Some(oms) = self
            .oms
            .get_mut(pod)
            .filter(|oms| oms.up && !oms.console_stopped)
        else {
            return;
        };
        oms.console_stopped = true;
        let cached = oms.console_text.take();
        if self.trouble.write_back && cached.is_some() {
            self.db.ha = cached;
        }
        self.touched = true;
    }

    /// `supervisorctl start oms_console`: only then it reads the parameters again.
    pub fn start_console(&mut self, pod: &str) {
        let (pid, text) = (self.take_id(), self.db.ha.clone());
        if let Some(oms) = self
            .oms
            .get_mut(pod)
            .filter(|oms| oms.up && oms.console_stopped)
        {
            oms.console_text = text;
            oms.console_stopped = false;
            oms.console_pid = pid;
            self.touched = true;
        }
        self.check_gap();
    }

    /// What HA's row and the consoles say, and what became of the components.
    pub fn describe_ha(&self) -> String {
        let say = |on: bool| if on { "on" } else { "off" };
        let consoles: Vec<_> = self
            .oms
            .values()
            .map(|oms| {
                if oms.up {
                    say(oms.console_ha())
                } else {
                    "down"
                }
            })
            .collect();
        let components = match (self.stopped, self.resumed) {
            (false, _) => "never stopped",
            (true, false) => "stopped",
            (true, true) => "resumed",
        };
        format!(
            "HA {} in the row, {} in consoles, {components}",
            say(self.ha_enabled()),
            consoles.join(" and ")
        )
    }

    fn is_stopped_by_operator(&self) -> bool {
        self.list("deployments").iter().any(|name| {
            self.get("deployments", name)
                .is_some_and(|one| one["spec"]["replicas"] == 0)
                && !self.is_scaled_down_by_others(name)
        })
    }

    /// A Store that HA starts without pull-back begins now: what changed meanwhile is lost.
    fn check_gap(&mut self) {
        let pulls_back = self
            .db
            .ha
            .as_deref()
            .is_some_and(|text| text.contains("\"perceiveStoreClientCheckpoint\":true"));
        if self.stopped
            && !self.resumed
            && !pulls_back
            && self.oms.values().any(|oms| oms.up && oms.console_ha())
        {
            self.break_rule(
                "HA starts Stores without pull-back after OMS was stopped: a replication gap",
            );
        }
    }

    /// Whether the components of the projects run: they did before the upgrade; after OMS was stopped
    /// somebody must have started them, which only HA does by itself.
    pub fn is_replicating(&self) -> bool {
        let targets = self.list("deployments").len();
        let up = self.oms.values().filter(|oms| oms.up).count();
        if up < targets || self.db.schema == Schema::Half {
            return false;
        }
        !self.stopped || self.oms.values().all(|oms| oms.console_ha()) && self.ha_enabled()
    }

    /// Checkpoint that the open API tells.
    pub fn read_checkpoint(&self) -> i64 {
        if !self.stopped {
            self.clock
        } else {
            self.checkpoint
        }
    }
}
