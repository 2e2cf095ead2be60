//! The mounted claim: directories of attempts, stored files, free space. The only place that writes there.

pub mod attempt;
pub mod claim;
pub mod reader;
pub mod writer;
