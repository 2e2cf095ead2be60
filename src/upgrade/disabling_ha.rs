//! HA off, read back. Pure.
//!
//! OMS upgrade guide, single node, step 1. `ha.config` is cached by `oms_console` (assumed, since
//! OMS documents no reload), so with the driver `MetaDb` the console is restarted after the write.
use super::health::{find_console_pid, is_console_stopped};
use super::orders::set_ha;
use super::{Context, Effect, Failure, Next, seconds_between};
use crate::api::{HaDriver, Step};
use crate::facts::Fact;
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
            driver => write_row(cx, driver, patch, false),
        });
    }
    await_console(cx)
}

/// Writes the row. Where it reads otherwise although consoles were restarted, one of them wrote back what it had cached when
/// it was stopped: then all are stopped first, the row is written while nobody can overwrite it, and they start again.
pub(super) fn write_row(cx: &Context<'_>, driver: HaDriver, patch: HaPatch, insert: bool) -> Next {
    if driver == HaDriver::MetaDb && is_written_back(cx) {
        for facts in &cx.observed.targets {
            match find_console_pid(facts) {
                Err(reason) => return Next::trouble(2, "ConsoleUnseen", reason),
                Ok(Some(_)) => {
                    return Next::Do(Effect::StopConsole {
                        target: facts.name.clone(),
                    });
                }
                Ok(None) => {}
            }
        }
    }
    set_ha(cx, driver, patch, insert)
}

/// Whether the last thing done in this step was to a console: asked where the row is not as it was written before that.
fn is_written_back(cx: &Context<'_>) -> bool {
    cx.status.intent.as_ref().is_some_and(|intent| {
        matches!(
            intent.effect.as_str(),
            "RestartConsole" | "StopConsole" | "StartConsole"
        )
    })
}

/// After a write to the row, every console is restarted once and runs again. `None` when that is so.
pub(super) fn await_console(cx: &Context<'_>) -> Option<Next> {
    if cx.spec.ha.driver != HaDriver::MetaDb {
        return None;
    }
    let intent = cx.status.intent.as_ref()?;
    let restart = |facts: &crate::facts::TargetFacts| match find_console_pid(facts) {
        Ok(Some(pid)) => Next::Do(Effect::RestartConsole {
            target: facts.name.clone(),
            pid,
        }),
        // It does not run: it reads the row when it starts.
        Ok(None) => Next::Do(Effect::StartConsole {
            target: facts.name.clone(),
        }),
        Err(reason) => Next::trouble(2, "ConsoleUnseen", reason),
    };
    let targets = &cx.observed.targets;
    if intent.effect == "SetHa" {
        return targets.first().map(restart);
    }
    if !is_written_back(cx) {
        return None;
    }
    let current = targets
        .iter()
        .position(|facts| Some(&facts.name) == intent.subject.as_ref())?;
    let facts = &targets[current];
    match find_console_pid(facts) {
        Err(reason) => Some(Next::trouble(2, "ConsoleUnseen", reason)),
        Ok(Some(pid))
            if intent.effect == "RestartConsole" && Some(pid.to_string()) == intent.before =>
        {
            Some(Next::Do(Effect::RestartConsole {
                target: facts.name.clone(),
                pid,
            }))
        }
        Ok(None) if is_console_stopped(facts) => Some(restart(facts)),
        Ok(None) => Some(Next::trouble(
            2,
            "ConsoleStarting",
            format!("oms_console of {} starts again", facts.name),
        )),
        Ok(_) => targets.get(current + 1).map(restart),
    }
}
