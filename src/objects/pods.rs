//! Reads pods and Jobs as the API server shows them. Pure.
use super::foreign_words::tell_words;
use super::jobs::AGENT_CONTAINER;
use super::labels::is_ours;
use super::prepull::PULL_CONTAINER;
use crate::facts::{ContainerFacts, Fact, PodFacts, PrePullState};
use crate::protocol::report::{OutputLine, Progress, Report};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ContainerStatus, Pod};

/// Seconds that an image may fail to be pulled before the pre-pull counts as failed: a hiccup of a
/// registry is shorter.
const PULL_PATIENCE: i64 = 20;

/// Whether a pod has ended: no container of it runs or will run again.
pub fn is_ended(pod: &Pod) -> bool {
    matches!(read_phase(pod), "Succeeded" | "Failed")
}

fn read_phase(pod: &Pod) -> &str {
    pod.status
        .as_ref()
        .and_then(|status| status.phase.as_deref())
        .unwrap_or_default()
}

/// By its name: somebody's webhook may put another one before it.
fn find_status<'a>(pod: &'a Pod, name: &str) -> Option<&'a ContainerStatus> {
    list_containers(pod)
        .iter()
        .find(|status| status.name == name)
}

fn list_containers(pod: &Pod) -> &[ContainerStatus] {
    pod.status
        .as_ref()
        .and_then(|status| status.container_statuses.as_deref())
        .unwrap_or_default()
}

/// Reads a target's pod; `container` names the one that runs OMS.
pub fn read_pod(pod: &Pod, container: &str) -> PodFacts {
    PodFacts {
        name: pod.metadata.name.clone().unwrap_or_default(),
        uid: pod.metadata.uid.clone().unwrap_or_default(),
        node: pod.spec.as_ref().and_then(|spec| spec.node_name.clone()),
        ip: pod
            .status
            .as_ref()
            .and_then(|status| status.pod_ip.clone())
            .filter(|ip| !ip.is_empty()),
        terminating: pod.metadata.deletion_timestamp.is_some(),
        stay: None,
        created: pod
            .metadata
            .creation_timestamp
            .as_ref()
            .map_or(0, |time| time.0.as_second()),
        unschedulable: read_unschedulable(pod),
        template: Fact::default(),
        container: find_status(pod, container)
            .map(read_container)
            .unwrap_or_default(),
    }
}

/// Why it cannot be scheduled, in the scheduler's words.
pub fn read_unschedulable(pod: &Pod) -> Option<String> {
    let mut conditions = pod.status.as_ref()?.conditions.iter().flatten();
    conditions
        .find(|condition| {
            condition.type_ == "PodScheduled"
                && condition.status == "False"
                && condition.reason.as_deref() == Some("Unschedulable")
        })
        .map(|condition| condition.message.clone().unwrap_or_default())
}

fn read_container(status: &ContainerStatus) -> ContainerFacts {
    let state = status.state.as_ref();
    ContainerFacts {
        running: state.is_some_and(|state| state.running.is_some()),
        ready: status.ready,
        id: status.container_id.clone().unwrap_or_default(),
        image_id: status.image_id.clone(),
        restart_count: status.restart_count,
        waiting: read_waiting(status),
    }
}

/// Why a container waits, unless that is the normal course of things.
fn read_waiting(status: &ContainerStatus) -> Option<String> {
    status
        .state
        .as_ref()?
        .waiting
        .as_ref()?
        .reason
        .clone()
        .filter(|reason| reason != "ContainerCreating" && reason != "PodInitializing")
}

/// Whether the image of a pre-pull pod has arrived. `now` in Unix seconds.
pub fn judge_prepull(pod: &Pod, uid: &str, now: i64) -> PrePullState {
    if !is_ours(&pod.metadata, uid) {
        return PrePullState::Failed(
            "a pod with the name of our pre-pull pod exists and is not ours; delete or rename it"
                .into(),
        );
    }
    let reason = pod
        .status
        .as_ref()
        .and_then(|status| status.reason.clone())
        .unwrap_or_default();
    let Some(status) = find_status(pod, PULL_CONTAINER) else {
        return if is_ended(pod) {
            PrePullState::NotStarted(reason)
        } else {
            PrePullState::Pending
        };
    };
    let state = status.state.as_ref();
    let never_ran = status.container_id.is_none();
    match state
        .and_then(|state| state.waiting.as_ref())
        .and_then(|waiting| waiting.reason.as_deref())
    {
        Some(wrong @ ("InvalidImageName" | "ErrImageNeverPull")) => {
            PrePullState::Failed(quote_kubelet(wrong, status))
        }
        Some(wrong @ ("ErrImagePull" | "ImagePullBackOff" | "RegistryUnavailable")) => {
            if is_older(pod, PULL_PATIENCE, now) {
                PrePullState::Failed(quote_kubelet(wrong, status))
            } else {
                PrePullState::Pending
            }
        }
        Some("ContainerCreating" | "PodInitializing") => {
            let held = find_failing_init(pod).filter(|_| is_older(pod, PULL_PATIENCE, now));
            held.map_or(PrePullState::Pending, PrePullState::Failed)
        }
        // Whatever goes wrong after the pull does not concern the image.
        Some(_) => PrePullState::Pulled,
        None if is_ended(pod) && never_ran => PrePullState::NotStarted(reason),
        None if state.is_some() => PrePullState::Pulled,
        None => PrePullState::Pending,
    }
}

