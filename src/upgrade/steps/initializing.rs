//! `docker_init.sh`, once per region, detached. Pure.
//!
//! OMS upgrade guide, single node, step 6; multi-node: once per region where the nodes' configuration
//! is the same. Its exit status is not trusted; its completion banner is. A status of 0 without one is a question:
//! see `confirming_init`.
use crate::api::{InitRecord, OmsUpgradeStatus, Phase, Reason, Step};
use crate::facts::{CopyNeed, InitLog, InitState, Needs};
use crate::objects::deployment::TemplateKind;
use crate::upgrade::context::Context;
use crate::upgrade::effect::Effect;
use crate::upgrade::next::Next;
use crate::upgrade::parts::init::{record_end, record_init};
use crate::upgrade::parts::init_log::{describe_log, note_step};
use crate::upgrade::parts::pods::find_running_pod;
use crate::upgrade::parts::services::require_settled;
use crate::upgrade::parts::shape::{Shape, require_shape};
use crate::upgrade::parts::targets::{Target, read_targets};
use crate::upgrade::steps::def::{HaStage, Limit, OnFailure, StepDef};

/// What there is to know about this step.
pub(crate) const DEF: StepDef = StepDef {
    step: Step::Initializing,
    words: "running docker_init.sh",
    phase: Phase::Initializing,
    limit: Some(Limit::Init),
    job: None,
    looks: |_| Needs {
        templates: true,
        programs: true,
        init: true,
        originals: CopyNeed::WhereMissing,
        ..Needs::default()
    },
    ha: HaStage::Off,
    failure: OnFailure::TurnsBack,
    retries: &[],
    leads_to: &[Step::StoppingForRestart],
    decide,
};

/// Starts the script where it must run and waits for its banner, one target after the other.
fn decide(cx: &Context<'_>, draft: &mut OmsUpgradeStatus) -> Result<Step, Next> {
    let targets = read_targets(cx)?;
    let shape = Shape {
        templates: vec![TemplateKind::Upgrade],
        running: true,
    };
    // Nothing is started anew here: a changed shape means that somebody else wrote it.
    require_shape(cx, &targets, &shape)?;
    let installation = cx.status.installation.as_ref();
    let wanted = installation.map(|installation| installation.init_targets.as_slice());
    for target in &targets {
        if wanted.is_some_and(|wanted| wanted.contains(&target.original.name)) {
            initialize(cx, draft, target)?;
        }
    }
    Ok(Step::StoppingForRestart)
}

/// The script has run on this target, to an end that does not count against it.
fn initialize(
    cx: &Context<'_>,
    draft: &mut OmsUpgradeStatus,
    target: &Target<'_>,
) -> Result<(), Next> {
    let name = &target.original.name;
    let mut runs = cx.status.internal.init_runs.iter();
    let record = runs.find(|record| &record.target == name);
    if record.is_some_and(|record| record.completed || record.unconfirmed.is_some()) {
        return Ok(());
    }
    let Some(run) = record.filter(|record| !record.pod_uid.is_empty()) else {
        return begin_run(cx, draft, target, record);
    };
    require_container(target, run)?;
    let init = target.facts.init.as_result().map_err(|why| {
        Next::trouble(
            1,
            Reason::InitUnseen,
            format!("the record of docker_init.sh in {name} cannot be read: {why}"),
        )
    })?;
    match init {
        InitState::NotStarted => {
            require_settled(target)?;
            Err(Next::Do(Effect::StartInit(Box::new(run.clone()))))
        }
        InitState::Running => {
            note_step(draft, target.facts);
            Err(Next::poll())
        }
        InitState::Completed | InitState::Ended { .. } => {
            Ok(record_end(draft, target.facts, init)?)
        }
        InitState::Vanished => Err(Next::fail(
            Reason::InitInterrupted,
            format!(
                "docker_init.sh in {name} vanished before it ended: how far the schema got is unknown; {}",
                describe_log(&target.facts.init_log)
            ),
        )),
    }
}

/// The first run on a target, or the next one after a failed one.
fn begin_run(
    cx: &Context<'_>,
    draft: &mut OmsUpgradeStatus,
    target: &Target<'_>,
    failed: Option<&InitRecord>,
) -> Result<(), Next> {
    let name = &target.original.name;
    let pod = find_running_pod(target)?;
    // Its script may still be at work: two of them at once would ruin the schema.
    if failed.is_some() && target.pods.iter().any(|pod| pod.terminating) {
        return Err(Next::trouble(
            2,
            Reason::FormerPodTerminating,
            format!(
                "a former pod of {name} is not gone yet, and docker_init.sh may still run in it"
            ),
        ));
    }
    require_settled(target)?;
    let attempt = failed.map_or(1, |failed| failed.attempt + 1);
    if !cx.status.internal.init_runs.is_empty() {
        // The time that is over was that of another run.
        draft.step_started_time = Some(cx.now.clone());
    }
    let run = record_init(draft, name, pod, attempt);
    Err(Next::Do(Effect::StartInit(Box::new(run))))
}

/// The very container in which the script was started still runs.
fn require_container(target: &Target<'_>, run: &InitRecord) -> Result<(), Next> {
    let mut pods = target.pods.iter();
    let pod = pods.find(|pod| pod.uid == run.pod_uid && !pod.terminating);
    let same = pod.is_some_and(|pod| {
        pod.container.running
            && pod.container.id == run.container_id
            && pod.container.restart_count == run.restart_count
    });
    if same {
        return Ok(());
    }
    Err(Next::fail(
        Reason::InitInterrupted,
        format!(
            "the container of {} was restarted or replaced while docker_init.sh ran in it: how far the schema got is unknown; {}",
            target.original.name,
            describe_log(&InitLog {
                step: target.facts.init_log.step.or(run.step),
                ..target.facts.init_log.clone()
            })
        ),
    ))
}
