//! The one write that a target Deployment gets for a change: a JSON patch that tests what it was decided on. Pure.
use crate::api::{FENCE_ANNOTATION, ORIGINALS_ANNOTATION, TargetOriginal};
use crate::facts::DeploymentFacts;
use crate::objects::deployment::{TemplateKind, annotation_path, build_template, read_annotation};
use crate::objects::giving_back::build_give_back;
use crate::objects::originals::OriginalTexts;
use crate::objects::owner::{FLUX_PAUSE, can_pause_flux};
use crate::objects::target_change::TargetChange;
use serde_json::{Value, json};

/// Builds the JSON patch for a change. Every patch tests the resourceVersion it was decided on, and
/// the fence when there is one, so that a late write of an earlier actor is refused.
///
/// `texts` are the originals, proven by their hashes; `record` is the text of their annotation, `epoch` the fence.
pub fn build_patch(
    facts: &DeploymentFacts,
    original: &TargetOriginal,
    texts: &OriginalTexts,
    new_image: &str,
    change: &TargetChange,
    record: &str,
    epoch: i64,
) -> Option<Value> {
    let mut operations = vec![
        json!({"op": "test", "path": "/metadata/resourceVersion", "value": facts.resource_version}),
    ];
    if let TargetChange::GiveBack = change {
        operations.extend(build_give_back(
            &facts.object,
            texts.managed_fields.as_deref(),
        ));
        return Some(Value::Array(operations));
    }
    if facts.object.pointer("/metadata/annotations").is_none() {
        operations.push(json!({"op": "add", "path": "/metadata/annotations", "value": {}}));
    }
    // With the first write, and only where nobody has said anything: a person who takes it off meanwhile has spoken.
    if can_pause_flux(&facts.object)
        && read_annotation(&facts.object, ORIGINALS_ANNOTATION).is_none()
    {
        let (name, value) = FLUX_PAUSE;
        operations.push(json!({"op": "add", "path": annotation_path(name), "value": value}));
    }
    operations
        .push(json!({"op": "add", "path": annotation_path(ORIGINALS_ANNOTATION), "value": record}));
    operations.push(
        json!({"op": "add", "path": annotation_path(FENCE_ANNOTATION), "value": epoch.to_string()}),
    );
    let (template, replicas) = match change {
        TargetChange::Fence | TargetChange::GiveBack => (None, None),
        TargetChange::Stop => (None, Some(0)),
        TargetChange::StartUpgrade => (Some(TemplateKind::Upgrade), Some(original.replicas)),
        TargetChange::StartFinal => (Some(TemplateKind::Final), Some(original.replicas)),
        TargetChange::StartOld(_) => (Some(TemplateKind::Old), Some(original.replicas)),
    };
    if let Some(kind) = template {
        let value = build_template(original, &texts.template, new_image, &kind)?;
        operations.push(json!({"op": "replace", "path": "/spec/template", "value": value}));
    }
    if let Some(replicas) = replicas {
        operations.push(json!({"op": "replace", "path": "/spec/replicas", "value": replicas}));
    }
    Some(Value::Array(operations))
}
