//! The operation begins: one upgrade per MetaDB, and the originals of everything that will change. Pure.
use crate::api::{
    CheckName, HaOriginal, OmsUpgradeStatus, Originals, Phase, PlanStatus, ProjectRecord, Reason,
    Step, Target, TargetOriginal,
};
use crate::facts::{Needs, TargetFacts};
use crate::objects::deployment::{capture_original, find_container_name};
use crate::oms::project::{ProjectProgress, ran_before, read_live_checkpoint};
use crate::protocol::sentence::join_clause;
use crate::upgrade::asserted::count_rows;
use crate::upgrade::context::Context;
use crate::upgrade::disagreement::refuse_older;
use crate::upgrade::next::{Next, require_known};
use crate::upgrade::parts::ha::parse_config;
use crate::upgrade::parts::lock::{refuse_holder, secure_lock};
use crate::upgrade::parts::policy::is_required;
use crate::upgrade::parts::recovery_keys::{MOST_PROJECTS, count_unwatched, find_original};
use crate::upgrade::steps::def::{HaStage, Limit, OnFailure, StepDef};
use crate::upgrade::steps::preflight::targets::{hash_targets, judge_record};
use std::collections::BTreeSet;

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
        record: true,
        fingerprint: true,
        query_timeout: true,
        identity: true,
        projects: true,
        progress: true,
        ..Needs::default()
    },
    ha: HaStage::AsFound,
    failure: OnFailure::Waits,
    retries: &[],
    leads_to: &[Step::DisablingHa, Step::Preflight],
    decide,
};

/// Takes the lock, then captures the originals in one write, now and not earlier. A target that somebody has changed
/// since it was checked is checked again: another image would be taken for the one to go back to.
fn decide(cx: &Context<'_>, draft: &mut OmsUpgradeStatus) -> Result<Step, Next> {
    if is_changed(cx) {
        return Ok(Step::Preflight);
    }
    take_lock(cx)?;
    let originals = capture_originals(cx)?;
    begin_record(cx, draft)?;
    let identity = require_known(&cx.observed.metadb.identity, 2, Reason::MetaDbUnseen)?;
    draft.internal.began_by_meta_db = Some(identity.clock);
    let report = cx.observed.progress.as_result();
    // Without the projects nobody would watch their recovery: only who spoke for the check goes on blind.
    let unread = match report {
        Err(reason) => Some(format!(
            "the progress of the projects cannot be read: {reason}"
        )),
        Ok(report) => report
            .unread
            .first()
            .map(|one| format!("the progress of {} cannot be read: {}", one.key, one.reason)),
    };
    if let Some(message) = unread
        && is_required(cx, CheckName::ProjectsInSync)
    {
        return Err(Next::trouble(2, Reason::ProjectsUnseen, message));
    }
    let seen = report.map(|report| report.seen.as_slice());
    draft.internal.projects = list_watched(seen.unwrap_or_default());
    draft.internal.unwatched_projects = report
        .ok()
        .map(|report| count_unwatched(report, draft.internal.projects.len()));
    draft.internal.originals = Some(originals);
    draft.internal.checked_targets = None;
    draft.started_time = Some(cx.now.clone());
    draft.plan.iter_mut().for_each(PlanStatus::shorten);
    Ok(Step::DisablingHa)
}

/// Targets that cannot be read now have not changed; nothing is captured of them either.
fn is_changed(cx: &Context<'_>) -> bool {
    let checked = cx.status.internal.checked_targets.as_ref();
    checked.is_some_and(|checked| hash_targets(cx).is_some_and(|now| now != *checked))
}

fn take_lock(cx: &Context<'_>) -> Result<(), Next> {
    secure_lock(cx, refuse_holder)
}

/// The lock is ours, so the record is there. An upgrade that begins finds no row of its own in it. That the schema can
/// be read is asked for while OMS runs.
fn begin_record(cx: &Context<'_>, draft: &mut OmsUpgradeStatus) -> Result<(), Next> {
    let metadb = &cx.observed.metadb;
    require_known(&metadb.fingerprint, 2, Reason::MetaDbUnseen)?;
    let record = require_known(&metadb.record, 2, Reason::MetaDbUnseen)?;
    if draft.internal.record_seq.is_none() {
        if !record.rows.is_empty() {
            let gap = "the status is of a time before the originals were recorded";
            refuse_older(cx, &record.rows, gap)?;
        }
        draft.internal.record_seq = Some(count_rows(&record.rows));
    }
    Ok(())
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
    if let Some(verdict) = judge_record(cx, name, &deployment.object) {
        let way_out = verdict.way_out.unwrap_or_default();
        let message = join_clause(&verdict.evidence, &way_out);
        return Err(Next::fail(Reason::TargetClaimed, message));
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
///
/// One that OMS lists twice, because it moved from one page to the next meanwhile, is one: the API server refuses a
/// status that says a key twice.
fn list_watched(progress: &[ProjectProgress]) -> Vec<ProjectRecord> {
    let mut known = BTreeSet::new();
    let ran = progress.iter().filter(|project| ran_before(project));
    ran.filter(|project| known.insert(&project.key))
        .take(MOST_PROJECTS)
        .map(|project| ProjectRecord {
            id: project.key.id.clone(),
            kind: project.key.kind.as_str().into(),
            checkpoint: read_live_checkpoint(project),
            resumed_at: None,
            recovered: false,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_project_that_is_listed_twice_is_one_and_ids_count_by_kind() {
        let project = |kind: &str, id: &str| -> ProjectProgress {
            serde_json::from_value(json!({
                "key": {"kind": kind, "id": id}, "status": "Running", "current_step": "INCR_SYNC",
                "incremental": true, "reverse_incremental": false, "checkpoint": 7, "reverse_checkpoint": null,
            }))
            .unwrap()
        };
        let listed = [
            project("Sync", "p_1"),
            project("Migration", "p_1"),
            project("Sync", "p_1"),
        ];
        let watched = list_watched(&listed);
        let keys: Vec<(&str, &str)> = watched
            .iter()
            .map(|project| (project.kind.as_str(), project.id.as_str()))
            .collect();
        assert_eq!(keys.len(), 2, "{keys:?}");
        assert!(keys.iter().all(|(_, id)| *id == "p_1"));
    }
}
