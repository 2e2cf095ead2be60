//! One file per command; each is the whole story of that command from its first look to its report.

pub mod clean_up;
pub mod compare;
pub mod drop_safety_copies;
pub mod dump;
pub mod probe;
pub mod restore;
pub mod verify;
