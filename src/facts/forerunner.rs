//! What was seen of an object whose upgrade is to be taken over. No I/O.
use super::Fact;
use crate::oms::metadb::UpgradeRecord;

/// What is seen of the object whose upgrade another one is to continue.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ForerunnerFacts {
    /// Whether it is there, in words for people; `None` where it is gone. One that is being deleted is there.
    pub object: Fact<Option<String>>,
    /// The record of the upgrade that the lock names.
    pub record: Fact<UpgradeRecord>,
}
