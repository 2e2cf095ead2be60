//! Running one Job to its report: deterministic names, one attempt per Job, a vanished Job is no
//! success. Pure.
use crate::api::{JobRecord, JobRole, OmsUpgradeStatus, Reason};
use crate::facts::{Fact, JobState};
use crate::protocol::report::{Outcome, Reason as AgentReason, Report};
use crate::upgrade::context::Context;
use crate::upgrade::next::{Failure, Next};
use crate::upgrade::orders::create_job;
use crate::upgrade::parts::progress::describe_progress;

/// Attempts of one Job before a person is asked. A restore is safe to repeat and needed most.
fn count_attempts(role: JobRole) -> i32 {
    match role {
        JobRole::Restore => 5,
        _ => 3,
    }
}

/// Makes the Job when it is not there, follows it, and repeats it where that can help. Comes back with
/// the report of an agent that succeeded, or with what to do until there is one.
pub(crate) fn run_job(
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
                Reason::JobUnseen,
                format!("the {role} Job cannot be read: {reason}"),
            ));
        }
        Fact::Known(state) => state,
    };
    match state {
        JobState::Foreign => Err(Next::Fail(Failure::new(
            Reason::NameTaken,
            format!(
                "a Job with the name of our {role} Job exists and is not ours; nothing was done with it; delete or rename it"
            ),
        ))),
        JobState::Absent if recorded_uid.is_none() => Err(create_job(cx, role, attempt)),
        JobState::Absent => repeat(
            cx,
            draft,
            record,
            role,
            Reason::JobVanished,
            &format!("the {role} Job vanished before it reported: its outcome is unknown"),
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
                    Reason::JobPodNotRunning,
                    format!("the pod of the {role} Job does not run: {problem}"),
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
                    Reason::JobKilled,
                    &format!("the {role} Job ended without a report ({why})"),
                ),
                Some(report)
                    if report.upgrade_uid != cx.object.uid || report.attempt != attempt =>
                {
                    Err(Next::Fail(Failure::new(
                        Reason::ReportForeign,
                        format!(
                            "the report of the {role} Job belongs to another run; nothing is concluded from it"
                        ),
                    )))
                }
                Some(report) if report.outcome == Outcome::Succeeded => Ok(report.clone()),
                Some(report) if can_repeat(report.reason) => repeat(
                    cx,
                    draft,
                    record,
                    role,
                    Reason::Agent(report.reason),
                    &report.message,
                ),
                Some(report) => Err(Next::Fail(Failure::new(
                    Reason::Agent(report.reason),
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
    reason: Reason,
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
fn can_repeat(reason: AgentReason) -> bool {
    matches!(
        reason,
        AgentReason::ConnectionLost
            | AgentReason::Interrupted
            | AgentReason::AgentBusy
            // Sessions of a lost node stay until the server ends them.
            | AgentReason::NotQuiesced
            | AgentReason::VolumeFailed
    )
}
