//! When the world is at rest, what must be true then, and what tells two worlds apart.
use super::*;

impl World {
    /// The upgrade has come to an end and is clean, or waits for a person.
    pub fn is_at_rest(&self) -> bool {
        self.status.settled
            || self.status.stall.is_some()
            || self
                .status
                .internal
                .sources
                .iter()
                .any(|one| one.guard == Some(oms_operator::api::SourceGuard::Held))
            || self.status.step == Some(Step::Planned)
    }

    /// What must be true of a settled world.
    pub fn check_settled(&self) {
        let status = &self.status;
        assert!(
            !self.finalizer && self.lock.is_none(),
            "finalizer or lock is left"
        );
        assert!(!self.secret, "the account is left");
        assert!(self.old_pulls.is_empty(), "pods that pull are left");
        assert_eq!(
            self.query_timeout, 10_000_000,
            "ob_query_timeout is not put back"
        );
        assert!(
            self.jobs.values().all(|(_, end)| *end == JobEnd::Gone),
            "Jobs are left: {:?}",
            self.jobs
        );
        let succeeded = status.direction == Some(Direction::Forward) && status.cause.is_none();
        match &self.copy {
            Some(copy) => assert!(copy.owned && succeeded, "the second copy is left to nobody"),
            None => assert!(!succeeded, "a rollback has no second copy to go by"),
        }
        let forbidden: Vec<(&str, &str)> = status
            .forbidden_images
            .iter()
            .map(|one| (one.image.as_str(), one.use_image.as_str()))
            .collect();
        let wanted = match (status.direction, status.point_of_no_return_time.is_some()) {
            (_, false) => vec![],
            (Some(Direction::RollBack), true) => vec![(NEW, OLD); self.nodes.len()],
            (_, true) => vec![(OLD, NEW); self.nodes.len()],
        };
        let released = status
            .cause
            .as_ref()
            .is_some_and(|cause| cause.reason == oms_operator::api::Reason::Released);
        assert!(
            released || forbidden == wanted,
            "{forbidden:?} is forbidden, not {wanted:?}"
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
        // Derived for people; nothing is decided on them.
        status.next_actions.clear();
        (status.step_summary, status.ha) = (None, None);
        let fixed = Time(Timestamp::from_second(EPOCH).unwrap());
        for time in [
            &mut status.started_time,
            &mut status.step_started_time,
            &mut status.finished_time,
            &mut status.old_stopped_time,
            &mut status.ha_enabled_time,
            &mut status.new_stopped_time,
            &mut status.point_of_no_return_time,
            &mut status.internal.requests.abort,
            &mut status.internal.requests.roll_back,
            &mut status.internal.ran_before_time,
        ] {
            if time.is_some() {
                *time = Some(fixed.clone());
            }
        }
        if let Some(seen) = &mut status.internal.other_image {
            seen.seen_time = fixed.clone();
        }
        let overdue = status.internal.overdue.iter_mut();
        for looks in overdue
            .flat_map(|one| [&mut one.wanting, &mut one.unseen])
            .flatten()
        {
            (looks.since_time, looks.last_time) = (fixed.clone(), fixed.clone());
        }
        for left in &mut status.leftovers {
            left.kept_until_time = None;
        }
        if let Some(backup) = &mut status.backup {
            backup.finished_time = None;
        }
        for node in &mut same.nodes {
            if let Some(annotations) = node.object.pointer_mut("/metadata/annotations") {
                annotations["oms.oceanbase.com/originals"] = json!("");
            }
            let owned = read_replicas_owned_time(&node.object);
            for stopped in &mut same.status.internal.stopped_targets {
                if node.object["metadata"]["name"] == stopped.name.as_str() {
                    let kept = stopped.replicas_owned_time == owned;
                    stopped.replicas_owned_time = kept.then(|| fixed.clone());
                }
            }
            for entry in node.object["metadata"]["managedFields"]
                .as_array_mut()
                .unwrap()
            {
                entry["time"] = json!("");
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
