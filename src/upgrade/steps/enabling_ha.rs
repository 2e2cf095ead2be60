//! HA to its goal, with the pull-back that recovery needs. Pure.
//!
//! OMS upgrade guide, single node, step 8, and FAQ: either `perceiveStoreClientCheckpoint: true`, or
//! `refetchStoreIntervalMin` greater than the minutes since OMS was stopped.
use crate::api::{HaDriver, OmsUpgradeStatus, Phase, PullBackMethod, Reason, Step};
use crate::facts::{CopyNeed, Needs};
use crate::oms::ha::{
    ENABLE, HaConfig, HaPatch, PERCEIVE_STORE_CLIENT_CHECKPOINT, RECOVERY_KEYS,
    REFETCH_STORE_INTERVAL_MIN, compute_pull_back_minutes,
};
use crate::oms::metadb::HaRow;
use crate::upgrade::context::{Context, seconds_between};
use crate::upgrade::next::{Next, require_known};
use crate::upgrade::parts::ha::{
    await_console, find_goal, find_parameters, read_config, wants_pull_back, write_row,
};
use crate::upgrade::parts::services::{
    await_services, await_services_but_consoles, revive_console,
};
use crate::upgrade::parts::standing::require_standing;
use crate::upgrade::parts::targets::read_targets;
use crate::upgrade::steps::def::{HaStage, Limit, OnFailure, StepDef};

/// What there is to know about this step.
pub(crate) const DEF: StepDef = StepDef {
    step: Step::EnablingHa,
    words: "bringing HA to its goal",
    phase: Phase::EnablingHa,
    limit: Some(Limit::Ha),
    job: None,
    looks: |_| Needs {
        templates: true,
        originals: CopyNeed::WhereMissing,
        ha: true,
        identity: true,
        programs: true,
        health: true,
        ..Needs::default()
    },
    ha: HaStage::OnItsWay,
    failure: OnFailure::Stalls,
    retries: &[],
    leads_to: &[Step::Recovering],
    decide,
};

/// Writes the goal, has it read by the consoles, reads it back.
fn decide(cx: &Context<'_>, draft: &mut OmsUpgradeStatus) -> Result<Step, Next> {
    if cx.originals().is_none() {
        return Ok(Step::Recovering);
    }
    require_standing(cx)?;
    let goal = find_goal(cx);
    let row = require_known(&cx.observed.metadb.ha, 2, Reason::MetaDbUnseen)?;
    if *row == HaRow::NoTable {
        return go_without_table(goal);
    }
    let config = read_config(cx, row)?;
    let config = config.unwrap_or_else(HaConfig::empty);
    if !is_at_goal(cx, &config, goal)? {
        // HA acts on every node: it goes on only after all of them are up (upgrade guide, multi-node).
        if goal {
            require_nodes(cx)?;
        }
        let insert = *row == HaRow::NoRow;
        return Err(write_goal(cx, &config, goal, insert)?);
    }
    await_console(cx)?;
    if goal {
        // The moment stays the same while a pause holds what comes next.
        let started = cx.status.step_started_time.as_ref();
        let known = cx.status.ha_enabled_time.as_ref();
        let is_of_this = known
            .is_some_and(|known| started.is_some_and(|since| seconds_between(since, known) >= 0));
        if !is_of_this {
            draft.ha_enabled_time = Some(cx.now.clone());
        }
    }
    Ok(Step::Recovering)
}

fn go_without_table(goal: bool) -> Result<Step, Next> {
    if !goal {
        return Ok(Step::Recovering);
    }
    Err(Next::fail(
        Reason::HaMissing,
        "this version has no table oms_normal_config, so HA cannot be switched on; start the components by hand in the console",
    ))
}

/// Every node is up; once something was done to the row or a console, consoles may be down for it.
fn require_nodes(cx: &Context<'_>) -> Result<(), Next> {
    let targets = read_targets(cx)?;
    if cx.status.internal.intent.is_some() {
        return await_services_but_consoles(cx, &targets);
    }
    revive_console(cx)?;
    await_services(cx, &targets)
}

