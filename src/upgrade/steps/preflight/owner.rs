//! Preflight check of who else writes a target Deployment: a tool that syncs from git, an owner, an autoscaler. Pure.
use crate::facts::{ApplicationFacts, Fact};
use crate::objects::application::{ApplicationJudgement, judge_application};
use crate::objects::deployment::find_container_name;
use crate::objects::owner::{Owner, can_pause_flux, find_scaler, list_owners};
use crate::protocol::sentence::join_clause;
use crate::upgrade::context::Context;
use crate::upgrade::steps::preflight::targets::{find_deployment, name_target};
use crate::upgrade::steps::preflight::verdict::Verdict;
use serde_json::Value;

/// Whether nobody else is known to write the Deployment.
pub(crate) fn judge_owner(cx: &Context<'_>, index: usize) -> Verdict {
    let object = match find_deployment(cx, index) {
        Ok(deployment) => &deployment.object,
        Err(_) => return Verdict::not_made(&name_target(cx, index)),
    };
    let name = &cx.spec.targets[index].name;
    let by_reference = object
        .pointer("/metadata/ownerReferences/0/kind")
        .and_then(Value::as_str);
    if let Some(kind) = by_reference {
        return tell_writer(
            name,
            &format!("it belongs to a {kind}, which would write it back"),
            "stop its owner for the time of the upgrade",
        );
    }
    let mut excused = None;
    for owner in list_owners(object) {
        match judge_tool(cx, index, object, owner) {
            verdict if verdict.is_good() => excused = Some(verdict),
            verdict => return verdict,
        }
    }
    let scaler = judge_scaler(object, name);
    match (excused, scaler.way_out) {
        (None, way_out) => Verdict { way_out, ..scaler },
        (Some(excused), None) => excused,
        // Neither hides the other.
        (Some(excused), Some(way_out)) => Verdict::warning(
            join_clause(&excused.evidence, &scaler.evidence),
            match excused.way_out {
                Some(first) => join_clause(&first, &way_out),
                None => way_out,
            },
        ),
    }
}

fn tell_writer(name: &str, owner: &str, way_out: &str) -> Verdict {
    Verdict::unseen(
        format!("somebody else may write Deployment {name} back: {owner}"),
        way_out,
    )
}

fn judge_tool(cx: &Context<'_>, index: usize, object: &Value, owner: Owner) -> Verdict {
    let target = &cx.spec.targets[index];
    let manages = format!("{} manages it", owner.tool);
    let facts = cx.observed.targets.get(index);
    let application = facts.map(|facts| &facts.application);
    let container = find_container_name(target, object);
    match (application, container) {
        (Some(Fact::Known(Some(application))), Some(container)) if owner.is_argocd() => {
            let judgement = judge_application(&application.spec, object, &container);
            tell_application(&target.name, application, &judgement)
        }
        (Some(Fact::Unknown(reason)), _) if owner.is_argocd() => tell_writer(
            &target.name,
            &format!("{manages}, and what it leaves alone cannot be read: {reason}"),
            owner.switch,
        ),
        _ => tell_writer(&target.name, &manages, owner.switch),
    }
}

/// What an Application of Argo CD makes of what the operator writes, with the lines to paste.
fn tell_application(
    target: &str,
    application: &ApplicationFacts,
    judgement: &ApplicationJudgement,
) -> Verdict {
    let ApplicationFacts { name, .. } = application;
    if judgement.leaves_alone() {
        return Verdict::passed(format!(
            "Argo CD (Application {name}) writes the Deployment, and leaves alone what the operator writes of it"
        ));
    }
    let mut wrong = Vec::new();
    let mut lines = Vec::new();
    if !judgement.written.is_empty() {
        wrong.push(format!("writes back {}", judgement.written.join(", ")));
    }
    if let Some(entry) = &judgement.missing_entry {
        lines.push(format!("add to spec.ignoreDifferences: {entry}"));
    }
    if let Some(option) = judgement.missing_option {
        wrong.push("writes in a sync also what it ignores".into());
        lines.push(format!("add to spec.syncPolicy.syncOptions: {option}"));
    }
    if let Some(option) = judgement.harmful_option {
        wrong.push(format!("takes the operator's annotations away by {option}"));
        lines.push(format!(
            "take {option} out of spec.syncPolicy.syncOptions, and out of the Deployment's annotation argocd.argoproj.io/sync-options, for the time of the upgrade"
        ));
    }
    let mut way_out = format!(
        "in Application {name}, or in what that is made from: {}",
        lines.join("; ")
    );
    if !judgement.unread.is_empty() {
        let told = format!(
            "these jqPathExpressions were not understood, so if they say the same, attest this check: {}",
            judgement.unread.join(", ")
        );
        way_out = join_clause(&way_out, &told);
    }
    let wrong = wrong.join(", and ");
    if judgement.automated {
        return tell_writer(
            target,
            &format!("Argo CD manages it, and Application {name} {wrong}"),
            &way_out,
        );
    }
    // As with Helm: it writes when somebody asks.
    let asked = "sync it, and switch automated sync on, only once git names the image that runs";
    Verdict::warning(
        format!(
            "Argo CD (Application {name}) writes Deployment {target} only when somebody syncs it, because automated sync is off; then it {wrong}"
        ),
        join_clause(
            asked,
            &format!("to be safe from a sync meanwhile, {way_out}"),
        ),
    )
}

/// An autoscaler sleeps at 0 replicas, and writes as soon as there is one again: OMS is one pod, and a second one at
/// any moment ends the upgrade.
fn judge_scaler(object: &Value, name: &str) -> Verdict {
    match find_scaler(object) {
        None if can_pause_flux(object) => Verdict::passed(
            "Flux (a Kustomization) writes the Deployment; the operator pauses it there with its first write (annotation \
             kustomize.toolkit.fluxcd.io/reconcile: disabled) and takes that off at the end",
        ),
        None => Verdict::passed("nobody else is known to write the Deployment"),
        Some(scaler) => Verdict::warning(
            format!(
                "an autoscaler ({scaler}, through the subresource scale) has set the replicas of Deployment {name}, and may do so again in the middle of the upgrade"
            ),
            format!(
                "delete or suspend the HorizontalPodAutoscaler or ScaledObject of {name} for the time of the upgrade; an OMS node is exactly 1 replica"
            ),
        ),
    }
}
