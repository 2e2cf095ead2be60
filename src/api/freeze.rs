//! Which fields of the spec may change once an upgrade has started: a rule of the schema for each that may not. No I/O.
//!
//! The rules are made from the fields that the type has, so that a new field is frozen unless somebody says otherwise.
use super::spec::control::{MUTABLE, MUTABLE_UNTIL_ROLLBACK};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    JSONSchemaProps, ValidationRule,
};

/// CEL: nothing was started yet.
const NOT_STARTED: &str = "!has(oldSelf.status) || !has(oldSelf.status.startedTime)";
/// CEL, after the above: no rollback began.
const NO_ROLLBACK: &str =
    "!has(oldSelf.status.direction) || oldSelf.status.direction != 'RollBack'";

/// Adds a rule for every field of the spec that may not change at any time.
pub(super) fn freeze_spec(root: &mut JSONSchemaProps) {
    let spec = root.properties.as_ref().and_then(|all| all.get("spec"));
    let fields = spec.and_then(|spec| spec.properties.as_ref());
    let rules: Vec<ValidationRule> = fields
        .into_iter()
        .flat_map(|fields| fields.keys())
        .filter(|field| !MUTABLE.contains(&field.as_str()))
        .map(|field| build_rule(field))
        .collect();
    root.x_kubernetes_validations
        .get_or_insert_default()
        .extend(rules);
}

/// Adds the rule by which a mistyped image is refused where it would tell that the source has come after: after the end
/// it must be one that the end left running.
pub(super) fn check_source_image(root: &mut JSONSchemaProps) {
    let rule = ValidationRule {
        rule: "!has(self.spec.gitops) || !has(self.spec.gitops.sourceImage) \
               || (has(oldSelf.spec.gitops) && has(oldSelf.spec.gitops.sourceImage) \
               && self.spec.gitops.sourceImage == oldSelf.spec.gitops.sourceImage) \
               || !has(oldSelf.status) || !has(oldSelf.status.finishedTime) || !has(oldSelf.status.forbiddenImages) \
               || oldSelf.status.forbiddenImages.exists(one, one.useImage == self.spec.gitops.sourceImage)"
            .into(),
        message: Some(
            "spec.gitops.sourceImage: it must be the image that the end of the upgrade left running: status.forbiddenImages[].useImage"
                .into(),
        ),
        ..ValidationRule::default()
    };
    root.x_kubernetes_validations
        .get_or_insert_default()
        .push(rule);
}

fn build_rule(field: &str) -> ValidationRule {
    let (until, when) = if MUTABLE_UNTIL_ROLLBACK.contains(&field) {
        (
            format!("{NOT_STARTED} || {NO_ROLLBACK}"),
            "it cannot change any more once a rollback began",
        )
    } else {
        (
            NOT_STARTED.to_owned(),
            "it cannot change once the upgrade has started; delete the object (which aborts) or make a new one",
        )
    };
    ValidationRule {
        rule: format!(
            "{until} || (has(self.spec.{field}) == has(oldSelf.spec.{field}) && (!has(self.spec.{field}) || self.spec.{field} == oldSelf.spec.{field}))"
        ),
        message: Some(format!("spec.{field}: {when}")),
        ..ValidationRule::default()
    }
}

#[cfg(test)]
mod tests {
    use super::super::spec::control::STEERING;
    use super::*;

    fn list_messages(root: &JSONSchemaProps) -> Vec<String> {
        let rules = root.x_kubernetes_validations.iter().flatten();
        rules.filter_map(|rule| rule.message.clone()).collect()
    }

    #[test]
    fn a_new_field_is_frozen_unless_somebody_says_otherwise() {
        let mut spec = JSONSchemaProps::default();
        let fields = spec.properties.get_or_insert_default();
        for name in ["ofTomorrow", "paused", "approval"] {
            fields.insert(name.into(), JSONSchemaProps::default());
        }
        let mut root = JSONSchemaProps {
            properties: Some([("spec".to_owned(), spec)].into()),
            ..JSONSchemaProps::default()
        };
        freeze_spec(&mut root);
        let messages = list_messages(&root);
        assert_eq!(messages.len(), 2, "{messages:?}");
        assert!(
            messages[0].starts_with("spec.approval: it cannot change any more once a rollback")
        );
        assert!(
            messages[1]
                .starts_with("spec.ofTomorrow: it cannot change once the upgrade has started")
        );
    }

    #[test]
    fn what_is_listed_as_mutable_exists() {
        let crd = serde_json::to_value(super::super::build_crd()).unwrap();
        let spec = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"];
        let lists = [MUTABLE, MUTABLE_UNTIL_ROLLBACK, STEERING];
        for field in lists.into_iter().flatten() {
            assert!(spec["properties"].get(field).is_some(), "{field}");
        }
    }
}
