//! What a status says has happened, as facts of the record in the MetaDB. Pure.
use crate::api::{ContentProof, Direction, JobRole, OmsUpgradeStatus, Originals, Step};
use crate::metadb::SchemaFingerprint;
use crate::metadb::record::{RecordFact, RecordedOutcome, TargetImage};
use crate::oms::metadb::RecordRow;

/// What a status says has happened, in the order of the procedure.
pub(crate) fn list_asserted(status: &OmsUpgradeStatus) -> Vec<RecordFact> {
    let mut facts = Vec::new();
    let internal = &status.internal;
    facts.extend(internal.originals.as_ref().map(describe_locked));
    let fingerprint = internal.fingerprint.clone();
    if let Some(fingerprint) = fingerprint.and_then(|text| SchemaFingerprint::try_from(text).ok()) {
        facts.push(RecordFact::Stopped { fingerprint });
    }
    if let Some(backup) = status.backup.as_ref().filter(|backup| backup.verified) {
        facts.push(RecordFact::BackupVerified {
            manifest_digest: backup.manifest_digest.clone(),
        });
    }
    if let Some(seen) = &internal.other_image {
        facts.push(RecordFact::NewImageSeen {
            target: seen.target.clone(),
            image_id: seen.image.clone(),
        });
    }
    if status.point_of_no_return_time.is_some() {
        facts.push(RecordFact::Line {});
    }
    let restore = internal
        .jobs
        .iter()
        .find(|job| job.role == JobRole::Restore);
    if let Some(job) = restore {
        let attempt = job.attempt;
        facts.push(RecordFact::RestoreBegun { attempt });
        if internal.content_proof == Some(ContentProof::Restored) {
            facts.push(RecordFact::Swapped { attempt });
        }
    }
    if status.step == Some(Step::Settling)
        && let Some(direction) = status.direction
    {
        let outcome = match (direction, &status.cause) {
            (Direction::Forward, None) => RecordedOutcome::Succeeded,
            (Direction::Forward, Some(_)) => RecordedOutcome::Failed,
            (Direction::Abort, _) => RecordedOutcome::Aborted,
            (Direction::RollBack, _) => RecordedOutcome::RolledBack,
        };
        facts.push(RecordFact::Verdict {
            outcome,
            fingerprint: None,
        });
    }
    facts
}

/// The lock was taken: HA and the images as they were before.
pub(crate) fn describe_locked(originals: &Originals) -> RecordFact {
    RecordFact::Locked {
        ha: originals.ha.config.clone(),
        images: originals
            .targets
            .iter()
            .map(|target| TargetImage {
                target: target.name.clone(),
                image: target.image.clone(),
                image_id: target.image_id.clone(),
            })
            .collect(),
    }
}

/// How many rows there are, as a status keeps it.
pub(crate) fn count_rows(rows: &[RecordRow]) -> i32 {
    i32::try_from(rows.len()).unwrap_or(i32::MAX)
}
