//! Preflight: read-only towards OMS. Probe Job, pre-pull, named checks, plan. Pure.
use super::job_step::run_job;
use super::preflight_checks::{Verdict, check_installation, check_targets};
use super::preflight_probe::check_probe;
use super::preflight_projects::check_projects;
use super::stopping_jobs::stop_own_jobs;
use super::{Context, Effect, Failure, Next, seconds_between, to_i64};
use crate::api::{
    Action, Check, CheckName, CheckOutcome, CheckPolicy, CheckResult, Estimates, JobRole,
    OmsUpgradeStatus, PlanStatus, Step, Target,
};
use crate::facts::{Fact, JobState, OwnKind, PrePullState, TargetFacts};
use crate::protocol::report::{CommandResult, ProbeReport, Trial};
use serde_json::Value;

/// Seconds that facts which cannot be read are waited for: long enough for a hiccup, short enough
/// for a wrong password.
const PATIENCE: i64 = 20;

/// Looks, tries, judges.
pub(super) fn decide_preflight(cx: &Context<'_>, draft: &mut OmsUpgradeStatus) -> Next {
    if !cx.object.finalizer {
        return Next::Do(Effect::AddFinalizer);
    }
    // Nobody is passed over because nobody was looked for.
    if let Fact::Unknown(reason) = &cx.observed.rivals {
        return Next::trouble(2, "RivalsUnseen", reason.clone());
    }
    let early = check_targets(cx);
    if early
        .iter()
        .any(|(_, verdict)| matches!(verdict, Verdict::Failed(_)))
    {
        return conclude(cx, draft, early, None);
    }
    if cx.spec.metadb.from_container.is_some() {
        match &cx.observed.leftovers {
            Fact::Unknown(reason) => return Next::trouble(2, "OwnObjectsUnseen", reason.clone()),
            Fact::Known(own) if !own.iter().any(|own| own.kind == OwnKind::Secret) => {
                return Next::Do(Effect::CreateCredentialsSecret);
            }
            Fact::Known(_) => {}
        }
    }
    let mut verdicts = early;
    verdicts.extend(check_installation(cx));
    if verdicts
        .iter()
        .any(|(_, verdict)| matches!(verdict, Verdict::Unseen(_)))
        && let Some(waiting) = wait_for_facts(cx, &verdicts)
    {
        return waiting;
    }
    if verdicts
        .iter()
        .any(|(name, verdict)| name.check.is_none() && !verdict.is_good())
    {
        return conclude(cx, draft, verdicts, None);
    }
    if let Some(next) = pull_images(cx) {
        return next;
    }
    if let Some(next) = stop_former_probe(cx) {
        return next;
    }
    let probe = match run_job(cx, draft, JobRole::Probe) {
        Err(Next::Fail(failure)) => {
            verdicts.push((
                CheckId::fixed("BackupProbe"),
                Verdict::Failed(failure.message),
            ));
            return conclude(cx, draft, verdicts, None);
        }
        Err(next) => return next,
        Ok(report) => match report.result {
            Some(CommandResult::Probe(probe)) => probe,
            _ => {
                return Next::Fail(Failure::new(
                    "ReportIncomplete",
                    "the probe Job reported success without a result",
                ));
            }
        },
    };
    verdicts.extend(check_probe(&probe));
    verdicts.extend(check_projects(cx));
    verdicts.push((CheckId::named(CheckName::ImagePullable), judge_pulls(cx)));
    if let Some(waiting) = wait_for_facts(cx, &verdicts) {
        return waiting;
    }
    conclude(cx, draft, verdicts, Some(&probe))
}

/// After an edit the probe of the former spec may still run, and two of them would drop each other's scratch databases.
fn stop_former_probe(cx: &Context<'_>) -> Option<Next> {
    matches!(cx.observed.job, Fact::Known(JobState::Absent))
        .then(|| stop_own_jobs(cx))
        .flatten()
}

/// A plan waits for `action: Run`; preflight is made again then, since the world moves on.
pub(super) fn decide_planned(cx: &Context<'_>) -> Next {
    match cx.spec.action {
        Action::Run => Next::Go(Step::Preflight),
        Action::Plan | Action::Abort | Action::RollBack => Next::Wait {
            poll: 3600,
            problem: None,
        },
    }
}

/// Name of a check: one that the user may speak about, or one that is not negotiable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CheckId {
    pub check: Option<CheckName>,
    pub fixed: &'static str,
}

impl CheckId {
    pub(super) fn named(check: CheckName) -> Self {
        Self {
            check: Some(check),
            fixed: "",
        }
    }

    pub(super) fn fixed(name: &'static str) -> Self {
        Self {
            check: None,
            fixed: name,
        }
    }

    fn text(self) -> String {
        self.check
            .map_or_else(|| self.fixed.to_owned(), |check| format!("{check:?}"))
    }
}

