//! The operation begins: one upgrade per MetaDB, and the originals of everything that will change. Pure.
use super::orders::build_lock_claim;
use super::preflight_checks::{Verdict, judge_record};
use super::{Context, Effect, Failure, Next};
use crate::api::{CheckName, HaOriginal, OmsUpgradeStatus, Originals, ProjectRecord, Step};
use crate::facts::Fact;
use crate::objects::deployment::capture_original;
use crate::oms::ha::HaConfig;
use crate::oms::metadb::HaRow;
use crate::oms::project::{ran_before, read_live_checkpoint};

/// Projects kept in the status; an installation with more is told so by preflight.
pub(super) const MOST_PROJECTS: usize = 200;

/// Takes the lock, then captures the originals in one write, now and not earlier.
pub(super) fn decide_locking(cx: &Context<'_>, draft: &mut OmsUpgradeStatus) -> Next {
    match &cx.observed.metadb.lock {
        Fact::Unknown(reason) => return Next::trouble(2, "MetaDbUnseen", reason.clone()),
        Fact::Known(None) => return Next::Do(Effect::AcquireLock(build_lock_claim(cx))),
        Fact::Known(Some(row)) if row.holder != cx.object.uid => {
            return Next::Fail(Failure::new(
                "MetaDbLocked",
                format!(
                    "the MetaDB is locked by another upgrade ({}); OMS and its databases were not changed; wait until that one is finished",
                    row.note
                ),
            ));
        }
        Fact::Known(Some(_)) => {}
    }
    let mut originals = Originals::default();
    for (target, facts) in cx.spec.targets.iter().zip(&cx.observed.targets) {
        let (Some(Some(deployment)), Some(pods)) = (facts.deployment.known(), facts.pods.known())
        else {
            return Next::trouble(
                2,
                "TargetUnseen",
                format!("Deployment {} or its pods cannot be read", facts.name),
            );
        };
        // Written since preflight by one that this one was not told of: the list of others may lag behind.
        if let Some(Verdict::Failed(message)) = judge_record(cx, &facts.name, &deployment.object) {
            return Next::Fail(Failure::new(
                "TargetClaimed",
                format!("{message}; OMS and its databases were not changed"),
            ));
        }
        let Some(container) = super::preflight::find_container_name(target, &deployment.object)
        else {
            return Next::Fail(Failure::new(
                "ContainerUnknown",
                format!(
                    "Deployment {} changed since preflight: its OMS container cannot be told",
                    facts.name
                ),
            ));
        };
        let image_id = pods
            .iter()
            .find(|pod| pod.container.running)
            .map(|pod| pod.container.image_id.clone())
            .filter(|id| !id.is_empty());
        match capture_original(deployment, &facts.name, &container, image_id) {
            Some(original) => originals.targets.push(original),
            None => {
                return Next::Fail(Failure::new(
                    "TargetUnreadable",
                    format!("Deployment {} has no readable template", facts.name),
                ));
            }
        }
    }
    let kept = match &cx.observed.metadb.kept_keys {
        Fact::Unknown(reason) => return Next::trouble(2, "MetaDbUnseen", reason.clone()),
        Fact::Known(kept) => kept.as_ref(),
    };
    originals.ha = match &cx.observed.metadb.ha {
        Fact::Unknown(reason) => return Next::trouble(2, "MetaDbUnseen", reason.clone()),
        Fact::Known(HaRow::NoTable | HaRow::NoRow) => HaOriginal {
            enabled: false,
            config: None,
        },
        Fact::Known(HaRow::Text(text)) => match HaConfig::parse(text)
            .and_then(|config| super::recovery_keys::find_original(&config, kept))
        {
            Ok(config) => HaOriginal {
                enabled: config.read_setting().enable,
                config: Some(config.into()),
            },
            Err(error) => return Next::Fail(Failure::new("HaUnreadable", error.to_string())),
        },
    };
    originals.ob_query_timeout = match &cx.observed.metadb.query_timeout {
        Fact::Unknown(reason) => return Next::trouble(2, "MetaDbUnseen", reason.clone()),
        Fact::Known(limit) => limit.map(|limit| i64::try_from(limit).unwrap_or(i64::MAX)),
    };
    // Without the projects nobody would watch their recovery: only who spoke for the check goes on blind.
    if let Fact::Unknown(reason) = &cx.observed.progress
        && super::preflight::is_required(cx, CheckName::ProjectsInSync)
    {
        return Next::trouble(
            2,
            "ProjectsUnseen",
            format!("the progress of the projects cannot be read: {reason}"),
        );
    }
    draft.projects = cx
        .observed
        .progress
        .known()
        .map(Vec::as_slice)
        .unwrap_or_default()
        .iter()
        .filter(|project| ran_before(project))
        .take(MOST_PROJECTS)
        .map(|project| ProjectRecord {
            id: project.key.id.clone(),
            kind: format!("{:?}", project.key.kind),
            checkpoint: read_live_checkpoint(project),
            resumed_at: None,
            recovered: false,
        })
        .collect();
    draft.unwatched_projects = cx
        .observed
        .progress
        .known()
        .map(|all| super::recovery_keys::count_unwatched(all, draft.projects.len()));
    draft.originals = Some(originals);
    draft.started_time = Some(cx.now.clone());
    Next::Go(Step::DisablingHa)
}
