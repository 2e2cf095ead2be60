//! Running one Job to its report: deterministic names, one attempt per Job, a vanished Job is no
//! success. Pure.
use crate::api::{JobRecord, JobRole, OmsUpgradeStatus, Reason, Waiting};
use crate::facts::{JobState, PodTrouble, PodTroubleKind};
use crate::protocol::report::{Outcome, Reason as AgentReason, Report};
use crate::protocol::sentence::{drop_full_stop, join_clause};
use crate::upgrade::context::Context;
use crate::upgrade::next::Next;
use crate::upgrade::orders::create_job;
use crate::upgrade::parts::own_jobs::stop_own_jobs;
use crate::upgrade::parts::progress::note_progress;

/// Attempts of one Job before a person is asked. A restore is safe to repeat and needed most.
fn count_attempts(role: JobRole) -> i32 {
    match role {
        JobRole::Restore => 5,
        _ => 3,
    }
}

/// Makes the Job when it is not there, follows it, and repeats it where that can help. Comes back with the report of
/// an agent that succeeded.
pub(crate) fn run_job(
    cx: &Context<'_>,
    draft: &mut OmsUpgradeStatus,
    role: JobRole,
) -> Result<Box<Report>, Next> {
    let record = find_record(draft, role);
    let attempt = draft.internal.jobs[record].attempt;
    let state = cx.observed.job.as_result().map_err(|why| {
        Next::trouble(
            2,
            Reason::JobUnseen,
            format!("the {role} Job cannot be read: {why}"),
        )
    })?;
    match state {
        JobState::Foreign => Err(Next::fail(
            Reason::NameTaken,
            format!(
                "a Job with the name of our {role} Job exists and is not ours; nothing was done with it; delete or rename it"
            ),
        )),
        JobState::Absent if draft.internal.jobs[record].uid.is_none() => {
            Err(make_job(cx, role, attempt))
        }
        JobState::Absent => {
            draft.progress = None;
            Err(repeat(
                &mut draft.internal.jobs[record],
                Reason::JobVanished,
                &format!("the {role} Job vanished before it reported: its outcome is unknown"),
            ))
        }
        JobState::Running {
            uid,
            progress,
            trouble,
            made: _,
        } => {
            draft.internal.jobs[record].uid = Some(uid.clone());
            note_progress(&mut draft.progress, role, progress.as_ref(), &cx.now);
            Err(watch_pod(role, trouble.as_ref()))
        }
        JobState::Ended {
            uid, report, why, ..
        } => {
            let job = &mut draft.internal.jobs[record];
            job.uid = Some(uid.clone());
            draft.progress = None;
            judge_end(cx, job, report.as_deref(), why)
        }
    }
}

/// Where the record of a Job is; a Job that never ran gets one.
fn find_record(draft: &mut OmsUpgradeStatus, role: JobRole) -> usize {
    let known = draft.internal.jobs.iter().position(|job| job.role == role);
    known.unwrap_or_else(|| {
        draft.internal.jobs.push(JobRecord {
            role,
            attempt: 1,
            first_attempt: 1,
            uid: None,
        });
        draft.internal.jobs.len() - 1
    })
}

/// A former time left its Job behind: names are never used twice, and attempts are granted anew.
pub(crate) fn begin_anew(draft: &mut OmsUpgradeStatus, role: JobRole) {
    if let Some(job) = draft.internal.jobs.iter_mut().find(|job| job.role == role) {
        job.attempt += 1;
        job.first_attempt = job.attempt;
        job.uid = None;
    }
}

fn watch_pod(role: JobRole, trouble: Option<&PodTrouble>) -> Next {
    let Some(trouble) = trouble else {
        return Next::Wait {
            poll: 2,
            problem: None,
        };
    };
    let message = &trouble.message;
    match trouble.kind {
        PodTroubleKind::NotBegun => Next::trouble(
            2,
            Reason::JobPodNotRunning,
            format!("the pod of the {role} Job does not run: {message}"),
        ),
        PodTroubleKind::Lost => Next::trouble(
            2,
            Reason::JobPodLost,
            format!(
                "whether the {role} Job still works cannot be seen, and no other is made beside it: {message}; once the pod is gone the Job is \
                 repeated by itself"
            ),
        ),
    }
}

/// Seconds that the pod of a Job may take to begin: the image of the agent is pulled meanwhile, and a claim may have to
/// leave a lost node, for which Kubernetes waits six minutes.
const BEGIN_LIMIT: i64 = 900;

/// Seconds since which a Job has not begun that takes too long to begin; `None` while it may.
pub(crate) fn find_lag(cx: &Context<'_>, waiting: &Waiting) -> Option<i64> {
    match cx.observed.job.known() {
        Some(JobState::Running { made, .. }) if waiting.reason == Reason::JobPodNotRunning => {
            let lasted = cx.now.0.as_second() - made;
            (lasted >= BEGIN_LIMIT).then_some(lasted)
        }
        _ => None,
    }
}

/// The report of an agent that succeeded; otherwise the next attempt where another one can help.
fn judge_end(
    cx: &Context<'_>,
    job: &mut JobRecord,
    report: Option<&Report>,
    why: &str,
) -> Result<Box<Report>, Next> {
    let role = job.role;
    let Some(report) = report else {
        let message = format!("the {role} Job ended without a report ({why})");
        return Err(repeat(job, Reason::JobKilled, &message));
    };
    if report.upgrade_uid != cx.marks() || report.attempt != job.attempt {
        return Err(Next::fail(
            Reason::ReportForeign,
            format!(
                "the report of the {role} Job belongs to another run; nothing is concluded from it"
            ),
        ));
    }
    let reason = Reason::Agent(report.reason);
    // An agent of another version may end its messages otherwise.
    let message = drop_full_stop(&report.message);
    match report.outcome {
        Outcome::Succeeded => Ok(Box::new(report.clone())),
        _ if can_repeat(report.reason) => Err(repeat(job, reason, message)),
        _ => Err(Next::fail(reason, message)),
    }
}

/// Whether the next thing to do about this Job is to make it.
pub(crate) fn is_job_due(status: &OmsUpgradeStatus, role: JobRole) -> bool {
    let mut jobs = status.internal.jobs.iter();
    jobs.find(|job| job.role == role)
        .is_none_or(|job| job.uid.is_none())
}

/// A Job is made when nothing of ours works any more. A Job that somebody deleted may have left its pod behind, and its
/// agent at work: two would dump, or restore, side by side.
fn make_job(cx: &Context<'_>, role: JobRole, attempt: i32) -> Next {
    match stop_own_jobs(cx) {
        Ok(()) => create_job(cx, role, attempt),
        Err(next) => next,
    }
}

/// The next attempt, under a new name, while attempts are left. What is left of this one is looked at first.
fn repeat(job: &mut JobRecord, reason: Reason, message: &str) -> Next {
    if job.attempt - job.first_attempt + 1 >= count_attempts(job.role) {
        return Next::fail(
            reason,
            join_clause(message, &format!("attempt {} was the last", job.attempt)),
        );
    }
    job.attempt += 1;
    job.uid = None;
    Next::poll()
}

/// Failures that another try may not meet again.
fn can_repeat(reason: AgentReason) -> bool {
    matches!(
        reason,
        AgentReason::ConnectionLost
            | AgentReason::MetadbBusy
            | AgentReason::Interrupted
            | AgentReason::AgentBusy
            // Sessions of a lost node stay until the server ends them.
            | AgentReason::NotQuiesced
            | AgentReason::VolumeFailed
    )
}
