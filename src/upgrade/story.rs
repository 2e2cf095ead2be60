//! What the rows of an upgrade tell, read in their order. Pure.
use crate::metadb::SchemaFingerprint;
use crate::metadb::record::{RecordFact, RecordedOutcome};
use crate::oms::metadb::RecordRow;

/// How far the last row says that the upgrade was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Nothing was done that a start of the old version does not end: the lock was taken, OMS stopped, a backup proven.
    Before,
    /// The new image may have been started.
    Line,
    /// A restore may have touched the databases.
    RestoreBegun,
    /// A restore has brought its tables in, so the old version may have run since.
    Swapped,
    /// A verdict fell, and nothing was begun after it.
    Ended(RecordedOutcome),
}

/// What a restore would be held against: the newest dump whose content was verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ProvenBackup {
    /// sha256 of its manifest.
    pub manifest_digest: String,
    /// When the row was written, in Unix seconds.
    pub written: i64,
}

/// What all rows tell together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Story<'a> {
    pub stage: Stage,
    /// The row of the lock: HA and images as they were.
    pub locked: &'a RecordFact,
    /// The schema when OMS was stopped, and when that was, in Unix seconds.
    pub stopped: Option<(&'a SchemaFingerprint, i64)>,
    pub backup: Option<ProvenBackup>,
    /// Somebody else started another image before the line.
    pub other_image: bool,
    /// When the line was crossed, in Unix seconds.
    pub line: Option<i64>,
    /// The attempt of the last restore that began.
    pub restore: Option<i32>,
    /// That restore has brought its tables in.
    pub swapped: bool,
    /// Epoch of the last row.
    pub epoch: i64,
    /// Place of the last row among the rows of all upgrades.
    pub ordinal: u64,
    /// The lowest epoch of the lock that tells of nothing begun after the last row: that of the row, or the one that a
    /// take-over after it has given the lock.
    pub due_epoch: i64,
    /// When it was taken over, the lock was of a later time than the row before that.
    pub begun_before_take_over: bool,
    /// It was taken over since the verdict fell, which is told once more then.
    retold: bool,
}

impl<'a> Story<'a> {
    /// Reads the rows of one upgrade, from its first one.
    ///
    /// # Errors
    /// What in them does not fit together, for people.
    pub(crate) fn read(rows: &'a [RecordRow]) -> Result<Self, String> {
        let first = rows.first().ok_or("it has no row")?;
        if !matches!(first.fact, RecordFact::Locked { .. }) {
            return Err("its first row is not that of the lock".into());
        }
        let mut story = Self {
            stage: Stage::Before,
            locked: &first.fact,
            stopped: None,
            backup: None,
            other_image: false,
            line: None,
            restore: None,
            swapped: false,
            epoch: first.epoch,
            ordinal: first.ordinal,
            due_epoch: first.epoch,
            begun_before_take_over: false,
            retold: false,
        };
        for row in rows.iter().skip(1) {
            let newer = row.epoch >= story.epoch && row.ordinal > story.ordinal;
            if !newer || !story.may_be_followed_by(&row.fact) {
                return Err(format!(
                    "its row {} ({}) does not follow from those before it",
                    row.seq,
                    row.fact.name()
                ));
            }
            story.add(row);
        }
        Ok(story)
    }

    fn may_be_followed_by(&self, fact: &RecordFact) -> bool {
        let proven = self.backup.is_some();
        let before = self.stage == Stage::Before;
        let back = proven && !self.is_over();
        match fact {
            RecordFact::Locked { .. } => false,
            RecordFact::Stopped { .. } | RecordFact::NewImageSeen { .. } => before,
            RecordFact::BackupVerified { .. } => before && self.stopped.is_some(),
            RecordFact::Line {} => before && proven,
            RecordFact::RestoreBegun { .. } => back,
            RecordFact::Swapped { attempt } => {
                self.stage == Stage::RestoreBegun && self.restore == Some(*attempt)
            }
            RecordFact::TakenOver { .. } => true,
            RecordFact::Verdict { outcome, .. } if self.retold => {
                self.stage == Stage::Ended(*outcome)
            }
            RecordFact::Verdict { outcome, .. } => match outcome {
                RecordedOutcome::Succeeded => self.stage == Stage::Line,
                RecordedOutcome::Aborted => before,
                RecordedOutcome::RolledBack => back,
                RecordedOutcome::Failed => !self.is_over(),
            },
        }
    }

