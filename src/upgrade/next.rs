//! What a step wants next, and why it cannot go on. Pure.
use crate::api::{Acceptance, Reason, Waiting};
use crate::facts::Fact;
use crate::upgrade::effect::Effect;

/// What a step that is not done wants next. Steps and their parts return it as an error, so that `?` ends them there.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Next {
    /// An effect, after its intent was recorded.
    Do(Effect),
    /// Nothing to do until something changes.
    Wait {
        /// Look again after so many seconds even when no watch fires.
        poll: u64,
        /// Why it takes longer than it should, for people.
        problem: Option<Waiting>,
    },
    /// The step cannot be done.
    Fail(Failure),
    /// The operator needs a person.
    Stall(Failure),
    /// Everything is as it should be; nothing is left to do.
    Settled {
        /// Until after so many seconds.
        sleep: Option<u64>,
    },
}

/// Why a step cannot be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) reason: Reason,
    pub(crate) message: String,
    /// The message says what a person can do. Otherwise the usual ways on are added to it.
    pub(crate) advises: bool,
    /// What a person can take upon himself instead.
    pub(crate) accept: Vec<Acceptance>,
}

impl Failure {
    /// A failure that says what happened and what it means for the data.
    pub(crate) fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
            advises: false,
            accept: Vec::new(),
        }
    }

    /// A failure that also says what to do next.
    pub(crate) fn with_advice(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            advises: true,
            ..Self::new(reason, message)
        }
    }

    /// A failure that a person can take upon himself.
    pub(crate) fn with_acceptance(self, accept: Vec<Acceptance>) -> Self {
        Self { accept, ..self }
    }
}

/// What was seen. Until it is, the step waits and looks again after so many seconds.
pub(crate) fn require_known<T>(fact: &Fact<T>, poll: u64, reason: Reason) -> Result<&T, Next> {
    fact.as_result()
        .map_err(|why| Next::trouble(poll, reason, why))
}

impl From<Failure> for Next {
    fn from(failure: Failure) -> Self {
        Self::Fail(failure)
    }
}

impl Next {
    /// The step cannot be done; the usual ways on are added to the message.
    pub(crate) fn fail(reason: Reason, message: impl Into<String>) -> Self {
        Self::Fail(Failure::new(reason, message))
    }

    /// Waits for a watch; looks again after five seconds in case one is lost.
    pub(crate) fn watch() -> Self {
        Self::Wait {
            poll: 5,
            problem: None,
        }
    }

    /// Waits for something that no watch tells.
    pub(crate) fn poll() -> Self {
        Self::Wait {
            poll: 1,
            problem: None,
        }
    }

    /// Waits, and says why it takes longer than it should.
    pub(crate) fn trouble(poll: u64, reason: Reason, message: impl Into<String>) -> Self {
        Self::Wait {
            poll,
            problem: Some(Waiting {
                reason: reason.into(),
                message: message.into(),
            }),
        }
    }
}
