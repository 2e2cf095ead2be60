use super::*;
use crate::objects::labels::UPGRADE_UID_LABEL;
use serde_json::{Value, json};

fn pod(value: Value) -> Pod {
    serde_json::from_value(value).unwrap()
}

fn target(phase: &str, container: Value) -> Pod {
    pod(json!({
        "metadata": {"name": "oms-1", "uid": "p", "creationTimestamp": "2026-01-01T00:00:10Z"},
        "spec": {"nodeName": "n1", "containers": []},
        "status": {"phase": phase, "podIP": "10.0.0.9", "containerStatuses": [
            {"name": "side", "image": "s", "imageID": "s", "ready": true, "restartCount": 9, "state": {"running": {}}},
            container,
        ]},
    }))
}

#[test]
fn reads_a_running_target() {
    let facts = read_pod(
        &target(
            "Running",
            json!({"name": "oms", "image": "oms:3", "imageID": "sha256:abc", "containerID": "containerd://1",
                "ready": true, "restartCount": 2, "state": {"running": {"startedAt": "2026-01-01T00:00:20Z"}}}),
        ),
        "oms",
    );
    assert_eq!(
        facts,
        PodFacts {
            name: "oms-1".into(),
            uid: "p".into(),
            node: Some("n1".into()),
            ip: Some("10.0.0.9".into()),
            terminating: false,
            stay: None,
            created: 1_767_225_610,
            unschedulable: None,
            template: Fact::default(),
            container: ContainerFacts {
                running: true,
                ready: true,
                id: "containerd://1".into(),
                image_id: "sha256:abc".into(),
                restart_count: 2,
                waiting: None,
            },
        }
    );
}

#[test]
fn tells_a_failed_pull_from_the_normal_course() {
    let waiting = |reason: &str| {
        let status = json!({"name": "oms", "image": "oms:4", "imageID": "", "ready": false, "restartCount": 0, "state": {"waiting": {"reason": reason}}});
        read_pod(&target("Pending", status), "oms")
            .container
            .waiting
    };
    assert_eq!(waiting("ContainerCreating"), None);
    assert_eq!(
        waiting("ImagePullBackOff").as_deref(),
        Some("ImagePullBackOff")
    );
}

fn prepull(phase: &str, state: Value, id: Option<&str>) -> Pod {
    let mut status = json!({"name": "pull", "image": "oms:4", "imageID": "", "ready": false, "restartCount": 0, "state": state});
    if let Some(id) = id {
        status["containerID"] = json!(id);
    }
    pod(json!({
        "metadata": {"name": "x", "labels": {UPGRADE_UID_LABEL: "u"}, "creationTimestamp": "1970-01-01T00:16:40Z"},
        "status": {"phase": phase, "containerStatuses": [status]},
    }))
}

#[test]
fn judges_prepulls() {
    let waiting = |reason: &str| prepull("Pending", json!({"waiting": {"reason": reason}}), None);
    let judge = |pod: &Pod, now| judge_prepull(pod, "u", now);
    assert_eq!(
        judge(&waiting("ContainerCreating"), 9999),
        PrePullState::Pending
    );
    assert_eq!(judge(&waiting("ErrImagePull"), 1001), PrePullState::Pending);
    assert_eq!(
        judge(&waiting("ImagePullBackOff"), 1020),
        PrePullState::Failed("ImagePullBackOff".into())
    );
    assert_eq!(
        judge(&waiting("InvalidImageName"), 1001),
        PrePullState::Failed("InvalidImageName".into())
    );
    assert_eq!(
        judge(&waiting("CreateContainerError"), 1001),
        PrePullState::Pulled
    );
    let done = prepull(
        "Succeeded",
        json!({"terminated": {"exitCode": 0}}),
        Some("c"),
    );
    assert_eq!(judge(&done, 1001), PrePullState::Pulled);
    let no_such_program = prepull(
        "Failed",
        json!({"terminated": {"exitCode": 128}}),
        Some("c"),
    );
    assert_eq!(judge(&no_such_program, 1001), PrePullState::Pulled);
    let refused = pod(
        json!({"metadata": {"name": "x", "labels": {UPGRADE_UID_LABEL: "u"}}, "status": {"phase": "Failed", "reason": "OutOfcpu"}}),
    );
    assert_eq!(
        judge(&refused, 1001),
        PrePullState::NotStarted("OutOfcpu".into())
    );
    // What the registry answered is what helps, without what may be a secret.
    let told = json!({"waiting": {"reason": "ImagePullBackOff",
        "message": "Back-off pulling image \"r/oms:4\": ErrImagePull: https://u:pw1@r/v2/: not found"}});
    let PrePullState::Failed(said) = judge(&prepull("Pending", told, None), 1020) else {
        panic!("it can be pulled");
    };
    assert!(
        said.starts_with("ImagePullBackOff: Back-off pulling image") && said.ends_with("not found"),
        "{said}"
    );
    assert!(!said.contains("pw1"), "{said}");
    assert!(matches!(
        judge_prepull(&done, "other", 1001),
        PrePullState::Failed(_)
    ));
}

