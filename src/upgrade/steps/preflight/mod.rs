//! Preflight: read-only towards OMS. Probe Job, pre-pull, named checks, plan. Pure.
mod cgroup;
pub(crate) mod check;
mod images;
mod installation;
mod plan;
mod probe;
pub(crate) mod projects;
mod records;
mod sessions;
pub(crate) mod targets;

use crate::api::{CheckName, CheckPolicy, JobRole, OmsUpgradeStatus, Phase, Reason, Step};
use crate::facts::{Fact, JobState, Needs};
use crate::protocol::report::CommandResult;
use crate::upgrade::context::{Context, seconds_between};
use crate::upgrade::effect::Effect;
use crate::upgrade::next::{Next, require_known};
use crate::upgrade::parts::account::ensure_account;
use crate::upgrade::parts::job::run_job;
use crate::upgrade::parts::own_jobs::stop_own_jobs;
use crate::upgrade::steps::def::{HaStage, Limit, OnFailure, StepDef};
use crate::upgrade::steps::preflight::check::{CheckId, Verdict, find_policy};
use crate::upgrade::steps::preflight::images::{judge_pulls, pull_images};
use crate::upgrade::steps::preflight::installation::check_installation;
use crate::upgrade::steps::preflight::plan::conclude;
use crate::upgrade::steps::preflight::probe::check_probe;
use crate::upgrade::steps::preflight::projects::check_projects;
use crate::upgrade::steps::preflight::records::check_records;
use crate::upgrade::steps::preflight::targets::check_targets;

/// What there is to know about this step.
pub(crate) const DEF: StepDef = StepDef {
    step: Step::Preflight,
    words: "checking; OMS and its databases are not changed",
    phase: Phase::Preflight,
    limit: Some(Limit::Preflight),
    job: Some(JobRole::Probe),
    looks: |_| Needs {
        claim: true,
        prepulls: true,
        templates: true,
        installation: true,
        identity: true,
        ha: true,
        kept_keys: true,
        sessions: true,
        projects: true,
        progress: true,
        health: true,
        lock: true,
        cgroup: true,
        rivals: true,
        leftovers: true,
        ..Needs::default()
    },
    ha: HaStage::AsFound,
    failure: OnFailure::Ends,
    retries: &[],
    leads_to: &[Step::Planned, Step::Locking],
    decide,
};

/// Seconds that facts which cannot be read are waited for: long enough for a hiccup, short enough
/// for a wrong password.
const PATIENCE: i64 = 20;

/// Looks, tries, judges.
fn decide(cx: &Context<'_>, draft: &mut OmsUpgradeStatus) -> Result<Step, Next> {
    if !cx.object.finalizer {
        return Err(Next::Do(Effect::AddFinalizer));
    }
    // Nobody is passed over because nobody was looked for.
    require_known(&cx.observed.rivals, 2, Reason::RivalsUnseen)?;
    let mut verdicts = check_targets(cx);
    verdicts.extend(check_records(cx));
    if verdicts
        .iter()
        .any(|(_, verdict)| matches!(verdict, Verdict::Failed(_)))
    {
        return conclude(cx, draft, verdicts, None);
    }
    ensure_account(cx)?;
    verdicts.extend(check_installation(cx));
    wait_for_facts(cx, &verdicts)?;
    if verdicts
        .iter()
        .any(|(name, verdict)| name.find_negotiable().is_none() && !verdict.is_good())
    {
        return conclude(cx, draft, verdicts, None);
    }
    pull_images(cx)?;
    stop_former_probe(cx)?;
    let report = match run_job(cx, draft, JobRole::Probe) {
        Err(Next::Fail(failure)) => {
            verdicts.push((CheckId::BackupProbe, Verdict::Failed(failure.message)));
            return conclude(cx, draft, verdicts, None);
        }
        other => other?,
    };
    let Some(CommandResult::Probe(probe)) = report.result else {
        return Err(Next::fail(
            Reason::ReportIncomplete,
            "the probe Job reported success without a result",
        ));
    };
    verdicts.extend(check_probe(&probe));
    verdicts.extend(check_projects(cx));
    verdicts.push((CheckId::Named(CheckName::ImagePullable), judge_pulls(cx)));
    wait_for_facts(cx, &verdicts)?;
    conclude(cx, draft, verdicts, Some(&probe))
}

/// After an edit the probe of the former spec may still run, and two of them would drop each other's scratch databases.
fn stop_former_probe(cx: &Context<'_>) -> Result<(), Next> {
    match cx.observed.job {
        Fact::Known(JobState::Absent) => stop_own_jobs(cx),
        _ => Ok(()),
    }
}

/// Facts that cannot be read yet are waited for, for a while; then it is time to judge.
fn wait_for_facts(cx: &Context<'_>, verdicts: &[(CheckId, Verdict)]) -> Result<(), Next> {
    let since = cx.status.step_started_time.as_ref();
    if since.is_none_or(|since| seconds_between(since, &cx.now) >= PATIENCE) {
        return Ok(());
    }
    for (id, verdict) in verdicts {
        if let Verdict::Unseen(why) = verdict
            && find_policy(cx, *id) == CheckPolicy::Require
        {
            let what = format!("{}: {why}", id.name());
            return Err(Next::trouble(2, Reason::FactsUnseen, what));
        }
    }
    Ok(())
}
