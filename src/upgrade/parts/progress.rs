//! Progress of a Job, in words and numbers. Pure.
use crate::api::{JobRole, Progress};
use crate::protocol::report::Progress as AgentProgress;
use crate::upgrade::context::to_i64;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

/// The line is written at most as often, in seconds: each write is a pass and an event for whoever watches.
const PAUSE: i64 = 10;

/// Writes down how far a Job is, when people would read something new. What cannot be read for a moment leaves what was
/// read before.
pub(crate) fn note_progress(
    known: &mut Option<Progress>,
    role: JobRole,
    seen: Option<&AgentProgress>,
    now: &Time,
) {
    let Some(seen) = seen else {
        return;
    };
    let next = describe_progress(role, seen, now);
    let told = known.as_ref().is_some_and(|known| {
        let reads_the_same = known.summary == next.summary && known.database == next.database;
        reads_the_same || is_fresh(known, now)
    });
    if !told {
        *known = Some(next);
    }
}

fn is_fresh(known: &Progress, now: &Time) -> bool {
    let since = known
        .observed_time
        .as_ref()
        .map(|then| now.0.as_second().saturating_sub(then.0.as_second()));
    since.is_some_and(|since| (0..PAUSE).contains(&since))
}

fn describe_progress(role: JobRole, progress: &AgentProgress, now: &Time) -> Progress {
    let percent = progress
        .bytes_total
        .filter(|total| *total > 0)
        .map(|total| {
            i32::try_from(progress.bytes_done.min(total).saturating_mul(100) / total).unwrap_or(100)
        });
    let share = percent.map_or_else(
        || format_bytes(progress.bytes_done),
        |percent| format!("{percent}%"),
    );
    let summary = format!(
        "{role} {share} {}/s",
        format_bytes(progress.bytes_per_second)
    );
    Progress {
        summary,
        percent,
        bytes_done: to_i64(progress.bytes_done),
        bytes_total: progress.bytes_total.map(to_i64),
        bytes_per_second: to_i64(progress.bytes_per_second),
        eta: progress.eta_seconds.map(format_time),
        eta_seconds: progress.eta_seconds.map(to_i64),
        database: Some(progress.database.clone()).filter(|name| !name.is_empty()),
        observed_time: Some(now.clone()),
    }
}

/// Time for people: `45s`, `3m20s`, `2h5m`.
pub(crate) fn format_time(seconds: u64) -> String {
    let (hours, minutes, rest) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match (hours, minutes) {
        (0, 0) => format!("{rest}s"),
        (0, _) => format!("{minutes}m{rest}s"),
        _ => format!("{hours}h{minutes}m"),
    }
}

/// Bytes for people, in binary units.
pub(crate) fn format_bytes(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = bytes;
    let mut unit = 0;
    while value >= 10_240 && unit + 1 < UNITS.len() {
        value /= 1024;
        unit += 1;
    }
    format!("{value} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::jiff::Timestamp;

    fn at(second: i64) -> Time {
        Time(Timestamp::from_second(second).unwrap())
    }

    fn done(bytes: u64) -> AgentProgress {
        AgentProgress {
            bytes_done: bytes,
            bytes_total: Some(1_000_000),
            bytes_per_second: 1_000,
            ..AgentProgress::default()
        }
    }

    #[test]
    fn a_line_is_written_anew_when_it_reads_otherwise_and_not_at_once() {
        let mut known = None;
        let mut note = |second, bytes| {
            note_progress(&mut known, JobRole::Dump, Some(&done(bytes)), &at(second));
            known.as_ref().map(|known| known.bytes_done)
        };
        assert_eq!(note(100, 10_000), Some(10_000));
        // Too early, and nothing new for people.
        assert_eq!(note(109, 500_000), Some(10_000));
        assert_eq!(note(200, 10_001), Some(10_000));
        assert_eq!(note(201, 500_000), Some(500_000));
        // A clock that was set back holds up nothing.
        assert_eq!(note(50, 600_000), Some(600_000));
    }

    #[test]
    fn what_cannot_be_read_for_a_moment_is_not_forgotten() {
        let mut known = Some(describe_progress(JobRole::Dump, &done(7), &at(1)));
        note_progress(&mut known, JobRole::Dump, None, &at(100));
        assert_eq!(known.map(|known| known.bytes_done), Some(7));
    }
}
