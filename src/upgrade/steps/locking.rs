//! The operation begins: one upgrade per MetaDB, and the originals of everything that will change. Pure.
use crate::api::{
    CheckName, HaOriginal, OmsUpgradeStatus, Originals, Phase, ProjectRecord, Reason, Step, Target,
    TargetOriginal,
};
use crate::facts::{Fact, Needs, TargetFacts};
use crate::objects::deployment::{capture_original, find_container_name};
use crate::oms::project::{ProjectProgress, ran_before, read_live_checkpoint};
use crate::upgrade::context::Context;
use crate::upgrade::effect::Effect;
use crate::upgrade::next::{Next, require_known};
use crate::upgrade::orders::build_lock_claim;
use crate::upgrade::parts::ha::parse_config;
use crate::upgrade::parts::policy::is_required;
use crate::upgrade::parts::recovery_keys::{count_unwatched, find_original};
use crate::upgrade::steps::def::{HaStage, Limit, OnFailure, StepDef};
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
    ha: HaStage::AsFound,
    failure: OnFailure::Ends,
    retries: &[],
    leads_to: &[Step::DisablingHa],
    decide,
};

/// Takes the lock, then captures the originals in one write, now and not earlier.
fn decide(cx: &Context<'_>, draft: &mut OmsUpgradeStatus) -> Result<Step, Next> {
    take_lock(cx)?;
    let originals = capture_originals(cx)?;
    // Without the projects nobody would watch their recovery: only who spoke for the check goes on blind.
    if let Fact::Unknown(reason) = &cx.observed.progress
        && is_required(cx, CheckName::ProjectsInSync)
    {
        return Err(Next::trouble(
            2,
            Reason::ProjectsUnseen,
            format!("the progress of the projects cannot be read: {reason}"),
        ));
    }
    let progress = cx.observed.progress.known();
    draft.internal.projects = list_watched(progress.map(Vec::as_slice).unwrap_or_default());
    draft.internal.unwatched_projects =
        progress.map(|all| count_unwatched(all, draft.internal.projects.len()));
    draft.internal.originals = Some(originals);
    draft.started_time = Some(cx.now.clone());
    Ok(Step::DisablingHa)
}

fn take_lock(cx: &Context<'_>) -> Result<(), Next> {
    match require_known(&cx.observed.metadb.lock, 2, Reason::MetaDbUnseen)? {
        None => Err(Next::Do(Effect::AcquireLock(build_lock_claim(cx)))),
        Some(row) if row.holder != cx.object.uid => Err(Next::fail(
            Reason::MetaDbLocked,
            format!(
                "the MetaDB is locked by another upgrade ({}); OMS and its databases were not changed; wait until that one is finished",
                row.note
            ),
        )),
        Some(_) => Ok(()),
    }
}

fn capture_originals(cx: &Context<'_>) -> Result<Originals, Next> {
    let targets = cx.spec.targets.iter().zip(&cx.observed.targets);
    Ok(Originals {
        targets: targets
            .map(|(target, facts)| capture_target(cx, target, facts))
            .collect::<Result<_, _>>()?,
        ha: capture_ha(cx)?,
        copy_uid: None,
        ob_query_timeout: require_known(
            &cx.observed.metadb.query_timeout,
            2,
            Reason::MetaDbUnseen,
        )?
        .map(|limit| i64::try_from(limit).unwrap_or(i64::MAX)),
    })
}

fn capture_target(
    cx: &Context<'_>,
    target: &Target,
    facts: &TargetFacts,
) -> Result<TargetOriginal, Next> {
    let name = &facts.name;
    let (Some(Some(deployment)), Some(pods)) = (facts.deployment.known(), facts.pods.known())
    else {
        return Err(Next::trouble(
            2,
            Reason::TargetUnseen,
            format!("Deployment {name} or its pods cannot be read"),
        ));
    };
    // Written since preflight by one that this one was not told of: the list of others may lag behind.
    if let Some(Verdict::Failed(message)) = judge_record(cx, name, &deployment.object) {
        return Err(Next::fail(
            Reason::TargetClaimed,
            format!("{message}; OMS and its databases were not changed"),
        ));
    }
    let container = find_container_name(target, &deployment.object).ok_or_else(|| {
        Next::fail(
            Reason::ContainerUnknown,
            format!("Deployment {name} changed since preflight: its OMS container cannot be told"),
        )
    })?;
    let mut pods = pods.iter();
    let running = pods.find(|pod| pod.container.running);
    let image_id = running.map(|pod| pod.container.image_id.clone());
    let image_id = image_id.filter(|id| !id.is_empty());
    capture_original(deployment, name, &container, image_id).ok_or_else(|| {
        Next::fail(
            Reason::TargetUnreadable,
            format!("Deployment {name} has no readable template"),
        )
    })
}

fn capture_ha(cx: &Context<'_>) -> Result<HaOriginal, Next> {
    let kept = require_known(&cx.observed.metadb.kept_keys, 2, Reason::MetaDbUnseen)?;
    let row = require_known(&cx.observed.metadb.ha, 2, Reason::MetaDbUnseen)?;
    let Some(text) = row.text() else {
        return Ok(HaOriginal {
            enabled: false,
            config: None,
        });
    };
    let config = find_original(&parse_config(text)?, kept.as_ref())
        .map_err(|error| Next::fail(Reason::HaUnreadable, error.to_string()))?;
    Ok(HaOriginal {
        enabled: config.read_setting().enable,
        config: Some(config.into()),
    })
}

/// The projects whose recovery is watched.
fn list_watched(progress: &[ProjectProgress]) -> Vec<ProjectRecord> {
    let ran = progress.iter().filter(|project| ran_before(project));
    ran.take(MOST_PROJECTS)
        .map(|project| ProjectRecord {
            id: project.key.id.clone(),
            kind: project.key.kind.as_str().into(),
            checkpoint: read_live_checkpoint(project),
            resumed_at: None,
            recovered: false,
        })
        .collect()
}
