//! The operation begins: one upgrade per MetaDB, and the originals of everything that will change. Pure.
use crate::api::{
    CheckName, HaOriginal, OmsUpgradeStatus, Originals, Phase, ProjectRecord, Reason, Step,
};
use crate::facts::{Fact, Needs};
use crate::objects::deployment::{capture_original, find_container_name};
use crate::oms::ha::HaConfig;
use crate::oms::metadb::HaRow;
use crate::oms::project::{ran_before, read_live_checkpoint};
use crate::upgrade::context::Context;
use crate::upgrade::effect::Effect;
use crate::upgrade::next::{Failure, Next};
use crate::upgrade::orders::build_lock_claim;
use crate::upgrade::parts::policy::is_required;
use crate::upgrade::parts::recovery_keys::{count_unwatched, find_original};
use crate::upgrade::steps::def::{Limit, OnFailure, StepDef};
use crate::upgrade::steps::preflight::check::Verdict;
use crate::upgrade::steps::preflight::projects::MOST_PROJECTS;
use crate::upgrade::steps::preflight::targets::judge_record;

/// What there is to know about this step.
pub(crate) const DEF: StepDef = StepDef {
    step: Step::Locking,
    words: "taking the lock and recording the originals",
    phase: Phase::DisablingHa,
    limit: Some(Limit::Preflight),
    job: None,
    looks: |_| Needs {
        ha: true,
        kept_keys: true,
        lock: true,
        query_timeout: true,
        projects: true,
        progress: true,
        ..Needs::default()
    },
    failure: OnFailure::Ends,
    retries: &[],
    leads_to: &[Step::DisablingHa],
    decide,
};

/// Takes the lock, then captures the originals in one write, now and not earlier.
fn decide(cx: &Context<'_>, draft: &mut OmsUpgradeStatus) -> Next {
    match &cx.observed.metadb.lock {
        Fact::Unknown(reason) => return Next::trouble(2, Reason::MetaDbUnseen, reason.clone()),
        Fact::Known(None) => return Next::Do(Effect::AcquireLock(build_lock_claim(cx))),
        Fact::Known(Some(row)) if row.holder != cx.object.uid => {
            return Next::Fail(Failure::new(
                Reason::MetaDbLocked,
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
                Reason::TargetUnseen,
                format!("Deployment {} or its pods cannot be read", facts.name),
            );
        };
        // Written since preflight by one that this one was not told of: the list of others may lag behind.
        if let Some(Verdict::Failed(message)) = judge_record(cx, &facts.name, &deployment.object) {
            return Next::Fail(Failure::new(
                Reason::TargetClaimed,
                format!("{message}; OMS and its databases were not changed"),
            ));
        }
        let Some(container) = find_container_name(target, &deployment.object) else {
            return Next::Fail(Failure::new(
                Reason::ContainerUnknown,
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
                    Reason::TargetUnreadable,
                    format!("Deployment {} has no readable template", facts.name),
                ));
            }
        }
    }
    let kept = match &cx.observed.metadb.kept_keys {
        Fact::Unknown(reason) => return Next::trouble(2, Reason::MetaDbUnseen, reason.clone()),
        Fact::Known(kept) => kept.as_ref(),
    };
    originals.ha = match &cx.observed.metadb.ha {
        Fact::Unknown(reason) => return Next::trouble(2, Reason::MetaDbUnseen, reason.clone()),
        Fact::Known(HaRow::NoTable | HaRow::NoRow) => HaOriginal {
            enabled: false,
            config: None,
        },
        Fact::Known(HaRow::Text(text)) => {
            match HaConfig::parse(text).and_then(|config| find_original(&config, kept)) {
                Ok(config) => HaOriginal {
                    enabled: config.read_setting().enable,
                    config: Some(config.into()),
                },
                Err(error) => {
                    return Next::Fail(Failure::new(Reason::HaUnreadable, error.to_string()));
                }
            }
        }
    };
    originals.ob_query_timeout = match &cx.observed.metadb.query_timeout {
        Fact::Unknown(reason) => return Next::trouble(2, Reason::MetaDbUnseen, reason.clone()),
        Fact::Known(limit) => limit.map(|limit| i64::try_from(limit).unwrap_or(i64::MAX)),
    };
    // Without the projects nobody would watch their recovery: only who spoke for the check goes on blind.
    if let Fact::Unknown(reason) = &cx.observed.progress
        && is_required(cx, CheckName::ProjectsInSync)
    {
        return Next::trouble(
            2,
            Reason::ProjectsUnseen,
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
        .map(|all| count_unwatched(all, draft.projects.len()));
    draft.originals = Some(originals);
    draft.started_time = Some(cx.now.clone());
    Next::Go(Step::DisablingHa)
}
