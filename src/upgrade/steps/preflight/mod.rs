//! Preflight: read-only towards OMS. Probe Job, pre-pull, named checks, plan. Pure.
//!
//! Whatever can be looked at is looked at: one finding hides no other. What needs something that is missing is told as
//! not made. Findings end nothing, they stand in the plan.
mod assumptions;
mod cgroup;
pub(crate) mod check;
mod estimate;
mod ha_settings;
mod health;
mod images;
mod installation;
mod leaves;
mod mounts;
mod owner;
mod plan;
mod plan_hash;
mod probe;
mod projects;
mod records;
mod sessions;
mod stored;
pub(crate) mod targets;
mod time_zones;
mod verdict;

use crate::api::{CheckName, CheckPolicy, JobRole, OmsUpgradeStatus, Phase, Reason, Step};
use crate::facts::{Fact, JobState, Needs, OwnKind};
use crate::protocol::report::{CommandResult, Outcome, ProbeReport, Report};
use crate::upgrade::context::Context;
use crate::upgrade::effect::Effect;
use crate::upgrade::lateness::{Look, is_late};
use crate::upgrade::next::{Failure, Next, require_known};
use crate::upgrade::parts::account::ensure_account;
use crate::upgrade::parts::job::run_job;
use crate::upgrade::steps::def::{HaStage, Limit, OnFailure, StepDef};
use crate::upgrade::steps::preflight::cgroup::judge_cgroup;
use crate::upgrade::steps::preflight::check::CheckId;
use crate::upgrade::steps::preflight::ha_settings::check_ha_settings;
use crate::upgrade::steps::preflight::health::{check_health, note_health};
use crate::upgrade::steps::preflight::images::{judge_pull, judge_version, pull_images};
use crate::upgrade::steps::preflight::installation::check_installation;
use crate::upgrade::steps::preflight::mounts::judge_mounts;
use crate::upgrade::steps::preflight::owner::judge_owner;
use crate::upgrade::steps::preflight::plan::{conclude, conclude_without_end};
use crate::upgrade::steps::preflight::probe::{Probing, check_probe};
use crate::upgrade::steps::preflight::projects::check_projects;
use crate::upgrade::steps::preflight::records::check_records;
use crate::upgrade::steps::preflight::stored::check_stored;
use crate::upgrade::steps::preflight::targets::{check_targets, is_claimed, judge_restart};
use crate::upgrade::steps::preflight::time_zones::check_time_zones;
use crate::upgrade::steps::preflight::verdict::{Found, Verdict, find_policy};

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
        store_limit: true,
        sessions: true,
        projects: true,
        progress: true,
        health: true,
        programs: true,
        lock: true,
        cgroup: true,
        time_zones: true,
        rivals: true,
        rehearsal: true,
        leftovers: true,
        applications: true,
        ..Needs::default()
    },
    ha: HaStage::AsFound,
    failure: OnFailure::Waits,
    retries: &[],
    leads_to: &[Step::Planned, Step::Locking],
    decide,
};

/// Seconds from which on looks count at which a fact cannot be read: several of them are more than a hiccup, and a
/// wrong password is told soon.
const PATIENCE: i64 = 20;

/// Looks, tries, judges.
fn decide(cx: &Context<'_>, draft: &mut OmsUpgradeStatus) -> Result<Step, Next> {
    if !cx.object.finalizer {
        return Err(Next::Do(Effect::AddFinalizer));
    }
    // Nobody is passed over because nobody was looked for.
    require_known(&cx.observed.rivals, 2, Reason::RivalsUnseen)?;
    let steady = note_health(cx, draft);
    if may_read_account(cx) {
        ensure_account(cx)?;
    }
    let mut report = None;
    let probe = match find_probe_needs(cx) {
        Some(needs) => Ok(Probing::NotMade(needs)),
        None => {
            run_job(cx, draft, JobRole::Probe).and_then(|ended| read_probe(report.insert(ended)))
        }
    };
    let probe = match probe {
        Err(Next::Fail(failure)) => Ok(Probing::Failed(failure.message)),
        Err(next @ Next::Do(_)) => return Err(next),
        other => other,
    };
    // The images are pulled while the Job runs.
    match (pull_images(cx), &probe) {
        (Err(next @ Next::Do(_)), _) | (Err(next), Ok(_)) => return Err(next),
        _ => {}
    }
    let probing = probe?;
    let found = check_all(cx, &probing);
    wait_for_facts(cx, draft, &found)?;
    if !steady {
        return Err(Next::watch());
    }
    Ok(conclude(cx, draft, found, probing.report()))
}

/// What is known when a step before the start does not come to its end stands in the plan, with the reason.
pub(crate) fn tell_failure(cx: &Context<'_>, draft: &mut OmsUpgradeStatus, failure: Failure) {
    if cx.status.step != Some(Step::Preflight) {
        return conclude_without_end(cx, draft, None, None, failure);
    }
    let probing = find_probe_needs(cx).map_or_else(|| look_for_probe(cx), Probing::NotMade);
    let found = check_all(cx, &probing);
    conclude_without_end(cx, draft, Some(found), probing.report(), failure);
}

