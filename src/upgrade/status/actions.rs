//! What a person can do now, each with the command that does it. Pure.
//!
//! The commands are derived from the state alone, so that the same state always says the same.
use crate::api::{
    Acceptance, Action, ActionName, Direction, Gate, NextAction, OmsUpgradeStatus, Phase,
    RELEASE_ANNOTATION, RELEASE_VALUE, Reason, Stall, Step,
};
use crate::protocol::report::Reason as AgentReason;
use crate::upgrade::context::Context;
use crate::upgrade::parts::abandonment::is_released;
use crate::upgrade::parts::findings::is_passed;
use crate::upgrade::parts::other_image::needs_rollback;
use serde_json::{Value, json};

/// What helps first stands first. Nothing where nothing is to be done any more.
pub(crate) fn list_actions(
    cx: &Context<'_>,
    draft: &OmsUpgradeStatus,
    phase: Phase,
) -> Vec<NextAction> {
    let mut actions = Vec::new();
    let mut add = |name: ActionName, description: &str, spec: Value| {
        actions.push(NextAction {
            name,
            description: description.into(),
            command: write_command(cx, &json!({ "spec": spec })),
        });
    };
    // An object that is being deleted goes by itself, unless it stands still.
    let deleting = cx.object.deleting;
    if is_released(draft) || deleting && draft.stall.is_none() {
        return Vec::new();
    }
    if let Some(stall) = draft
        .stall
        .as_ref()
        .filter(|stall| !stall.accept.is_empty())
    {
        let text =
            "take upon you what is asked about; read the message of the condition Ready first";
        add(
            ActionName::Accept,
            text,
            json!({"accept": list_accepted(cx, &stall.accept)}),
        );
    }
    if let Some(hash) = find_plan_to_approve(cx, draft, phase) {
        let text = "approve the plan in status.plan; read it first";
        add(
            ActionName::Approve,
            text,
            json!({"approval": {"planHash": hash}}),
        );
    }
    let stall = draft.stall.as_ref();
    let loss = stall.map_or(Loss::None, |stall| judge_loss(stall, draft.step));
    if draft.stall.is_some() && !phase.is_final() && loss != Loss::OfTarget {
        let request = draft.internal.requests.name_retry();
        let text =
            "begin the step again, once what the message of the condition Ready names is fixed";
        add(ActionName::Retry, text, json!({"retryRequest": request}));
    }
    if phase == Phase::Planned {
        let passed = draft.plan.as_ref().is_some_and(is_passed);
        if cx.spec.action == Action::Plan && passed {
            let text = "begin the upgrade; the checks are made once more before";
            add(ActionName::Run, text, json!({"action": "Run"}));
        }
        let request = draft.internal.requests.name_plan();
        let text = match passed {
            true => "make the plan anew; OMS and its databases are not changed",
            false => {
                "make the plan anew, once what it found is fixed; OMS and its databases are not changed"
            }
        };
        add(ActionName::PlanAgain, text, json!({"planRequest": request}));
    }
    if goes_forward(draft, phase) && phase != Phase::Planned && draft.stall.is_none() {
        match cx.spec.paused {
            true => add(
                ActionName::Resume,
                "go on after the pause",
                json!({"paused": false}),
            ),
            false => add(
                ActionName::Pause,
                "stop at the next phase boundary; what runs goes on until there",
                json!({"paused": true}),
            ),
        }
    }
    if loss != Loss::OfTarget {
        add_way_back(draft, phase, &mut add);
    }
    if loss != Loss::None || deleting {
        let (namespace, name) = (&cx.object.namespace, &cx.object.name);
        actions.push(NextAction {
            name: ActionName::Release,
            description: "let go of it as it stands; nothing is brought back by the operator any more".into(),
            command: format!(
                "kubectl annotate omsup -n {namespace} {name} {RELEASE_ANNOTATION}={RELEASE_VALUE} && kubectl delete omsup -n {namespace} {name}"
            ),
        });
    }
    actions
}

/// What is gone that only people can bring back.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Loss {
    None,
    /// The record of the originals, the backup, or the schema that suits the old version: they can be put back from
    /// elsewhere.
    OfRecord,
    /// The Deployment that was upgraded, another one of its name is not the same; or the databases that the backup was
    /// made of.
    OfTarget,
}

fn judge_loss(stall: &Stall, step: Option<Step>) -> Loss {
    match Reason::parse(&stall.reason) {
        Some(Reason::TargetVanished | Reason::TargetReplaced | Reason::NewerUpgrade) => {
            Loss::OfTarget
        }
        Some(
            Reason::OriginalsLost
            | Reason::SchemaChanged
            | Reason::OtherImageSeen
            | Reason::BackupMissing
            | Reason::ManifestMismatch
            | Reason::Agent(AgentReason::ChecksumMismatch),
        ) => Loss::OfRecord,
        _ if step == Some(Step::FindingBackup) => Loss::OfRecord,
        _ => Loss::None,
    }
}

