//! Effects on the meta database: lock, HA row, time limit.
use super::Performer;
use crate::api::KeptKey;
use crate::controller::calls::{CallError, CallSite};
use crate::oms::metadb::{
    HaRowOutcome, HaRowWrite, KeptKeys, LockClaim, LockOutcome, RecordClaim, RecordOutcome,
    TakeOverClaim,
};

impl Performer<'_> {
    pub(super) async fn acquire_lock(&self, claim: &LockClaim) -> Result<(), CallError> {
        let db = &self.observation.find_installation()?.metadb;
        let site = CallSite::MetaDbAcquireLock;
        let outcome = self.ports.call(site, db.acquire_lock(claim)).await?;
        note_lock(&outcome);
        Ok(())
    }

    pub(super) async fn raise_lock(&self, claim: &LockClaim) -> Result<(), CallError> {
        let db = &self.observation.find_installation()?.metadb;
        let site = CallSite::MetaDbRaiseLock;
        let outcome = self.ports.call(site, db.raise_lock(claim)).await?;
        note_lock(&outcome);
        Ok(())
    }

    pub(super) async fn take_over_lock(&self, claim: &TakeOverClaim) -> Result<(), CallError> {
        let db = &self.observation.find_installation()?.metadb;
        let site = CallSite::MetaDbTakeOverLock;
        let outcome = self.ports.call(site, db.take_over_lock(claim)).await?;
        note_lock(&outcome);
        Ok(())
    }

    /// Adds what the status tells to the record. What became of it is read again in the next reconcile.
    pub(super) async fn append_record(&self, claim: &RecordClaim) -> Result<(), CallError> {
        let db = &self.observation.find_installation()?.metadb;
        let site = CallSite::MetaDbAppendRecord;
        match self.ports.call(site, db.append_record(claim)).await? {
            RecordOutcome::Appended | RecordOutcome::AlreadyThere => {}
            outcome => tracing::warn!(?outcome, "the record of upgrades is not as it was read"),
        }
        Ok(())
    }

    pub(super) async fn release_lock(&self) -> Result<(), CallError> {
        let db = &self.observation.find_installation()?.metadb;
        let site = CallSite::MetaDbReleaseLock;
        let outcome = self
            .ports
            .call(
                site,
                db.release_lock(self.subject.owner.uid, self.subject.marks.uid),
            )
            .await?;
        note_lock(&outcome);
        Ok(())
    }

    /// Writes single keys, only if the row still reads as it did when that was decided.
    pub(super) async fn set_ha_row(&self, write: &HaRowWrite) -> Result<(), CallError> {
        let db = &self.observation.find_installation()?.metadb;
        let site = CallSite::MetaDbWriteHa;
        match self.ports.call(site, db.write_ha_row(write)).await? {
            HaRowOutcome::Written(_) | HaRowOutcome::Unchanged(_) => {}
            HaRowOutcome::Contended(_) => {
                tracing::warn!("somebody else changed ha.config; it is read again");
            }
            HaRowOutcome::Missing => tracing::warn!("there is no ha.config row to change"),
        }
        Ok(())
    }

    /// Writes down for the next upgrade which recovery keys are left in `ha.config`.
    pub(super) async fn keep_keys(&self, keys: Vec<KeptKey>) -> Result<(), CallError> {
        let kept = KeptKeys {
            note: format!(
                "{}/{}",
                self.subject.owner.namespace, self.subject.owner.name
            ),
            keys,
        };
        let db = &self.observation.find_installation()?.metadb;
        let site = CallSite::MetaDbWriteKeptKeys;
        self.ports.call(site, db.write_kept_keys(&kept)).await
    }

    pub(super) async fn set_query_timeout(&self, microseconds: u64) -> Result<(), CallError> {
        let db = &self.observation.find_installation()?.metadb;
        let site = CallSite::MetaDbSetQueryTimeout;
        self.ports
            .call(site, db.set_query_timeout(microseconds))
            .await
    }
}

/// What became of it is read again in the next reconcile; here it is only told.
fn note_lock(outcome: &LockOutcome) {
    match outcome {
        LockOutcome::Held(_) | LockOutcome::Free => {}
        LockOutcome::HeldByOther(row) | LockOutcome::Fenced(row) => {
            tracing::warn!(
                holder = row.note,
                epoch = row.epoch,
                "the lock is another's"
            );
        }
    }
}
