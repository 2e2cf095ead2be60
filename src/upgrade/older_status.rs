//! A status that is older than the record in the MetaDB, as after a restore of the cluster, and what is made of that:
//! where the rows alone say for certain how far the upgrade was, and the databases and Deployments agree, the status is
//! put back there. Pure.
//!
//! Nothing that the record says began is done again: a new version that may have been started is followed by a
//! rollback, which compares, a restore that has ended by the old version, which is only started. What no row tells,
//! and whatever contradicts them, is for a person.
use crate::api::{
    BackupStatus, Cause, ContentProof, Direction, JobRecord, JobRole, OmsUpgradeStatus, Reason,
    RollbackPolicy, Step,
};
use crate::metadb::record::RecordedOutcome;
use crate::objects::deployment::{TemplateKind, read_replicas};
use crate::objects::names::backup_directory;
use crate::oms::metadb::UpgradeRecord;
use crate::upgrade::asserted::{count_rows, describe_locked};
use crate::upgrade::context::Context;
use crate::upgrade::parts::adopting::adopt_records;
use crate::upgrade::parts::targets::{list_stopped, read_targets};
use crate::upgrade::story::{Stage, Story};
use crate::upgrade::surroundings::{Gap, Look, missing};
use crate::upgrade::transition::{enter, turn_back};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;

/// The status as the record tells it.
pub(crate) fn rebuild(cx: &Context<'_>, record: &UpgradeRecord) -> Result<OmsUpgradeStatus, Gap> {
    let story = Story::read(&record.rows).map_err(Gap::Missing)?;
    let Some(originals) = cx.originals() else {
        return missing("the status is of a time before the originals were recorded");
    };
    if describe_locked(originals) != *story.locked {
        return missing("the record tells other images or another ha.config of before the upgrade");
    }
    if cx.status.point_of_no_return_time.is_some() && story.line.is_none() {
        return missing("the status knows of a start of the new version of which no row tells");
    }
    require_newest(cx, record, &story)?;
    let look = Look::at(cx, &story)?;
    let mut draft = build_draft(cx, record, &story);
    adopt_records(cx, &mut draft)?;
    count_jobs_anew(&mut draft, look.next_epoch, story.restore);
    match story.stage {
        Stage::Before => begin_again(cx, &story, &look, &mut draft)?,
        Stage::Line | Stage::RestoreBegun => lead_back(cx, &story, &look, &mut draft)?,
        Stage::Swapped => {
            require_lock(&look)?;
            start_old(cx, &story, &look, &mut draft)?;
        }
        Stage::Ended(outcome) => restate_verdict(cx, &story, outcome, &look, &mut draft)?,
    }
    draft.internal.epoch = look.next_epoch;
    Ok(draft)
}

/// No other upgrade has worked on these databases since.
fn require_newest(cx: &Context<'_>, record: &UpgradeRecord, story: &Story<'_>) -> Result<(), Gap> {
    let verdict = record.newest_verdict.iter();
    let mut others = verdict.chain(&record.unfinished);
    let newer = others.find(|row| row.uid != cx.object.uid && row.ordinal > story.ordinal);
    match newer {
        Some(row) => missing(format!(
            "another upgrade (uid {}) has worked on these databases since",
            row.uid
        )),
        None => Ok(()),
    }
}

/// What every rebuilt status has in common.
fn build_draft(cx: &Context<'_>, record: &UpgradeRecord, story: &Story<'_>) -> OmsUpgradeStatus {
    let mut draft = cx.status.clone();
    draft.stall = None;
    draft.cause = None;
    draft.settled = false;
    draft.finished_time = None;
    draft.old_stopped_time = story
        .stopped
        .and_then(|(_, written)| to_time(written))
        .or(draft.old_stopped_time);
    draft.point_of_no_return_time = story.line.and_then(to_time);
    draft.backup = story.backup.as_ref().map(|proven| {
        let known = cx.status.backup.clone();
        let known = known.filter(|known| known.manifest_digest == proven.manifest_digest);
        BackupStatus {
            verified: true,
            // The agent finds the manifest below it by its digest.
            ..known.unwrap_or_else(|| BackupStatus {
                directory: backup_directory(cx.marks(), &cx.object.name),
                manifest_digest: proven.manifest_digest.clone(),
                finished_time: to_time(proven.written),
                ..BackupStatus::default()
            })
        }
    });
    let internal = &mut draft.internal;
    internal.record_ahead = None;
    internal.record_seq = Some(count_rows(&record.rows));
    internal.fingerprint = story.stopped.map(|(known, _)| String::from(known.clone()));
    internal.content_proof = None;
    internal.last_heart_beat = None;
    internal.gate_closed_time = None;
    internal.init_runs.clear();
    internal.stopped_targets.clear();
    if !story.other_image {
        internal.other_image = None;
    }
    draft
}

