//! HA off, read back. Pure.
//!
//! OMS upgrade guide, single node, step 1. `ha.config` is cached by `oms_console` (assumed, since
//! OMS documents no reload), so with the driver `MetaDb` the console is restarted after the write.
use super::health::{find_console_pid, is_console_running};
use super::{Context, Effect, Fact, Failure, Next, seconds_between};
use crate::api::{HaDriver, Step};
use crate::oms::ha::{ENABLE, HaConfig, HaPatch};
use crate::oms::metadb::HaRow;

/// Seconds that a rollback spends on switching HA off: the databases are replaced anyway.
const BEST_EFFORT_SECONDS: i64 = 60;

/// Before the old version is stopped.
pub(super) fn decide_disabling_ha(cx: &Context<'_>) -> Next {
    switch_off(cx).unwrap_or(Next::Go(Step::StoppingOld))
}

/// Before the new version is stopped for a rollback. Bounded, and never a reason to stop.
pub(super) fn decide_disabling_ha_for_rollback(cx: &Context<'_>) -> Next {
    let late = cx
        .status
        .step_started_time
        .as_ref()
        .is_some_and(|since| seconds_between(since, &cx.now) >= BEST_EFFORT_SECONDS);
    match switch_off(cx) {
        None => Next::Go(Step::StoppingNew),
        Some(Next::Fail(_) | Next::Stall(_)) => Next::Go(Step::StoppingNew),
        Some(_) if late => Next::Go(Step::StoppingNew),
        Some(next) => next,
    }
}

/// `None` when HA reads off and no console holds another value.
fn switch_off(cx: &Context<'_>) -> Option<Next> {
    let row = match &cx.observed.metadb.ha {
        Fact::Unknown(reason) => return Some(Next::trouble(2, "MetaDbUnseen", reason.clone())),
        Fact::Known(row) => row,
    };
    let enabled = match row {
        HaRow::NoTable | HaRow::NoRow => false,
        HaRow::Text(text) => match HaConfig::parse(text) {
            Ok(config) => config.read_setting().enable,
            Err(error) => return Some(Next::Fail(Failure::new("HaUnreadable", error.to_string()))),
        },
    };
    let patch = HaPatch::new().with_bool(ENABLE, false);
    if enabled {
        return Some(match cx.spec.ha.driver {
            HaDriver::Manual => Next::trouble(
                5,
                "SwitchHaOff",
                "switch HA off in the OMS console: System Management > System Parameters > ha.config, \"enable\": false; it is verified in the MetaDB",
            ),
            driver => Next::Do(Effect::SetHa {
                driver,
                patch,
                insert: false,
            }),
        });
    }
    await_console(cx)
}

/// After a write to the row, every console is restarted once and runs again. `None` when that is so.
pub(super) fn await_console(cx: &Context<'_>) -> Option<Next> {
    if cx.spec.ha.driver != HaDriver::MetaDb {
        return None;
    }
    let intent = cx.status.intent.as_ref()?;
    let restart = |facts: &super::TargetFacts| match find_console_pid(facts) {
        Ok(Some(pid)) => Next::Do(Effect::RestartConsole {
            target: facts.name.clone(),
            pid,
        }),
        // It does not run: it reads the row when it starts.
        Ok(None) => Next::poll(),
        Err(reason) => Next::trouble(2, "ConsoleUnseen", reason),
    };
    let targets = &cx.observed.targets;
    if intent.effect == "SetHa" {
        return targets.first().map(restart);
    }
    if intent.effect != "RestartConsole" {
        return None;
    }
    let current = targets
        .iter()
        .position(|facts| Some(&facts.name) == intent.subject.as_ref())?;
    let facts = &targets[current];
    match find_console_pid(facts) {
        Err(reason) => Some(Next::trouble(2, "ConsoleUnseen", reason)),
        Ok(Some(pid)) if Some(pid.to_string()) == intent.before => {
            Some(Next::Do(Effect::RestartConsole {
                target: facts.name.clone(),
                pid,
            }))
        }
        Ok(_) if !is_console_running(facts) => Some(Next::trouble(
            2,
            "ConsoleStarting",
            format!("oms_console of {} starts again", facts.name),
        )),
        Ok(_) => targets.get(current + 1).map(restart),
    }
}
