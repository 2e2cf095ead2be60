//! The new version starts as it will start from now on. Pure.
use crate::api::{OmsUpgradeStatus, Phase, Reason, Step};
use crate::facts::{Fact, InitState, Needs};
use crate::objects::deployment::TemplateKind;
use crate::objects::target_change::TargetChange;
use crate::upgrade::context::{Context, seconds_between};
use crate::upgrade::effect::Effect;
use crate::upgrade::next::Next;
use crate::upgrade::parts::init::{
    await_confirmation, blame_unconfirmed_init, record_end, record_init,
};
use crate::upgrade::parts::pods::find_running_pod;
use crate::upgrade::parts::services::{await_services, find_missing_programs};
use crate::upgrade::parts::start::bring_up;
use crate::upgrade::parts::targets::Target;
use crate::upgrade::parts::templates::refuse_old_image;
use crate::upgrade::steps::def::{Limit, OnFailure, StepDef};

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
        ..Needs::default()
    },
    failure: OnFailure::TurnsBack,
    retries: &[],
    leads_to: &[Step::EnablingHa],
    decide,
};

/// The normal start of the new version. Where its programs do not come up by themselves,
/// `docker_init.sh` runs once more (the guide's check-deployment page calls it repeatable). HA is not switched on before it is
/// known to be complete.
fn decide(cx: &Context<'_>, draft: &mut OmsUpgradeStatus) -> Next {
    let targets = match bring_up(cx, TemplateKind::Final, &TargetChange::StartFinal) {
        Ok(targets) => targets,
        Err(Next::Fail(failure)) if failure.reason == Reason::CrashLoop => {
            return Next::Fail(blame_unconfirmed_init(cx, failure));
        }
        Err(next) => return next,
    };
    for target in &targets {
        if let Ok(pod) = find_running_pod(target)
            && let Some(next) = refuse_old_image(cx, target, pod)
        {
            return next;
        }
    }
    match await_services(cx, &targets) {
        None => await_confirmation(cx, draft, &targets).unwrap_or(Next::Go(Step::EnablingHa)),
        Some(next) => help_with_init(cx, draft, &targets).unwrap_or(next),
    }
}

/// Seconds that the programs of the new version have to come up by themselves.
const SELF_START: i64 = 90;

/// Runs `docker_init.sh` once more on a target whose programs do not come up after a normal start.
fn help_with_init(
    cx: &Context<'_>,
    draft: &mut OmsUpgradeStatus,
    targets: &[Target<'_>],
) -> Option<Next> {
    let since = cx.status.step_started_time.as_ref()?;
    if seconds_between(since, &cx.now) < SELF_START {
        return None;
    }
    for target in targets {
        let name = &target.original.name;
        let pod = find_running_pod(target).ok()?;
        let programs = target.facts.programs.known()?;
        if find_missing_programs(programs).next().is_none() {
            continue;
        }
        let record = cx
            .status
            .init_runs
            .iter()
            .find(|record| &record.target == name);
        if let Some(record) = record.filter(|record| record.pod_uid == pod.uid) {
            return Some(match &target.facts.init {
                Fact::Known(InitState::NotStarted) => {
                    Next::Do(Effect::StartInit(Box::new(record.clone())))
                }
                Fact::Known(end @ (InitState::Completed | InitState::Ended { .. })) => {
                    match record_end(draft, name, end) {
                        Ok(()) => continue,
                        Err(failure) => Next::Fail(failure),
                    }
                }
                _ => Next::trouble(
                    1,
                    Reason::InitOnceMore,
                    format!(
                        "the programs of {name} did not come up by themselves: docker_init.sh runs once more"
                    ),
                ),
            });
        }
        let attempt = record.map_or(1, |record| record.attempt + 1);
        let run = record_init(draft, name, pod, attempt);
        return Some(Next::Do(Effect::StartInit(Box::new(run))));
    }
    None
}
