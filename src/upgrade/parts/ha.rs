//! `ha.config`: written, read by the consoles, read back. Pure.
//!
//! It is cached by `oms_console` (assumed, since OMS documents no reload), so with the driver `MetaDb` the console is
//! restarted after the write.
use crate::api::{AcceptReason, Acceptance, Direction, HaDriver, HaGoal, HaRollbackGoal, Reason};
use crate::facts::TargetFacts;
use crate::oms::ha::{ENABLE, HaConfig, HaPatch, RECOVERY_KEYS};
use crate::oms::metadb::HaRow;
use crate::upgrade::context::Context;
use crate::upgrade::effect::{Effect, IntentKind};
use crate::upgrade::next::{Failure, Next, require_known};
use crate::upgrade::orders::set_ha;
use crate::upgrade::parts::acceptance::{describe_acceptance, is_accepted};
use crate::upgrade::parts::services::{find_console_pid, is_console_stopped};

/// HA reads off, and no console holds another value.
pub(crate) fn switch_off(cx: &Context<'_>) -> Result<(), Next> {
    let enabled = match require_known(&cx.observed.metadb.ha, 2, Reason::MetaDbUnseen)? {
        HaRow::NoTable | HaRow::NoRow => false,
        HaRow::Text(text) => parse_config(text)?.read_setting().enable,
    };
    if !enabled {
        return await_console(cx);
    }
    let patch = HaPatch::new().with_bool(ENABLE, false);
    Err(match cx.spec.ha.driver {
        HaDriver::Manual => Next::trouble(
            5,
            Reason::SwitchHaOff,
            "switch HA off in the OMS console: System Management > System Parameters > ha.config, \"enable\": false; it is verified in the MetaDB",
        ),
        driver => write_row(cx, driver, patch, false),
    })
}

/// While OMS is stopped the row holds HA off: nothing can overwrite it then. Only with the driver
/// `MetaDb` is it written without a console; elsewhere `refuse` says what follows.
pub(crate) fn require_ha_off(cx: &Context<'_>, refuse: impl FnOnce() -> Next) -> Result<(), Next> {
    let row = require_known(&cx.observed.metadb.ha, 2, Reason::MetaDbUnseen)?;
    let config = row.text().and_then(|text| HaConfig::parse(text).ok());
    if !config.is_some_and(|config| config.read_setting().enable) {
        return Ok(());
    }
    if cx.spec.ha.driver != HaDriver::MetaDb {
        return Err(refuse());
    }
    let patch = HaPatch::new().with_bool(ENABLE, false);
    Err(set_ha(cx, HaDriver::MetaDb, patch, false))
}

/// What the row says. One that cannot be read is not written.
pub(crate) fn parse_config(text: &str) -> Result<HaConfig, Next> {
    HaConfig::parse(text).map_err(|error| Next::fail(Reason::HaUnreadable, error.to_string()))
}

/// What the row says; nothing where this installation never had one. An update of a row that is gone changes nothing
/// and tells nobody, and one that is made anew lacks what was in it.
pub(crate) fn read_config(cx: &Context<'_>, row: &HaRow) -> Result<Option<HaConfig>, Next> {
    let originals = cx.originals();
    if *row == HaRow::NoRow && originals.is_some_and(|one| one.ha.config.is_some()) {
        return Err(Next::fail(
            Reason::HaMissing,
            "the row ha.config of oms_normal_config is gone, although it was there when the upgrade began, so HA cannot be switched; \
             put it back, its text is in status.internal.originals.ha.config",
        ));
    }
    row.text().map(parse_config).transpose()
}

/// Writes the row. Where it reads otherwise although consoles were restarted, one of them wrote back what it had cached
/// when it was stopped: then all are stopped first, the row is written while nobody can overwrite it, and they start
/// again.
pub(crate) fn write_row(cx: &Context<'_>, driver: HaDriver, patch: HaPatch, insert: bool) -> Next {
    if driver == HaDriver::MetaDb
        && is_written_back(cx)
        && let Err(next) = stop_consoles(cx)
    {
        return next;
    }
    let mut targets = cx.observed.targets.iter();
    if driver == HaDriver::OmsApi && !targets.any(|facts| facts.find_running().is_some()) {
        return Next::trouble(
            5,
            Reason::ConsoleUnseen,
            "HA is switched through a console of OMS, and no container of it runs; nothing is sent until one does",
        );
    }
    set_ha(cx, driver, patch, insert)
}

/// No console runs.
fn stop_consoles(cx: &Context<'_>) -> Result<(), Next> {
    for facts in &cx.observed.targets {
        if require_console_pid(facts)?.is_some() {
            return Err(Next::Do(Effect::StopConsole {
                target: facts.name.clone(),
            }));
        }
    }
    Ok(())
}

/// Whether the last thing done in this step was to a console: asked where the row is not as it was written before that.
fn is_written_back(cx: &Context<'_>) -> bool {
    let intent = cx.status.internal.intent.as_ref();
    let kind = intent.and_then(IntentKind::read);
    kind.is_some_and(IntentKind::is_of_console)
}

