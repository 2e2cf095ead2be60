//! Every project that ran before has an advancing checkpoint again. Pure.
//!
//! The open API tells checkpoints (OMS API reference, project progress). Where HA is off nobody
//! starts components: then they are listed, with what a person can do.
use crate::api::{HaDriver, OmsUpgradeStatus, OpenComponent, Phase, ProjectRecord, Reason, Step};
use crate::facts::{Fact, Needs};
use crate::oms::ha::HaConfig;
use crate::oms::project::{ProjectKey, ProjectProgress, read_live_checkpoint};
use crate::upgrade::context::{Context, seconds_between};
use crate::upgrade::next::{Failure, Next};
use crate::upgrade::parts::ha::{await_console, build_restoring_patch, find_goal, write_row};
use crate::upgrade::parts::recovery_keys::{forget_withdrawn, is_watched_whole, keep_keys};
use crate::upgrade::steps::def::{Limit, OnFailure, StepDef};

/// What there is to know about this step.
pub(crate) const DEF: StepDef = StepDef {
    step: Step::Recovering,
    words: "waiting until every project advances again",
    phase: Phase::RecoveringReplication,
    limit: Some(Limit::Recovery),
    job: None,
    looks: |_| Needs {
        ha: true,
        kept_keys: true,
        programs: true,
        projects: true,
        progress: true,
        ..Needs::default()
    },
    failure: OnFailure::Stalls,
    retries: &[],
    leads_to: &[Step::Settling],
    decide,
};

/// Watches the checkpoints; then keys that were changed only for recovery go back, where everybody could be watched.
fn decide(cx: &Context<'_>, draft: &mut OmsUpgradeStatus) -> Next {
    close_ended(cx, draft);
    if draft.projects.iter().any(|project| !project.recovered) {
        match &cx.observed.progress {
            Fact::Unknown(reason) => return hold_open(cx, draft, Some(reason)),
            Fact::Known(progress) => follow(draft, progress),
        }
        if draft.projects.iter().any(|project| !project.recovered) {
            return hold_open(cx, draft, None);
        }
    }
    draft.open_projects.clear();
    let keys = if is_watched_whole(draft) {
        draft.kept_keys.clear();
        put_keys_back(cx).or_else(|| forget_withdrawn(cx))
    } else {
        keep_keys(cx, draft)
    };
    let next = keys.unwrap_or(Next::Go(Step::Settling));
    // What it stalled for has come true. There may be something left to do, with as much time as if it had not stalled. What is
    // only waited for again, or refused again, has not come true.
    let moves = matches!(next, Next::Go(_) | Next::Do(_));
    let stalled = draft.stall.as_ref();
    if moves && stalled.is_some_and(|stall| stall.reason != Reason::EffectRefused) {
        draft.stall = None;
        draft.step_started_time = Some(cx.now.clone());
    }
    next
}

/// A project that was finished, released or deleted meanwhile will never advance again, and nobody waits for it. A row that
/// is not there says nothing: the new version may keep its projects elsewhere.
fn close_ended(cx: &Context<'_>, draft: &mut OmsUpgradeStatus) {
    let Fact::Known(rows) = &cx.observed.metadb.projects else {
        return;
    };
    let waited = draft.projects.iter_mut().filter(|one| !one.recovered);
    for project in waited {
        let is_it = |key| is_record_of(project, key);
        if rows
            .iter()
            .any(|row| is_it(&row.key) && row.status.is_over())
        {
            project.recovered = true;
            // It has not advanced, so it says nothing of the Stores.
            project.resumed_at = None;
        }
    }
}

fn is_record_of(project: &ProjectRecord, key: &ProjectKey) -> bool {
    project.id == key.id && project.kind == format!("{:?}", key.kind)
}

