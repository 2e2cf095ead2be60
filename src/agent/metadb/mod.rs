//! The MetaDB as the agent sees it: connections, the locks, foreign sessions, objects and their content.

pub mod catalogue;
pub mod connection;
pub mod content;
pub mod faithful;
pub mod given;
pub mod heartbeats;
pub mod lock;
pub mod packet;
pub mod patience;
pub mod sessions;
pub mod sight;
