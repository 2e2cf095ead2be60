//! When an object is looked at again. Only in memory: losing it costs a look too many.
use super::reconcile::Key;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Pause after the first failed reconcile; it doubles with every further one in a row.
const SHORTEST_PAUSE: Duration = Duration::from_millis(250);
/// Longest pause of this module's own making.
const LONGEST_PAUSE: Duration = Duration::from_secs(15);
/// A wait is looked at again after this part of the time that it has lasted, so that looking costs no more than 5 %
/// of it.
const PART_OF_THE_WAIT: u32 = 20;

/// How each object went lately.
#[derive(Debug, Default)]
pub(super) struct Pacing(Mutex<HashMap<Key, Pace>>);

#[derive(Debug, Default)]
struct Pace {
    failures: u32,
    waiting_since: Option<Instant>,
}

impl Pacing {
    fn paces(&self) -> MutexGuard<'_, HashMap<Key, Pace>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A reconcile failed; doubles with every failure in a row.
    pub fn pause_after_failure(&self, key: &Key) -> Duration {
        let mut paces = self.paces();
        let pace = paces.entry(key.clone()).or_default();
        pace.failures = pace.failures.saturating_add(1);
        let doublings = pace.failures.saturating_sub(1).min(10);
        let pause = SHORTEST_PAUSE
            .saturating_mul(1 << doublings)
            .min(LONGEST_PAUSE);
        spread(key, pause)
    }

    /// There is nothing to do but wait. A step asks for its own interval; what has lasted long is looked at less often.
    pub fn pause_in_wait(&self, key: &Key, asked: Duration, now: Instant) -> Duration {
        let mut paces = self.paces();
        let pace = paces.entry(key.clone()).or_default();
        pace.failures = 0;
        let since = *pace.waiting_since.get_or_insert(now);
        let lasted = now.saturating_duration_since(since);
        let part = (lasted / PART_OF_THE_WAIT).min(LONGEST_PAUSE);
        spread(key, asked.max(part))
    }

    /// Something was recorded or done: the next wait is a new one.
    pub fn note_progress(&self, key: &Key) {
        if let Some(pace) = self.paces().get_mut(key) {
            *pace = Pace::default();
        }
    }

    /// There is nothing to do until the object changes.
    pub fn forget(&self, key: &Key) {
        self.paces().remove(key);
    }
}

/// Up to a tenth longer, by the object's name: what came together does not come together again.
fn spread(key: &Key, pause: Duration) -> Duration {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    let thousandths = u32::try_from(hasher.finish() % 100).unwrap_or(0);
    pause.saturating_add(pause.saturating_mul(thousandths) / 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> Key {
        Key {
            namespace: "oms".into(),
            name: name.into(),
        }
    }

    /// Without the spread.
    fn near(pause: Duration, wanted: Duration) -> bool {
        pause >= wanted && pause <= wanted.mul_f64(1.1)
    }

    #[test]
    fn failures_are_repeated_ever_later_and_never_too_late() {
        let pacing = Pacing::default();
        assert!(near(pacing.pause_after_failure(&key("a")), SHORTEST_PAUSE));
        assert!(near(
            pacing.pause_after_failure(&key("a")),
            SHORTEST_PAUSE * 2
        ));
        for _ in 0..50 {
            pacing.pause_after_failure(&key("a"));
        }
        assert!(near(pacing.pause_after_failure(&key("a")), LONGEST_PAUSE));
        assert!(near(pacing.pause_after_failure(&key("b")), SHORTEST_PAUSE));
        pacing.note_progress(&key("a"));
        assert!(near(pacing.pause_after_failure(&key("a")), SHORTEST_PAUSE));
    }

    #[test]
    fn a_long_wait_is_looked_at_less_often_but_not_past_its_twentieth() {
        let pacing = Pacing::default();
        let (began, asked) = (Instant::now(), Duration::from_secs(1));
        let after =
            |seconds| pacing.pause_in_wait(&key("a"), asked, began + Duration::from_secs(seconds));
        assert!(near(after(0), asked));
        assert!(near(after(10), asked));
        assert!(near(after(100), Duration::from_secs(5)));
        assert!(near(after(100_000), LONGEST_PAUSE));
        // An interval that a step asks for is never shortened.
        let hour = Duration::from_secs(3600);
        assert!(near(pacing.pause_in_wait(&key("a"), hour, began), hour));
        pacing.note_progress(&key("a"));
        assert!(near(after(100_000), asked));
    }

    #[test]
    fn objects_that_came_together_are_spread() {
        let pacing = Pacing::default();
        let now = Instant::now();
        let pauses: std::collections::HashSet<Duration> = (0..100)
            .map(|number| {
                pacing.pause_in_wait(&key(&number.to_string()), Duration::from_secs(5), now)
            })
            .collect();
        assert!(pauses.len() > 30, "{}", pauses.len());
    }
}