fn to_time(seconds: i64) -> Option<Time> {
    Timestamp::from_second(seconds).ok().map(Time)
}

/// Names of Jobs are never used twice: how many were made is not known. A restore is known by its rows.
fn count_jobs_anew(draft: &mut OmsUpgradeStatus, epoch: i64, restore: Option<i32>) {
    let jobs = &mut draft.internal.jobs;
    let base = i32::try_from(epoch).unwrap_or(1).saturating_mul(10);
    for role in JobRole::ALL {
        let known = jobs.iter().find(|job| job.role == *role);
        let known = known.map_or(0, |job| job.attempt);
        let attempt = match role {
            JobRole::Restore => restore,
            _ => Some(base.max(known.saturating_add(1))),
        };
        jobs.retain(|job| job.role != *role);
        jobs.extend(attempt.map(|attempt| JobRecord {
            role: *role,
            attempt,
            first_attempt: attempt,
            uid: None,
        }));
    }
}

fn build_cause(cx: &Context<'_>, told: &str) -> Cause {
    if let Some(taken) = cx.status.internal.find_taken() {
        return Cause {
            reason: Reason::TakenOver.into(),
            message: format!(
                "the upgrade of the object with uid {}, which is gone, was taken over, and its status was rebuilt from the record of upgrades in the MetaDB: {told}",
                taken.from
            ),
        };
    }
    Cause {
        reason: Reason::StatusRebuilt.into(),
        message: format!(
            "the status was older than what was done, and was rebuilt from the record of upgrades in the MetaDB: {told}"
        ),
    }
}

/// Nothing is known of the databases but what they were: OMS is stopped again, and dumped again.
fn begin_again(
    cx: &Context<'_>,
    story: &Story<'_>,
    look: &Look<'_>,
    draft: &mut OmsUpgradeStatus,
) -> Result<(), Gap> {
    require_lock(look)?;
    require_nothing_begun(look)?;
    if story.other_image {
        return missing("somebody else had started another image while OMS was stopped");
    }
    if look.same_schema == Some(false) {
        return missing("the schema is another one than the record tells");
    }
    look.require_no_other(&TemplateKind::Old)?;
    if draft.direction != Some(Direction::Forward) {
        turn_back(
            cx,
            draft,
            Direction::Abort,
            build_cause(
                cx,
                "the new version was never started, and everything goes back as it was",
            ),
        );
        return Ok(());
    }
    draft.backup = None;
    let mut targets = look.targets.iter();
    let stopped = targets
        .all(|(target, _)| read_replicas(&target.deployment.object) == 0 && target.pods.is_empty());
    draft.old_stopped_time = None;
    let step = match stopped {
        true => Step::StoppingOld,
        false => Step::DisablingHa,
    };
    enter(cx, draft, step);
    Ok(())
}

/// The lock is ours, as it is of every upgrade that has not ended.
fn require_lock(look: &Look<'_>) -> Result<(), Gap> {
    match look.locked {
        true => Ok(()),
        false => missing("the record tells of no verdict, and the row of the lock is gone"),
    }
}

fn require_nothing_begun(look: &Look<'_>) -> Result<(), Gap> {
    match look.begun_since {
        false => Ok(()),
        true => missing(
            "the lock is of a later time than the last row: a way back had begun, and how far it was no row tells",
        ),
    }
}

