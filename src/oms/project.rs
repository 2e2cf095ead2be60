//! Migration and synchronization projects: facts and judgements about them. No I/O, no clock.
use crate::protocol::names::name_variants;
use std::fmt;

use serde::{Deserialize, Serialize};

/// Which of the two project families of OMS ≤ 4.0.0 a project belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ProjectKind {
    /// Data migration: table `oms_project`, API path `migrations`.
    Migration,
    /// Data synchronization: table `oms_sync_project`, API path `sync`.
    Sync,
}

name_variants!(ProjectKind: Migration, Sync);

impl ProjectKind {
    /// Reads a word of a status; `None` where this version does not know it.
    pub fn parse(word: &str) -> Option<Self> {
        let mut all = Self::ALL.iter().copied();
        all.find(|kind| kind.as_str() == word)
    }
}

/// Names one project: ids are unique only within a kind as far as is documented.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ProjectKey {
    /// Family of the project.
    pub kind: ProjectKind,
    /// Id as OMS writes it, e.g. `p_4gmn723gh28g`.
    pub id: String,
}

impl fmt::Display for ProjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            ProjectKind::Migration => "migration",
            ProjectKind::Sync => "sync",
        };
        write!(f, "{kind} project {}", self.id)
    }
}

/// Status of a project (OMS API reference V4.0.0, project progress).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ProjectStatus {
    /// `INIT`: created, never started.
    Init,
    Running,
    /// `SUSPEND`: paused; after 12 hours it cannot be resumed any more (guide, start and pause a project).
    Suspended,
    Failed,
    Finished,
    Releasing,
    Released,
    Deleted,
    /// A word that the reference does not list.
    Other(String),
}

impl ProjectStatus {
    /// Reads the word that OMS uses; unknown words are kept.
    pub fn parse(word: &str) -> Self {
        match word.trim().to_ascii_uppercase().as_str() {
            "INIT" => Self::Init,
            "RUNNING" => Self::Running,
            "SUSPEND" => Self::Suspended,
            "FAILED" => Self::Failed,
            "FINISHED" => Self::Finished,
            "RELEASING" => Self::Releasing,
            "RELEASED" => Self::Released,
            "DELETED" => Self::Deleted,
            _ => Self::Other(word.trim().to_owned()),
        }
    }

    /// True for projects that move data and must move it again after the upgrade.
    pub fn is_running(&self) -> bool {
        *self == Self::Running
    }

    /// True for projects that will never move data again, so no check needs to look at them.
    pub fn is_over(&self) -> bool {
        matches!(
            self,
            Self::Finished | Self::Releasing | Self::Released | Self::Deleted
        )
    }
}

/// One row of the project tables of the rm database.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ProjectRow {
    /// Kind and id.
    pub key: ProjectKey,
    /// Name given by a person.
    pub name: String,
    /// Status column.
    pub status: ProjectStatus,
}

/// What the progress call of the open API tells about one project, reduced to what is judged.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ProjectProgress {
    /// Kind and id.
    pub key: ProjectKey,
    /// Status word.
    pub status: ProjectStatus,
    /// `currentStep`, e.g. `CONNECTOR_INCR_SYNC`, upper case; `None` when the answer had none.
    pub current_step: Option<String>,
    /// Whether forward incremental synchronization is part of the project.
    pub incremental: bool,
    /// Whether a reverse incremental link is part of the project (migration only).
    pub reverse_incremental: bool,
    /// `incrSyncCheckpoint`, Unix seconds; `None` when absent or zero.
    pub checkpoint: Option<i64>,
    /// `reverseIncrSyncCheckpoint`, Unix seconds; `None` when absent or zero.
    pub reverse_checkpoint: Option<i64>,
}

/// Whether the forward switchover of a migration project has happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Switchover {
    /// The project has none (synchronization projects).
    NotApplicable,
    /// Traffic still goes to the source: the guide wants the switchover done before the upgrade.
    Pending,
    /// The forward link is stopped for good.
    Finished,
    /// The facts do not tell.
    Unknown,
}

/// Judges the forward switchover. Inferred from the documented order of steps: `APP_SWITCH` is the
/// switchover, `REVERSE_INCR_SYNC` comes after it.
pub fn judge_switchover(progress: &ProjectProgress) -> Switchover {
    if progress.key.kind == ProjectKind::Sync {
        return Switchover::NotApplicable;
    }
    if matches!(
        progress.status,
        ProjectStatus::Finished | ProjectStatus::Releasing | ProjectStatus::Released
    ) {
        return Switchover::Finished;
    }
    match progress.current_step.as_deref() {
        Some("REVERSE_INCR_SYNC") => Switchover::Finished,
        // A project without incremental synchronization has nothing to switch while it copies.
        Some(_) if !progress.incremental => Switchover::NotApplicable,
        Some(_) => Switchover::Pending,
        None => Switchover::Unknown,
    }
}

