//! What the definition of `OmsUpgrade` in the cluster lacks, as far as somebody has looked.
use std::sync::{PoisonError, RwLock};

/// Shared by who looks and who works.
#[derive(Debug, Default)]
pub struct Definition(RwLock<Vec<String>>);

impl Definition {
    /// Takes in what was seen; nothing where it could not be seen.
    pub fn tell(&self, lacking: Vec<String>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = lacking;
    }

    /// Paths of the fields that it lacks.
    pub fn list_lacking(&self) -> Vec<String> {
        let lacking = self.0.read().unwrap_or_else(PoisonError::into_inner);
        lacking.clone()
    }
}
