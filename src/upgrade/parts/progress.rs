//! Progress of a Job, in words and numbers. Pure.
use crate::api::{JobRole, Progress};
use crate::protocol::report::Progress as AgentProgress;
use crate::upgrade::context::to_i64;

/// Progress for the status: bytes rounded so that a line changes only when it tells something new.
pub(crate) fn describe_progress(role: JobRole, progress: &AgentProgress) -> Progress {
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