fn write_goal(cx: &Context<'_>, config: &HaConfig, goal: bool, insert: bool) -> Result<Next, Next> {
    // Who switches it on later needs the pull-back as well.
    let patch = if wants_pull_back(cx) {
        build_enabling_patch(cx, config, goal)?
    } else {
        HaPatch::new().with_bool(ENABLE, false)
    };
    Ok(match cx.spec.ha.driver {
        HaDriver::Manual => Next::trouble(
            5,
            Reason::SwitchHaOn,
            format!(
                "switch HA in the OMS console: System Management > System Parameters > ha.config: {patch}; it is verified in the MetaDB"
            ),
        ),
        driver => write_row(cx, driver, patch, insert),
    })
}

fn is_at_goal(cx: &Context<'_>, config: &HaConfig, goal: bool) -> Result<bool, Next> {
    let setting = config.read_setting();
    let switched = setting.enable == goal;
    if !wants_pull_back(cx) {
        return Ok(switched);
    }
    let as_wanted = switched && config.satisfies(&find_free_parameters(cx));
    let Some(unattended) = measure_unattended(cx)? else {
        return Ok(as_wanted);
    };
    let pulled_back = match cx.spec.ha.pull_back.method {
        PullBackMethod::PerceiveCheckpoint => {
            setting.perceive_store_client_checkpoint == Some(true)
        }
        // Without the slack: the value written stays good for as long as the slack lasts.
        PullBackMethod::RefetchInterval => setting
            .refetch_store_interval_min
            .is_some_and(|minutes| minutes >= compute_pull_back_minutes(unattended, 0)),
    };
    Ok(as_wanted && pulled_back)
}

/// The parameters but for the keys that the pull-back writes: those come to their values when recovery is over.
fn find_free_parameters(cx: &Context<'_>) -> HaPatch {
    let written: &[&str] = match cx.spec.ha.pull_back.method {
        PullBackMethod::PerceiveCheckpoint => &[PERCEIVE_STORE_CLIENT_CHECKPOINT],
        PullBackMethod::RefetchInterval => &RECOVERY_KEYS,
    };
    let mut parameters = find_parameters(cx);
    let is_free = |key: &str| !written.contains(&key);
    parameters.changes.retain(|change| is_free(&change.key));
    parameters
}

/// For how many seconds a component that ended was not started again: the operation began, HA went off. OMS may be down
/// since then without our having seen it, for a container can end, and an abort can come while OMS is being stopped; so
/// this moment counts and not the one at which the stop was seen. Of two clocks, ours and that of the MetaDB, the one
/// that says more is believed: either may have stepped, or be another replica's. At worst the pull-back reaches further
/// back than it must.
fn measure_unattended(cx: &Context<'_>) -> Result<Option<i64>, Next> {
    let Some(since) = &cx.status.started_time else {
        return Ok(None);
    };
    let elapsed = cx.unix_now().saturating_sub(since.0.as_second());
    let Some(began) = cx.status.internal.began_by_meta_db else {
        return Ok(Some(elapsed));
    };
    let identity = require_known(&cx.observed.metadb.identity, 2, Reason::MetaDbUnseen)?;
    Ok(Some(elapsed.max(identity.clock.saturating_sub(began))))
}

/// The keys for this try: the parameters that a person wants, and over them the pull-back, computed anew each time. It
/// is never made shorter than it is: an earlier upgrade may have left it for Stores that HA has not made yet.
fn build_enabling_patch(cx: &Context<'_>, now: &HaConfig, enable: bool) -> Result<HaPatch, Next> {
    let patch = find_parameters(cx);
    let patch = match (measure_unattended(cx)?, cx.spec.ha.pull_back.method) {
        (None, _) => patch,
        (Some(_), PullBackMethod::PerceiveCheckpoint) => {
            patch.with_bool(PERCEIVE_STORE_CLIENT_CHECKPOINT, true)
        }
        (Some(unattended), PullBackMethod::RefetchInterval) => {
            let slack = u32::try_from(cx.spec.ha.pull_back.slack_minutes).unwrap_or(0);
            let present = now.read_setting().refetch_store_interval_min.unwrap_or(0);
            patch
                .with_bool(PERCEIVE_STORE_CLIENT_CHECKPOINT, false)
                .with_number(
                    REFETCH_STORE_INTERVAL_MIN,
                    compute_pull_back_minutes(unattended, slack).max(present),
                )
        }
    };
    Ok(patch.with_bool(ENABLE, enable))
}
