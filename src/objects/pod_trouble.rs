//! What keeps a pod from beginning its work, or from ending. Pure.
//!
//! Only the pod itself is read: who has no rights in the whole cluster sees no node. What the node controller knows of
//! a node it writes into the pods there.
use super::pods::{is_ended, read_unschedulable};
use crate::facts::{PodTrouble, PodTroubleKind};
use k8s_openapi::api::core::v1::{ContainerStatus, Pod, PodStatus};

/// Seconds from the making of a pod to the start of its container that nobody has to hear of.
const BEGIN_PATIENCE: i64 = 45;

/// Seconds after its time of grace in which the kubelet tells that a pod has ended.
const END_PATIENCE: i64 = 15;

/// Whether the container of this name has ended and will not run again: the pods of our Jobs restart nothing. A helper
/// that somebody's webhook put beside it may run for ever, and the pod with it.
pub fn is_over(pod: &Pod, container: &str) -> bool {
    is_ended(pod) || find_container(pod, container).is_some_and(|status| has_state(status, "ended"))
}

/// Containers that still run where the one of this name has ended.
pub fn list_helpers(pod: &Pod, container: &str) -> Vec<String> {
    let helpers = list_statuses(pod).filter(|status| status.name != container);
    helpers
        .filter(|status| has_state(status, "running"))
        .map(|status| status.name.clone())
        .collect()
}

/// What is wrong with a pod that has not ended, by what it says at this time (Unix seconds). `container` is the one
/// that matters.
pub fn find_trouble(pod: &Pod, container: &str, now: i64) -> Option<PodTrouble> {
    if is_ended(pod) {
        return None;
    }
    if let Some(why) = find_loss(pod, now) {
        return Some(PodTrouble {
            kind: PodTroubleKind::Lost,
            message: describe_loss(pod, &why),
        });
    }
    let begun = find_container(pod, container).is_some_and(has_begun);
    let why = find_hindrance(pod, container, now).filter(|_| !begun)?;
    Some(PodTrouble {
        kind: PodTroubleKind::NotBegun,
        message: format!(
            "{}: {why}; kubectl describe pod -n {} {} tells more",
            name_place(pod),
            read_namespace(pod),
            read_name(pod)
        ),
    })
}

/// Why nobody can tell whether it still works: its node does not answer, or it does not end.
fn find_loss(pod: &Pod, now: i64) -> Option<String> {
    let status = pod.status.as_ref();
    if status.and_then(|status| status.reason.as_deref()) == Some("NodeLost") {
        return Some("its node is lost (NodeLost)".into());
    }
    // The kubelet writes both conditions alike; the node controller takes back the second one where the kubelet is
    // silent. A gate of readiness would be another reason for the difference.
    let gated = pod
        .spec
        .as_ref()
        .and_then(|spec| spec.readiness_gates.as_ref())
        .is_some_and(|gates| !gates.is_empty());
    let reads = |type_: &str, wanted: &str| {
        status.is_some_and(|status| read_condition(status, type_) == Some(wanted))
    };
    if !gated && reads("ContainersReady", "True") && reads("Ready", "False") {
        return Some("its node does not answer (NodeNotReady)".into());
    }
    // The time of a deletion is the end of the grace.
    let deleted = pod.metadata.deletion_timestamp.as_ref()?.0.as_second();
    (now - deleted >= END_PATIENCE).then(|| {
        "it was deleted, its time to end is over, and its node has not said that it ended".into()
    })
}

fn describe_loss(pod: &Pod, why: &str) -> String {
    format!(
        "{}: {why}, so it may still be at work; bring the node back, or make sure that the node is off, then \
         kubectl delete pod -n {} {} --force --grace-period=0",
        name_place(pod),
        read_namespace(pod),
        read_name(pod)
    )
}

fn read_name(pod: &Pod) -> &str {
    pod.metadata.name.as_deref().unwrap_or_default()
}

fn read_namespace(pod: &Pod) -> &str {
    pod.metadata.namespace.as_deref().unwrap_or_default()
}

fn read_condition<'a>(status: &'a PodStatus, type_: &str) -> Option<&'a str> {
    let mut all = status.conditions.iter().flatten();
    all.find(|condition| condition.type_ == type_)
        .map(|condition| condition.status.as_str())
}

/// The pod by name, with its node where it has one.
fn name_place(pod: &Pod) -> String {
    let node = pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref());
    match node {
        Some(node) => format!("pod {} on node {node}", read_name(pod)),
        None => format!("pod {}", read_name(pod)),
    }
}

/// Why the container has not begun.
fn find_hindrance(pod: &Pod, container: &str, now: i64) -> Option<String> {
    if let Some(reason) = read_unschedulable(pod) {
        return Some(format!("it cannot be scheduled: {reason}"));
    }
    let ours = find_container(pod, container).and_then(read_waiting);
    if let Some(why) = ours.or_else(|| list_statuses(pod).find_map(read_waiting)) {
        return Some(why);
    }
    let made = pod.metadata.creation_timestamp.as_ref()?.0.as_second();
    let waits = now - made >= BEGIN_PATIENCE;
    let placed = pod
        .spec
        .as_ref()
        .is_some_and(|spec| spec.node_name.is_some());
    let why = waits.then_some(match placed {
        true => {
            "its container is not created yet: an image that is still being pulled, or a volume that cannot be \
             attached or mounted (FailedAttachVolume, FailedMount; a claim in use on another node)"
        }
        false => "no node was chosen for it yet",
    });
    why.map(str::to_owned)
}

fn has_begun(status: &ContainerStatus) -> bool {
    has_state(status, "running") || has_state(status, "ended") || status.container_id.is_some()
}

fn has_state(status: &ContainerStatus, wanted: &str) -> bool {
    status.state.as_ref().is_some_and(|state| match wanted {
        "running" => state.running.is_some(),
        _ => state.terminated.is_some(),
    })
}

/// Init containers first, as they run.
fn list_statuses(pod: &Pod) -> impl Iterator<Item = &ContainerStatus> {
    pod.status.iter().flat_map(|status| {
        let init = status.init_container_statuses.iter().flatten();
        init.chain(status.container_statuses.iter().flatten())
    })
}

fn find_container<'a>(pod: &'a Pod, container: &str) -> Option<&'a ContainerStatus> {
    list_statuses(pod).find(|status| status.name == container)
}

/// Reason and message of a container that waits, unless that is the normal course of things.
fn read_waiting(status: &ContainerStatus) -> Option<String> {
    let waiting = status.state.as_ref()?.waiting.as_ref()?;
    let reason = waiting.reason.as_deref()?;
    let normal = matches!(reason, "ContainerCreating" | "PodInitializing");
    let message = waiting.message.as_deref().unwrap_or_default();
    (!normal).then(|| {
        let told = format!("{reason} {message}");
        format!("container {} waits: {}", status.name, told.trim())
    })
}

#[cfg(test)]
#[path = "pod_trouble_tests.rs"]
mod tests;
