//! Why Kubernetes cannot make the pods of a Deployment, or take them away: a quota, a Pod Security level, a webhook.
//! Pure.
use super::foreign_words::tell_words;
use serde_json::Value;

/// Longest words of the server that are told, bytes.
const LONGEST: usize = 400;

/// What the Deployment controller says in the condition `ReplicaFailure`, which it takes from the ReplicaSet that it
/// scales, in the words of the API server.
pub fn read_replica_failure(object: &Value) -> Option<String> {
    let conditions = object.pointer("/status/conditions")?.as_array()?;
    let failure = conditions
        .iter()
        .find(|one| one["type"] == "ReplicaFailure" && one["status"] == "True")?;
    let text = |field: &str| failure[field].as_str().unwrap_or_default();
    let told = format!("{} {}", text("reason"), text("message"));
    Some(tell_words(&told, LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_words_of_the_server_are_told_while_the_failure_lasts() {
        let object = |status: &str| {
            json!({"status": {"conditions": [
                {"type": "Available", "status": "False", "reason": "MinimumReplicasUnavailable", "message": "no"},
                {"type": "ReplicaFailure", "status": status, "reason": "FailedCreate",
                    "message": "pods \"oms-x\" is forbidden: exceeded quota: q, requested: pods=1."}]}})
        };
        assert_eq!(
            read_replica_failure(&object("True")).unwrap(),
            "FailedCreate pods \"oms-x\" is forbidden: exceeded quota: q, requested: pods=1"
        );
        assert_eq!(read_replica_failure(&object("False")), None);
        assert_eq!(read_replica_failure(&json!({})), None);
    }
}
