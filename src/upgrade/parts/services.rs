//! Whether OMS is up on every node. Pure.
//!
//! OMS guide, check the deployment: the five programs RUNNING; every host ONLINE; heart beats fresh.
//! Abnormal Stores and Connectors are expected while HA is off (upgrade guide, multi-node).
use crate::api::Reason;
use crate::facts::{Fact, Program, TargetFacts};
use crate::oms::container::{CONSOLE_PROGRAM, ProgramState};
use crate::upgrade::context::Context;
use crate::upgrade::effect::Effect;
use crate::upgrade::next::{Next, require_known};
use crate::upgrade::parts::health::{
    Answer, Question, ask_nodes, ask_target, find_node_online, is_demanded, was_well,
};
use crate::upgrade::parts::pods::find_running_pod;
use crate::upgrade::parts::targets::{Target, goes_forward};

/// Every node is up, programs, hosts and heart beats alike.
pub(crate) fn await_services(cx: &Context<'_>, targets: &[Target<'_>]) -> Result<(), Next> {
    await_programs(cx, targets, true)?;
    await_nodes(cx)
}

/// The same, while consoles may be down because `ha.config` is being written.
pub(crate) fn await_services_but_consoles(
    cx: &Context<'_>,
    targets: &[Target<'_>],
) -> Result<(), Next> {
    await_programs(cx, targets, false)?;
    await_nodes(cx)
}

fn await_programs(cx: &Context<'_>, targets: &[Target<'_>], consoles: bool) -> Result<(), Next> {
    for target in targets {
        find_running_pod(target)?;
        for answer in ask_target(target.facts) {
            let of_console = matches!(
                answer.question,
                Question::Program(CONSOLE_PROGRAM) | Question::Page
            );
            if consoles || !of_console {
                require(cx, answer)?;
            }
        }
    }
    Ok(())
}

/// What is asked of OMS is well.
fn require(cx: &Context<'_>, answer: Answer) -> Result<(), Next> {
    if answer.is_well() || !is_demanded(cx, &answer) {
        return Ok(());
    }
    let (reason, message) = answer.describe_trouble();
    Err(Next::trouble(1, reason, message))
}

fn await_nodes(cx: &Context<'_>) -> Result<(), Next> {
    let metadb = &cx.observed.metadb;
    let known = cx.status.internal.health_baseline.is_some();
    if !known || goes_forward(cx) {
        require_known(&metadb.hosts, 2, Reason::HostsUnseen)?;
    }
    if !known {
        require_known(&metadb.heart_beats, 2, Reason::HostsUnseen)?;
    }
    for answer in ask_nodes(cx) {
        require(cx, answer)?;
    }
    if known && goes_forward(cx) && find_node_online(cx) == Some(false) {
        let nobody = "no node is ONLINE in the host table of the MetaDB";
        return Err(Next::trouble(1, Reason::HostNotOnline, nobody));
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

/// No program is in the middle of its own start, into which `docker_init.sh` would come with a restart of all of them
/// (upgrade guide V4.2.2, single node, step 6: all components run, then the script). supervisord is the last thing that
/// the start of a container brings up.
pub(crate) fn require_settled(target: &Target<'_>) -> Result<(), Next> {
    let programs = require_programs(target)?;
    let name = &target.original.name;
    let starting = programs
        .iter()
        .find(|program| program.state == ProgramState::Starting);
    let message = match starting {
        _ if programs.is_empty() => format!("supervisord of {name} does not answer yet"),
        Some(program) => format!(
            "{} of {name} is STARTING; docker_init.sh waits until no program is",
            program.name
        ),
        None => return Ok(()),
    };
    Err(Next::trouble(1, Reason::SupervisorStarting, message))
}

/// A program that ran before the upgrade and that supervisord has given up.
pub(crate) fn find_fatal_program<'a>(cx: &Context<'_>, target: &Target<'a>) -> Option<&'a Program> {
    let baseline = cx.status.internal.health_baseline.as_ref()?;
    let ran = |program: &Program| {
        let mut answers = ask_target(target.facts).into_iter();
        answers.any(|answer| {
            answer.question.word() == program.name
                && !answer.is_well()
                && was_well(baseline, &answer)
        })
    };
    let mut programs = target.facts.programs.known()?.iter();
    programs.find(|program| program.state == ProgramState::Fatal && ran(program))
}

/// Whether a program that is asked for is seen not to run.
pub(crate) fn lacks_program(cx: &Context<'_>, target: &Target<'_>) -> bool {
    let mut answers = ask_target(target.facts).into_iter();
    answers.any(|answer| {
        matches!(answer.question, Question::Program(_))
            && !answer.is_well()
            && is_demanded(cx, &answer)
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
