//! What a person takes upon himself at a stall (`spec.accept`). Pure.
//!
//! The value names the very thing that was asked about, so that neither a manifest written before nor one that is applied
//! again answers another question.
use crate::api::{AcceptReason, Acceptance};
use crate::upgrade::context::Context;

/// Whether this was accepted.
pub(crate) fn is_accepted(cx: &Context<'_>, reason: AcceptReason, value: &str) -> bool {
    let mut all = cx.spec.accept.iter();
    all.any(|one| one.reason == reason && one.value == value)
}

/// What to write into the spec to accept it.
pub(crate) fn describe_acceptance(accepted: &Acceptance) -> String {
    let Acceptance { reason, value } = accepted;
    format!("spec.accept: [{{reason: {reason}, value: \"{value}\"}}]")
}