/// The link of a project whose lag counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Link {
    /// Source to destination.
    Forward,
    /// Destination back to source, after the forward switchover.
    Reverse,
}

/// Which link moves data now. After the forward switchover the forward link is stopped, so only a
/// reverse link counts, and none when the project has no reverse link.
pub fn find_live_link(progress: &ProjectProgress) -> Option<Link> {
    match judge_switchover(progress) {
        Switchover::Finished => progress.reverse_incremental.then_some(Link::Reverse),
        _ => progress.incremental.then_some(Link::Forward),
    }
}

/// Checkpoint of the live link, Unix seconds.
pub fn read_live_checkpoint(progress: &ProjectProgress) -> Option<i64> {
    match find_live_link(progress)? {
        Link::Forward => progress.checkpoint,
        Link::Reverse => progress.reverse_checkpoint,
    }
}

/// Lag of the live link in seconds at `now` (Unix seconds); never negative, because clocks differ.
/// `None` when no link is live or it has no checkpoint yet.
pub fn compute_lag_seconds(progress: &ProjectProgress, now: i64) -> Option<u64> {
    let lag = now.saturating_sub(read_live_checkpoint(progress)?);
    Some(u64::try_from(lag).unwrap_or(0))
}

/// True when the project moved changes when `before` was read, so that it must do so afterwards.
pub fn ran_before(before: &ProjectProgress) -> bool {
    before.status.is_running() && find_live_link(before).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn migration(step: &str, status: ProjectStatus) -> ProjectProgress {
        ProjectProgress {
            key: ProjectKey {
                kind: ProjectKind::Migration,
                id: "p_1".into(),
            },
            status,
            current_step: Some(step.into()),
            incremental: true,
            reverse_incremental: true,
            checkpoint: Some(1000),
            reverse_checkpoint: Some(2000),
        }
    }

    fn sync() -> ProjectProgress {
        ProjectProgress {
            key: ProjectKey {
                kind: ProjectKind::Sync,
                id: "p_2".into(),
            },
            reverse_incremental: false,
            reverse_checkpoint: None,
            ..migration("CONNECTOR_INCR_SYNC", ProjectStatus::Running)
        }
    }

    #[test]
    fn switchover_is_finished_only_after_app_switch() {
        let judge = |step: &str, status| judge_switchover(&migration(step, status));
        for step in [
            "PRE_CHECK",
            "FULL_MIGRATION",
            "INCR_SYNC",
            "APP_SWITCH",
            "SOMETHING_NEW",
        ] {
            assert_eq!(
                judge(step, ProjectStatus::Running),
                Switchover::Pending,
                "{step}"
            );
        }
        assert_eq!(
            judge("REVERSE_INCR_SYNC", ProjectStatus::Running),
            Switchover::Finished
        );
        assert_eq!(
            judge("APP_SWITCH", ProjectStatus::Finished),
            Switchover::Finished
        );
        assert_eq!(judge_switchover(&sync()), Switchover::NotApplicable);
        let unknown = ProjectProgress {
            current_step: None,
            ..migration("", ProjectStatus::Running)
        };
        assert_eq!(judge_switchover(&unknown), Switchover::Unknown);
        let copy_only = ProjectProgress {
            incremental: false,
            ..migration("FULL_MIGRATION", ProjectStatus::Running)
        };
        assert_eq!(judge_switchover(&copy_only), Switchover::NotApplicable);
        assert_eq!(find_live_link(&copy_only), None);
    }

    #[test]
    fn lag_is_measured_on_the_link_that_moves() {
        let forward = migration("INCR_SYNC", ProjectStatus::Running);
        assert_eq!(compute_lag_seconds(&forward, 1010), Some(10));
        let reverse = migration("REVERSE_INCR_SYNC", ProjectStatus::Running);
        assert_eq!(compute_lag_seconds(&reverse, 2003), Some(3));
        assert_eq!(
            compute_lag_seconds(&reverse, 1990),
            Some(0),
            "clocks differ"
        );
        let over = ProjectProgress {
            reverse_incremental: false,
            ..reverse
        };
        assert_eq!(compute_lag_seconds(&over, 9999), None);
        assert!(
            !ran_before(&over),
            "nothing moves any more, so nothing has to move again"
        );
    }

    #[test]
    fn only_a_running_project_ran_before() {
        let failed = ProjectProgress {
            status: ProjectStatus::Failed,
            ..sync()
        };
        assert!(!ran_before(&failed));
        assert!(ran_before(&sync()));
    }

    #[test]
    fn keeps_unknown_status_words() {
        assert_eq!(ProjectStatus::parse(" running "), ProjectStatus::Running);
        assert_eq!(
            ProjectStatus::parse("RUNNING_MERGING"),
            ProjectStatus::Other("RUNNING_MERGING".into())
        );
    }
}
