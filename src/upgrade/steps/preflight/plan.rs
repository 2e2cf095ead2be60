//! The plan: what the checks came to, and what an upgrade would do. Pure.
use crate::api::{
    Action, CheckOutcome, CheckResult, Estimates, OmsUpgradeStatus, PlanStatus, Reason, Step,
};
use crate::protocol::report::{ProbeReport, Trial};
use crate::protocol::request::RestoreMethod;
use crate::protocol::sentence::join_clause;
use crate::upgrade::context::{Context, to_i64};
use crate::upgrade::next::Next;
use crate::upgrade::parts::sessions::collect_addresses;
use crate::upgrade::steps::preflight::check::{CheckId, Verdict, judge};
use crate::upgrade::steps::preflight::leaves::describe_leaves;

/// Writes the results into the plan and says where it goes on.
pub(crate) fn conclude(
    cx: &Context<'_>,
    draft: &mut OmsUpgradeStatus,
    verdicts: Vec<(CheckId, Verdict)>,
    probe: Option<&ProbeReport>,
) -> Result<Step, Next> {
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
        restore_method: probe.map(|probe| find_restore_method(probe).as_str().into()),
        steps: describe_plan(cx),
        leaves: describe_leaves(cx, probe, probe.map(find_restore_method)),
    });
    if let Some(installation) = cx.observed.installation.known() {
        let identity = cx.observed.metadb.identity.known();
        let server = identity.map(|identity| identity.describe());
        draft.installation = Some(installation.to_status(server, collect_addresses(cx)));
    }
    match failed.as_slice() {
        [] if cx.spec.action == Action::Plan => Ok(Step::Planned),
        [] => Ok(Step::Locking),
        [first, rest @ ..] => {
            let more = if rest.is_empty() {
                String::new()
            } else {
                format!(" (and {} more, see status.plan.checks)", rest.len())
            };
            Err(Next::fail(
                Reason::CheckFailed,
                join_clause(
                    &format!("{first}{more}"),
                    "OMS and its databases were not changed",
                ),
            ))
        }
    }
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
        format!(
            "bring HA to its goal ({}) and wait until every project advances",
            cx.spec.ha.goal
        ),
    ]
}
