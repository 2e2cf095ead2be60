//! Keys of `ha.config` that were changed for the recovery of replication and left so, with what stood there before. No
//! I/O.
use super::{
    HaConfig, HaPatch, PERCEIVE_STORE_CLIENT_CHECKPOINT, REFETCH_STORE_INTERVAL_MIN, parse_json,
};
use crate::api::KeptKey;

/// The keys that say from where a new Store starts.
pub const RECOVERY_KEYS: [&str; 2] = [PERCEIVE_STORE_CLIENT_CHECKPOINT, REFETCH_STORE_INTERVAL_MIN];

impl HaConfig {
    /// The recovery keys that read otherwise than in `before`.
    pub fn find_kept(&self, before: &HaConfig) -> Vec<KeptKey> {
        RECOVERY_KEYS
            .into_iter()
            .filter_map(|key| {
                let value = self.read_value(key)?;
                let original = before.read_value(key);
                (Some(value) != original).then(|| KeptKey {
                    key: key.to_owned(),
                    value: value.to_owned(),
                    original: original.map(str::to_owned),
                })
            })
            .collect()
    }

    /// Those of `kept` that still read as they were left. What reads otherwise is somebody else's value by now.
    pub fn list_still_kept<'a>(&self, kept: &'a [KeptKey]) -> Vec<&'a KeptKey> {
        kept.iter()
            .filter(|one| {
                let now = self.read_value(&one.key).and_then(parse_json);
                now.is_some() && now == parse_json(&one.value)
            })
            .collect()
    }

    /// The changes that bring back what stood there before keys were left. Empty when nothing of them is left.
    pub fn build_withdrawal(&self, kept: &[KeptKey]) -> HaPatch {
        self.list_still_kept(kept)
            .into_iter()
            .fold(HaPatch::new(), |patch, one| {
                patch.with_value(&one.key, one.original.clone())
            })
    }
}