/// How far the databases got is not known: everything is stopped, compared, and restored where they differ.
fn lead_back(
    cx: &Context<'_>,
    story: &Story<'_>,
    look: &Look<'_>,
    draft: &mut OmsUpgradeStatus,
) -> Result<(), Gap> {
    require_lock(look)?;
    let begun = story.stage == Stage::RestoreBegun;
    if look.same_schema != Some(false) {
        // Where they were found equal, the old version was started without a row.
        if begun {
            return missing(
                "a restore had begun, and the schema is as before the upgrade: whether it had ended, and the old version has written since, no row tells",
            );
        }
        require_nothing_begun(look)?;
        if look.may_old_have_run(cx) {
            return missing(
                "the old version may have run since the new one was to be started, on a schema that is as before the upgrade, and what it wrote is in no backup",
            );
        }
    }
    if cx.spec.rollback.policy == RollbackPolicy::OnRequest
        && draft.direction == Some(Direction::Forward)
    {
        return missing(
            "the new version may have been started, and a rollback begins on request only (spec.rollback.policy): ask for it with action: RollBack",
        );
    }
    let told = match begun {
        true => "a restore had begun",
        false => "the new version may have been started",
    };
    let told = format!(
        "{told} and no row tells how far the databases got, so they are compared with the backup, and restored where they differ"
    );
    turn_back(cx, draft, Direction::RollBack, build_cause(cx, &told));
    Ok(())
}

/// A restore has ended. The old version may have run and written since: it is started, and nothing is compared.
fn start_old(
    cx: &Context<'_>,
    story: &Story<'_>,
    look: &Look<'_>,
    draft: &mut OmsUpgradeStatus,
) -> Result<(), Gap> {
    look.require_no_other(&TemplateKind::Old)?;
    if look.same_schema == Some(false) && !look.is_left_with(&TemplateKind::Old) {
        return missing("the schema is not the one that the old version had");
    }
    let cause = build_cause(
        cx,
        "the content of before the upgrade is back, and the old version runs on it",
    );
    turn_back(cx, draft, Direction::RollBack, cause);
    draft.internal.content_proof = Some(match story.swapped {
        true => ContentProof::Restored,
        false => ContentProof::Equal,
    });
    draft.internal.ran_before_time = Some(cx.now.clone());
    draft.internal.stopped_targets = list_stopped(&read_targets(cx)?);
    enter(cx, draft, Step::StartingOld);
    Ok(())
}

/// The verdict stands. What was left running is only told again; what does not run is started.
fn restate_verdict(
    cx: &Context<'_>,
    story: &Story<'_>,
    outcome: RecordedOutcome,
    look: &Look<'_>,
    draft: &mut OmsUpgradeStatus,
) -> Result<(), Gap> {
    require_nothing_begun(look)?;
    let kind = match outcome {
        RecordedOutcome::Succeeded => TemplateKind::Final,
        RecordedOutcome::Aborted | RecordedOutcome::RolledBack => TemplateKind::Old,
        RecordedOutcome::Failed => return missing("it was given up half way"),
    };
    let left = look.is_left_with(&kind);
    if !left {
        look.require_no_other(&kind)?;
    }
    match outcome {
        RecordedOutcome::Succeeded => run_new(cx, look, draft)?,
        RecordedOutcome::RolledBack => start_old(cx, story, look, draft)?,
        _ if !left && look.same_schema == Some(false) => {
            return missing("the schema is not the one that the old version had");
        }
        _ => {
            let cause = build_cause(cx, "it was aborted, and everything is as it was");
            turn_back(cx, draft, Direction::Abort, cause);
        }
    }
    if left {
        enter(cx, draft, Step::Settling);
    }
    Ok(())
}

/// The upgrade had succeeded: the new version runs, or is started on what it has made of the databases.
fn run_new(cx: &Context<'_>, look: &Look<'_>, draft: &mut OmsUpgradeStatus) -> Result<(), Gap> {
    if look.same_schema != Some(false) && !look.is_left_with(&TemplateKind::Final) {
        return missing(
            "it tells of a success, and the schema is as before the upgrade, so the databases may have gone back too",
        );
    }
    draft.direction = Some(Direction::Forward);
    draft.internal.ran_before_time = Some(cx.now.clone());
    enter(cx, draft, Step::StartingFinal);
    Ok(())
}
