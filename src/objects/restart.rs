//! A restart by hand (`kubectl rollout restart`): a note on the template, and nothing else of what runs. Pure.
use super::replica_set::is_same_template;
use serde_json::{Map, Value};

/// Annotation of a template by which kubectl restarts its pods (kubectl/pkg/polymorphichelpers/objectrestarter.go).
const RESTARTED: &str = "kubectl.kubernetes.io/restartedAt";

/// Whether two templates are the same but for the moment of a restart.
pub fn is_same_but_restarted(one: &Value, other: &Value) -> bool {
    is_same_template(&drop_restart(one), &drop_restart(other))
}

fn drop_restart(template: &Value) -> Value {
    let mut template = template.clone();
    if let Some(annotations) = find_map(&mut template, "/metadata/annotations") {
        annotations.remove(RESTARTED);
    }
    drop_if_empty(&mut template, "/metadata", "annotations");
    drop_if_empty(&mut template, "", "metadata");
    template
}

fn drop_if_empty(template: &mut Value, parent: &str, name: &str) {
    if let Some(map) = find_map(template, parent) {
        let is_empty = |value: &Value| value.as_object().is_some_and(Map::is_empty);
        if map.get(name).is_some_and(is_empty) {
            map.remove(name);
        }
    }
}

fn find_map<'a>(value: &'a mut Value, pointer: &str) -> Option<&'a mut Map<String, Value>> {
    value.pointer_mut(pointer)?.as_object_mut()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_restart_is_told_from_every_other_change() {
        let before = json!({"spec": {"containers": [{"image": "a"}]}});
        let restarted =
            json!({"metadata": {"annotations": {RESTARTED: "x"}}, "spec": before["spec"]});
        assert!(is_same_but_restarted(&before, &restarted));
        let mut again = restarted.clone();
        again["metadata"]["annotations"][RESTARTED] = json!("y");
        assert!(is_same_but_restarted(&restarted, &again));
        let mut noted = restarted.clone();
        noted["metadata"]["annotations"]["example.com/note"] = json!("z");
        assert!(!is_same_but_restarted(&restarted, &noted));
        let mut other = restarted;
        other["spec"]["containers"][0]["image"] = json!("b");
        assert!(!is_same_but_restarted(&before, &other));
    }
}