fn goes_forward(draft: &OmsUpgradeStatus, phase: Phase) -> bool {
    draft.direction.unwrap_or_default() == Direction::Forward && !phase.is_final()
}

/// An abort before the line, a rollback after it and after success.
fn add_way_back(
    draft: &OmsUpgradeStatus,
    phase: Phase,
    add: &mut impl FnMut(ActionName, &str, Value),
) {
    if needs_rollback(draft) && (goes_forward(draft, phase) || phase == Phase::Succeeded) {
        let text = "bring back the old version, and the data of the backup where the databases differ from it: what was changed since is lost";
        add(ActionName::RollBack, text, json!({"action": "RollBack"}));
    } else if goes_forward(draft, phase) && phase != Phase::Planned {
        let text = match draft.old_stopped_time {
            None => "bring everything back as it was; the databases were not changed",
            Some(_) => {
                "bring everything back as it was; where somebody else has changed the databases since OMS was stopped, they go back to the verified backup, or a person is asked"
            }
        };
        add(ActionName::Abort, text, json!({"action": "Abort"}));
    }
}

/// The plan that a gate waits for, now or later.
fn find_plan_to_approve<'a>(
    cx: &Context<'_>,
    draft: &'a OmsUpgradeStatus,
    phase: Phase,
) -> Option<&'a str> {
    let approval = cx.spec.approval.as_ref()?;
    let begun = draft.started_time.is_some();
    // With findings it will be another plan.
    let plan = draft
        .plan
        .as_ref()
        .filter(|plan| begun || is_passed(plan))?;
    let hash = plan.hash.as_deref()?;
    let is_ahead = match draft.point_of_no_return_time {
        Some(_) => false,
        None if begun => approval.gates.contains(&Gate::PointOfNoReturn),
        None => true,
    };
    let is_open = approval.plan_hash.as_deref() == Some(hash);
    (goes_forward(draft, phase) && is_ahead && !is_open).then_some(hash)
}

/// What was accepted before stays: a merge replaces the whole list.
fn list_accepted(cx: &Context<'_>, asked: &[Acceptance]) -> Vec<Value> {
    let known = &cx.spec.accept;
    let new = asked.iter().filter(|one| !known.contains(one));
    known
        .iter()
        .chain(new)
        .map(|one| json!({"reason": one.reason, "value": one.value}))
        .collect()
}