/// A checkpoint counts as advancing when it is newer than the first one seen after the start: a
/// stopped link reports its last one for ever.
fn follow(draft: &mut OmsUpgradeStatus, progress: &[ProjectProgress]) {
    for project in draft
        .projects
        .iter_mut()
        .filter(|project| !project.recovered)
    {
        let Some(seen) = progress
            .iter()
            .find(|seen| is_record_of(project, &seen.key))
        else {
            continue;
        };
        let Some(checkpoint) = read_live_checkpoint(seen).filter(|_| seen.status.is_running())
        else {
            continue;
        };
        match project.resumed_at {
            None => project.resumed_at = Some(checkpoint),
            Some(first) => {
                project.recovered = checkpoint > first.max(project.checkpoint.unwrap_or(i64::MIN))
            }
        }
    }
}

/// At the deadline the open projects are listed; before it, waiting goes on.
fn hold_open(cx: &Context<'_>, draft: &mut OmsUpgradeStatus, unseen: Option<&str>) -> Next {
    let open: Vec<&str> = draft
        .projects
        .iter()
        .filter(|project| !project.recovered)
        .map(|project| project.id.as_str())
        .collect();
    let what = match unseen {
        Some(reason) => format!(
            "the progress of {} project(s) cannot be read: {reason}",
            open.len()
        ),
        None => format!(
            "{} project(s) have no advancing checkpoint yet: {}",
            open.len(),
            open.join(", ")
        ),
    };
    let late = match (
        &cx.status.step_started_time,
        DEF.limit.map(|limit| limit.read_seconds(cx.spec)),
    ) {
        (Some(since), Some(limit)) => seconds_between(since, &cx.now) >= limit,
        _ => false,
    };
    if !late {
        return Next::trouble(2, Reason::ReplicationNotYetRecovered, what);
    }
    let ha = find_goal(cx);
    draft.open_projects = draft
        .projects
        .iter()
        .filter(|project| !project.recovered)
        .map(|project| OpenComponent {
            project: project.id.clone(),
            message: describe_help(&project.kind, ha),
        })
        .collect();
    Next::Stall(Failure::with_advice(
        Reason::ReplicationNotRecovered,
        format!(
            "{what}; the upgrade itself stands; start the components by hand (see status.openProjects), then this goes on by itself, or ask for action: RollBack"
        ),
    ))
}

fn describe_help(kind: &str, ha: bool) -> String {
    // The threshold is documented: subtopicStoreNumberThreshold in the HA parameters.
    let why = if ha {
        "HA is on and has not brought it back; it makes no new Store where a subtopic has subtopicStoreNumberThreshold (5) of them already: delete old Stores that are not needed, or raise that key of ha.config"
    } else {
        "HA is off, so nobody starts its components"
    };
    let how = match kind {
        "Sync" => {
            "Connector: OPS & Monitoring > Component > Connector > Start, or POST http://<node>:8088/connector/task/startByName?taskName=<name>"
        }
        _ => {
            "JDBCWriter: OPS & Monitoring > Component > JDBCWriter > Start, or POST http://<node>:8088/applier/start with applierName=<name>"
        }
    };
    format!(
        "{why}. Store: OPS & Monitoring > Component > Store > New Store from before the stop. {how}. A project paused for more than 12 hours cannot be resumed"
    )
}

/// `None` when the keys read as before the upgrade.
fn put_keys_back(cx: &Context<'_>) -> Option<Next> {
    if !find_goal(cx) {
        return None;
    }
    let row = match &cx.observed.metadb.ha {
        Fact::Unknown(reason) => {
            return Some(Next::trouble(2, Reason::MetaDbUnseen, reason.clone()));
        }
        Fact::Known(row) => row,
    };
    let config = row.text().and_then(|text| HaConfig::parse(text).ok())?;
    let patch = build_restoring_patch(cx, &config);
    if !patch.changes.is_empty() {
        return match cx.spec.ha.driver {
            // A person set them; a person is told, and nothing waits for it.
            HaDriver::Manual => None,
            driver => Some(write_row(cx, driver, patch, false)),
        };
    }
    await_console(cx)
}
