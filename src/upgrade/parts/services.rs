//! Whether OMS is up on every node. Pure.
//!
//! OMS guide, check the deployment: the five programs RUNNING; every host ONLINE; heart beats fresh.
//! Abnormal Stores and Connectors are expected while HA is off (upgrade guide, multi-node).
use crate::api::Reason;
use crate::facts::{Fact, Program, TargetFacts};
use crate::oms::container::{CONSOLE_PROGRAM, ProgramState, REQUIRED_PROGRAMS};
use crate::oms::open_api::Health;
use crate::upgrade::context::Context;
use crate::upgrade::effect::Effect;
use crate::upgrade::next::{Next, require_known};
use crate::upgrade::parts::pods::find_running_pod;
use crate::upgrade::parts::targets::Target;

/// Heart beats older than this are stale, seconds.
const STALE_HEART_BEAT: u64 = 60;

/// Every node is up, programs, hosts and heart beats alike.
pub(crate) fn await_services(cx: &Context<'_>, targets: &[Target<'_>]) -> Result<(), Next> {
    await_programs(targets, true)?;
    await_hosts(cx)
}

/// The same, while consoles may be down because `ha.config` is being written.
pub(crate) fn await_services_but_consoles(
    cx: &Context<'_>,
    targets: &[Target<'_>],
) -> Result<(), Next> {
    await_programs(targets, false)?;
    await_hosts(cx)
}

fn await_programs(targets: &[Target<'_>], consoles: bool) -> Result<(), Next> {
    for target in targets {
        let name = &target.original.name;
        find_running_pod(target)?;
        let programs = require_programs(target)?;
        let missing =
            find_missing_programs(programs).find(|missing| consoles || *missing != CONSOLE_PROGRAM);
        if let Some(missing) = missing {
            return Err(Next::trouble(
                1,
                Reason::ProgramNotRunning,
                format!("{missing} is not RUNNING on {name}"),
            ));
        }
        if consoles && target.facts.health == Fact::Known(Health::Unhealthy) {
            return Err(Next::trouble(
                1,
                Reason::Unhealthy,
                format!("/oms/health of {name} does not say healthy"),
            ));
        }
    }
    Ok(())
}

/// The programs under supervisord, once they are seen.
pub(crate) fn require_programs<'a>(target: &Target<'a>) -> Result<&'a [Program], Next> {
    let programs = target.facts.programs.as_result().map_err(|why| {
        Next::trouble(
            1,
            Reason::ProgramsUnseen,
            format!(
                "the programs of {} cannot be read: {why}",
                target.original.name
            ),
        )
    })?;
    Ok(programs)
}

fn await_hosts(cx: &Context<'_>) -> Result<(), Next> {
    let metadb = &cx.observed.metadb;
    let hosts = require_known(&metadb.hosts, 2, Reason::HostsUnseen)?;
    let beats = require_known(&metadb.heart_beats, 2, Reason::HostsUnseen)?;
    let installation = cx.status.installation.as_ref();
    let nodes = installation.map(|installation| installation.nodes.as_slice());
    for node in nodes.unwrap_or_default() {
        match hosts.iter().find(|host| &host.ip == node) {
            Some(host) if host.is_online() => {}
            Some(host) => {
                return Err(Next::trouble(
                    1,
                    Reason::HostNotOnline,
                    format!("node {node} is {}, not ONLINE", host.status),
                ));
            }
            None => {
                return Err(Next::trouble(
                    1,
                    Reason::HostNotOnline,
                    format!("node {node} is not in the host table"),
                ));
            }
        }
        if !beats
            .iter()
            .any(|beat| &beat.host_ip == node && beat.age_seconds <= STALE_HEART_BEAT)
        {
            return Err(Next::trouble(
                1,
                Reason::HeartBeatStale,
                format!("node {node} has no fresh heart beat"),
            ));
        }
    }
    Ok(())
}

/// The required programs that are not RUNNING.
pub(crate) fn find_missing_programs(programs: &[Program]) -> impl Iterator<Item = &'static str> {
    REQUIRED_PROGRAMS.into_iter().filter(|required| {
        !programs
            .iter()
            .any(|program| program.name == *required && program.state == ProgramState::Running)
    })
}

/// Process id of the console; `None` when it does not run.
pub(crate) fn find_console_pid(facts: &TargetFacts) -> Result<Option<i64>, String> {
    match &facts.programs {
        Fact::Unknown(reason) => Err(format!(
            "the programs of {} cannot be read: {reason}",
            facts.name
        )),
        Fact::Known(programs) => Ok(programs
            .iter()
            .find(|program| {
                program.name == CONSOLE_PROGRAM && program.state == ProgramState::Running
            })
            .and_then(|program| program.pid)),
    }
}

/// No console is down because it was stopped for a write of `ha.config`: such a one is started again.
pub(crate) fn revive_console(cx: &Context<'_>) -> Result<(), Next> {
    let mut targets = cx.observed.targets.iter();
    match targets.find(|facts| is_console_stopped(facts)) {
        Some(facts) => Err(Next::Do(Effect::StartConsole {
            target: facts.name.clone(),
        })),
        None => Ok(()),
    }
}

/// Whether somebody stopped the console: supervisord will not start it.
pub(crate) fn is_console_stopped(facts: &TargetFacts) -> bool {
    facts.programs.known().is_some_and(|programs| {
        programs.iter().any(|program| {
            program.name == CONSOLE_PROGRAM && program.state == ProgramState::Stopped
        })
    })
}
