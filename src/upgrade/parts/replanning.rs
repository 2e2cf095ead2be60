//! When a plan is made again: on an edit of what it depends on, and on a new word in `spec.planRequest`. Pure.
use crate::api::{OmsUpgradeSpec, OmsUpgradeStatus, STEERING};
use crate::protocol::hex::hash_text;
use crate::upgrade::context::Context;
use serde_json::Value;

/// Notes what the plan that is made now is made for. True where the former one was made for something else, or a new
/// one is asked for.
pub(crate) fn note_plan_wanted(cx: &Context<'_>, draft: &mut OmsUpgradeStatus) -> bool {
    // A field that is new with this operator, or another default, is nobody's edit.
    let touched = draft.observed_generation != Some(cx.object.generation);
    let memory = &mut draft.internal;
    let asked = memory.requests.honour_plan(cx.spec.plan_request.as_deref());
    let made_for = Some(hash_planned(cx.spec));
    let edited = touched && memory.planned_spec != made_for;
    memory.planned_spec = made_for;
    asked || edited
}

/// Hash of what a plan depends on.
fn hash_planned(spec: &OmsUpgradeSpec) -> String {
    let mut spec = serde_json::to_value(spec).unwrap_or_default();
    if let Value::Object(fields) = &mut spec {
        fields.retain(|name, _| !STEERING.contains(&name.as_str()));
    }
    hash_text(&spec.to_string())
}
