//! Whether the API server refuses a forbidden image: asked by a dry run, which stores nothing. Pure.
//!
//! That a policy is installed says little: it may be another version's, bound elsewhere, or only warn. What is asked is
//! what it is there for. The policy leaves the operator out but for a dry run that bears a mark.
use crate::api::{ForbiddenImage, IMAGE_PROBE_ANNOTATION};
use crate::objects::deployment::{annotation_path, read_containers};
use serde_json::{Value, json};

/// The dry run: the live Deployment with the image that is forbidden. `None` where it cannot tell anything: there is no
/// such container, or it has that image already, which is not refused.
pub fn build_guard_probe(object: &Value, forbidden: &ForbiddenImage) -> Option<Value> {
    let mut containers = read_containers(object).iter();
    let index = containers
        .position(|one| one.get("name").and_then(Value::as_str) == Some(&forbidden.container))?;
    let path = format!("/spec/template/spec/containers/{index}/image");
    if object.pointer(&path)?.as_str()? == forbidden.image {
        return None;
    }
    let version = object.pointer("/metadata/resourceVersion")?;
    let mut operations =
        vec![json!({"op": "test", "path": "/metadata/resourceVersion", "value": version})];
    if object.pointer("/metadata/annotations").is_none() {
        operations.push(json!({"op": "add", "path": "/metadata/annotations", "value": {}}));
    }
    operations.push(
        json!({"op": "add", "path": annotation_path(IMAGE_PROBE_ANNOTATION), "value": "true"}),
    );
    operations.push(json!({"op": "replace", "path": path, "value": forbidden.image}));
    Some(Value::Array(operations))
}

/// Whether a refusal is that of the policy, for this image, and not somebody's for another reason.
pub fn is_guards_refusal(message: &str, forbidden: &ForbiddenImage) -> bool {
    let ForbiddenImage {
        target,
        container,
        image,
        ..
    } = forbidden;
    message.contains(&format!(
        " forbids image {image} in container {container} of Deployment {target}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forbidden() -> ForbiddenImage {
        ForbiddenImage {
            target: "oms".into(),
            container: "oms".into(),
            image: "oms:3".into(),
            use_image: "oms:4".into(),
        }
    }

    fn object(image: &str) -> Value {
        json!({"metadata": {"name": "oms", "resourceVersion": "7"}, "spec": {"template": {"spec": {"containers": [
            {"name": "side", "image": "side:1"}, {"name": "oms", "image": image}]}}}})
    }

    #[test]
    fn the_dry_run_is_the_deployment_with_the_forbidden_image_and_its_mark() {
        let mut sent = object("oms:4");
        let patch = build_guard_probe(&sent, &forbidden()).unwrap();
        let patch: json_patch::Patch = serde_json::from_value(patch).unwrap();
        json_patch::patch(&mut sent, &patch).unwrap();
        let mut wanted = object("oms:3");
        wanted["metadata"]["annotations"] = json!({IMAGE_PROBE_ANNOTATION: "true"});
        assert_eq!(sent, wanted);
        // What has it already is not refused.
        assert_eq!(build_guard_probe(&object("oms:3"), &forbidden()), None);
    }

    /// The words are those of the chart's policy, and its mark is the one that is sent.
    #[test]
    fn a_refusal_is_known_by_the_words_of_the_policy() {
        let policy = std::fs::read_to_string("charts/oms-operator/templates/images.yaml").unwrap();
        for words in [
            "' forbids image ' + variables.refused[0].image",
            "+ ' in container ' + variables.refused[0].container + ' of Deployment ' + variables.refused[0].target",
            IMAGE_PROBE_ANNOTATION,
        ] {
            assert!(policy.contains(words), "{words}");
        }
        let refused = "deployments.apps \"oms\" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'p' denied request: \
                       OmsUpgrade oms/up forbids image oms:3 in container oms of Deployment oms, because";
        assert!(is_guards_refusal(refused, &forbidden()));
        let others = "deployments.apps \"oms\" is forbidden: User \"x\" cannot patch resource \"deployments\"";
        assert!(!is_guards_refusal(others, &forbidden()));
    }
}
