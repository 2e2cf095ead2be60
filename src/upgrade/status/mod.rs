//! The status for people: derived from the rest of it, and from nothing else. Pure.
pub(super) mod actions;
pub(super) mod conditions;
pub(super) mod events;
pub(super) mod judgement;
pub(super) mod promises;
pub(super) mod sources;
pub(super) mod summary;
pub(super) mod words;
