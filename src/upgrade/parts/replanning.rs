//! When a plan is made again: on an edit of what it depends on, and on a new word in `spec.planRequest`. Pure.
use crate::api::{OmsUpgradeSpec, OmsUpgradeStatus};
use crate::objects::names::hash_text;
use crate::upgrade::context::Context;
use serde_json::Value;

/// Fields that steer an upgrade: no plan depends on them, so an edit of them makes none again. Whether and when an
/// upgrade begins on a plan is looked at where it waits.
const STEERING: [&str; 7] = [
    "accept",
    "approval",
    "cleanup",
    "paused",
    "planRequest",
    "retries",
    "window",
];

/// Words that are remembered.
const HONOURED: usize = 20;

/// Notes what the plan that is made now is made for. True where the former one was made for something else, or a new
/// one is asked for.
pub(crate) fn note_plan_wanted(cx: &Context<'_>, draft: &mut OmsUpgradeStatus) -> bool {
    let asked = honour(draft, cx.spec.plan_request.as_deref());
    let made_for = Some(hash_planned(cx.spec));
    let edited = draft.planned_spec != made_for;
    draft.planned_spec = made_for;
    asked || edited
}

/// Whether a word is new; it never counts again.
fn honour(draft: &mut OmsUpgradeStatus, word: Option<&str>) -> bool {
    let honoured = &mut draft.requests.honoured;
    let Some(word) = word.filter(|word| !honoured.iter().any(|known| known == word)) else {
        return false;
    };
    honoured.push(word.to_owned());
    let surplus = honoured.len().saturating_sub(HONOURED);
    honoured.drain(..surplus);
    true
}

/// Hash of what a plan depends on.
fn hash_planned(spec: &OmsUpgradeSpec) -> String {
    let mut spec = serde_json::to_value(spec).unwrap_or_default();
    if let Value::Object(fields) = &mut spec {
        fields.retain(|name, _| !STEERING.contains(&name.as_str()));
    }
    hash_text(&spec.to_string())
}
