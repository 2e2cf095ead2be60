//! Whether OMS is up on every node. Pure.
//!
//! OMS guide, check the deployment: the five programs RUNNING; every host ONLINE; heart beats fresh.
//! Abnormal Stores and Connectors are expected while HA is off (upgrade guide, multi-node).
use crate::api::Reason;
use crate::facts::{Fact, Program, TargetFacts};
use crate::oms::container::{CONSOLE_PROGRAM, REQUIRED_PROGRAMS};
use crate::oms::open_api::Health;
use crate::upgrade::context::Context;
use crate::upgrade::effect::Effect;
use crate::upgrade::next::Next;
use crate::upgrade::parts::pods::find_running_pod;
use crate::upgrade::parts::targets::Target;

/// Heart beats older than this are stale, seconds.
const STALE_HEART_BEAT: u64 = 60;

/// `None` when every node is up, programs, hosts and heart beats alike.
pub(crate) fn await_services(cx: &Context<'_>, targets: &[Target<'_>]) -> Option<Next> {
    await_programs(targets, true).or_else(|| await_hosts(cx))
}

/// The same, while consoles may be down because `ha.config` is being written.
pub(crate) fn await_services_but_consoles(
    cx: &Context<'_>,
    targets: &[Target<'_>],
) -> Option<Next> {
    await_programs(targets, false).or_else(|| await_hosts(cx))
}

fn await_programs(targets: &[Target<'_>], consoles: bool) -> Option<Next> {
    for target in targets {
        let name = &target.original.name;
        if let Err(next) = find_running_pod(target) {
            return Some(next);
        }
        match &target.facts.programs {
            Fact::Unknown(reason) => {
                return Some(Next::trouble(
                    1,
                    Reason::ProgramsUnseen,
                    format!("the programs of {name} cannot be read: {reason}"),
                ));
            }
            Fact::Known(programs) => {
                let missing = find_missing_programs(programs)
                    .find(|missing| consoles || *missing != CONSOLE_PROGRAM);
                if let Some(missing) = missing {
                    return Some(Next::trouble(
                        1,
                        Reason::ProgramNotRunning,
                        format!("{missing} is not RUNNING on {name}"),
                    ));
                }
            }
        }
        if consoles && target.facts.health == Fact::Known(Health::Unhealthy) {
            return Some(Next::trouble(
                1,
                Reason::Unhealthy,
                format!("/oms/health of {name} does not say healthy"),
            ));
        }
    }
    None
}

fn await_hosts(cx: &Context<'_>) -> Option<Next> {
    let (hosts, beats) = match (&cx.observed.metadb.hosts, &cx.observed.metadb.heart_beats) {
        (Fact::Known(hosts), Fact::Known(beats)) => (hosts, beats),
        (Fact::Unknown(reason), _) | (_, Fact::Unknown(reason)) => {
            return Some(Next::trouble(2, Reason::HostsUnseen, reason.clone()));
        }
    };
    let nodes = cx
        .status
        .installation
        .as_ref()
        .map(|installation| installation.nodes.clone())
        .unwrap_or_default();
    for node in &nodes {
        match hosts.iter().find(|host| &host.ip == node) {
            Some(host) if host.is_online() => {}
            Some(host) => {
                return Some(Next::trouble(
                    1,
                    Reason::HostNotOnline,
                    format!("node {node} is {}, not ONLINE", host.status),
                ));
            }
            None => {
                return Some(Next::trouble(
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
            return Some(Next::trouble(
                1,
                Reason::HeartBeatStale,
                format!("node {node} has no fresh heart beat"),
            ));
        }
    }
    None
}

/// The required programs that are not RUNNING.
pub(crate) fn find_missing_programs(programs: &[Program]) -> impl Iterator<Item = &'static str> {
    REQUIRED_PROGRAMS.into_iter().filter(|required| {
        !programs
            .iter()
            .any(|program| program.name == *required && program.state == "RUNNING")
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
            .find(|program| program.name == CONSOLE_PROGRAM && program.state == "RUNNING")
            .and_then(|program| program.pid)),
    }
}

/// A console that was stopped for a write of `ha.config` is started again; `None` when there is none.
pub(crate) fn revive_console(cx: &Context<'_>) -> Option<Next> {
    cx.observed
        .targets
        .iter()
        .find(|facts| is_console_stopped(facts))
        .map(|facts| {
            Next::Do(Effect::StartConsole {
                target: facts.name.clone(),
            })
        })
}

/// Whether somebody stopped the console: supervisord will not start it.
pub(crate) fn is_console_stopped(facts: &TargetFacts) -> bool {
    facts.programs.known().is_some_and(|programs| {
        programs
            .iter()
            .any(|program| program.name == CONSOLE_PROGRAM && program.state == "STOPPED")
    })
}