/// After a write to the row, every console is restarted once and runs again.
pub(crate) fn await_console(cx: &Context<'_>) -> Result<(), Next> {
    if cx.spec.ha.driver != HaDriver::MetaDb {
        return Ok(());
    }
    let Some(intent) = &cx.status.internal.intent else {
        return Ok(());
    };
    let targets = &cx.observed.targets;
    let kind = IntentKind::read(intent);
    // Once the first of them is stopped, all are: another one would write back what it has cached, after this one has
    // read the row.
    if kind == Some(IntentKind::StopConsole) {
        stop_consoles(cx)?;
    }
    if matches!(kind, Some(IntentKind::SetHa | IntentKind::StopConsole)) {
        return targets.first().map_or(Ok(()), restart_console);
    }
    let subject = |facts: &TargetFacts| Some(&facts.name) == intent.subject.as_ref();
    let Some(current) = targets.iter().position(subject) else {
        return Ok(());
    };
    if !kind.is_some_and(IntentKind::is_of_console) {
        return Ok(());
    }
    let facts = &targets[current];
    match require_console_pid(facts)? {
        Some(pid)
            if kind == Some(IntentKind::RestartConsole)
                && Some(pid.to_string()) == intent.before =>
        {
            restart_console(facts)
        }
        None if is_console_stopped(facts) => restart_console(facts),
        None => Err(Next::trouble(
            2,
            Reason::ConsoleStarting,
            format!("oms_console of {} starts again", facts.name),
        )),
        Some(_) => targets.get(current + 1).map_or(Ok(()), restart_console),
    }
}

fn restart_console(facts: &TargetFacts) -> Result<(), Next> {
    let target = facts.name.clone();
    Err(Next::Do(match require_console_pid(facts)? {
        Some(pid) => Effect::RestartConsole { target, pid },
        // It does not run: it reads the row when it starts.
        None => Effect::StartConsole { target },
    }))
}

fn require_console_pid(facts: &TargetFacts) -> Result<Option<i64>, Next> {
    find_console_pid(facts).map_err(|why| Next::trouble(2, Reason::ConsoleUnseen, why))
}

/// Whether HA shall be on at the end of this direction.
pub(crate) fn find_goal(cx: &Context<'_>) -> bool {
    let ha = &cx.spec.ha;
    match cx.status.direction.unwrap_or_default() {
        Direction::Forward => ha.goal == HaGoal::Enabled || was_on(cx),
        Direction::Abort | Direction::RollBack => {
            ha.rollback_goal == HaRollbackGoal::Restore && was_on(cx)
        }
    }
}

fn was_on(cx: &Context<'_>) -> bool {
    cx.originals().is_some_and(|originals| originals.ha.enabled)
}

/// Whether HA acts at the end of this direction, or as soon as a person switches it on: then the pull-back is written,
/// and goes back when it has done its work.
pub(crate) fn wants_pull_back(cx: &Context<'_>) -> bool {
    find_goal(cx) || waits_for_person(cx)
}

/// Whether HA, which was on before, stays off after a way back until a person switches it on.
fn waits_for_person(cx: &Context<'_>) -> bool {
    let back = cx.status.direction.unwrap_or_default() != Direction::Forward;
    back && was_on(cx) && cx.spec.ha.rollback_goal == HaRollbackGoal::Disabled
}

/// What a person wants of the parameters once the new version runs. The old one is given nothing: an abort has written
/// none of them, and a restore brings the row of before back.
pub(crate) fn find_parameters(cx: &Context<'_>) -> HaPatch {
    match (
        cx.status.direction.unwrap_or_default(),
        &cx.spec.ha.parameters,
    ) {
        (Direction::Forward, Some(parameters)) => HaPatch::of_parameters(parameters),
        _ => HaPatch::new(),
    }
}

/// `ha.config` as it shall read once recovery is over, but for the switch: as before the upgrade, with the parameters
/// that a person wants.
pub(crate) fn read_lasting_config(cx: &Context<'_>) -> HaConfig {
    let before = cx
        .originals()
        .and_then(|originals| HaConfig::parse(originals.ha.config.as_deref()?).ok())
        .unwrap_or_else(HaConfig::empty);
    before.apply_patch(&find_parameters(cx)).unwrap_or(before)
}

/// HA still reads as its goal says, or as a person lets it be.
pub(crate) fn require_goal(cx: &Context<'_>) -> Result<(), Next> {
    let goal = find_goal(cx);
    let row = require_known(&cx.observed.metadb.ha, 2, Reason::MetaDbUnseen)?;
    let config = read_config(cx, row)?;
    let enabled = config.is_some_and(|config| config.read_setting().enable);
    let value = format!("enable={enabled}");
    if enabled == goal || waits_for_person(cx) || is_accepted(cx, AcceptReason::HaChanged, &value) {
        return Ok(());
    }
    let accept = Acceptance {
        reason: AcceptReason::HaChanged,
        value,
    };
    let message = format!(
        "ha.config reads enable={enabled} although it was brought to enable={goal} after OMS was up: a console or somebody else wrote it; \
         the databases are as OMS left them, and no component is started by HA as it should be; set it back in the console (System \
         Management > System Parameters > ha.config, \"enable\": {goal}), then this goes on by itself; or, where it shall stay so, take it upon you: {}",
        describe_acceptance(&accept)
    );
    let failure = Failure::with_advice(Reason::HaChanged, message);
    Err(Next::Fail(failure.with_acceptance(vec![accept])))
}

/// The keys that were changed for recovery only, as they shall read after it. Empty when nothing is to do.
pub(crate) fn build_restoring_patch(cx: &Context<'_>, now: &HaConfig) -> HaPatch {
    if cx.originals().is_none() {
        return HaPatch::new();
    }
    let lasting = read_lasting_config(cx);
    RECOVERY_KEYS
        .into_iter()
        .filter(|key| now.read_value(key) != lasting.read_value(key))
        .fold(HaPatch::new(), |patch, key| {
            patch.with_value(key, lasting.read_value(key).map(str::to_owned))
        })
}
