//! Running one Job to its report: deterministic names, one attempt per Job, a vanished Job is no
//! success. Pure.
use super::orders::create_job;
use super::{Context, Failure, Next, to_i64};
use crate::api::{JobRecord, JobRole, OmsUpgradeStatus, Progress};
use crate::facts::{Fact, JobState};
use crate::protocol::report::{Outcome, Progress as AgentProgress, Reason, Report};

/// Attempts of one Job before a person is asked. A restore is safe to repeat and needed most.
fn count_attempts(role: JobRole) -> i32 {
    match role {
        JobRole::Restore => 5,
        _ => 3,
    }
}

/// Makes the Job when it is not there, follows it, and repeats it where that can help. Comes back with
/// the report of an agent that succeeded, or with what to do until there is one.
pub(super) fn run_job(
    cx: &Context<'_>,
    draft: &mut OmsUpgradeStatus,
    role: JobRole,
) -> Result<Box<Report>, Next> {
    let record = match draft.jobs.iter().position(|job| job.role == role) {
        Some(index) => index,
        None => {
            draft.jobs.push(JobRecord {
                role,
                attempt: 1,
                first_attempt: 1,
                uid: None,
            });
            draft.jobs.len() - 1
        }
    };
    let attempt = draft.jobs[record].attempt;
    let recorded_uid = draft.jobs[record].uid.clone();
    let state = match &cx.observed.job {
        Fact::Unknown(reason) => {
            return Err(Next::trouble(
                2,
                "JobUnseen",
                format!("the {role:?} Job cannot be read: {reason}"),
            ));
        }
        Fact::Known(state) => state,
    };
    match state {
        JobState::Foreign => Err(Next::Fail(Failure::new(
            "NameTaken",
            format!(
                "a Job with the name of our {role:?} Job exists and is not ours; nothing was done with it; delete or rename it"
            ),
        ))),
        JobState::Absent if recorded_uid.is_none() => Err(create_job(cx, role, attempt)),
        JobState::Absent => repeat(
            cx,
            draft,
            record,
            role,
            "JobVanished",
            &format!("the {role:?} Job vanished before it reported: its outcome is unknown"),
        ),
        JobState::Running {
            uid,
            progress,
            problem,
        } => {
            draft.jobs[record].uid = Some(uid.clone());
            draft.progress = progress
                .as_ref()
                .map(|progress| describe_progress(role, progress));
            match problem {
                Some(problem) => Err(Next::trouble(
                    2,
                    "JobPodNotRunning",
                    format!("the pod of the {role:?} Job does not run: {problem}"),
                )),
                None => Err(Next::Wait {
                    poll: 2,
                    problem: None,
                }),
            }
        }
        JobState::Ended { uid, report, why } => {
            draft.jobs[record].uid = Some(uid.clone());
            draft.progress = None;
            match report {
                None => repeat(
                    cx,
                    draft,
                    record,
                    role,
                    "JobKilled",
                    &format!("the {role:?} Job ended without a report ({why})"),
                ),
                Some(report)
                    if report.upgrade_uid != cx.object.uid || report.attempt != attempt =>
                {
                    Err(Next::Fail(Failure::new(
                        "ReportForeign",
                        format!(
                            "the report of the {role:?} Job belongs to another run; nothing is concluded from it"
                        ),
                    )))
                }
                Some(report) if report.outcome == Outcome::Succeeded => Ok(report.clone()),
                Some(report) if can_repeat(report.reason) => repeat(
                    cx,
                    draft,
                    record,
                    role,
                    &format!("{:?}", report.reason),
                    &report.message,
                ),
                Some(report) => Err(Next::Fail(Failure::new(
                    &format!("{:?}", report.reason),
                    report.message.clone(),
                ))),
            }
        }
    }
}

/// The next attempt, under a new name, while attempts are left.
fn repeat(
    cx: &Context<'_>,
    draft: &mut OmsUpgradeStatus,
    record: usize,
    role: JobRole,
    reason: &str,
    message: &str,
) -> Result<Box<Report>, Next> {
    let job = &mut draft.jobs[record];
    if job.attempt - job.first_attempt + 1 >= count_attempts(role) {
        return Err(Next::Fail(Failure::new(
            reason,
            format!("{message}; attempt {} was the last", job.attempt),
        )));
    }
    job.attempt += 1;
    job.uid = None;
    Err(create_job(cx, role, job.attempt))
}

/// Failures that another try may not meet again.
fn can_repeat(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::ConnectionLost
            | Reason::Interrupted
            | Reason::AgentBusy
            // Sessions of a lost node stay until the server ends them.
            | Reason::NotQuiesced
            | Reason::VolumeFailed
    )
}

/// Progress for the status: bytes rounded so that a line changes only when it tells something new.
fn describe_progress(role: JobRole, progress: &AgentProgress) -> Progress {
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
        "{role:?} {share} {}/s",
        format_bytes(progress.bytes_per_second)
    );
    Progress {
        summary,
        percent,
        bytes_done: to_i64(progress.bytes_done),
        bytes_total: progress.bytes_total.map(to_i64),
        bytes_per_second: to_i64(progress.bytes_per_second),
        eta_seconds: progress.eta_seconds.map(to_i64),
        database: Some(progress.database.clone()).filter(|name| !name.is_empty()),
    }
}

/// Bytes for people, in binary units.
pub(super) fn format_bytes(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = bytes;
    let mut unit = 0;
    while value >= 10_240 && unit + 1 < UNITS.len() {
        value /= 1024;
        unit += 1;
    }
    format!("{value} {}", UNITS[unit])
}
