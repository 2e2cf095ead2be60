//! What keeps a pod from beginning its work, or from ending. Pure.
//!
//! Only the pod itself is read: who has no rights in the whole cluster sees no node. What the node controller knows of
//! a node it writes into the pods there.
use super::pods::{is_ended, read_unschedulable};
use crate::facts::{PodTrouble, PodTroubleKind};
use crate::objects::foreign_words::tell_words;
use k8s_openapi::api::core::v1::{ContainerStatus, Pod, PodStatus};
use k8s_openapi::jiff::Timestamp;

/// Seconds from the making of a pod to the start of its container that nobody has to hear of.
const BEGIN_PATIENCE: i64 = 45;

/// Seconds after its time of grace in which the kubelet tells that a pod has ended.
const END_PATIENCE: i64 = 15;

/// Longest words of the kubelet or the scheduler that are told, bytes.
const LONGEST: usize = 300;

/// Label by which the Job controller says whose a pod is.
const JOB_UID_LABEL: &str = "batch.kubernetes.io/controller-uid";

/// Finalizer by which the Job controller counts its pods.
const JOB_TRACKING: &str = "batch.kubernetes.io/job-tracking";

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
    if let Some(message) = describe_stay(pod, now) {
        return Some(PodTrouble {
            kind: PodTroubleKind::Lost,
            message,
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

/// A pod whose Job is gone and which nobody has told to end: it works on by itself. `jobs` are the uids of the Jobs
/// that there are. Nothing for a moment after its making: two lists are not of one moment.
pub fn find_orphan(pod: &Pod, jobs: &[String], now: i64) -> Option<PodTrouble> {
    let labels = pod.metadata.labels.as_ref();
    let job = labels.and_then(|labels| labels.get(JOB_UID_LABEL))?;
    let made = pod.metadata.creation_timestamp.as_ref()?.0.as_second();
    let told = pod.metadata.deletion_timestamp.is_some() || now - made < END_PATIENCE;
    if told || is_ended(pod) || jobs.contains(job) {
        return None;
    }
    Some(PodTrouble {
        kind: PodTroubleKind::Lost,
        message: format!(
            "{}: its Job was deleted without it (kubectl delete --cascade=orphan), and it works on until it comes to its end; to end it now: \
             kubectl delete pod -n {} {}",
            name_place(pod),
            read_namespace(pod),
            read_name(pod)
        ),
    })
}

/// Why nobody can tell whether a pod still works, or why it does not end, with what a person can do. `None` where it
/// has ended, and while it has time to.
pub fn describe_stay(pod: &Pod, now: i64) -> Option<String> {
    if is_ended(pod) {
        return None;
    }
    let node = find_silence(pod).map(|why| format!("{why}, so it may still be at work"));
    let hold = match &pod.metadata.deletion_timestamp {
        // The time of a deletion is the end of the grace.
        Some(end) if node.is_none() && now - end.0.as_second() < END_PATIENCE => return None,
        Some(_) => node.map_or_else(|| find_hold(pod), Hold::Node),
        None => Hold::Node(node?),
    };
    let since = describe_end_asked(pod);
    let (name, namespace) = (read_name(pod), read_namespace(pod));
    Some(match hold {
        Hold::Node(why) => format!(
            "{}: {since}{why}; bring the node back, or make sure that the node is off, then \
             kubectl delete pod -n {namespace} {name} --force --grace-period=0",
            name_place(pod),
        ),
        Hold::Finalizer(finalizer) => format!(
            "{}: {since}no container of it runs, and the finalizer {finalizer} keeps it: whoever set that has to take it off",
            name_place(pod),
        ),
    })
}

/// What keeps a pod that was told to end.
enum Hold {
    /// Its node, in words.
    Node(String),
    /// A finalizer, by name.
    Finalizer(String),
}

/// Since when it is told to end.
fn describe_end_asked(pod: &Pod) -> String {
    let Some(end) = &pod.metadata.deletion_timestamp else {
        return String::new();
    };
    let grace = pod.metadata.deletion_grace_period_seconds.unwrap_or(0);
    let since = end.0.as_second().saturating_sub(grace);
    let since = Timestamp::from_second(since).unwrap_or(end.0);
    format!("it was told to end at {since}; ")
}

/// What the node controller, or the lack of the kubelet's word, says of the node.
fn find_silence(pod: &Pod) -> Option<&'static str> {
    let status = pod.status.as_ref()?;
    if status.reason.as_deref() == Some("NodeLost") {
        return Some("its node is lost (NodeLost)");
    }
    // The kubelet writes both conditions alike; the node controller takes back the second one where the kubelet is
    // silent. A gate of readiness would be another reason for the difference.
    let gated = pod
        .spec
        .as_ref()
        .and_then(|spec| spec.readiness_gates.as_ref())
        .is_some_and(|gates| !gates.is_empty());
    let reads = |type_: &str, wanted: &str| read_condition(status, type_) == Some(wanted);
    let silent = !gated && reads("ContainersReady", "True") && reads("Ready", "False");
    silent.then_some("its node does not answer (NodeNotReady)")
}

/// What holds a pod whose time to end is over: containers that run, a finalizer, or the silence of its node.
fn find_hold(pod: &Pod) -> Hold {
    let running: Vec<&str> = list_statuses(pod)
        .filter(|status| has_state(status, "running"))
        .map(|status| status.name.as_str())
        .collect();
    let finalizers = pod.metadata.finalizers.as_deref().unwrap_or_default();
    // The Job controller takes its own one off by itself.
    let finalizer = finalizers.iter().find(|name| *name != JOB_TRACKING);
    let over = "its time to end is over, and its node has not said that";
    match finalizer {
        Some(name) if running.is_empty() => Hold::Finalizer(name.clone()),
        _ if running.is_empty() => Hold::Node(format!("{over} it ended")),
        _ => Hold::Node(format!(
            "{over} container {} ended, so it may still be at work",
            running.join(", ")
        )),
    }
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
        return Some(format!(
            "it cannot be scheduled: {}",
            tell_words(&reason, LONGEST)
        ));
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
            "its container is not created yet: a node that does not answer (kubectl get nodes), an image that is still being pulled, or a volume that cannot be \
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
        let told = tell_words(&format!("{reason} {message}"), LONGEST);
        format!("container {} waits: {told}", status.name)
    })
}

#[cfg(test)]
#[path = "pod_trouble_tests.rs"]
mod tests;
