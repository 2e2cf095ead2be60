//! Effects on the meta database: lock, HA row, time limit.
use super::Work;
use crate::api::KeptKey;
use crate::controller::calls::{CallError, CallSite};
use crate::facts::Fact;
use crate::oms::ha::HaPatch;
use crate::oms::metadb::{HaRowOutcome, HaRowWrite, KeptKeys, LockClaim, LockOutcome};

impl Work<'_> {
    fn claim(&self) -> LockClaim {
        LockClaim {
            holder: self.uid.clone(),
            epoch: self.status.epoch,
            note: format!("{}/{}", self.namespace, self.name),
        }
    }

    pub async fn acquire_lock(&self) -> Result<(), CallError> {
        let claim = self.claim();
        let db = &self.located()?.metadb;
        let site = CallSite::MetaDbAcquireLock;
        let outcome = self.ports.call(site, db.acquire_lock(&claim)).await?;
        self.note_lock(&outcome);
        Ok(())
    }

    pub async fn raise_lock(&self) -> Result<(), CallError> {
        let claim = self.claim();
        let db = &self.located()?.metadb;
        let site = CallSite::MetaDbRaiseLock;
        let outcome = self.ports.call(site, db.raise_lock(&claim)).await?;
        self.note_lock(&outcome);
        Ok(())
    }

    pub async fn release_lock(&self) -> Result<(), CallError> {
        let db = &self.located()?.metadb;
        let site = CallSite::MetaDbReleaseLock;
        let outcome = self.ports.call(site, db.release_lock(&self.uid)).await?;
        self.note_lock(&outcome);
        Ok(())
    }

    /// What became of it is read again in the next pass; here it is only told.
    fn note_lock(&self, outcome: &LockOutcome) {
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

    /// Writes single keys, only if the row still reads as it did in this pass.
    pub async fn set_ha_row(&self, patch: HaPatch, insert: bool) -> Result<(), CallError> {
        let Fact::Known(expected) = &self.sight.observed.metadb.ha else {
            return Err(CallError::Missing(
                "ha.config was not read in this pass".into(),
            ));
        };
        let write = HaRowWrite {
            expected: expected.clone(),
            patch,
            insert_if_missing: insert,
        };
        let db = &self.located()?.metadb;
        let site = CallSite::MetaDbWriteHa;
        match self.ports.call(site, db.write_ha_row(&write)).await? {
            HaRowOutcome::Written(_) | HaRowOutcome::Unchanged(_) => {}
            HaRowOutcome::Contended(_) => {
                tracing::warn!("somebody else changed ha.config; it is read again");
            }
            HaRowOutcome::Missing => tracing::warn!("there is no ha.config row to change"),
        }
        Ok(())
    }

    /// Writes down for the next upgrade which recovery keys are left in `ha.config`.
    pub async fn keep_keys(&self, keys: Vec<KeptKey>) -> Result<(), CallError> {
        let kept = KeptKeys {
            note: format!("{}/{}", self.namespace, self.name),
            keys,
        };
        let db = &self.located()?.metadb;
        let site = CallSite::MetaDbWriteKeptKeys;
        self.ports.call(site, db.write_kept_keys(&kept)).await
    }

    pub async fn set_query_timeout(&self, microseconds: u64) -> Result<(), CallError> {
        let db = &self.located()?.metadb;
        let site = CallSite::MetaDbSetQueryTimeout;
        self.ports
            .call(site, db.set_query_timeout(microseconds))
            .await
    }
}
