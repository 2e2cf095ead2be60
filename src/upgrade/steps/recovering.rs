//! Every project that ran before has an advancing checkpoint again. Pure.
//!
//! The open API tells checkpoints (OMS API reference, project progress). Where HA is off nobody
//! starts components: then they are listed, with what a person can do.
use crate::api::{HaDriver, OmsUpgradeStatus, OpenComponent, Phase, ProjectRecord, Reason, Step};
use crate::facts::{CopyNeed, Fact, Needs};
use crate::oms::project::{ProjectKey, ProjectKind, ProjectProgress, read_live_checkpoint};
use crate::upgrade::context::Context;
use crate::upgrade::lateness::{Look, is_late, was_nobody_there};
use crate::upgrade::next::{Failure, Next, require_known};
use crate::upgrade::parts::ha::{
    await_console, build_restoring_patch, find_goal, read_config, require_goal, wants_pull_back,
    write_row,
};
use crate::upgrade::parts::recovery_keys::{forget_withdrawn, is_watched_whole, keep_keys};
use crate::upgrade::parts::standing::require_standing;
use crate::upgrade::parts::targets::goes_forward;
use crate::upgrade::steps::def::{HaStage, Limit, OnFailure, StepDef};

/// What there is to know about this step.
pub(crate) const DEF: StepDef = StepDef {
    step: Step::Recovering,
    words: "waiting until every project advances again",
    phase: Phase::RecoveringReplication,
    limit: Some(Limit::Recovery),
    job: None,
    looks: |_| Needs {
        templates: true,
        originals: CopyNeed::WhereMissing,
        ha: true,
        kept_keys: true,
        programs: true,
        projects: true,
        progress: true,
        ..Needs::default()
    },
    ha: HaStage::AtGoal,
    failure: OnFailure::Stalls,
    retries: &[],
    leads_to: &[Step::Settling],
    decide,
};

/// Watches the checkpoints; then keys that were changed only for recovery go back, where everybody could be watched.
fn decide(cx: &Context<'_>, draft: &mut OmsUpgradeStatus) -> Result<Step, Next> {
    close_ended(cx, draft);
    require_standing(cx)?;
    require_ha(cx)?;
    watch_projects(cx, draft)?;
    draft.open_projects.clear();
    let wanted = settle_keys(cx, draft).map(|()| Step::Settling);
    // What it stalled for has come true. There may be something left to do, with as much time as if it had not stalled.
    // What is only waited for again, or refused again, has not come true.
    let moves = matches!(wanted, Ok(_) | Err(Next::Do(_)));
    let stalled = draft.stall.as_ref();
    if moves && stalled.is_some_and(|stall| stall.reason != Reason::EffectRefused) {
        draft.stall = None;
        draft.step_started_time = Some(cx.now.clone());
    }
    wanted
}

/// HA is as it was brought to. An upgrade that never touched anything has no goal.
fn require_ha(cx: &Context<'_>) -> Result<(), Next> {
    match cx.originals() {
        Some(_) => require_goal(cx),
        None => Ok(()),
    }
}

/// No project is open any more.
fn watch_projects(cx: &Context<'_>, draft: &mut OmsUpgradeStatus) -> Result<(), Next> {
    let is_open =
        |draft: &OmsUpgradeStatus| draft.internal.projects.iter().any(|one| !one.recovered);
    if !is_open(draft) {
        return Ok(());
    }
    match cx.observed.progress.as_result() {
        Err(why) => return Err(hold_open(cx, draft, Some(why))),
        Ok(report) => follow(draft, &report.seen),
    }
    if is_open(draft) {
        return Err(hold_open(cx, draft, None));
    }
    Ok(())
}

/// The recovery keys are back where everybody could be watched, and left and written down elsewhere.
fn settle_keys(cx: &Context<'_>, draft: &mut OmsUpgradeStatus) -> Result<(), Next> {
    if !is_watched_whole(draft) {
        return keep_keys(cx, draft);
    }
    draft.kept_keys.clear();
    put_keys_back(cx)?;
    forget_withdrawn(cx)
}

/// A project that was finished, released or deleted meanwhile will never advance again, and nobody waits for it. A row
/// that is not there says nothing: the new version may keep its projects elsewhere.
fn close_ended(cx: &Context<'_>, draft: &mut OmsUpgradeStatus) {
    let Fact::Known(rows) = &cx.observed.metadb.projects else {
        return;
    };
    let waited = draft
        .internal
        .projects
        .iter_mut()
        .filter(|one| !one.recovered);
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
    project.id == key.id && ProjectKind::parse(&project.kind) == Some(key.kind)
}

