use super::*;
use serde_json::{Value, json};

/// A pod of a Job that was made at second 1000.
fn build_pod(change: Value) -> Pod {
    let mut pod = json!({
        "metadata": {"name": "dump-x", "namespace": "oms", "creationTimestamp": "1970-01-01T00:16:40Z"},
        "spec": {"nodeName": "n1", "containers": []},
        "status": {"phase": "Pending", "containerStatuses": [{"name": "agent", "image": "i", "imageID": "", "ready": false,
            "restartCount": 0, "state": {"waiting": {"reason": "ContainerCreating"}}}]},
    });
    json_patch::merge(&mut pod, &change);
    serde_json::from_value(pod).unwrap()
}

fn build_running(change: Value) -> Pod {
    let mut running = json!({"status": {"phase": "Running", "containerStatuses": [{"name": "agent", "image": "i", "imageID": "i",
        "containerID": "containerd://1", "ready": true, "restartCount": 0, "state": {"running": {}}}]}});
    json_patch::merge(&mut running, &change);
    build_pod(running)
}

fn judge(pod: &Pod, now: i64) -> Option<(PodTroubleKind, String)> {
    find_trouble(pod, "agent", now).map(|trouble| (trouble.kind, trouble.message))
}

#[test]
fn a_pod_that_does_not_begin_says_why_within_a_minute() {
    let mount = build_pod(json!({}));
    assert_eq!(judge(&mount, 1044), None);
    let unplaced =
        build_pod(json!({"spec": {"nodeName": null}, "status": {"containerStatuses": null}}));
    let refused = build_pod(
        json!({"spec": {"nodeName": null}, "status": {"containerStatuses": null, "conditions": [
        {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes"}]}}),
    );
    let unpulled = build_pod(
        json!({"status": {"containerStatuses": [{"name": "agent", "image": "i", "imageID": "", "ready": false,
        "restartCount": 0, "state": {"waiting": {"reason": "ImagePullBackOff", "message": "no such tag"}}}]}}),
    );
    let mesh = build_pod(
        json!({"status": {"initContainerStatuses": [{"name": "istio-init", "image": "i", "imageID": "", "ready": false,
        "restartCount": 4, "state": {"waiting": {"reason": "CrashLoopBackOff"}}}]}}),
    );
    for (pod, words) in [
        (mount, "FailedMount"),
        (unplaced, "no node was chosen"),
        (refused, "0/3 nodes"),
        (unpulled, "ImagePullBackOff no such tag"),
        (mesh, "istio-init waits: CrashLoopBackOff"),
    ] {
        let (kind, told) = judge(&pod, 1045).unwrap();
        assert_eq!(kind, PodTroubleKind::NotBegun);
        let command = "kubectl describe pod -n oms dump-x";
        assert!(told.contains(words) && told.contains(command), "{told}");
    }
}

#[test]
fn a_pod_whose_node_is_lost_says_so() {
    assert_eq!(judge(&build_running(json!({})), 9999), None);
    let silent = build_running(json!({"status": {"conditions": [
        {"type": "Ready", "status": "False"}, {"type": "ContainersReady", "status": "True"}]}}));
    let lost = build_running(json!({"status": {"reason": "NodeLost"}}));
    // 1100.
    let deleted = build_running(json!({"metadata": {"deletionTimestamp": "1970-01-01T00:18:20Z"}}));
    assert_eq!(judge(&deleted, 1114), None);
    let never_ran = build_pod(json!({"metadata": {"deletionTimestamp": "1970-01-01T00:18:20Z"}}));
    for pod in [silent, lost, deleted.clone(), never_ran] {
        let (kind, told) = judge(&pod, 1115).unwrap();
        assert_eq!(kind, PodTroubleKind::Lost);
        assert!(
            told.starts_with("pod dump-x on node n1: ")
                && told.contains("kubectl delete pod -n oms dump-x --force"),
            "{told}"
        );
    }
    let (_, told) = judge(&deleted, 1115).unwrap();
    assert!(
        told.contains("told to end at 1970-01-01T00:18:20Z"),
        "{told}"
    );
    assert!(told.contains("container agent ended"), "{told}");
    // What its own gate holds says nothing of the node.
    let gated = build_running(
        json!({"spec": {"readinessGates": [{"conditionType": "x"}]}, "status": {"conditions": [
        {"type": "Ready", "status": "False"}, {"type": "ContainersReady", "status": "True"}]}}),
    );
    assert_eq!(judge(&gated, 9999), None);
    let ended = build_running(json!({"status": {"phase": "Failed", "reason": "NodeLost"}}));
    assert_eq!(judge(&ended, 9999), None);
}

/// Force would not help: whoever holds it has to let go.
#[test]
fn a_pod_that_a_finalizer_keeps_says_whose() {
    let change = json!({"metadata": {"deletionTimestamp": "1970-01-01T00:18:20Z", "deletionGracePeriodSeconds": 30,
        "finalizers": ["batch.kubernetes.io/job-tracking", "example.com/keep"]}});
    let held = build_pod(change.clone());
    let told = describe_stay(&held, 1115).unwrap();
    assert!(
        told.contains("finalizer example.com/keep") && told.contains("at 1970-01-01T00:17:50Z"),
        "{told}"
    );
    assert!(!told.contains("--force"), "{told}");
    // Its container runs: that is what keeps it.
    let runs = describe_stay(&build_running(change), 1115).unwrap();
    assert!(
        runs.contains("container agent") && runs.contains("--force"),
        "{runs}"
    );
}

#[test]
fn a_pod_that_its_job_left_behind_says_so() {
    let change = json!({"metadata": {"labels": {"batch.kubernetes.io/controller-uid": "j"}}});
    let left = build_running(change);
    let find = |pod: &Pod, jobs: &[String], now| find_orphan(pod, jobs, now).map(|one| one.message);
    assert_eq!(find(&left, &["j".into()], 9999), None);
    assert_eq!(find(&left, &[], 1014), None, "the lists are of two moments");
    let told = find(&left, &["k".into()], 1015).unwrap();
    assert!(
        told.contains("its Job was deleted without it")
            && told.contains("kubectl delete pod -n oms dump-x"),
        "{told}"
    );
    // Of no Job: it pulls an image.
    assert_eq!(find(&build_running(json!({})), &[], 9999), None);
}
