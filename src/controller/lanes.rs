//! Who may work at the same time. In memory only.
//!
//! A look at a MetaDB or a console that does not answer lasts as long as its limit, while others wait for a slot, and
//! their deadlines run on. So there are two lanes, and an object that was slow uses the second one until it was quick
//! again.
use super::reconcile::Key;
use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// Objects that are worked on at the same time, as long as each is quick.
const QUICK: usize = 8;
/// Those that were not.
const SLOW: usize = 16;
/// What took longer is slow.
const BUDGET: Duration = Duration::from_secs(2);

/// The lanes of one namespace.
#[derive(Debug)]
pub(super) struct Lanes {
    quick: Semaphore,
    slow: Semaphore,
    budget: Duration,
    slow_ones: Mutex<HashSet<Key>>,
}

impl Default for Lanes {
    fn default() -> Self {
        Self::with_budget(BUDGET)
    }
}

impl Lanes {
    fn with_budget(budget: Duration) -> Self {
        Self {
            quick: Semaphore::new(QUICK),
            slow: Semaphore::new(SLOW),
            budget,
            slow_ones: Mutex::default(),
        }
    }

    fn slow_ones(&self) -> MutexGuard<'_, HashSet<Key>> {
        self.slow_ones
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Works on an object in the lane that it belongs to. Who turns out to be slow changes lanes in the middle.
    pub async fn run<T>(&self, key: &Key, work: impl Future<Output = T>) -> T {
        // On the heap: a reconcile is large, and it is held across several waits.
        let mut work = Box::pin(work);
        let was_slow = self.slow_ones().contains(key);
        if was_slow {
            let _slot = self.slow.acquire().await;
            let began = Instant::now();
            let done = work.await;
            if began.elapsed() < self.budget {
                self.slow_ones().remove(key);
            }
            return done;
        }
        let slot = self.quick.acquire().await;
        tokio::select! {
            biased;
            done = &mut work => return done,
            () = tokio::time::sleep(self.budget) => {}
        }
        self.slow_ones().insert(key.clone());
        tokio::select! {
            biased;
            done = &mut work => done,
            _slow = self.slow.acquire() => {
                drop(slot);
                work.await
            }
        }
    }

    /// There is nothing to do until the object changes.
    pub fn forget(&self, key: &Key) {
        self.slow_ones().remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::StreamExt;
    use futures::stream::FuturesUnordered;

    fn key(name: &str) -> Key {
        Key {
            namespace: "oms".into(),
            name: name.into(),
        }
    }

    /// Works of objects whose servers never answer.
    fn hang<'a>(
        lanes: &'a Lanes,
        keys: &'a [Key],
    ) -> FuturesUnordered<impl Future<Output = ()> + 'a> {
        keys.iter()
            .map(|key| lanes.run(key, std::future::pending()))
            .collect()
    }

    #[tokio::test]
    async fn servers_that_do_not_answer_keep_nobody_else_waiting() {
        let lanes = Lanes::with_budget(Duration::ZERO);
        let keys: Vec<Key> = (0..SLOW).map(|number| key(&number.to_string())).collect();
        let mut hanging = hang(&lanes, &keys);
        let other = key("other");
        let quick = lanes.run(&other, async { 7 });
        tokio::select! {
            biased;
            _ = hanging.next() => panic!("it answered"),
            done = quick => assert_eq!(done, 7),
        }
    }

    #[tokio::test]
    async fn more_of_them_wait_for_each_other_and_not_in_the_quick_lane() {
        let lanes = Lanes::with_budget(Duration::ZERO);
        let keys: Vec<Key> = (0..100).map(|number| key(&number.to_string())).collect();
        lanes.slow_ones().extend(keys.iter().cloned());
        let mut hanging = hang(&lanes, &keys);
        let other = key("other");
        tokio::select! {
            biased;
            _ = hanging.next() => panic!("it answered"),
            done = lanes.run(&other, async { 7 }) => assert_eq!(done, 7),
        }
        assert_eq!(lanes.slow.available_permits(), 0);
    }

    #[tokio::test]
    async fn who_was_quick_again_changes_back() {
        let lanes = Lanes::default();
        lanes.slow_ones().insert(key("a"));
        lanes.run(&key("a"), async {}).await;
        assert!(lanes.slow_ones().is_empty());
        lanes.slow_ones().insert(key("b"));
        lanes.forget(&key("b"));
        assert!(lanes.slow_ones().is_empty());
    }
}
