//! Measures progress and prints it: at most one line per second on stdout and one at the end, only
//! when something changed.

use crate::protocol::report::{OutputLine, Progress, ProgressPhase};
use std::io::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Shared by everything that works through bytes; cheap to clone.
#[derive(Clone)]
pub struct Meter(Arc<Mutex<State>>);

struct State {
    progress: Progress,
    phase_began: Instant,
    /// What was printed last, without what moves by itself.
    printed: (ProgressPhase, String, Option<String>, u64),
}

impl Default for Meter {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(State {
            progress: Progress::default(),
            phase_began: Instant::now(),
            printed: (ProgressPhase::Starting, String::new(), None, 0),
        })))
    }
}

impl Meter {
    fn state(&self) -> MutexGuard<'_, State> {
        // A poisoned meter still counts; it guards no invariant.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts a phase that will take `total` bytes, if that is known.
    pub fn begin(&self, phase: ProgressPhase, total: Option<u64>) {
        let mut state = self.state();
        state.progress = Progress {
            phase,
            bytes_total: total,
            ..Progress::default()
        };
        state.phase_began = Instant::now();
    }

    /// Names what is at hand.
    pub fn at(&self, database: &str, table: Option<&str>) {
        let mut state = self.state();
        database.clone_into(&mut state.progress.database);
        state.progress.table = table.map(str::to_owned);
    }

    /// Counts bytes done in this phase.
    pub fn add(&self, bytes: u64) {
        self.state().progress.bytes_done += bytes;
    }

    /// How far the phase has come.
    pub fn snapshot(&self) -> Progress {
        let state = self.state();
        let mut progress = state.progress.clone();
        let elapsed = state.phase_began.elapsed();
        let millis = u64::try_from(elapsed.as_millis())
            .unwrap_or(u64::MAX)
            .max(1);
        progress.bytes_per_second = progress.bytes_done.saturating_mul(1000) / millis;
        // A rate over less than a second says nothing.
        if elapsed >= Duration::from_secs(1) && progress.bytes_per_second > 0 {
            let left = progress
                .bytes_total
                .map(|total| total.saturating_sub(progress.bytes_done));
            progress.eta_seconds = left.map(|left| left.div_ceil(progress.bytes_per_second));
        }
        progress
    }

    /// Prints how far it has come, where that is new. To be called at the end of a run too: one that takes less than a
    /// second says something as well.
    pub fn print_news(&self) {
        let now = self.snapshot();
        let news = (
            now.phase,
            now.database.clone(),
            now.table.clone(),
            now.bytes_done,
        );
        let before = std::mem::replace(&mut self.state().printed, news.clone());
        if before != news {
            print_line(&OutputLine::Progress(now));
        }
    }

    /// Prints progress for ever; to be raced against the work.
    pub async fn print_progress(&self) {
        let mut ticks = tokio::time::interval(Duration::from_secs(1));
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.print_news();
        }
    }
}

/// Writes one line to stdout. A reader that has gone away is no reason to stop a backup.
pub fn print_line(line: &OutputLine) {
    if let Ok(text) = serde_json::to_string(line) {
        let mut stdout = std::io::stdout().lock();
        let _ = writeln!(stdout, "{text}").and_then(|()| stdout.flush());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phase_starts_from_zero() {
        let meter = Meter::default();
        meter.begin(ProgressPhase::Dumping, Some(100));
        meter.at("oms_rm", Some("t"));
        meter.add(40);
        let now = meter.snapshot();
        assert_eq!(
            (now.bytes_done, now.bytes_total, now.table.as_deref()),
            (40, Some(100), Some("t"))
        );
        meter.begin(ProgressPhase::Verifying, None);
        let now = meter.snapshot();
        assert_eq!(
            (now.bytes_done, now.database.as_str(), now.eta_seconds),
            (0, "", None)
        );
    }
}
