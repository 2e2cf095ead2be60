//! The Jobs of the world as the operator sees them.
use super::observing::build_copy;
use super::*;

impl World {
    pub(super) fn observe_job(&self, role: JobRole) -> JobState {
        let recorded = self
            .status
            .internal
            .jobs
            .iter()
            .find(|job| job.role == role)
            .map_or(1, |job| job.attempt);
        let Some((attempt, end)) = self
            .jobs
            .get(&role)
            .filter(|(attempt, _)| *attempt == recorded && self.finds_own())
        else {
            return JobState::Absent;
        };
        let uid = format!("job-{attempt}");
        let (outcome, reason) = match end {
            JobEnd::Gone => return JobState::Absent,
            JobEnd::Running => {
                return JobState::Running {
                    uid,
                    progress: self.progress.clone(),
                    trouble: None,
                    made: EPOCH + self.clock,
                };
            }
            JobEnd::Lost => {
                return JobState::Running {
                    uid,
                    progress: None,
                    trouble: Some(lost()),
                    made: EPOCH,
                };
            }
            JobEnd::NotBegun(made) => {
                return JobState::Running {
                    uid,
                    progress: None,
                    trouble: Some(PodTrouble {
                        kind: PodTroubleKind::NotBegun,
                        message: "0/3 nodes are available".into(),
                    }),
                    made: *made,
                };
            }
            JobEnd::Killed => {
                return JobState::Ended {
                    uid,
                    helpers: vec![],
                    report: None,
                    why: "Evicted".into(),
                };
            }
            JobEnd::Ok => (Outcome::Succeeded, Reason::Completed),
            JobEnd::Bad(reason) => (Outcome::Failed, *reason),
        };
        let equal = self.dump == Some((self.schema, self.writes));
        let result = match role {
            JobRole::Probe => CommandResult::Probe(Box::new(self.probe.clone())),
            JobRole::Dump => CommandResult::Dump(DumpReport {
                directory: "/backup/x/attempt-1".into(),
                ..DumpReport::default()
            }),
            JobRole::Verify => CommandResult::Verify(VerifyReport {
                files: 3,
                rows: 1,
                stored_bytes: 1,
                scratch_restore: Trial::Works,
            }),
            JobRole::Compare if equal => CommandResult::Compare(CompareReport::Equal),
            JobRole::Compare => CommandResult::Compare(CompareReport::Different {
                summary: "x".into(),
                objects: 1,
            }),
            JobRole::Restore => CommandResult::Restore(RestoreReport {
                safety_copies: self.copies.iter().map(|name| build_copy(name)).collect(),
                ..RestoreReport::default()
            }),
            JobRole::DropCopies => CommandResult::DropSafetyCopies(DropReport::default()),
        };
        let report = Report {
            command: format!("{role:?}"),
            upgrade_uid: self.status.internal.find_marks(&self.uid).into(),
            attempt: *attempt,
            outcome,
            reason,
            message: "as asked".into(),
            manifest_digest: Some("ab".repeat(32)),
            seconds: 1,
            result: Some(result),
        };
        JobState::Ended {
            uid,
            helpers: self.helpers.clone(),
            report: Some(Box::new(report)),
            why: String::new(),
        }
    }
}

/// What is seen of a pod whose node is gone.
pub(super) fn lost() -> PodTrouble {
    PodTrouble {
        kind: PodTroubleKind::Lost,
        message: "pod lost-pod on node n1: its node does not answer".into(),
    }
}
