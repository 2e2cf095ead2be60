//! The plan: what the checks came to, and what an upgrade would do. Pure.
use crate::api::{CheckResult, Ha, HaRollbackGoal, OmsUpgradeStatus, PlanStatus, Reason, Step};
use crate::oms::ha::HaPatch;
use crate::protocol::report::{ProbeReport, Trial};
use crate::protocol::request::RestoreMethod;
use crate::upgrade::context::Context;
use crate::upgrade::next::Failure;
use crate::upgrade::parts::findings::may_begin;
use crate::upgrade::parts::recovery_keys::list_uncovered;
use crate::upgrade::parts::sessions::collect_addresses;
use crate::upgrade::steps::preflight::assumptions::look_at_assumptions;
use crate::upgrade::steps::preflight::check::CheckId;
use crate::upgrade::steps::preflight::estimate::build_estimates;
use crate::upgrade::steps::preflight::leaves::describe_leaves;
use crate::upgrade::steps::preflight::plan_hash::hash_plan;
use crate::upgrade::steps::preflight::targets::hash_targets;
use crate::upgrade::steps::preflight::verdict::{Found, Verdict, judge, judge_all};

/// Uncovered projects that the plan names.
const MOST_UNCOVERED: usize = 200;

/// Writes the results into the plan and says where it goes on.
pub(crate) fn conclude(
    cx: &Context<'_>,
    draft: &mut OmsUpgradeStatus,
    found: Vec<Found>,
    probe: Option<&ProbeReport>,
) -> Step {
    draft.internal.checked_targets = hash_targets(cx);
    let plan = write_plan(cx, draft, judge_all(cx, found), probe);
    if may_begin(cx, plan).is_ok() {
        Step::Locking
    } else {
        Step::Planned
    }
}

/// Writes a plan that is told what kept preflight, or the taking of the lock, from its end. Without `found` the former
/// plan stands, and is told so.
pub(crate) fn conclude_without_end(
    cx: &Context<'_>,
    draft: &mut OmsUpgradeStatus,
    found: Option<Vec<Found>>,
    probe: Option<&ProbeReport>,
    failure: Failure,
) {
    let own = judge(
        cx,
        Found::new(
            CheckId::Preparation,
            failure.reason.as_str(),
            Verdict::failed(&failure.message, find_way_out(&failure)),
        ),
    );
    if let Some(found) = found {
        let checks = judge_all(cx, found);
        write_plan(cx, draft, checks, probe);
    }
    let plan = draft.plan.get_or_insert_default();
    plan.checks.retain(|check| check.name != own.name);
    plan.checks.push(own);
    let mut plan = std::mem::take(plan);
    plan.hash = Some(hash_plan(cx, draft, &plan));
    draft.plan = Some(plan);
}

/// The message of a refusal begins with the name of the effect.
fn find_way_out(failure: &Failure) -> &'static str {
    match failure.reason {
        Reason::Timeout => "fix what was seen last, or raise spec.timeouts.preflight",
        Reason::EffectRefused if failure.message.contains("PrePull") => {
            "set what a LimitRange, a quota or a policy asks of pods in the chart's values below jobs (resources, podLabels, podAnnotations, \
             assignedUser); checks: [{name: ImagePullable, policy: Skip}] does without the pods that pull images"
        }
        Reason::EffectRefused => "see to it that it is allowed",
        Reason::MetaDbLocked | Reason::TargetClaimed => "wait for the other upgrade",
        _ => "fix what the message names",
    }
}

fn write_plan<'a>(
    cx: &Context<'_>,
    draft: &'a mut OmsUpgradeStatus,
    checks: Vec<CheckResult>,
    probe: Option<&ProbeReport>,
) -> &'a PlanStatus {
    let installation = cx.observed.installation.known();
    draft.installation = installation.map(|installation| {
        let identity = cx.observed.metadb.identity.known();
        let server = identity.map(|identity| identity.describe());
        installation.to_status(server, collect_addresses(cx))
    });
    let mut uncovered_projects = list_uncovered(cx);
    uncovered_projects.truncate(MOST_UNCOVERED);
    let mut plan = PlanStatus {
        hash: None,
        checks,
        image_digests: list_digests(cx),
        uncovered_projects,
        estimates: probe.map(|probe| build_estimates(cx.spec, probe)),
        restore_method: probe.map(|probe| find_restore_method(probe).as_str().into()),
        steps: describe_plan(cx),
        assumptions: Some(look_at_assumptions(cx)),
        leaves: describe_leaves(cx, probe, probe.map(find_restore_method)),
    };
    plan.hash = Some(hash_plan(cx, draft, &plan));
    draft.plan.insert(plan)
}

/// The image as it was pulled: by each way it came to a node it may have another id.
fn list_digests(cx: &Context<'_>) -> Vec<String> {
    let pulls = cx.observed.prepulls.iter();
    let mut ids: Vec<String> = pulls.filter_map(|pull| pull.image_id.clone()).collect();
    ids.sort();
    ids.dedup();
    ids
}

fn find_restore_method(probe: &ProbeReport) -> RestoreMethod {
    match probe.rename_across_databases {
        Trial::Unsupported(_) => RestoreMethod::DropAndLoad,
        Trial::Works | Trial::Failed(_) | Trial::NotTried(_) => RestoreMethod::Swap,
    }
}

/// The steps of the plan in words.
fn describe_plan(cx: &Context<'_>) -> Vec<String> {
    let names: Vec<&str> = cx
        .spec
        .targets
        .iter()
        .map(|target| target.name.as_str())
        .collect();
    let names = names.join(", ");
    vec![
        format!("switch HA off ({})", cx.spec.ha.driver),
        format!("stop {names}"),
        format!(
            "dump the databases to claim {} and prove the dump",
            cx.spec.backup.claim_name
        ),
        format!(
            "start {} with IS_UPGRADE=true (from here on the way back is a rollback)",
            cx.spec.image
        ),
        "run docker_init.sh".into(),
        format!("restart {names} normally"),
        describe_ha(&cx.spec.ha),
    ]
}

/// What becomes of HA. What is as usual is not told.
fn describe_ha(ha: &Ha) -> String {
    let mut text = format!("bring HA to its goal ({})", ha.goal);
    let parameters = ha.parameters.as_ref().map(HaPatch::of_parameters);
    if let Some(patch) = parameters.filter(|patch| !patch.changes.is_empty()) {
        text += &format!(" with {patch} where it is on then");
    }
    text += " and wait until every project advances";
    if ha.rollback_goal != HaRollbackGoal::default() {
        text += &format!("; after an abort or a rollback: {}", ha.rollback_goal);
    }
    text
}
