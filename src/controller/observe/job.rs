//! The Job that the present step is about: its end, its report, its progress.
use crate::api::JobRole;
use crate::controller::calls::{CallError, CallSite};
use crate::controller::observe::happenings::explain;
use crate::controller::ports::Ports;
use crate::controller::subject::{Subject, read_uid};
use crate::facts::{JobState, PodTrouble, PodTroubleKind};
use crate::objects::jobs::AGENT_CONTAINER;
use crate::objects::labels::is_ours;
use crate::objects::names::job_name;
use crate::objects::pod_trouble::{find_trouble, is_over, list_helpers};
use crate::objects::pods::{
    describe_end, find_progress, find_report, is_ended, read_job_end, read_report,
};
use crate::protocol::report::Report;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::{Api, ListParams, LogParams};

/// Lines of a Job's log that are read: a progress line is no longer than one of them.
const LOG_LINES: i64 = 20;

/// The newest recorded attempt. A Job whose agent still runs has not ended, whatever its conditions say; and one whose
/// agent has ended is at its end, whatever helper still runs beside it.
pub(super) async fn read_job(
    ports: &Ports,
    subject: &Subject<'_>,
    role: JobRole,
) -> Result<JobState, CallError> {
    let (namespace, uid) = (subject.owner.namespace, subject.marks.uid);
    let recorded = subject
        .status
        .internal
        .jobs
        .iter()
        .find(|job| job.role == role);
    let attempt = recorded.map_or(1, |job| job.attempt);
    let name = job_name(uid, role, attempt);
    let jobs: Api<Job> = Api::namespaced(ports.client.clone(), namespace);
    let job = match ports.kube(CallSite::GetJob, jobs.get(&name)).await {
        Ok(job) => job,
        Err(error) if error.is_not_found() => return Ok(JobState::Absent),
        Err(error) => return Err(error),
    };
    if !is_ours(&job.metadata, uid) {
        return Ok(JobState::Foreign);
    }
    let job_uid = read_uid(&job.metadata)?;
    let api: Api<Pod> = Api::namespaced(ports.client.clone(), namespace);
    let selector = format!("batch.kubernetes.io/controller-uid={job_uid}");
    let pods = ports
        .kube(
            CallSite::ListJobPods,
            api.list(&ListParams::default().labels(&selector)),
        )
        .await?
        .items;
    let active = pods.iter().find(|pod| !is_over(pod, AGENT_CONTAINER));
    let helpers = find_helpers(&pods);
    let end = read_job_end(&job).or_else(|| describe_helpers(&helpers));
    match (end, active) {
        (Some(end), None) => {
            let report = find_job_report(ports, &api, &pods).await?;
            let why = match pods.iter().find_map(describe_end) {
                Some(detail) => format!("{end}; {detail}"),
                None => end,
            };
            Ok(JobState::Ended {
                uid: job_uid,
                report: report.map(Box::new),
                why,
                helpers,
            })
        }
        (_, active) => {
            let now = ports.clock.now().as_second();
            let progress = match active {
                Some(pod) if is_running(pod) => read_log(ports, &api, pod)
                    .await
                    .ok()
                    .and_then(|log| find_progress(&log)),
                _ => None,
            };
            // Events of the pod, or of the Job that has none.
            let (about, trouble) = match active {
                Some(pod) => (
                    pod.metadata.uid.clone().unwrap_or_default(),
                    find_trouble(pod, AGENT_CONTAINER, now),
                ),
                None => (job_uid.clone(), judge_missing_pod(&job, &pods, now)),
            };
            let trouble = match trouble {
                Some(trouble) => Some(explain(ports, namespace, &about, trouble).await),
                None => None,
            };
            Ok(JobState::Running {
                uid: job_uid,
                progress,
                trouble,
                made: find_making(&job).unwrap_or(now),
            })
        }
    }
}

/// Seconds that the Job controller takes at most to make a pod, unless somebody refuses it.
const POD_PATIENCE: i64 = 20;

/// The Job controller says only in an event why it can make no pod.
fn judge_missing_pod(job: &Job, pods: &[Pod], now: i64) -> Option<PodTrouble> {
    let since = find_making(job)?;
    (pods.is_empty() && read_job_end(job).is_none() && now - since >= POD_PATIENCE).then(|| {
        PodTrouble {
            kind: PodTroubleKind::NotBegun,
            message: format!(
                "none was made; a quota, a Pod Security level or an admission webhook may refuse it: kubectl describe job -n {} {}",
                job.namespace().unwrap_or_default(),
                job.name_any()
            ),
        }
    })
}

/// When the Job was made, Unix seconds.
fn find_making(job: &Job) -> Option<i64> {
    let made = job.metadata.creation_timestamp.as_ref()?;
    Some(made.0.as_second())
}

