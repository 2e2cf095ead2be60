//! What the definition of `OmsUpgrade` in the cluster lacks, as far as somebody has looked.
use std::sync::{PoisonError, RwLock};

/// Shared by who looks and who works.
#[derive(Debug, Default)]
pub struct Definition(RwLock<Seen>);

#[derive(Debug, Default)]
struct Seen {
    /// Paths of the fields that it lacked when it was seen last.
    lacking: Vec<String>,
    /// Whether the last look saw it.
    is_current: bool,
}

impl Definition {
    /// Takes in what was seen.
    pub fn tell(&self, lacking: Vec<String>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Seen {
            lacking,
            is_current: true,
        };
    }

    /// It could not be seen. What it lacked it may lack still; that it fits is known no more.
    pub fn tell_unseen(&self) {
        let mut seen = self.0.write().unwrap_or_else(PoisonError::into_inner);
        seen.is_current = false;
    }

    /// Paths of the fields that it lacks.
    pub fn list_lacking(&self) -> Vec<String> {
        let seen = self.0.read().unwrap_or_else(PoisonError::into_inner);
        seen.lacking.clone()
    }

    /// Whether the last look saw that it has every field.
    pub fn fits(&self) -> bool {
        let seen = self.0.read().unwrap_or_else(PoisonError::into_inner);
        seen.is_current && seen.lacking.is_empty()
    }
}
