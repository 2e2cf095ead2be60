//! The object of the upgrade is gone from the API server, and another one has come in its place.
use super::*;

/// An object that is gone.
#[derive(Clone, Debug, PartialEq)]
pub struct Gone {
    /// The uid that stands in what its upgrade has made.
    pub marks: String,
    pub originals: Option<Originals>,
}

impl World {
    /// The object is gone from the API server, with its status; a backup tool brings it back under another uid. What
    /// its upgrade has made stays, but for what went with it.
    pub fn lose_object(&mut self, uid: &str) {
        self.copy.take_if(|copy| copy.owned);
        let marks = self.status.internal.find_marks(&self.uid).to_owned();
        let known = self.gone.take().and_then(|gone| gone.originals);
        self.gone = Some(Gone {
            marks,
            originals: self.status.internal.originals.clone().or(known),
        });
        self.uid = uid.into();
        self.status = OmsUpgradeStatus::default();
        self.finalizer = false;
        self.generation = 1;
    }

    /// Whether the operator finds what was made before the object was lost.
    pub(super) fn finds_own(&self) -> bool {
        let marks = self.status.internal.find_marks(&self.uid);
        self.gone.as_ref().is_none_or(|gone| gone.marks == marks)
    }

    /// An object that finds nothing of its own begins: what is there is none of its own, and stays as it is.
    pub(super) fn begin_own(&mut self) {
        if self.finds_own() {
            return;
        }
        let works = |(role, (_, end)): (&JobRole, &(i32, JobEnd))| {
            *role != JobRole::Probe && matches!(end, JobEnd::Running | JobEnd::Lost)
        };
        assert!(!self.jobs.iter().any(works), "beside {:?}", self.jobs);
        self.gone = None;
        self.jobs.clear();
        (self.copy, self.secret) = (None, false);
    }
}