/// The kubelet's word for what is wrong, and what it says of it: the registry's own answer mostly.
fn quote_kubelet(word: &str, status: &ContainerStatus) -> String {
    let waiting = status
        .state
        .as_ref()
        .and_then(|state| state.waiting.as_ref());
    let message = waiting.and_then(|waiting| waiting.message.as_deref());
    match message.map(|message| tell_words(message, KUBELET_WORDS)) {
        Some(said) if !said.is_empty() => format!("{word}: {said}"),
        _ => word.to_owned(),
    }
}

/// Bytes of what the kubelet says of a pull.
const KUBELET_WORDS: usize = 300;

/// Whether a pod was made so many seconds ago.
fn is_older(pod: &Pod, seconds: i64, now: i64) -> bool {
    let made = pod.metadata.creation_timestamp.as_ref();
    made.is_some_and(|made| now.saturating_sub(made.0.as_second()) >= seconds)
}

/// An init container that does not come to its end: none of ours has one, somebody's webhook put it there.
fn find_failing_init(pod: &Pod) -> Option<String> {
    let statuses = pod.status.as_ref()?.init_container_statuses.as_ref()?;
    let mut waiting = statuses.iter().filter_map(|status| {
        let reason = read_waiting(status)?;
        Some(format!("init container {} waits: {reason}", status.name))
    });
    waiting.next()
}

/// The image that a pre-pull pod ran, as the container runtime names it.
pub fn read_pulled_image(pod: &Pod) -> Option<String> {
    find_status(pod, PULL_CONTAINER)
        .map(|status| status.image_id.clone())
        .filter(|id| !id.is_empty())
}

/// What a finished Job says; `None` while it has not finished.
pub fn read_job_end(job: &Job) -> Option<String> {
    job.status
        .as_ref()?
        .conditions
        .iter()
        .flatten()
        .find(|condition| {
            condition.status == "True" && matches!(condition.type_.as_str(), "Complete" | "Failed")
        })
        .map(|condition| {
            let parts = [
                Some(condition.type_.clone()),
                condition.reason.clone(),
                condition.message.clone(),
            ];
            let parts: Vec<String> = parts
                .into_iter()
                .flatten()
                .filter(|p| !p.is_empty())
                .collect();
            parts.join(": ")
        })
}

/// The agent's report from the termination message of its container.
pub fn read_report(pod: &Pod) -> Option<Report> {
    let state = find_status(pod, AGENT_CONTAINER)?.state.as_ref()?;
    let message = state.terminated.as_ref()?.message.as_deref()?;
    parse_report(message)
}

/// A report written bare or as a line of output.
fn parse_report(text: &str) -> Option<Report> {
    let text = text.trim();
    match serde_json::from_str::<OutputLine>(text) {
        Ok(OutputLine::Report(report)) => Some(*report),
        Ok(OutputLine::Progress(_)) => None,
        Err(_) => serde_json::from_str(text).ok(),
    }
}

/// The report among the last lines of a log: for a termination message that was lost.
pub fn find_report(log: &str) -> Option<Report> {
    log.lines().rev().find_map(parse_report)
}

/// The newest progress line of a log.
pub fn find_progress(log: &str) -> Option<Progress> {
    log.lines()
        .rev()
        .find_map(|line| match serde_json::from_str(line.trim()) {
            Ok(OutputLine::Progress(progress)) => Some(progress),
            _ => None,
        })
}

/// Why the agent of a pod ended without a report: what the kubelet says.
pub fn describe_end(pod: &Pod) -> Option<String> {
    let state = find_status(pod, AGENT_CONTAINER).and_then(|status| status.state.as_ref());
    let end = state.and_then(|state| state.terminated.as_ref());
    let of_container = end.map(|end| {
        let reason = end.reason.clone().unwrap_or_default();
        format!("{reason}, exit code {}", end.exit_code)
    });
    let of_pod = pod.status.as_ref().and_then(|status| {
        let reason = status.reason.clone()?;
        Some(format!(
            "{reason} {}",
            status.message.clone().unwrap_or_default()
        ))
    });
    match (of_pod, of_container) {
        (Some(pod), Some(container)) => Some(format!("{}; {container}", pod.trim())),
        (pod, container) => pod.or(container),
    }
}

#[cfg(test)]
#[path = "pods_tests.rs"]
mod tests;
