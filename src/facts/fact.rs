//! Something that was looked for, seen or not. No I/O.

/// Something that was looked for.
#[derive(Clone, Debug, PartialEq)]
pub enum Fact<T> {
    /// Seen.
    Known(T),
    /// Not seen, with the reason in words.
    Unknown(String),
}

impl<T> Default for Fact<T> {
    fn default() -> Self {
        Self::Unknown("not looked at in this step".into())
    }
}

impl<T> Fact<T> {
    /// The value, when it was seen.
    pub fn known(&self) -> Option<&T> {
        self.as_result().ok()
    }

    /// The value, or why it was not seen.
    pub fn as_result(&self) -> Result<&T, &str> {
        match self {
            Self::Known(value) => Ok(value),
            Self::Unknown(reason) => Err(reason),
        }
    }

    /// From the result of a call.
    pub fn from_result<E: std::fmt::Display>(result: Result<T, E>) -> Self {
        match result {
            Ok(value) => Self::Known(value),
            Err(error) => Self::Unknown(error.to_string()),
        }
    }
}