/// Judges one target, by its place in the spec.
type Judge = fn(&Context<'_>, usize) -> Verdict;

/// Everything that is looked at.
fn check_all(cx: &Context<'_>, probing: &Probing<'_>) -> Vec<Found> {
    let mut found = check_targets(cx);
    found.extend(check_records(cx));
    found.extend(check_installation(cx));
    let judges: [(CheckName, Judge); 6] = [
        (CheckName::SourceVersion, judge_version),
        (CheckName::CgroupVersion, judge_cgroup),
        (CheckName::OldImageRestarts, judge_restart),
        (CheckName::MountsKept, judge_mounts),
        (CheckName::NoOtherOwner, judge_owner),
        (CheckName::ImagePullable, judge_pull),
    ];
    for (name, judge) in judges {
        for (index, target) in cx.spec.targets.iter().enumerate() {
            let id = CheckId::Named(name);
            found.push(Found::new(id, &target.name, judge(cx, index)));
        }
    }
    found.extend(check_stored(cx));
    found.extend(check_health(cx));
    found.extend(check_ha_settings(cx));
    found.extend(check_time_zones(cx));
    found.extend(check_projects(cx));
    found.extend(check_probe(cx, probing));
    found
}

/// The account that has to be read from the containers can be read where each target has one that runs.
fn may_read_account(cx: &Context<'_>) -> bool {
    let own = cx.observed.leftovers.known();
    let known = own.is_some_and(|own| own.iter().any(|own| own.kind == OwnKind::Secret));
    let mut targets = cx.observed.targets.iter();
    known || targets.all(|facts| facts.find_running().is_some())
}

/// What is missing for the probe: it needs claim, MetaDB and account, and it must not come between another upgrade
/// and its databases.
fn find_probe_needs(cx: &Context<'_>) -> Option<String> {
    let rivals = cx.observed.rivals.known().is_none_or(|all| !all.is_empty());
    if rivals {
        return Some("OneUpgrade".into());
    }
    if is_claimed(cx) {
        return Some("Targets without the record of another upgrade".into());
    }
    let needed = [
        CheckId::Claim,
        CheckId::Installation,
        CheckId::MetaDb,
        CheckId::OneUpgradePerMetaDb,
    ];
    let found = check_installation(cx);
    let missing: Vec<String> = found
        .iter()
        .filter(|one| needed.contains(&one.id) && !one.verdict.is_good())
        .map(|one| format!("{} {}", one.id.name(), one.subject))
        .collect();
    if missing.is_empty() {
        return match &cx.observed.account {
            Fact::Known(_) => None,
            Fact::Unknown(_) => Some("an account of the MetaDB".into()),
        };
    }
    Some(missing.join(", "))
}

/// The answer of a Job that succeeded.
fn read_probe(report: &Report) -> Result<Probing<'_>, Next> {
    Ok(match &report.result {
        Some(CommandResult::Probe(probe)) => Probing::Reported(probe),
        _ => Probing::Failed("the probe Job reported success without a result".into()),
    })
}

/// What the newest Job has come to, without doing anything about it.
fn look_for_probe<'a>(cx: &Context<'a>) -> Probing<'a> {
    let mut jobs = cx.status.internal.jobs.iter();
    let job = jobs.find(|job| job.role == JobRole::Probe);
    let is_ours = |report: &&Report| {
        report.upgrade_uid == cx.marks()
            && report.outcome == Outcome::Succeeded
            && job.is_some_and(|job| job.attempt == report.attempt)
    };
    let ended = match &cx.observed.job {
        Fact::Known(JobState::Ended { report, .. }) => report.as_deref().filter(is_ours),
        _ => None,
    };
    let result = ended.and_then(|report| report.result.as_ref());
    match result {
        Some(CommandResult::Probe(probe)) => Probing::Reported(probe),
        _ => Probing::NotMade("the end of the probe Job".into()),
    }
}

impl Probing<'_> {
    fn report(&self) -> Option<&ProbeReport> {
        match self {
            Self::Reported(report) => Some(report),
            Self::Failed(_) | Self::NotMade(_) => None,
        }
    }
}

/// Facts that cannot be read yet are waited for, from the first look that did not see them; then it is time to judge.
/// What the API server does not tell is waited for as long as preflight may last.
fn wait_for_facts(
    cx: &Context<'_>,
    draft: &mut OmsUpgradeStatus,
    found: &[Found],
) -> Result<(), Next> {
    let required = |one: &&Found| find_policy(cx, one.id) == CheckPolicy::Require;
    let find = |kind: fn(&Found) -> bool| found.iter().filter(required).find(|one| kind(one));
    let lost = find(|one| one.verdict.is_unread() && is_lost(one.id));
    let unread = lost.or_else(|| find(|one| one.verdict.is_unread()));
    let Some(one) = unread.or_else(|| find(|one| one.verdict.is_unseen())) else {
        return Ok(());
    };
    let name = one.id.name();
    let lasted = cx.count_step_seconds().unwrap_or(0);
    let limit = match lost {
        Some(_) => Limit::Preflight.read_seconds(cx.spec),
        None => PATIENCE,
    };
    // What was seen not to show enough is judged at once.
    let mut judged = || unread.is_none() || is_late(cx, draft, &Look::Blind(name), 0);
    if lasted >= limit && judged() {
        return Ok(());
    }
    let what = format!("{name} {}: {}", one.subject, one.verdict.evidence);
    Err(Next::trouble(2, Reason::FactsUnseen, what))
}

/// Checks on nothing but what the API server tells: unread, its answer was lost.
fn is_lost(id: CheckId) -> bool {
    matches!(id, CheckId::Claim | CheckId::Targets | CheckId::OneUpgrade)
}
