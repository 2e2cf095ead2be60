//! `ha.config`: written, read by the consoles, read back. Pure.
//!
//! It is cached by `oms_console` (assumed, since OMS documents no reload), so with the driver `MetaDb` the console is
//! restarted after the write.
use crate::api::{Direction, HaDriver, HaGoal, Reason};
use crate::facts::Fact;
use crate::oms::ha::{ENABLE, HaConfig, HaPatch, RECOVERY_KEYS};
use crate::oms::metadb::HaRow;
use crate::upgrade::context::Context;
use crate::upgrade::effect::Effect;
use crate::upgrade::next::{Failure, Next};
use crate::upgrade::orders::set_ha;
use crate::upgrade::parts::services::{find_console_pid, is_console_stopped};

/// `None` when HA reads off and no console holds another value.
pub(crate) fn switch_off(cx: &Context<'_>) -> Option<Next> {
    let row = match &cx.observed.metadb.ha {
        Fact::Unknown(reason) => {
            return Some(Next::trouble(2, Reason::MetaDbUnseen, reason.clone()));
        }
        Fact::Known(row) => row,
    };
    let enabled = match row {
        HaRow::NoTable | HaRow::NoRow => false,
        HaRow::Text(text) => match HaConfig::parse(text) {
            Ok(config) => config.read_setting().enable,
            Err(error) => {
                return Some(Next::Fail(Failure::new(
                    Reason::HaUnreadable,
                    error.to_string(),
                )));
            }
        },
    };
    let patch = HaPatch::new().with_bool(ENABLE, false);
    if enabled {
        return Some(match cx.spec.ha.driver {
            HaDriver::Manual => Next::trouble(
                5,
                Reason::SwitchHaOff,
                "switch HA off in the OMS console: System Management > System Parameters > ha.config, \"enable\": false; it is verified in the MetaDB",
            ),
            driver => write_row(cx, driver, patch, false),
        });
    }
    await_console(cx)
}

/// Writes the row. Where it reads otherwise although consoles were restarted, one of them wrote back what it had cached when
/// it was stopped: then all are stopped first, the row is written while nobody can overwrite it, and they start again.
pub(crate) fn write_row(cx: &Context<'_>, driver: HaDriver, patch: HaPatch, insert: bool) -> Next {
    if driver == HaDriver::MetaDb && is_written_back(cx) {
        for facts in &cx.observed.targets {
            match find_console_pid(facts) {
                Err(reason) => return Next::trouble(2, Reason::ConsoleUnseen, reason),
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
pub(crate) fn await_console(cx: &Context<'_>) -> Option<Next> {
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
        Err(reason) => Next::trouble(2, Reason::ConsoleUnseen, reason),
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
        Err(reason) => Some(Next::trouble(2, Reason::ConsoleUnseen, reason)),
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
            Reason::ConsoleStarting,
            format!("oms_console of {} starts again", facts.name),
        )),
        Ok(_) => targets.get(current + 1).map(restart),
    }
}

/// Whether HA shall be on at the end of this direction.
pub(crate) fn find_goal(cx: &Context<'_>) -> bool {
    let before = cx.originals().is_some_and(|originals| originals.ha.enabled);
    match (cx.status.direction.unwrap_or_default(), cx.spec.ha.goal) {
        (Direction::Forward, HaGoal::Enabled) => true,
        (Direction::Forward, HaGoal::Restore) | (Direction::Abort | Direction::RollBack, _) => {
            before
        }
    }
}

/// `ha.config` before the upgrade.
pub(crate) fn read_original_config(cx: &Context<'_>) -> HaConfig {
    cx.originals()
        .and_then(|originals| HaConfig::parse(originals.ha.config.as_deref()?).ok())
        .unwrap_or_else(HaConfig::empty)
}

/// The keys that were changed for recovery only, as they were before. Empty when nothing is to do.
pub(crate) fn build_restoring_patch(cx: &Context<'_>, now: &HaConfig) -> HaPatch {
    if cx.originals().is_none() {
        return HaPatch::new();
    }
    let before = read_original_config(cx);
    RECOVERY_KEYS
        .into_iter()
        .filter(|key| now.read_value(key) != before.read_value(key))
        .fold(HaPatch::new(), |patch, key| {
            patch.with_value(key, before.read_value(key).map(str::to_owned))
        })
}
