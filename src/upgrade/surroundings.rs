//! What is seen beside the record in the MetaDB when it tells more than the status: lock, schema, Deployments. Pure.
use crate::api::Reason;
use crate::objects::deployment::{TemplateKind, read_replicas};
use crate::upgrade::context::Context;
use crate::upgrade::next::{Next, require_known};
use crate::upgrade::parts::originals::find_kind;
use crate::upgrade::parts::targets::{Target, read_targets, was_left_alone};
use crate::upgrade::story::Story;

/// Why a status is not rebuilt.
#[derive(Debug)]
pub(crate) enum Gap {
    /// Something cannot be seen yet.
    Unseen(Next),
    /// What the record does not tell, or what contradicts it, for people.
    Missing(String),
}

impl From<Next> for Gap {
    fn from(next: Next) -> Self {
        match next {
            Next::Fail(failure) | Next::Stall(failure) => Self::Missing(failure.message),
            next => Self::Unseen(next),
        }
    }
}

/// What the record does not tell, as an error.
pub(crate) fn missing<T>(what: impl Into<String>) -> Result<T, Gap> {
    Err(Gap::Missing(what.into()))
}

/// What is seen now, beside the record.
pub(crate) struct Look<'a> {
    pub(crate) targets: Vec<(Target<'a>, TemplateKind)>,
    /// Whether the schema is what it was when OMS was stopped; `None` where it never was.
    pub(crate) same_schema: Option<bool>,
    /// The lock is ours.
    pub(crate) locked: bool,
    /// Something was begun after the last row that no row tells.
    pub(crate) begun_since: bool,
    /// Higher than any that was used.
    pub(crate) next_epoch: i64,
}

impl<'a> Look<'a> {
    pub(crate) fn at(cx: &'a Context<'_>, story: &Story<'_>) -> Result<Self, Gap> {
        let metadb = &cx.observed.metadb;
        let lock = require_known(&metadb.lock, 2, Reason::MetaDbUnseen)?.as_ref();
        if let Some(other) = lock.filter(|row| row.holder != cx.object.uid) {
            return missing(format!(
                "the MetaDB is locked by another upgrade ({})",
                other.note
            ));
        }
        let same_schema = match story.stopped {
            Some((known, _)) => {
                let found = require_known(&metadb.fingerprint, 2, Reason::MetaDbUnseen)?;
                Some(found == known)
            }
            None => None,
        };
        let mut targets = Vec::new();
        for target in read_targets(cx)? {
            let kind = find_kind(cx, &target)?;
            targets.push((target, kind));
        }
        let held = lock.map_or(0, |row| row.epoch);
        Ok(Self {
            targets,
            same_schema,
            locked: lock.is_some(),
            begun_since: held > story.due_epoch || story.begun_before_take_over,
            next_epoch: held.max(story.epoch).max(cx.status.internal.epoch) + 1,
        })
    }

    /// Every target is asked for as the upgrade leaves it with this template.
    pub(crate) fn is_left_with(&self, kind: &TemplateKind) -> bool {
        self.targets.iter().all(|(target, seen)| {
            seen == kind && read_replicas(&target.deployment.object) == target.original.replicas
        })
    }

    /// Nothing runs but this version; what was told to end is waited for.
    pub(crate) fn require_no_other(&self, kind: &TemplateKind) -> Result<(), Gap> {
        for (target, seen) in self.targets.iter().filter(|(_, seen)| seen != kind) {
            if read_replicas(&target.deployment.object) > 0 {
                return missing(format!(
                    "Deployment {} runs another version than the record tells of ({seen:?})",
                    target.original.name
                ));
            }
            if !target.pods.is_empty() {
                return Err(Gap::Unseen(Next::watch()));
            }
        }
        Ok(())
    }

    /// The old version may have run since it was stopped for the upgrade.
    pub(crate) fn may_old_have_run(&self, cx: &Context<'_>) -> bool {
        let mut targets = self.targets.iter();
        targets.any(|(target, kind)| *kind == TemplateKind::Old && !was_left_alone(cx, target))
    }
}
