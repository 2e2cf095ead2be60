//! The SQL that dump clients write: splitting it, understanding it, carrying it to another database. No I/O
//! beyond reading from the stream that is handed in.

pub mod definitions;
pub mod foreign_keys;
pub mod frame;
pub mod names;
pub mod rewrite;
pub mod rows;
pub mod spelling;
pub mod statements;
pub mod tokens;
pub mod views;