/// The OMS container of a target: the one named, or the only one.
pub(super) fn find_container_name(target: &Target, object: &Value) -> Option<String> {
    let containers = crate::objects::deployment::read_containers(object);
    match (&target.container, containers) {
        (Some(name), all) => all
            .iter()
            .any(|c| c.get("name").and_then(Value::as_str) == Some(name))
            .then(|| name.clone()),
        (None, [only]) => only.get("name").and_then(Value::as_str).map(str::to_owned),
        (None, _) => None,
    }
}

/// Facts that cannot be read yet are waited for, for a while. `None` when it is time to judge.
fn wait_for_facts(cx: &Context<'_>, verdicts: &[(CheckId, Verdict)]) -> Option<Next> {
    let since = cx.status.step_started_time.as_ref()?;
    if seconds_between(since, &cx.now) >= PATIENCE {
        return None;
    }
    verdicts.iter().find_map(|(name, verdict)| match verdict {
        Verdict::Unseen(reason) if find_policy(cx, *name) == CheckPolicy::Require => Some(
            Next::trouble(2, "FactsUnseen", format!("{}: {reason}", name.text())),
        ),
        _ => None,
    })
}

fn pull_images(cx: &Context<'_>) -> Option<Next> {
    if find_policy(cx, CheckId::named(CheckName::ImagePullable)) == CheckPolicy::Skip {
        return None;
    }
    cx.observed
        .prepulls
        .iter()
        .find_map(|pull| match &pull.state {
            PrePullState::Absent => Some(Next::Do(Effect::CreatePrePull {
                target: pull.target.clone(),
            })),
            PrePullState::Pending => Some(Next::watch()),
            PrePullState::Unknown(reason) => {
                Some(Next::trouble(2, "PrePullUnseen", reason.clone()))
            }
            PrePullState::Pulled | PrePullState::Failed(_) => None,
        })
}

fn judge_pulls(cx: &Context<'_>) -> Verdict {
    let failed: Vec<String> = cx
        .observed
        .prepulls
        .iter()
        .filter_map(|pull| match &pull.state {
            PrePullState::Failed(reason) => Some(format!("{} ({reason})", pull.target)),
            _ => None,
        })
        .collect();
    if let Some(target) = find_same_image(cx) {
        Verdict::Failed(format!(
            "spec.image {} is the image that Deployment {target} runs already, under another name; there is nothing to upgrade: see where the name leads",
            cx.spec.image
        ))
    } else if failed.is_empty() {
        Verdict::Passed(format!("{} is on every node", cx.spec.image))
    } else {
        Verdict::Failed(format!(
            "spec.image {} cannot be pulled on the node of {}; check the name, and imagePullSecrets of the Deployment's pod",
            cx.spec.image,
            failed.join(", ")
        ))
    }
}

/// A target whose running image is the very one that was pulled for the upgrade. Two ids that differ say nothing: an image has
/// one by each way it came to the node.
fn find_same_image<'a>(cx: &Context<'a>) -> Option<&'a str> {
    let pulled = |facts: &TargetFacts| {
        let pull = cx
            .observed
            .prepulls
            .iter()
            .find(|pull| pull.target == facts.name);
        pull.and_then(|pull| pull.image_id.as_deref())
    };
    let is_same = |facts: &&TargetFacts| {
        let pods = facts.pods.known().map(Vec::as_slice).unwrap_or_default();
        pods.iter().any(|pod| {
            pod.container.running && Some(pod.container.image_id.as_str()) == pulled(facts)
        })
    };
    let found = cx.observed.targets.iter().find(is_same)?;
    Some(&found.name)
}

/// What the user says about a check, if anything.
fn find_check<'a>(cx: &Context<'a>, id: CheckId) -> Option<&'a Check> {
    let name = id.check?;
    cx.spec.checks.iter().find(|check| check.name == name)
}

fn find_policy(cx: &Context<'_>, id: CheckId) -> CheckPolicy {
    find_check(cx, id).map_or(CheckPolicy::Require, |check| check.policy)
}

/// Whether a check must pass: the user neither attests nor skips it.
pub(super) fn is_required(cx: &Context<'_>, name: CheckName) -> bool {
    find_policy(cx, CheckId::named(name)) == CheckPolicy::Require
}

