//! What the user says about checks. Pure.
use crate::api::{Check, CheckName, CheckPolicy};
use crate::upgrade::context::Context;

/// What the user says about a check, if anything.
pub(crate) fn find_check<'a>(cx: &Context<'a>, name: CheckName) -> Option<&'a Check> {
    cx.spec.checks.iter().find(|check| check.name == name)
}

/// Whether a check must pass: the user neither attests nor skips it.
pub(crate) fn is_required(cx: &Context<'_>, name: CheckName) -> bool {
    find_check(cx, name).is_none_or(|check| check.policy == CheckPolicy::Require)
}