    /// Nothing comes after that verdict.
    fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Ended(outcome) if outcome != RecordedOutcome::Succeeded)
    }

    fn add(&mut self, row: &'a RecordRow) {
        (self.epoch, self.ordinal) = (row.epoch, row.ordinal);
        if let RecordFact::TakenOver { .. } = &row.fact {
            self.begun_before_take_over |= row.epoch > self.due_epoch;
            self.due_epoch = row.epoch.saturating_add(1);
            self.retold = matches!(self.stage, Stage::Ended(_));
            return;
        }
        self.due_epoch = row.epoch;
        self.begun_before_take_over = false;
        self.retold = false;
        match &row.fact {
            RecordFact::Locked { .. } | RecordFact::TakenOver { .. } => {}
            RecordFact::Stopped { fingerprint } => self.stopped = Some((fingerprint, row.written)),
            RecordFact::BackupVerified { manifest_digest } => {
                self.backup = Some(ProvenBackup {
                    manifest_digest: manifest_digest.clone(),
                    written: row.written,
                });
            }
            RecordFact::NewImageSeen { .. } => self.other_image = true,
            RecordFact::Line {} => {
                self.line = Some(row.written);
                self.stage = Stage::Line;
            }
            RecordFact::RestoreBegun { attempt } => {
                (self.restore, self.swapped) = (Some(*attempt), false);
                self.stage = Stage::RestoreBegun;
            }
            RecordFact::Swapped { .. } => {
                self.swapped = true;
                self.stage = Stage::Swapped;
            }
            RecordFact::Verdict { outcome, .. } => self.stage = Stage::Ended(*outcome),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(facts: &[RecordFact]) -> Vec<RecordRow> {
        let rows = facts.iter().zip(1..);
        rows.map(|(fact, seq)| RecordRow {
            uid: "u".into(),
            seq,
            ordinal: u64::from(seq),
            epoch: 1,
            fact: fact.clone(),
            written: i64::from(seq),
        })
        .collect()
    }

    fn locked() -> RecordFact {
        RecordFact::Locked {
            ha: None,
            images: vec![],
        }
    }

    fn stopped() -> RecordFact {
        RecordFact::Stopped {
            fingerprint: SchemaFingerprint::try_from("ab".repeat(8)).unwrap(),
        }
    }

    fn backup(digest: &str) -> RecordFact {
        RecordFact::BackupVerified {
            manifest_digest: digest.into(),
        }
    }

    fn verdict(outcome: RecordedOutcome) -> RecordFact {
        RecordFact::Verdict {
            outcome,
            fingerprint: None,
        }
    }

    #[test]
    fn the_last_row_says_how_far_it_was() {
        let mut facts = vec![locked(), stopped(), backup("a"), backup("b")];
        let told = rows(&facts);
        let story = Story::read(&told).unwrap();
        assert_eq!(story.stage, Stage::Before);
        assert_eq!(story.backup.unwrap().manifest_digest, "b");
        facts.extend([RecordFact::Line {}, verdict(RecordedOutcome::Succeeded)]);
        let told = rows(&facts);
        let story = Story::read(&told).unwrap();
        assert_eq!(story.stage, Stage::Ended(RecordedOutcome::Succeeded));
        facts.push(RecordFact::RestoreBegun { attempt: 3 });
        facts.push(RecordFact::Swapped { attempt: 3 });
        let told = rows(&facts);
        let story = Story::read(&told).unwrap();
        assert_eq!((story.stage, story.restore), (Stage::Swapped, Some(3)));
        assert!(story.swapped && story.line == Some(5));
    }

    fn taken(epoch: i64) -> (RecordFact, i64) {
        let fact = RecordFact::TakenOver {
            from: "u".into(),
            marks: "u".into(),
        };
        (fact, epoch)
    }

    /// The epoch of the lock that a take-over leaves is due; one that had been raised before it tells of a way back.
    #[test]
    fn a_take_over_hides_nothing_that_was_begun_before_it() {
        for (after, due, begun) in [
            (vec![], 1, false),
            (vec![taken(1)], 2, false),
            (vec![taken(1), taken(2)], 3, false),
            (vec![taken(2)], 3, true),
            (vec![taken(1), taken(3)], 4, true),
            (vec![taken(2), (backup("b"), 4)], 4, false),
        ] {
            let before = [(locked(), 1), (stopped(), 1), (backup("a"), 1)];
            let all: Vec<(RecordFact, i64)> = before.into_iter().chain(after).collect();
            let facts: Vec<RecordFact> = all.iter().map(|(fact, _)| fact.clone()).collect();
            let mut told = rows(&facts);
            for (row, (_, epoch)) in told.iter_mut().zip(&all) {
                row.epoch = *epoch;
            }
            let story = Story::read(&told).unwrap();
            assert_eq!(
                (story.due_epoch, story.begun_before_take_over),
                (due, begun),
                "{all:?}"
            );
            assert_eq!(story.stage, Stage::Before);
        }
        // A verdict is told once more after it, and no other one.
        let ended = verdict(RecordedOutcome::Aborted);
        let facts = [locked(), ended.clone(), taken(1).0, ended];
        assert!(Story::read(&rows(&facts)).is_ok());
        assert!(Story::read(&rows(&[locked(), facts[1].clone(), facts[1].clone()])).is_err());
        let other = verdict(RecordedOutcome::RolledBack);
        assert!(Story::read(&rows(&[locked(), facts[1].clone(), taken(1).0, other])).is_err());
    }

    #[test]
    fn rows_that_do_not_fit_together_tell_nothing() {
        let restored = RecordFact::Swapped { attempt: 2 };
        for facts in [
            vec![],
            vec![stopped()],
            vec![locked(), locked()],
            vec![locked(), stopped(), RecordFact::Line {}],
            vec![locked(), verdict(RecordedOutcome::Succeeded)],
            vec![locked(), stopped(), backup("a"), restored.clone()],
            vec![
                locked(),
                stopped(),
                backup("a"),
                RecordFact::RestoreBegun { attempt: 1 },
                restored,
            ],
            vec![locked(), verdict(RecordedOutcome::Aborted), stopped()],
        ] {
            assert!(Story::read(&rows(&facts)).is_err(), "{facts:?}");
        }
        for change in [
            |row: &mut RecordRow| row.epoch = 0,
            |row: &mut RecordRow| row.ordinal = 1,
        ] {
            let mut told = rows(&[locked(), stopped()]);
            change(&mut told[1]);
            assert!(Story::read(&told).is_err());
        }
    }
}
