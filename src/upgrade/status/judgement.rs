//! What conditions are judged on, and how one should read. Pure.
use crate::api::{
    ConditionReason, ConditionStatus, Direction, OmsUpgradeStatus, Phase, Stall, Step,
};
use crate::upgrade::context::Context;

/// What conditions are judged on.
pub(crate) struct Scene<'a> {
    pub(crate) cx: &'a Context<'a>,
    pub(crate) draft: &'a OmsUpgradeStatus,
    pub(crate) step: Step,
    pub(crate) direction: Direction,
    pub(crate) phase: Phase,
    /// It was given up as it stood: nothing is promised of what was under way.
    pub(crate) released: bool,
    /// What a person has to do something about.
    pub(crate) stall: Option<Stall>,
    /// The whole story in one sentence.
    pub(crate) story: String,
}

/// A condition as it should read.
pub(crate) struct Judgement {
    pub(crate) type_: &'static str,
    pub(crate) status: ConditionStatus,
    pub(crate) reason: String,
    pub(crate) message: String,
}

impl Judgement {
    pub(crate) fn new(
        type_: &'static str,
        status: impl Into<ConditionStatus>,
        reason: ConditionReason,
        message: impl Into<String>,
    ) -> Self {
        Self::with_word(type_, status, reason.as_str(), message)
    }

    /// Where the reason is that of something else: of a stall, a cause, a phase.
    pub(crate) fn with_word(
        type_: &'static str,
        status: impl Into<ConditionStatus>,
        reason: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        Self {
            type_,
            status: status.into(),
            reason: reason.into(),
            message: message.into(),
        }
    }
}