fn write_command(cx: &Context<'_>, patch: &Value) -> String {
    let (namespace, name) = (&cx.object.namespace, &cx.object.name);
    // The shell ends a quoted text at a quote; one that stands in it is written so.
    let patch = patch.to_string().replace('\'', "'\\''");
    format!("kubectl patch omsup -n {namespace} {name} --type=merge -p '{patch}'")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::OmsUpgradeSpec;
    use crate::facts::Observed;
    use crate::upgrade::ObjectFacts;
    use crate::upgrade::status::conditions::derive_conditions;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

    /// What can be done in a state, with what was added to the spec.
    fn list(status: Value, spec: Value) -> Vec<NextAction> {
        let status: OmsUpgradeStatus = serde_json::from_value(status).unwrap();
        let mut whole = json!({"targets": [{"name": "oms"}], "image": "oms:4.0.0-ce", "backup": {"claimName": "c"}});
        json_patch::merge(&mut whole, &spec);
        let spec: OmsUpgradeSpec = serde_json::from_value(whole.clone()).unwrap();
        let object = ObjectFacts {
            namespace: "oms".into(),
            name: "to-4-0-0".into(),
            ..ObjectFacts::default()
        };
        let cx = Context {
            now: Time("2026-01-01T00:00:00Z".parse().unwrap()),
            object: &object,
            spec: &spec,
            status: &status,
            observed: &Observed::default(),
        };
        let mut draft = status.clone();
        derive_conditions(&cx, &mut draft);
        for action in &draft.next_actions {
            let patch = read_patch(&action.command);
            let mut patched = whole.clone();
            json_patch::merge(&mut patched, &patch["spec"]);
            let read: Result<OmsUpgradeSpec, _> = serde_json::from_value(patched);
            assert!(read.is_ok_and(|read| read != spec), "{}", action.command);
        }
        assert!(draft.next_actions.len() <= 6);
        draft.next_actions
    }

    /// The patch of a command, as a shell hands it on.
    fn read_patch(command: &str) -> Value {
        let (_, quoted) = command.split_once(" -p '").unwrap();
        let text = quoted.strip_suffix('\'').unwrap().replace("'\\''", "'");
        serde_json::from_str(&text).unwrap()
    }

    fn name(status: Value, spec: Value) -> String {
        let actions = list(status, spec);
        let names: Vec<&str> = actions.iter().map(|action| action.name.as_str()).collect();
        names.join(" ")
    }

    const TIME: &str = "2026-01-01T00:00:00Z";

    #[test]
    fn what_can_be_done_follows_from_where_the_upgrade_stands() {
        let past =
            |step: &str| json!({"step": step, "startedTime": TIME, "pointOfNoReturnTime": TIME});
        let stall = json!({"reason": "Timeout", "message": "m"});
        let with = |mut status: Value, key: &str, value: &Value| {
            status[key] = value.clone();
            status
        };
        let cause = json!({"reason": "CheckFailed", "message": "m"});
        for (status, spec, wanted) in [
            (json!({"step": "Preflight"}), json!({}), "Pause Abort"),
            (
                json!({"step": "Planned", "plan": {}}),
                json!({"action": "Plan"}),
                "Run PlanAgain",
            ),
            (
                json!({"step": "Planned", "plan": {"hash": "sha256:a", "checks": [
                    {"name": "Claim", "subject": "c", "outcome": "Failed", "evidence": "e"}]}}),
                json!({"action": "Plan", "approval": {}}),
                "PlanAgain",
            ),
            (
                json!({"step": "Planned", "plan": {"hash": "sha256:a"}}),
                json!({"approval": {}}),
                "Approve PlanAgain",
            ),
            (
                json!({"step": "BackingUp", "startedTime": TIME}),
                json!({}),
                "Pause Abort",
            ),
            (
                json!({"step": "BackingUp", "startedTime": TIME}),
                json!({"paused": true}),
                "Resume Abort",
            ),
            (past("Initializing"), json!({}), "Pause RollBack"),
            (
                with(past("EnablingHa"), "stall", &stall),
                json!({}),
                "Retry RollBack",
            ),
            (
                with(past("Settling"), "settled", &json!(true)),
                json!({}),
                "RollBack",
            ),
            (
                with(json!({"step": "Settling"}), "cause", &cause),
                json!({}),
                "",
            ),
            (
                json!({"step": "Comparing", "direction": "RollBack"}),
                json!({}),
                "",
            ),
            (
                with(
                    json!({"step": "Restoring", "direction": "RollBack"}),
                    "stall",
                    &stall,
                ),
                json!({}),
                "Retry",
            ),
            (
                json!({"step": "Settling", "direction": "RollBack"}),
                json!({}),
                "",
            ),
            (
                json!({"step": "Settling", "direction": "Abort"}),
                json!({}),
                "",
            ),
        ] {
            assert_eq!(name(status.clone(), spec), wanted, "{status}");
        }
    }

    #[test]
    fn a_command_can_be_copied_as_it_is() {
        let actions = list(json!({"step": "BackingUp", "startedTime": TIME}), json!({}));
        assert_eq!(
            actions[1].command,
            "kubectl patch omsup -n oms to-4-0-0 --type=merge -p '{\"spec\":{\"action\":\"Abort\"}}'"
        );
    }

    /// An abort may end as a rollback once somebody else has started another image.
    #[test]
    fn an_abort_promises_what_it_can_keep() {
        let status = json!({"step": "BackingUp", "startedTime": TIME});
        let early = list(status.clone(), json!({}));
        assert!(early[1].description.ends_with("were not changed"));
        let mut stopped = status;
        stopped["oldStoppedTime"] = TIME.into();
        let late = list(stopped.clone(), json!({}));
        assert_eq!(late[1].name, ActionName::Abort);
        assert!(late[1].description.contains("verified backup"));
        let backup = json!({"directory": "d", "manifestDigest": "m", "verified": true});
        stopped["backup"] = backup;
        stopped["internal"] =
            json!({"otherImage": {"target": "oms", "image": "i", "seenTime": TIME}});
        assert_eq!(name(stopped, json!({})), "Pause RollBack");
    }

    #[test]
    fn a_request_is_a_text_that_counts() {
        let status = json!({"step": "EnablingHa", "startedTime": TIME, "stall": {"reason": "Timeout", "message": "m"},
            "internal": {"requests": {"retries": ["retry-2", "by hand"]}}});
        let actions = list(status, json!({"retryRequest": "by hand"}));
        let patch = read_patch(&actions[0].command);
        assert_eq!(patch["spec"]["retryRequest"], "retry-3");
    }

    #[test]
    fn what_was_accepted_before_stays() {
        let asked = json!({"reason": "ImageDiffers", "value": "it's sha256:b"});
        let known = json!({"reason": "InitUnconfirmed", "value": "oms/1/a"});
        let stall = json!({"reason": "ImageDiffers", "message": "m", "accept": [asked]});
        let status = json!({"step": "StartingOld", "direction": "RollBack", "stall": stall});
        let actions = list(status, json!({"accept": [known]}));
        assert_eq!(actions[0].name, ActionName::Accept);
        let patch = read_patch(&actions[0].command);
        assert_eq!(patch["spec"]["accept"], json!([known, asked]));
    }
}
