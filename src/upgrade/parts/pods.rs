//! The pod of a target. Pure.
use crate::api::Reason;
use crate::facts::PodFacts;
use crate::objects::deployment::is_observed;
use crate::objects::replica_failure::read_replica_failure;
use crate::upgrade::next::Next;
use crate::upgrade::parts::pausing::wait_for_resumption;
use crate::upgrade::parts::targets::Target;
use crate::upgrade::parts::templates::require_current;

/// It is on a node, and stays there.
pub(crate) fn is_placed(pod: &PodFacts) -> bool {
    !pod.terminating && pod.node.is_some()
}

/// The one live pod of a target, when its container runs on the Deployment's template.
pub(crate) fn find_running_pod<'a>(target: &Target<'a>) -> Result<&'a PodFacts, Next> {
    let name = &target.original.name;
    if !is_observed(&target.deployment.object) {
        return Err(Next::watch());
    }
    let live: Vec<&PodFacts> = target.pods.iter().filter(|pod| !pod.terminating).collect();
    match live.as_slice() {
        [] => {
            wait_for_resumption(&target.deployment.object)?;
            Err(describe_refusal(target).unwrap_or_else(Next::watch))
        }
        [pod] if pod.container.running => require_current(target, pod).map(|()| *pod),
        [pod] => Err(match (&pod.unschedulable, &pod.container.waiting) {
            (Some(reason), _) => Next::trouble(
                5,
                Reason::Unschedulable,
                format!("the pod of {name} cannot be scheduled: {reason}"),
            ),
            (None, Some(reason)) => Next::trouble(
                5,
                Reason::ContainerWaiting,
                format!("the container of {name} does not run: {reason}"),
            ),
            (None, None) => Next::watch(),
        }),
        _ => Err(Next::trouble(
            5,
            Reason::SeveralPods,
            format!("{name} has more than one pod"),
        )),
    }
}

/// What Kubernetes says where it cannot make the pod of a target, or take it away.
pub(crate) fn describe_refusal(target: &Target<'_>) -> Option<Next> {
    let why = read_replica_failure(&target.deployment.object)?;
    let name = &target.original.name;
    Some(Next::trouble(
        5,
        Reason::PodRefused,
        format!(
            "Kubernetes cannot make or take away the pod of {name}: {why}; once that is out of the way this goes on by itself"
        ),
    ))
}
