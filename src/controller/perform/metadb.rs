//! Effects on the meta database: lock, HA row, time limit.
use super::Performer;
use crate::api::KeptKey;
use crate::controller::calls::{CallError, CallSite};
use crate::oms::metadb::{
    HaRowOutcome, HaRowWrite, KeptKeys, LockClaim, LockOutcome, MetaDbResult, RecordClaim,
    RecordOutcome, TakeOverClaim,
};

impl Performer<'_> {
    /// Changes the lock. What became of it is read again in the next reconcile; here it is only told.
    async fn change_lock(
        &self,
        site: CallSite,
        call: MetaDbResult<'_, LockOutcome>,
    ) -> Result<(), CallError> {
        match self.ports.call(site, call).await? {
            LockOutcome::Held(_) | LockOutcome::Free => {}
            LockOutcome::HeldByOther(row) | LockOutcome::Fenced(row) => {
                tracing::warn!(
                    holder = row.note,
                    epoch = row.epoch,
                    "the lock is another's"
                );
            }
        }
        Ok(())
    }

    pub(super) async fn acquire_lock(&self, claim: &LockClaim) -> Result<(), CallError> {
        let db = &self.observation.find_installation()?.metadb;
        self.change_lock(CallSite::MetaDbAcquireLock, db.acquire_lock(claim))
            .await
    }

    pub(super) async fn raise_lock(&self, claim: &LockClaim) -> Result<(), CallError> {
        let db = &self.observation.find_installation()?.metadb;
        self.change_lock(CallSite::MetaDbRaiseLock, db.raise_lock(claim))
            .await
    }

    pub(super) async fn take_over_lock(&self, claim: &TakeOverClaim) -> Result<(), CallError> {
        let db = &self.observation.find_installation()?.metadb;
        self.change_lock(CallSite::MetaDbTakeOverLock, db.take_over_lock(claim))
            .await
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
        let call = db.release_lock(self.subject.owner.uid, self.subject.marks.uid);
        self.change_lock(CallSite::MetaDbReleaseLock, call).await
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
