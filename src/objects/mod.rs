//! Builds what is written to the API server and reads what came from it: names, labels, patches,
//! Jobs. Pure functions; no I/O.
pub mod agent_request;
pub mod config_source;
pub mod credentials;
pub mod deployment;
pub mod event;
pub mod foreign_words;
pub mod giving_back;
pub mod happenings;
pub mod image_guard;
pub mod jobs;
pub mod labels;
pub mod names;
pub mod originals;
pub mod owner;
pub mod pod_settings;
pub mod pod_trouble;
pub mod pods;
pub mod prepull;
pub mod rehearsal;
pub mod replica_failure;
pub mod replica_set;
pub mod restart;
pub mod target_change;
pub mod target_patch;
pub mod tls;
