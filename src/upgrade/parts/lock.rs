//! Whether the lock in the MetaDB may be ours. Pure.
use crate::api::{OmsUpgradeStatus, Step};

/// Whether the lock in the MetaDB may have been taken: from the step on that takes it.
pub(crate) fn may_hold_lock(status: &OmsUpgradeStatus) -> bool {
    status.started_time.is_some()
        || status
            .history
            .iter()
            .any(|record| record.step == Step::Locking)
}
