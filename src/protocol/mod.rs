//! The contract of operator and Job: what is asked of an agent, and what it reports. No I/O.
//!
//! Two programs read it, often of two versions: what is written is read for ever.
pub mod hex;
pub(crate) mod names;
pub mod report;
mod report_line;
pub mod request;
pub mod sentence;