/// A checkpoint counts as advancing when it is newer than the first one seen after the start: a
/// stopped link reports its last one for ever.
fn follow(draft: &mut OmsUpgradeStatus, progress: &[ProjectProgress]) {
    for project in draft
        .internal
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
        .internal
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
    let stall = cx.status.stall.as_ref();
    let asked = stall.is_some_and(|stall| stall.reason == Reason::ReplicationNotRecovered);
    let ha = find_goal(cx);
    if !asked && !is_time_up(cx, draft, unseen.is_some()) {
        let message = match ha && takes_long(cx) {
            true => format!(
                "{what}; where that lasts, Stores that stops of OMS have left may be in HA's way: {STORES_FULL}"
            ),
            false => what,
        };
        return Next::trouble(2, Reason::ReplicationNotYetRecovered, message);
    }
    draft.open_projects = draft
        .internal
        .projects
        .iter()
        .filter(|project| !project.recovered)
        .map(|project| OpenComponent {
            project: project.id.clone(),
            kind: project.kind.clone(),
            message: describe_help(ProjectKind::parse(&project.kind), ha),
        })
        .collect();
    let forward = goes_forward(cx);
    Next::Stall(Failure::with_advice(
        Reason::ReplicationNotRecovered,
        format!(
            "{what}; {}; start the components by hand (see status.openProjects), then this goes on by itself{}",
            if forward {
                "the upgrade itself stands"
            } else {
                "the old version runs on its own data"
            },
            if forward {
                ", or ask for action: RollBack"
            } else {
                ""
            }
        ),
    ))
}

/// Seconds within which HA brings projects back where nothing is in its way.
const USUALLY: i64 = 300;

/// The threshold is documented: `subtopicStoreNumberThreshold` in the HA parameters.
const STORES_FULL: &str = "it makes no new Store where a subtopic has subtopicStoreNumberThreshold (5) of them already: delete old Stores that are not needed, or raise that key of ha.config";

/// Whether it is longer than usual already, though not over its limit.
fn takes_long(cx: &Context<'_>) -> bool {
    cx.count_step_seconds()
        .is_some_and(|lasted| lasted >= USUALLY)
}

/// Whether the limit is over and several looks since have shown the same.
fn is_time_up(cx: &Context<'_>, draft: &mut OmsUpgradeStatus, blind: bool) -> bool {
    let (Some(lasted), Some(limit)) = (cx.count_step_seconds(), DEF.limit) else {
        return false;
    };
    let beyond = lasted - limit.read_seconds(cx.spec);
    if beyond < 0 {
        return false;
    }
    if was_nobody_there(draft, beyond) {
        draft.step_started_time = Some(cx.now.clone());
        return false;
    }
    let reason = Reason::ReplicationNotYetRecovered.as_str();
    let look = match blind {
        true => Look::Blind(reason),
        false => Look::Wants(reason),
    };
    is_late(cx, draft, &look, 0)
}

fn describe_help(kind: Option<ProjectKind>, ha: bool) -> String {
    let why = if ha {
        format!("HA is on and has not brought it back; {STORES_FULL}")
    } else {
        "HA is off, so nobody starts its components".to_owned()
    };
    let how = match kind {
        Some(ProjectKind::Sync) => {
            "Connector: OPS & Monitoring > Component > Connector > Start, or POST http://<node>:8088/connector/task/startByName?taskName=<name>"
        }
        Some(ProjectKind::Migration) | None => {
            "JDBCWriter: OPS & Monitoring > Component > JDBCWriter > Start, or POST http://<node>:8088/applier/start with applierName=<name>"
        }
    };
    format!(
        "{why}. Store: OPS & Monitoring > Component > Store > New Store from before the stop. {how}. A project paused for more than 12 hours cannot be resumed"
    )
}

/// The keys read as before the upgrade.
fn put_keys_back(cx: &Context<'_>) -> Result<(), Next> {
    if !wants_pull_back(cx) {
        return Ok(());
    }
    let row = require_known(&cx.observed.metadb.ha, 2, Reason::MetaDbUnseen)?;
    let Some(config) = read_config(cx, row)? else {
        return Ok(());
    };
    let patch = build_restoring_patch(cx, &config);
    if patch.changes.is_empty() {
        return await_console(cx);
    }
    match cx.spec.ha.driver {
        // A person set them; a person is told, and nothing waits for it.
        HaDriver::Manual => Ok(()),
        driver => Err(write_row(cx, driver, patch, false)),
    }
}
