//! Starting a version: new for its initialisation, new for good, old on a way back. Pure.
use super::confirming_init::{
    INIT_ONCE_MORE, await_confirmation, blame_unconfirmed_init, record_end,
};
use super::fencing::may_write_late;
use super::health::{await_services, revive_console};
use super::targets::{
    Shape, Target, bring_into_shape, describe_start_by_others, find_running_pod, has_shape,
    read_targets, was_left_alone,
};
use super::templates::{describe_unseen, find_doubt, refuse_old_image};
use super::{Context, Effect, Failure, Next};
use crate::api::{Direction, InitRecord, OmsUpgradeStatus, Step};
use crate::facts::{Fact, InitState};
use crate::objects::deployment::TemplateKind;
use crate::objects::target_change::{OldStartProof, TargetChange};

/// Restarts of one container before it is called a crash loop.
const CRASH_LOOP: i32 = 3;

/// The upgrade start (upgrade guide, single node, step 4): `IS_UPGRADE=true`, no liveness and
/// startup probes, because a probe on 8089 kills the container while the console waits for the
/// initialisation. Containers must run; readiness may well wait for the initialisation.
pub(super) fn decide_starting_new(cx: &Context<'_>) -> Next {
    let targets = match bring_up(cx, TemplateKind::Upgrade, &TargetChange::StartUpgrade) {
        Ok(targets) => targets,
        Err(next) => return next,
    };
    for target in &targets {
        match find_running_pod(target) {
            Ok(pod) if pod.container.image_id.is_empty() => return Next::watch(),
            Ok(pod) => {
                if let Some(next) = refuse_old_image(cx, target, pod) {
                    return next;
                }
            }
            Err(next) => return next,
        }
        // A container runs before its own start is done; `docker_init.sh` in the middle of that fails.
        // supervisord is the last thing that the start brings up.
        let name = &target.original.name;
        match &target.facts.programs {
            Fact::Known(programs) if !programs.is_empty() => {}
            Fact::Known(_) => {
                return Next::trouble(
                    1,
                    "SupervisorStarting",
                    format!("supervisord of {name} does not answer yet"),
                );
            }
            Fact::Unknown(reason) => {
                return Next::trouble(
                    1,
                    "ProgramsUnseen",
                    format!("the programs of {name} cannot be read: {reason}"),
                );
            }
        }
    }
    Next::Go(Step::Initializing)
}

