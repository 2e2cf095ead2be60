//! What looks past a limit come to: a limit fails only what was seen wanting several times. Pure.
//!
//! The status keeps one record of it, which is written at a look that counts and at no other.
use crate::api::{Looks, OmsUpgradeStatus, Reason, Waiting};
use crate::upgrade::context::{Context, seconds_between};

/// Looks that must have seen the same wanting before it fails a step.
const LOOKS: i32 = 3;

/// Seconds between two looks that count: what one moment shows twice was seen once.
const APART: i64 = 30;

/// Seconds past the limit after which a first look says that nobody looked before: whoever attends looks more often.
const ABSENCE: i64 = 120;

/// Seconds for which something else may be wanting at each look.
const CHANGES: i64 = 600;

/// What one look has shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look<'a> {
    /// Something was seen to be wanting, by this name.
    Wants(&'a str),
    /// Whether something is wanting could not be seen.
    Blind(&'a str),
}

impl<'a> Look<'a> {
    /// What a step that waits has seen.
    pub(crate) fn of_wait(problem: Option<&'a Waiting>) -> Self {
        match problem.map(|waiting| waiting.reason.as_str()) {
            Some(reason) if is_blind(reason) => Self::Blind(reason),
            Some(reason) => Self::Wants(reason),
            None => Self::Wants(""),
        }
    }
}

/// Whether a reason says that something could not be seen.
pub(crate) fn is_blind(reason: &str) -> bool {
    matches!(
        Reason::parse(reason),
        Some(
            Reason::RivalsUnseen
                | Reason::FactsUnseen
                | Reason::ProjectsUnseen
                | Reason::PrePullUnseen
                | Reason::TargetUnseen
                | Reason::PodsUnseen
                | Reason::ReplicaSetUnseen
                | Reason::MetaDbUnseen
                | Reason::ConsoleUnseen
                | Reason::ProgramsUnseen
                | Reason::HostsUnseen
                | Reason::InitUnseen
                | Reason::JobUnseen
                | Reason::OwnObjectsUnseen
                | Reason::ClaimUnseen
        )
    )
}

/// Whether the limit passed while nobody looked: this is the first look since, so many seconds after it.
pub(crate) fn was_nobody_there(status: &OmsUpgradeStatus, beyond: i64) -> bool {
    status.internal.overdue.is_none() && beyond > ABSENCE
}

/// Counts a look past the limit. Whether enough of them have seen the same wanting; what stays unseen counts by itself,
/// and for at least so many seconds.
pub(crate) fn is_late(
    cx: &Context<'_>,
    draft: &mut OmsUpgradeStatus,
    look: &Look<'_>,
    patience: i64,
) -> bool {
    let overdue = draft.internal.overdue.get_or_insert_default();
    let patience = match look {
        // What was seen ends a time in which it was not.
        Look::Wants(_) => {
            overdue.unseen = None;
            0
        }
        // No look at what is wanting, and it takes none back.
        Look::Blind(_) => patience,
    };
    let (what, looks) = match look {
        Look::Wants(what) => (what, &mut overdue.wanting),
        Look::Blind(what) => (what, &mut overdue.unseen),
    };
    let looks = looks.get_or_insert_with(|| Looks {
        reason: (*what).to_owned(),
        count: 0,
        since_time: cx.now.clone(),
        last_time: cx.now.clone(),
    });
    count(cx, looks, what);
    looks.count >= LOOKS && seconds_between(&looks.since_time, &cx.now) >= patience
}

/// One look more. Once there are enough of them nothing is written any more.
fn count(cx: &Context<'_>, looks: &mut Looks, what: &str) {
    let first = looks.count == 0;
    if looks.count >= LOOKS || (!first && seconds_between(&looks.last_time, &cx.now) < APART) {
        return;
    }
    // Another wanting each time is a way on, but not for ever.
    let same = looks.reason == what || seconds_between(&looks.since_time, &cx.now) >= CHANGES;
    looks.count = if same { looks.count + 1 } else { 1 };
    what.clone_into(&mut looks.reason);
    looks.last_time = cx.now.clone();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_was_not_seen_is_no_look_at_what_is_wanting() {
        for reason in Reason::ALL {
            let named = reason.as_str().ends_with("Unseen");
            // Which servers a list covers was seen.
            let unseen = named && *reason != Reason::SessionsPartlyUnseen;
            assert_eq!(is_blind(reason.as_str()), unseen, "{reason}");
        }
    }
}
