//! Preflight check: what OMS keeps outlives its pod. Pure.
//!
//! The upgrade guide starts the new container on the three mounts of the old one. The operator leaves the template's
//! volumes as they are; whether they are there, and hold anything once the pod is gone, is looked at here.
use crate::facts::Fact;
use crate::objects::deployment::{find_container, find_container_name};
use crate::upgrade::context::Context;
use crate::upgrade::steps::preflight::targets::name_target;
use crate::upgrade::steps::preflight::verdict::Verdict;
use serde_json::Value;

/// The paths of the guide's `docker run`, with what OMS keeps there.
const PATHS: [(&str, &str); 3] = [
    ("/home/admin/logs", "logs"),
    (
        "/home/ds/store",
        "what Stores have read from source databases",
    ),
    ("/home/ds/run", "how components run"),
];

/// Each of the documented paths is mounted, from something that stays when the pod goes.
pub(crate) fn judge_mounts(cx: &Context<'_>, index: usize) -> Verdict {
    let target = cx.spec.targets.get(index);
    let facts = cx.observed.targets.get(index);
    let (Some(target), Some(facts)) = (target, facts) else {
        return Verdict::not_made(&name_target(cx, index));
    };
    let object = match &facts.deployment {
        Fact::Known(Some(deployment)) => &deployment.object,
        Fact::Known(None) => return Verdict::not_made(&name_target(cx, index)),
        Fact::Unknown(reason) => {
            return Verdict::unread(format!("the Deployment cannot be read: {reason}"));
        }
    };
    let container = find_container_name(target, object);
    let Some(container) = container.and_then(|name| find_container(object, &name)) else {
        return Verdict::not_made(&name_target(cx, index));
    };
    let volumes = &object["spec"]["template"]["spec"]["volumes"];
    let troubles: Vec<String> = PATHS
        .iter()
        .filter_map(|(path, what)| find_trouble(container, volumes, path, what))
        .collect();
    if troubles.is_empty() {
        return Verdict::passed("the three documented paths are mounted, and outlive the pod");
    }
    Verdict::skippable(
        troubles.join("; "),
        "mount a claim or a directory of the node at each of them, move the content there, and let OMS run with it first; or, where your \
         image keeps it elsewhere: checks: [{name: MountsKept, policy: Skip, reason: \"…\"}]",
    )
}

fn find_trouble(container: &Value, volumes: &Value, path: &str, what: &str) -> Option<String> {
    let Some(mount) = find_mount(container, path) else {
        return Some(format!(
            "{path} ({what}) is not mounted, so it is lost with the pod"
        ));
    };
    let name = mount["name"].as_str().unwrap_or_default();
    let mut all = volumes.as_array().into_iter().flatten();
    let volume = all.find(|volume| volume["name"] == name)?;
    let passing = ["emptyDir", "ephemeral"];
    let kind = passing.iter().find(|kind| volume.get(**kind).is_some())?;
    Some(format!(
        "{path} ({what}) is mounted from volume {name}, which is {kind} and is lost with the pod"
    ))
}

/// The deepest mount that holds a path: a mount of a parent directory will do.
fn find_mount<'m>(container: &'m Value, path: &str) -> Option<&'m Value> {
    let mounts = container["volumeMounts"].as_array()?;
    let holds = |mount: &&Value| {
        let at = mount["mountPath"]
            .as_str()
            .map(|at| at.trim_end_matches('/'));
        at.is_some_and(|at| !at.is_empty() && (path == at || path.starts_with(&format!("{at}/"))))
    };
    mounts
        .iter()
        .filter(holds)
        .max_by_key(|mount| mount["mountPath"].as_str().map_or(0, str::len))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn troubles(mounts: &Value, volumes: &Value) -> Vec<String> {
        let container = json!({"volumeMounts": mounts});
        PATHS
            .iter()
            .filter_map(|(path, what)| find_trouble(&container, volumes, path, what))
            .collect()
    }

    #[test]
    fn each_path_needs_a_volume_that_stays() {
        let volumes = json!([{"name": "data", "persistentVolumeClaim": {"claimName": "c"}},
            {"name": "node", "hostPath": {"path": "/x"}}, {"name": "gone", "emptyDir": {}}]);
        let all = json!([{"name": "data", "mountPath": "/home/admin/logs", "subPath": "logs"},
            {"name": "data", "mountPath": "/home/ds/store/"}, {"name": "node", "mountPath": "/home/ds/run"}]);
        assert_eq!(troubles(&all, &volumes), Vec::<String>::new());

        let parent = json!([{"name": "data", "mountPath": "/home/admin/logs"}, {"name": "data", "mountPath": "/home/ds"},
            {"name": "gone", "mountPath": "/home/ds/run"}]);
        let [one] = troubles(&parent, &volumes).try_into().unwrap();
        assert!(
            one.contains("/home/ds/run") && one.contains("emptyDir"),
            "{one}"
        );

        let [one] = troubles(
            &json!([all[0], all[1], {"name": "data", "mountPath": "/home/ds/runner"}]),
            &volumes,
        )
        .try_into()
        .unwrap();
        assert!(
            one.contains("/home/ds/run") && one.contains("not mounted"),
            "{one}"
        );
        assert_eq!(troubles(&json!([]), &volumes).len(), 3);
    }
}
