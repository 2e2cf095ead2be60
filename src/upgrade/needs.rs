//! What a reconcile has to look at: a step asks only for what it decides on. Pure.
use crate::api::OmsUpgradeStatus;
use crate::facts::{CopyNeed, Needs};
use crate::upgrade::lost_status::is_lost;
use crate::upgrade::parts::job::is_job_due;
use crate::upgrade::steps::find_def;
use crate::upgrade::take_over::is_pending;
use crate::upgrade::witness::is_kept;

/// What the present step needs to see.
pub fn find_needs(status: &OmsUpgradeStatus) -> Needs {
    let lost = Needs {
        originals: CopyNeed::Always,
        ..Needs::default()
    };
    if is_pending(status) && !is_lost(status) {
        return Needs {
            lock: true,
            record: true,
            forerunner: true,
            ..lost
        };
    }
    let Some(def) = status.step.map(find_def).filter(|_| !is_lost(status)) else {
        return lost;
    };
    let looks = (def.looks)(status);
    let kept = is_kept(status);
    let job = def.job.or(looks.job);
    // What the record tells beyond the status is held against everything that can be seen.
    let ahead = kept && status.internal.record_ahead.is_some() && status.stall.is_none();
    Needs {
        job,
        // No Job is made beside what is left of another one.
        leftovers: looks.leftovers || job.is_some_and(|role| is_job_due(status, role)),
        record: looks.record || kept,
        lock: looks.lock || kept,
        fingerprint: looks.fingerprint || ahead,
        templates: looks.templates || ahead,
        query_timeout: looks.query_timeout || ahead,
        originals: match ahead {
            true => CopyNeed::Always,
            false => looks.originals,
        },
        ..looks
    }
}
