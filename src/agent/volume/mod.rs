//! The mounted claim: directories of attempts, stored files, free space. The only place that writes there.

pub mod attempt;
pub mod claim;
mod hashing;
pub mod reader;
pub mod writer;
