//! `docker_init.sh`, once per region, detached. Pure.
//!
//! OMS upgrade guide, single node, step 6; multi-node: once per region where the nodes' configuration
//! is the same. Its exit status is not trusted; its completion banner is. A status of 0 without one is a question:
//! see `confirming_init`.
use crate::api::{OmsUpgradeStatus, Phase, Reason, Step};
use crate::facts::{Fact, InitState, Needs};
use crate::objects::deployment::TemplateKind;
use crate::upgrade::context::Context;
use crate::upgrade::effect::Effect;
use crate::upgrade::next::{Failure, Next};
use crate::upgrade::parts::init::{record_end, record_init};
use crate::upgrade::parts::pods::find_running_pod;
use crate::upgrade::parts::shape::{Shape, require_shape};
use crate::upgrade::parts::targets::read_targets;
use crate::upgrade::steps::def::{Limit, OnFailure, StepDef};

/// What there is to know about this step.
pub(crate) const DEF: StepDef = StepDef {
    step: Step::Initializing,
    words: "running docker_init.sh",
    phase: Phase::Initializing,
    limit: Some(Limit::Init),
    job: None,
    looks: |_| Needs {
        templates: true,
        init: true,
        ..Needs::default()
    },
    failure: OnFailure::TurnsBack,
    retries: &[],
    leads_to: &[Step::StoppingForRestart],
    decide,
};

/// Starts the script where it must run and waits for its banner, one target after the other.
fn decide(cx: &Context<'_>, draft: &mut OmsUpgradeStatus) -> Next {
    let targets = match read_targets(cx) {
        Ok(targets) => targets,
        Err(next) => return next,
    };
    let shape = Shape {
        templates: vec![TemplateKind::Upgrade],
        running: true,
    };
    // Nothing is started anew here: a changed shape means that somebody else wrote it.
    if let Some(next) = require_shape(cx, &targets, &shape) {
        return next;
    }
    let wanted = cx
        .status
        .installation
        .as_ref()
        .map(|installation| installation.init_targets.clone())
        .unwrap_or_default();
    for target in targets
        .iter()
        .filter(|target| wanted.contains(&target.original.name))
    {
        let name = &target.original.name;
        let record = cx
            .status
            .init_runs
            .iter()
            .find(|record| &record.target == name);
        if record.is_some_and(|record| record.completed || record.unconfirmed.is_some()) {
            continue;
        }
        let Some(record) = record.filter(|record| !record.pod_uid.is_empty()) else {
            let pod = match find_running_pod(target) {
                Ok(pod) => pod,
                Err(next) => return next,
            };
            // Its script may still be at work: two of them at once would ruin the schema.
            if record.is_some() && target.pods.iter().any(|pod| pod.terminating) {
                return Next::trouble(
                    2,
                    Reason::FormerPodTerminating,
                    format!(
                        "a former pod of {name} is not gone yet, and docker_init.sh may still run in it"
                    ),
                );
            }
            let attempt = record.map_or(1, |failed| failed.attempt + 1);
            let run = record_init(draft, name, pod, attempt);
            return Next::Do(Effect::StartInit(Box::new(run)));
        };
        let same = target
            .pods
            .iter()
            .find(|pod| pod.uid == record.pod_uid && !pod.terminating)
            .is_some_and(|pod| {
                pod.container.running
                    && pod.container.id == record.container_id
                    && pod.container.restart_count == record.restart_count
            });
        if !same {
            return Next::Fail(Failure::new(
                Reason::InitInterrupted,
                format!(
                    "the container of {name} was restarted or replaced while docker_init.sh ran in it: how far the schema got is unknown"
                ),
            ));
        }
        return match &target.facts.init {
            Fact::Unknown(reason) => Next::trouble(
                1,
                Reason::InitUnseen,
                format!("the record of docker_init.sh in {name} cannot be read: {reason}"),
            ),
            Fact::Known(InitState::NotStarted) => {
                Next::Do(Effect::StartInit(Box::new(record.clone())))
            }
            Fact::Known(InitState::Running) => Next::poll(),
            Fact::Known(end @ (InitState::Completed | InitState::Ended { .. })) => {
                match record_end(draft, name, end) {
                    Ok(()) => continue,
                    Err(failure) => Next::Fail(failure),
                }
            }
            Fact::Known(InitState::Vanished) => Next::Fail(Failure::new(
                Reason::InitInterrupted,
                format!(
                    "docker_init.sh in {name} vanished before it ended: how far the schema got is unknown"
                ),
            )),
        };
    }
    Next::Go(Step::StoppingForRestart)
}