/// Containers of others that run on where the agent has ended.
fn find_helpers(pods: &[Pod]) -> Vec<String> {
    pods.iter()
        .filter(|pod| !is_ended(pod) && is_over(pod, AGENT_CONTAINER))
        .flat_map(|pod| list_helpers(pod, AGENT_CONTAINER))
        .collect()
}

/// The end of a Job whose agent has ended in a pod that runs on.
fn describe_helpers(helpers: &[String]) -> Option<String> {
    let names = helpers.join(", ");
    (!helpers.is_empty())
        .then(|| format!("the agent ended; of others in its pod {names} still runs"))
}

/// The report by the termination message, else by the log. `None` says that there is none; a log that cannot be read
/// now is an error, since a Job whose report is only unseen must not be repeated.
async fn find_job_report(
    ports: &Ports,
    api: &Api<Pod>,
    pods: &[Pod],
) -> Result<Option<Report>, CallError> {
    if let Some(report) = pods.iter().find_map(read_report) {
        return Ok(Some(report));
    }
    for pod in pods {
        if let Some(report) = judge_log(read_log(ports, api, pod).await)? {
            return Ok(Some(report));
        }
    }
    Ok(None)
}

fn judge_log(read: Result<String, CallError>) -> Result<Option<Report>, CallError> {
    match read {
        Ok(log) => Ok(find_report(&log)),
        Err(error) if has_no_log(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The pod is gone (404), or its container never ran (400): no later look finds a log.
fn has_no_log(error: &CallError) -> bool {
    error
        .kube_status()
        .is_some_and(|status| matches!(status.code, 400 | 404))
}

fn is_running(pod: &Pod) -> bool {
    pod.status
        .as_ref()
        .is_some_and(|status| status.phase.as_deref() == Some("Running"))
}

async fn read_log(ports: &Ports, api: &Api<Pod>, pod: &Pod) -> Result<String, CallError> {
    let how = LogParams {
        container: Some(AGENT_CONTAINER.into()),
        tail_lines: Some(LOG_LINES),
        ..LogParams::default()
    };
    ports
        .kube(CallSite::ReadJobLog, api.logs(&pod.name_any(), &how))
        .await
}

#[cfg(test)]
mod tests {
    use super::*;
    use kube::core::Status;

    fn refused(code: u16) -> Result<String, CallError> {
        Err(CallError::Kube {
            site: CallSite::ReadJobLog,
            source: Box::new(kube::Error::Api(Box::new(
                Status::failure("said no", "Reason").with_code(code),
            ))),
        })
    }

    #[test]
    fn a_job_without_a_pod_says_so_after_a_while() {
        let job: Job = serde_json::from_value(serde_json::json!({"metadata": {
            "name": "dump", "namespace": "oms", "creationTimestamp": "1970-01-01T00:00:10Z"}}))
        .unwrap();
        let pods = [Pod::default()];
        assert_eq!(judge_missing_pod(&job, &[], 29), None);
        assert_eq!(judge_missing_pod(&job, &pods, 31), None);
        let trouble = judge_missing_pod(&job, &[], 31).unwrap();
        let told = trouble.message;
        assert!(told.contains("kubectl describe job -n oms dump"), "{told}");
    }

    #[test]
    fn a_helper_beside_the_agent_does_not_hold_the_job() {
        let pod = |agent: serde_json::Value| -> Pod {
            let status = |name: &str, state: serde_json::Value| {
                serde_json::json!({"name": name, "image": "i", "imageID": "i",
                "ready": false, "restartCount": 0, "state": state})
            };
            serde_json::from_value(serde_json::json!({"metadata": {"name": "dump-x"}, "status": {"phase": "Running",
                "containerStatuses": [status("agent", agent), status("istio-proxy", serde_json::json!({"running": {}}))]}}))
            .unwrap()
        };
        let ended = pod(serde_json::json!({"terminated": {"exitCode": 0}}));
        let helpers = find_helpers(&[ended]);
        assert_eq!(helpers, ["istio-proxy"]);
        assert!(describe_helpers(&helpers).unwrap().contains("istio-proxy"));
        let works = pod(serde_json::json!({"running": {}}));
        assert_eq!(find_helpers(&[works]).len(), 0);
        assert_eq!(describe_helpers(&[]), None);
    }

    #[test]
    fn an_unseen_log_is_not_an_empty_one() {
        assert!(judge_log(Ok("no report in here".into())).unwrap().is_none());
        for never in [400, 404] {
            assert!(judge_log(refused(never)).unwrap().is_none(), "{never}");
        }
        for later in [401, 403, 429, 500, 502, 503] {
            assert!(judge_log(refused(later)).is_err(), "{later}");
        }
        assert!(
            judge_log(Err(CallError::TimedOut {
                site: CallSite::ReadJobLog,
                seconds: 10
            }))
            .is_err()
        );
    }
}