#[test]
fn finds_reports_and_progress() {
    let report = json!({"command": "dump", "upgradeUid": "u", "attempt": 1, "outcome": "Succeeded", "reason": "Completed", "message": "m", "seconds": 3});
    let wrapped = json!({"report": report}).to_string();
    let progress =
        json!({"progress": {"phase": "Dumping", "bytesDone": 5, "bytesPerSecond": 1}}).to_string();
    let log = format!("noise\n{progress}\n{wrapped}\n");
    assert_eq!(find_report(&log).unwrap().seconds, 3);
    assert_eq!(find_progress(&log).unwrap().bytes_done, 5);
    assert_eq!(find_report("noise\n"), None);
    let ended = |message: String| {
        pod(
            json!({"metadata": {"name": "x"}, "status": {"phase": "Succeeded", "containerStatuses": [
            {"name": "agent", "image": "i", "imageID": "i", "ready": false, "restartCount": 0, "state": {"terminated": {"exitCode": 0, "message": message}}}]}}),
        )
    };
    for message in [report.to_string(), wrapped] {
        assert_eq!(read_report(&ended(message)).unwrap().command, "dump");
    }
    assert_eq!(read_report(&ended(String::new())), None);
}

#[test]
fn tells_the_end_of_a_job() {
    let job = |conditions: Value| -> Job {
        serde_json::from_value(json!({"metadata": {}, "status": {"conditions": conditions}}))
            .unwrap()
    };
    assert_eq!(read_job_end(&job(json!([]))), None);
    assert_eq!(
        read_job_end(&job(json!([{"type": "FailureTarget", "status": "True"}]))),
        None
    );
    let failed = job(
        json!([{"type": "Failed", "status": "True", "reason": "DeadlineExceeded", "message": "too long"}]),
    );
    assert_eq!(
        read_job_end(&failed).as_deref(),
        Some("Failed: DeadlineExceeded: too long")
    );
}

#[test]
fn tells_problems_and_ends() {
    let stuck = pod(
        json!({"metadata": {"name": "x"}, "status": {"phase": "Pending", "conditions": [
        {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "no node"}]}}),
    );
    assert_eq!(read_unschedulable(&stuck).as_deref(), Some("no node"));
    let killed = pod(
        json!({"metadata": {"name": "x"}, "status": {"phase": "Failed", "reason": "Evicted", "message": "disk", "containerStatuses": [
        {"name": "agent", "image": "i", "imageID": "i", "ready": false, "restartCount": 0, "state": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}}]}}),
    );
    assert_eq!(
        describe_end(&killed).as_deref(),
        Some("Evicted disk; OOMKilled, exit code 137")
    );
    assert!(is_ended(&killed) && !is_ended(&stuck));
}

/// Somebody's webhook puts helpers beside our containers, before or after them.
#[test]
fn helpers_in_a_pod_are_not_taken_for_our_containers() {
    let helper = |state: Value| {
        json!({"name": "istio-proxy", "image": "i", "imageID": "y", "ready": true, "restartCount": 0,
        "containerID": "containerd://h", "state": state})
    };
    let with = |mut pod: Pod, helper: Value| {
        let status = pod.status.as_mut().unwrap();
        let all = status.container_statuses.as_mut().unwrap();
        all.insert(0, serde_json::from_value(helper).unwrap());
        pod
    };
    let unpulled = prepull(
        "Pending",
        json!({"waiting": {"reason": "ImagePullBackOff"}}),
        None,
    );
    let judged = judge_prepull(&with(unpulled, helper(json!({"running": {}}))), "u", 1020);
    assert_eq!(judged, PrePullState::Failed("ImagePullBackOff".into()));
    let pulled = prepull("Running", json!({"terminated": {"exitCode": 0}}), Some("c"));
    let broken = helper(json!({"waiting": {"reason": "ErrImagePull"}}));
    assert_eq!(
        judge_prepull(&with(pulled, broken), "u", 1020),
        PrePullState::Pulled
    );
    let mut held = prepull(
        "Pending",
        json!({"waiting": {"reason": "PodInitializing"}}),
        None,
    );
    let init = json!([{"name": "istio-init", "image": "i", "imageID": "", "ready": false, "restartCount": 4,
        "state": {"waiting": {"reason": "CrashLoopBackOff"}}}]);
    held.status.as_mut().unwrap().init_container_statuses = serde_json::from_value(init).unwrap();
    assert_eq!(judge_prepull(&held, "u", 1019), PrePullState::Pending);
    let told = "init container istio-init waits: CrashLoopBackOff";
    assert_eq!(
        judge_prepull(&held, "u", 1020),
        PrePullState::Failed(told.into())
    );

    let mut agent = prepull(
        "Running",
        json!({"terminated": {"exitCode": 137, "reason": "OOMKilled"}}),
        Some("c"),
    );
    agent
        .status
        .as_mut()
        .unwrap()
        .container_statuses
        .as_mut()
        .unwrap()[0]
        .name = "agent".into();
    let agent = with(
        agent,
        helper(json!({"terminated": {"exitCode": 0, "reason": "Completed", "message": "{}"}})),
    );
    assert_eq!(describe_end(&agent).unwrap(), "OOMKilled, exit code 137");
    assert!(read_report(&agent).is_none());
}
