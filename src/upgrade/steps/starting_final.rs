//! The new version starts as it will start from now on. Pure.
use crate::api::{OmsUpgradeStatus, Phase, Reason, Step};
use crate::facts::{CopyNeed, Fact, InitState, Needs, PodFacts};
use crate::objects::deployment::TemplateKind;
use crate::objects::target_change::TargetChange;
use crate::upgrade::context::Context;
use crate::upgrade::effect::Effect;
use crate::upgrade::next::{Failure, Next};
use crate::upgrade::parts::init::{
    await_confirmation, blame_unconfirmed_init, record_end, record_init,
};
use crate::upgrade::parts::init_log::note_step;
use crate::upgrade::parts::pods::find_running_pod;
use crate::upgrade::parts::services::{
    await_services, find_fatal_program, lacks_program, require_settled,
};
use crate::upgrade::parts::start::bring_up;
use crate::upgrade::parts::targets::Target;
use crate::upgrade::parts::templates::refuse_old_image;
use crate::upgrade::steps::def::{HaStage, Limit, OnFailure, StepDef};

/// What there is to know about this step.
pub(crate) const DEF: StepDef = StepDef {
    step: Step::StartingFinal,
    words: "starting the new version",
    phase: Phase::Restarting,
    limit: Some(Limit::Health),
    job: None,
    looks: |_| Needs {
        templates: true,
        programs: true,
        health: true,
        init: true,
        originals: CopyNeed::WhereMissing,
        ..Needs::default()
    },
    ha: HaStage::Off,
    failure: OnFailure::TurnsBack,
    retries: &[],
    leads_to: &[Step::EnablingHa],
    decide,
};

/// The normal start of the new version. Where its programs do not come up by themselves,
/// `docker_init.sh` runs once more (the guide's check-deployment page calls it repeatable). HA is not switched on
/// before it is known to be complete.
fn decide(cx: &Context<'_>, draft: &mut OmsUpgradeStatus) -> Result<Step, Next> {
    let brought = bring_up(cx, TemplateKind::Final, &TargetChange::StartFinal);
    let targets = brought.map_err(|next| match next {
        Next::Fail(failure) if failure.reason == Reason::CrashLoop => {
            Next::Fail(blame_unconfirmed_init(cx, failure))
        }
        next => next,
    })?;
    for target in &targets {
        if let Ok(pod) = find_running_pod(target) {
            refuse_old_image(cx, target, pod)?;
        }
    }
    if let Err(next) = await_services(cx, &targets) {
        help_with_init(cx, draft, &targets)?;
        give_up_on_fatal(cx, &targets)?;
        return Err(next);
    }
    await_confirmation(cx, draft, &targets)?;
    Ok(Step::EnablingHa)
}

/// Seconds that the programs of the new version have to come up by themselves.
const SELF_START: i64 = 90;

/// Runs `docker_init.sh` once more on a target whose programs do not come up after a normal start.
fn help_with_init(
    cx: &Context<'_>,
    draft: &mut OmsUpgradeStatus,
    targets: &[Target<'_>],
) -> Result<(), Next> {
    if cx
        .count_step_seconds()
        .is_none_or(|lasted| lasted < SELF_START)
    {
        return Ok(());
    }
    for target in targets {
        let (Ok(pod), Some(_)) = (find_running_pod(target), target.facts.programs.known()) else {
            return Ok(());
        };
        if lacks_program(cx, target) {
            run_init_again(cx, draft, target, pod)?;
        }
    }
    Ok(())
}

/// supervisord starts a program that is FATAL no more, so nothing is left to wait for once `docker_init.sh`, which
/// restarts all of them, has run once more in this very pod. Two looks must show it: the first one may have read the
/// programs before the script had restarted them.
fn give_up_on_fatal(cx: &Context<'_>, targets: &[Target<'_>]) -> Result<(), Next> {
    for target in targets {
        let name = &target.original.name;
        let (Ok(pod), Some(program)) = (find_running_pod(target), find_fatal_program(cx, target))
        else {
            continue;
        };
        let mut runs = cx.status.internal.init_runs.iter();
        let ran = runs.any(|run| &run.target == name && run.pod_uid == pod.uid);
        let ended = matches!(
            target.facts.init,
            Fact::Known(InitState::Completed | InitState::Ended { .. })
        );
        if !ran || !ended {
            continue;
        }
        let message = format!(
            "{} of {name} is FATAL after a normal start and after docker_init.sh ran once more: supervisord does not try it again; before the \
             upgrade it was RUNNING",
            program.name
        );
        let mut told = cx.status.waiting.iter();
        if !told.any(|told| told.reason == Reason::ProgramFatal) {
            return Err(Next::trouble(1, Reason::ProgramFatal, message));
        }
        let log = "its log under /home/admin/logs tells why";
        let failure = Failure::new(Reason::ProgramFatal, format!("{message}; {log}"));
        return Err(Next::Fail(blame_unconfirmed_init(cx, failure)));
    }
    Ok(())
}

/// The script has run once more in this pod.
fn run_init_again(
    cx: &Context<'_>,
    draft: &mut OmsUpgradeStatus,
    target: &Target<'_>,
    pod: &PodFacts,
) -> Result<(), Next> {
    let name = &target.original.name;
    // What is missing is told meanwhile.
    let is_settled = require_settled(target).is_ok();
    let mut runs = cx.status.internal.init_runs.iter();
    let record = runs.find(|record| &record.target == name);
    let run = match record {
        Some(record) if record.pod_uid == pod.uid => match &target.facts.init {
            Fact::Known(InitState::NotStarted) if !is_settled => return Ok(()),
            Fact::Known(InitState::NotStarted) => record.clone(),
            Fact::Known(end @ (InitState::Completed | InitState::Ended { .. })) => {
                return Ok(record_end(draft, target.facts, end)?);
            }
            _ => {
                note_step(draft, target.facts);
                let step = target.facts.init_log.step;
                return Err(Next::trouble(
                    1,
                    Reason::InitOnceMore,
                    format!(
                        "the programs of {name} did not come up by themselves: docker_init.sh runs once more{}",
                        step.map_or_else(String::new, |step| format!(", at step {step}"))
                    ),
                ));
            }
        },
        _ if !is_settled => return Ok(()),
        former => {
            let attempt = former.map_or(1, |former| former.attempt + 1);
            record_init(draft, name, pod, attempt)
        }
    };
    Err(Next::Do(Effect::StartInit(Box::new(run))))
}
