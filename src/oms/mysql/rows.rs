//! Reading cells of a row without guessing: what does not fit is a difference in schema.
use mysql_async::{Row, Value};

use super::super::metadb::MetaDbError;

/// One row, with the words needed to say what is wrong with it.
pub(super) struct Cells {
    call: &'static str,
    what: &'static str,
    values: Vec<Value>,
}

impl Cells {
    pub(super) fn new(call: &'static str, what: &'static str, row: Row) -> Self {
        Self {
            call,
            what,
            values: row.unwrap(),
        }
    }

    /// Text; numbers are written out, NULL is an error.
    pub(super) fn text(&self, at: usize) -> Result<String, MetaDbError> {
        self.optional_text(at)
            .ok_or_else(|| self.odd(at, "no text"))
    }

    /// Text or, for NULL and for kinds that are no text, nothing.
    pub(super) fn optional_text(&self, at: usize) -> Option<String> {
        match self.values.get(at)? {
            Value::Bytes(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
            Value::Int(number) => Some(number.to_string()),
            Value::UInt(number) => Some(number.to_string()),
            _ => None,
        }
    }

    /// Whole number; text that is one counts, because some servers send it so.
    pub(super) fn signed(&self, at: usize) -> Result<i64, MetaDbError> {
        let number = match self.values.get(at) {
            Some(Value::Int(number)) => Some(*number),
            Some(Value::UInt(number)) => i64::try_from(*number).ok(),
            Some(Value::Bytes(bytes)) => std::str::from_utf8(bytes)
                .ok()
                .and_then(|text| text.trim().parse().ok()),
            _ => None,
        };
        number.ok_or_else(|| self.odd(at, "no whole number"))
    }

    /// Whole number that is not negative.
    pub(super) fn unsigned(&self, at: usize) -> Result<u64, MetaDbError> {
        if let Some(Value::UInt(number)) = self.values.get(at) {
            return Ok(*number);
        }
        u64::try_from(self.signed(at)?).map_err(|_| self.odd(at, "a negative number"))
    }

    /// True when the cell is NULL.
    pub(super) fn is_null(&self, at: usize) -> bool {
        matches!(self.values.get(at), None | Some(Value::NULL))
    }

    fn odd(&self, at: usize, found: &str) -> MetaDbError {
        MetaDbError::SchemaDiffers {
            call: self.call.to_owned(),
            reason: format!("{}: column {} holds {found}", self.what, at + 1),
        }
    }
}