/// Writes the results into the plan and says where it goes on.
fn conclude(
    cx: &Context<'_>,
    draft: &mut OmsUpgradeStatus,
    verdicts: Vec<(CheckId, Verdict)>,
    probe: Option<&ProbeReport>,
) -> Next {
    let checks: Vec<CheckResult> = verdicts
        .into_iter()
        .map(|(id, verdict)| judge(cx, id, verdict))
        .collect();
    let failed: Vec<String> = checks
        .iter()
        .filter(|check| check.outcome == CheckOutcome::Failed)
        .map(|check| format!("{}: {}", check.name, check.message))
        .collect();
    draft.plan = Some(PlanStatus {
        checks,
        estimates: probe.map(|probe| {
            let known = probe.estimated_bytes > 0;
            Estimates {
                bytes: known.then(|| to_i64(probe.estimated_bytes)),
                dump_seconds: known.then(|| to_i64(probe.dump_seconds)),
                restore_seconds: known.then(|| to_i64(probe.restore_seconds)),
                free_bytes: to_i64(probe.free_bytes),
            }
        }),
        restore_method: probe.map(|probe| match probe.rename_across_databases {
            Trial::Unsupported(_) => "DropAndLoad".into(),
            Trial::Works | Trial::NotTried(_) | Trial::Failed(_) => "Swap".into(),
        }),
        steps: super::summary::describe_plan(cx),
    });
    if let Some(installation) = cx.observed.installation.known() {
        let identity = cx.observed.metadb.identity.known();
        let server = identity.map(|server| format!("{:?} {}", server.engine, server.version));
        let addresses = super::sessions::collect_addresses(cx);
        draft.installation = Some(installation.to_status(server, addresses));
    }
    match failed.as_slice() {
        [] if cx.spec.action == Action::Plan => Next::Go(Step::Planned),
        [] => Next::Go(Step::Locking),
        [first, rest @ ..] => {
            let more = if rest.is_empty() {
                String::new()
            } else {
                format!(" (and {} more, see status.plan.checks)", rest.len())
            };
            Next::Fail(Failure::new(
                "CheckFailed",
                format!("{first}{more}; OMS and its databases were not changed"),
            ))
        }
    }
}

/// What the user says about a check weighs in: an attestation stands for what cannot be seen, never
/// against what is seen.
fn judge(cx: &Context<'_>, id: CheckId, verdict: Verdict) -> CheckResult {
    let reason = find_check(cx, id)
        .and_then(|check| check.reason.clone())
        .unwrap_or_default();
    let (outcome, message) = match (find_policy(cx, id), verdict) {
        (CheckPolicy::Skip, _) => (CheckOutcome::Skipped, reason),
        (_, Verdict::Passed(message)) => (CheckOutcome::Passed, message),
        (_, Verdict::Warning(message)) => (CheckOutcome::Warning, message),
        (CheckPolicy::Attest, Verdict::Failed(message)) if !message.contains("policy: Skip") => {
            let help =
                "this was seen, so policy: Attest does not count; policy: Skip takes it upon you";
            (CheckOutcome::Failed, format!("{message}; {help}"))
        }
        (_, Verdict::Failed(message)) => (CheckOutcome::Failed, message),
        (CheckPolicy::Attest, Verdict::Unseen(_)) => (CheckOutcome::Attested, reason),
        (CheckPolicy::Require, Verdict::Unseen(message)) => {
            let help = id.check.map_or_else(String::new, |name| {
                format!("; if you know that it holds: checks: [{{name: {name:?}, policy: Attest, reason: \"…\"}}]")
            });
            (CheckOutcome::Failed, format!("{message}{help}"))
        }
    };
    CheckResult {
        name: id.text(),
        outcome,
        message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::OmsUpgradeSpec;
    use crate::facts::Observed;
    use crate::upgrade::ObjectFacts;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
    use serde_json::json;

    fn judge_as(policy: &str, verdict: Verdict) -> CheckResult {
        let spec: OmsUpgradeSpec = serde_json::from_value(json!({
            "targets": [{"name": "oms"}], "image": "oms:4.0.0-ce", "backup": {"claimName": "c"},
            "checks": [{"name": "ProjectsInSync", "policy": policy, "reason": "known"}]}))
        .unwrap();
        let cx = Context {
            now: Time("2026-01-01T00:00:00Z".parse().unwrap()),
            object: &ObjectFacts::default(),
            spec: &spec,
            status: &OmsUpgradeStatus::default(),
            observed: &Observed::default(),
        };
        judge(&cx, CheckId::named(CheckName::ProjectsInSync), verdict)
    }

    #[test]
    fn an_attestation_stands_for_what_is_unseen_and_is_told_where_it_does_not_count() {
        let seen = judge_as("Attest", Verdict::Failed("p1 lags 90 s".into()));
        assert_eq!(seen.outcome, CheckOutcome::Failed);
        assert!(
            seen.message
                .contains("policy: Attest does not count; policy: Skip"),
            "{}",
            seen.message
        );
        let plain = judge_as("Require", Verdict::Failed("p1 lags 90 s".into()));
        assert_eq!(plain.message, "p1 lags 90 s");
        let unseen = judge_as("Attest", Verdict::Unseen("no answer".into()));
        assert_eq!(unseen.outcome, CheckOutcome::Attested);
        let skipped = judge_as("Skip", Verdict::Failed("p1 lags 90 s".into()));
        assert_eq!(skipped.outcome, CheckOutcome::Skipped);
    }
}
