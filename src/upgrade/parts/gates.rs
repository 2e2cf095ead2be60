//! Gates: where an upgrade waits for the approval of its plan. Pure.
//!
//! Whoever may write `spec.approval` is asked for by the verb `approve`; here only the hash counts. An approval can be
//! taken back until the line: it is looked at again there where that gate is among those of the spec.
use crate::api::{Gate, OmsUpgradeStatus, PlanStatus, Reason, Step, Waiting};
use crate::upgrade::context::{Context, seconds_between};
use crate::upgrade::next::{Failure, Next};
use crate::upgrade::parts::window::hold_outside_window;

/// Waits before anything is changed: for the approval of this very plan, and for the maintenance window.
pub(crate) fn hold_at_start(cx: &Context<'_>, plan: &PlanStatus) -> Result<(), Waiting> {
    hold_at(cx, Some(plan), Gate::Start)?;
    hold_outside_window(cx, plan)
}

/// Waits before the new version is started, for as long as the approval says; then the old one starts again.
pub(crate) fn hold_at_the_line(
    cx: &Context<'_>,
    draft: &mut OmsUpgradeStatus,
    step: Step,
) -> Result<Step, Next> {
    if step != Step::StartingNew {
        return Ok(step);
    }
    let Err(waiting) = hold_at(cx, draft.plan.as_ref(), Gate::PointOfNoReturn) else {
        // One that is closed again has all of its time.
        draft.internal.gate_closed_time = None;
        return Ok(step);
    };
    let since = draft
        .internal
        .gate_closed_time
        .get_or_insert_with(|| cx.now.clone());
    let limit = cx.spec.approval.as_ref();
    let limit = limit.map_or(0, |approval| i64::from(approval.timeout.as_seconds()));
    if seconds_between(since, &cx.now) >= limit {
        return Err(Next::Fail(Failure::new(
            Reason::ApprovalTimeout,
            format!(
                "the gate PointOfNoReturn was not opened within {limit} s while OMS was stopped; the new version was never started"
            ),
        )));
    }
    let until = since.0.as_second().saturating_add(limit);
    let until = jiff::Timestamp::from_second(until)
        .map_or_else(|_| String::new(), |until| until.to_string());
    Err(Next::Wait {
        poll: 5,
        problem: Some(Waiting {
            message: format!(
                "OMS is stopped and the backup is proven; {}; without that until {until} the old version starts again",
                waiting.message
            ),
            ..waiting
        }),
    })
}

/// Whether an upgrade waits at a gate: how long is the gate's own matter, no step's.
pub(crate) fn is_gate_closed(waiting: &Waiting) -> bool {
    waiting.reason == Reason::ApprovalNeeded
}

fn hold_at(cx: &Context<'_>, plan: Option<&PlanStatus>, gate: Gate) -> Result<(), Waiting> {
    let approval = cx.spec.approval.as_ref();
    let Some(approval) = approval.filter(|approval| approval.gates.contains(&gate)) else {
        return Ok(());
    };
    let plan = plan.and_then(|plan| plan.hash.as_deref());
    let Some(plan) = plan else {
        return Err(need_approval(format!(
            "the gate {gate} is closed: there is no plan to approve yet"
        )));
    };
    match approval.plan_hash.as_deref() {
        Some(approved) if approved == plan => Ok(()),
        Some(_) => Err(need_approval(format!(
            "the gate {gate} is closed: another plan was approved than the one that is there now; read status.plan, then approve it: \
             spec.approval.planHash: {plan}"
        ))),
        None => Err(need_approval(format!(
            "the gate {gate} waits for the approval of the plan: spec.approval.planHash: {plan}"
        ))),
    }
}

fn need_approval(message: String) -> Waiting {
    Waiting {
        reason: Reason::ApprovalNeeded.into(),
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
    use serde_json::{Value, json};

    /// What is said at a gate, and when it was closed, at so many seconds.
    fn ask(approval: Value, closed: Option<&str>, now: &str) -> (Result<Step, Next>, Option<Time>) {
        let mut spec = json!({"targets": [{"name": "oms"}], "image": "oms:4.0.0-ce", "backup": {"claimName": "c"}});
        if !approval.is_null() {
            spec["approval"] = approval;
        }
        let spec: OmsUpgradeSpec = serde_json::from_value(spec).unwrap();
        let status: OmsUpgradeStatus = serde_json::from_value(json!({
            "plan": {"hash": "sha256:a"}, "internal": {"gateClosedTime": closed}}))
        .unwrap();
        let mut draft = status.clone();
        let cx = Context {
            now: Time(now.parse().unwrap()),
            object: &ObjectFacts::default(),
            spec: &spec,
            status: &status,
            observed: &Observed::default(),
        };
        let said = hold_at_the_line(&cx, &mut draft, Step::StartingNew);
        (said, draft.internal.gate_closed_time)
    }

    const NOON: &str = "2026-01-01T12:00:00Z";

    #[test]
    fn a_gate_opens_for_the_very_plan_and_where_it_is_not_asked_for() {
        for approval in [
            Value::Null,
            json!({"planHash": "sha256:a", "gates": ["PointOfNoReturn"]}),
            json!({"planHash": "sha256:other"}),
            json!({"gates": ["Start"]}),
        ] {
            let (said, _) = ask(approval.clone(), None, NOON);
            assert_eq!(said, Ok(Step::StartingNew), "{approval}");
        }
        for (approval, word) in [
            (
                json!({"gates": ["PointOfNoReturn"]}),
                "waits for the approval",
            ),
            (
                json!({"planHash": "sha256:b", "gates": ["Start", "PointOfNoReturn"]}),
                "another plan",
            ),
        ] {
            let (said, since) = ask(approval, None, NOON);
            let Err(Next::Wait {
                problem: Some(waiting),
                ..
            }) = said
            else {
                panic!("{said:?}");
            };
            assert!(is_gate_closed(&waiting));
            assert!(waiting.message.contains(word), "{waiting:?}");
            assert!(
                waiting.message.contains("2026-01-01T13:00:00Z"),
                "{waiting:?}"
            );
            assert!(since.is_some());
        }
    }

    #[test]
    fn a_gate_that_stays_closed_ends_in_an_abort() {
        let closed = json!({"gates": ["PointOfNoReturn"], "timeout": "1h"});
        let at = |now: &str| ask(closed.clone(), Some(NOON), now).0;
        assert!(matches!(at("2026-01-01T12:59:59Z"), Err(Next::Wait { .. })));
        let said = at("2026-01-01T13:00:00Z");
        assert!(
            matches!(&said, Err(Next::Fail(failure)) if failure.reason == Reason::ApprovalTimeout),
            "{said:?}"
        );
    }
}