/// The normal start of the new version. Where its programs do not come up by themselves,
/// `docker_init.sh` runs once more (the guide's check-deployment page calls it repeatable). HA is not switched on before it is
/// known to be complete.
pub(super) fn decide_starting_final(cx: &Context<'_>, draft: &mut OmsUpgradeStatus) -> Next {
    let targets = match bring_up(cx, TemplateKind::Final, &TargetChange::StartFinal) {
        Ok(targets) => targets,
        Err(Next::Fail(failure)) if failure.reason == "CrashLoop" => {
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

/// The old image on databases that suit it.
pub(super) fn decide_starting_old(cx: &Context<'_>) -> Next {
    if cx.originals().is_none() {
        return Next::Go(Step::Settling);
    }
    let Some(proof) = OldStartProof::from_status(cx.status) else {
        return Next::Stall(Failure::new(
            "ContentUnproven",
            "the new version was started and the content of the databases is not proven to suit the old image; raise spec.retries to compare it again",
        ));
    };
    // An abort that comes before OMS was stopped leaves the Deployments alone, and whatever their owner has made of them since.
    let written = cx.status.direction != Some(Direction::Abort) || may_write_late(cx);
    let brought = if written {
        bring_up(cx, TemplateKind::Old, &TargetChange::StartOld(proof))
    } else {
        read_targets(cx)
    };
    let targets = match brought {
        Ok(targets) => targets,
        Err(next) => return next,
    };
    if let Some(next) = revive_console(cx).or_else(|| await_services(cx, &targets)) {
        return next;
    }
    for target in targets.iter().filter(|_| written) {
        let Ok(pod) = find_running_pod(target) else {
            return Next::watch();
        };
        if let Some(wanted) = &target.original.image_id
            && &pod.container.image_id != wanted
        {
            return Next::Fail(Failure::new(
                "ImageDiffers",
                format!(
                    "{} runs {} although {} ran before under the same name: the tag was moved; the data is that of before the upgrade; \
                     let the tag name the old image again, delete the pod, and raise spec.retries",
                    target.original.name, pod.container.image_id, wanted
                ),
            ));
        }
    }
    Next::Go(Step::EnablingHa)
}

/// All targets on a template, none of them in a crash loop.
fn bring_up<'a>(
    cx: &'a Context<'_>,
    template: TemplateKind,
    change: &TargetChange,
) -> Result<Vec<Target<'a>>, Next> {
    let targets = read_targets(cx)?;
    let forward = cx.status.direction == Some(Direction::Forward);
    let shape = Shape {
        templates: vec![template],
        running: true,
    };
    if rests_on_the_stop(cx, change)
        && let Some(next) = targets
            .iter()
            .find_map(|target| distrust_stop(cx, target, &shape))
    {
        return Err(next);
    }
    if let Some(next) = bring_into_shape(cx, &targets, &shape, change) {
        return Err(next);
    }
    for target in &targets {
        let Some(pod) = target.pods.iter().find(|pod| !pod.terminating) else {
            continue;
        };
        if forward && pod.container.restart_count >= CRASH_LOOP {
            return Err(Next::Fail(Failure::new(
                "CrashLoop",
                format!(
                    "the container of {} restarted {} times; its logs tell why (after its pod was deleted the count begins anew)",
                    target.original.name, pod.container.restart_count
                ),
            )));
        }
        if forward
            && pod.container.id.is_empty()
            && is_pull_failure(pod.container.waiting.as_deref())
            && is_late(cx)
        {
            return Err(Next::Fail(Failure::new(
                "ImageNotPulled",
                format!(
                    "the image of {} cannot be pulled ({}); its container never ran",
                    target.original.name,
                    pod.container.waiting.as_deref().unwrap_or_default()
                ),
            )));
        }
    }
    Ok(targets)
}

/// Whether a start is right only when nobody wrote to the databases since they were backed up, compared or restored.
fn rests_on_the_stop(cx: &Context<'_>, change: &TargetChange) -> bool {
    match change {
        TargetChange::StartUpgrade => true,
        TargetChange::StartOld(_) => cx.status.direction == Some(Direction::RollBack),
        _ => false,
    }
}

/// Whether another version than the wanted one may have run on the databases, or may still come. Until that is known nobody is
/// asked to resume a target.
fn distrust_stop(cx: &Context<'_>, target: &Target<'_>, shape: &Shape) -> Option<Next> {
    let doubt = if has_shape(cx, target, shape) {
        find_doubt(target)
    } else {
        Fact::Known(!was_left_alone(cx, target))
    };
    match doubt {
        Fact::Known(false) => None,
        Fact::Known(true) => Some(describe_start_by_others(target)),
        Fact::Unknown(reason) => Some(describe_unseen(target, &reason)),
    }
}

/// Seconds until a pull that keeps failing counts as failed: a hiccup of the registry is shorter.
const PULL_PATIENCE: i64 = 30;

fn is_late(cx: &Context<'_>) -> bool {
    cx.status
        .step_started_time
        .as_ref()
        .is_some_and(|since| super::seconds_between(since, &cx.now) >= PULL_PATIENCE)
}

fn is_pull_failure(waiting: Option<&str>) -> bool {
    matches!(
        waiting,
        Some("ImagePullBackOff" | "ErrImagePull" | "InvalidImageName" | "ErrImageNeverPull")
    )
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
    if super::seconds_between(since, &cx.now) < SELF_START {
        return None;
    }
    for target in targets {
        let name = &target.original.name;
        let pod = find_running_pod(target).ok()?;
        let programs = target.facts.programs.known()?;
        if super::health::find_missing_programs(programs)
            .next()
            .is_none()
        {
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
                    INIT_ONCE_MORE,
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

/// Remembers in which container `docker_init.sh` is about to be started. What earlier runs said stands until this one says more.
pub(super) fn record_init(
    draft: &mut OmsUpgradeStatus,
    target: &str,
    pod: &crate::facts::PodFacts,
    attempt: i32,
) -> InitRecord {
    let former = draft
        .init_runs
        .iter()
        .find(|record| record.target == target)
        .cloned();
    draft.init_runs.retain(|record| record.target != target);
    let run = InitRecord {
        target: target.into(),
        pod_uid: pod.uid.clone(),
        container_id: pod.container.id.clone(),
        restart_count: pod.container.restart_count,
        attempt,
        completed: former.as_ref().is_some_and(|former| former.completed),
        unconfirmed: former.and_then(|former| former.unconfirmed),
    };
    draft.init_runs.push(run.clone());
    run
}
