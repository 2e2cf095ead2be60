//! Objects of the operator's own, as it sees them.
use super::jobs::lost;
use super::*;

impl World {
    /// Jobs, the pods that they left behind, and the Secret with the account.
    pub(super) fn list_own(&self) -> Vec<OwnObject> {
        if !self.finds_own() {
            return vec![];
        }
        let own = self
            .jobs
            .iter()
            .filter(|(_, (_, end))| *end != JobEnd::Gone)
            .map(|(role, (attempt, end))| OwnObject {
                kind: OwnKind::Job,
                name: format!("{role:?}"),
                uid: format!("job-{attempt}"),
                active: matches!(end, JobEnd::Running | JobEnd::Lost | JobEnd::NotBegun(_)),
                trouble: None,
            });
        let secret = self.secret.then(|| OwnObject {
            kind: OwnKind::Secret,
            name: "credentials".into(),
            uid: "secret".into(),
            active: false,
            trouble: None,
        });
        let stays = self.pod_stays.then(|| OwnObject {
            kind: OwnKind::Pod,
            name: "lost-pod".into(),
            uid: "lost-pod".into(),
            active: true,
            trouble: Some(lost()),
        });
        let orphans = self.orphans.iter().map(|role| OwnObject {
            kind: OwnKind::Pod,
            name: format!("orphan-{role:?}"),
            uid: "orphan".into(),
            active: true,
            trouble: Some(orphaned()),
        });
        let pulls = self.old_pulls.keys().map(|name| OwnObject {
            kind: OwnKind::PrePull,
            name: name.clone(),
            uid: name.clone(),
            active: true,
            trouble: None,
        });
        let all = own.chain(secret).chain(stays);
        all.chain(orphans).chain(pulls).collect()
    }
}

/// What is seen of a pod that its Job left behind.
fn orphaned() -> PodTrouble {
    PodTrouble {
        kind: PodTroubleKind::Lost,
        message: "pod orphan on node n1: its Job was deleted without it".into(),
    }
}
