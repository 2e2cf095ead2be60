//! The high availability parameter `ha.config`: its text, single keys of it, and how far a Store
//! must be pulled back. No I/O, no clock.
//!
//! Stored texts may lack documented keys and hold unknown ones, so everything here works on single
//! keys of the original text and leaves every other byte as it is.
mod json_text;
mod kept;

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::api::HaParameters;

use json_text::{Member, find_members};
pub use kept::RECOVERY_KEYS;

/// Name of the parameter's row in `oms_normal_config`.
pub const HA_CONFIG_NAME: &str = "ha.config";
/// Master switch (OMS guide, modify HA configurations); default `false`.
pub const ENABLE: &str = "enable";
/// New Stores start from the downstream checkpoint instead of now; default `false`.
pub const PERCEIVE_STORE_CLIENT_CHECKPOINT: &str = "perceiveStoreClientCheckpoint";
/// Minutes that a new Store is pulled back; default 30.
pub const REFETCH_STORE_INTERVAL_MIN: &str = "refetchStoreIntervalMin";
/// Stores per subtopic above which HA does not act; default 5.
pub const SUBTOPIC_STORE_NUMBER_THRESHOLD: &str = "subtopicStoreNumberThreshold";
/// Store HA; default `true`.
pub const ENABLE_STORE: &str = "enableStore";
/// Whether HA starts Connectors.
pub const ENABLE_CONNECTOR: &str = "enableConnector";
/// Whether HA starts JDBCWriters.
pub const ENABLE_JDBC_WRITER: &str = "enableJdbcWriter";

/// Why a text is not a usable `ha.config`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Error)]
pub enum HaError {
    /// Not a JSON object.
    #[error(
        "the system parameter ha.config is not a JSON object ({reason}); nothing was written; \
         correct it in the console under System Management > System Parameters"
    )]
    NotAnObject {
        /// What the parser said.
        reason: String,
    },
    /// A key stands there twice, so a change of one of them would prove nothing.
    #[error(
        "the system parameter ha.config holds the key {key} more than once; nothing was written; \
         correct it in the console under System Management > System Parameters"
    )]
    DuplicateKey { key: String },
    /// A new value is not JSON.
    #[error(
        "the value for the key {key} of ha.config is not JSON; nothing was written; correct it in the spec"
    )]
    BadValue { key: String },
}

/// A checked `ha.config` text: a JSON object without duplicate keys.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HaConfig(String);

/// One key to set or to remove.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct HaKeyChange {
    /// Key of the top level.
    pub key: String,
    /// New value as JSON text (`true`, `90`, `"a"`); `None` removes the key.
    pub value: Option<String>,
}

/// Changes of single keys; also the form in which originals are kept.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct HaPatch {
    /// Changes, applied in order; each key once.
    pub changes: Vec<HaKeyChange>,
}

impl HaPatch {
    /// The empty patch.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a boolean key, replacing an earlier change of it.
    pub fn with_bool(self, key: &str, value: bool) -> Self {
        self.with_value(key, Some(value.to_string()))
    }

    /// Adds a number key, replacing an earlier change of it.
    pub fn with_number(self, key: &str, value: u64) -> Self {
        self.with_value(key, Some(value.to_string()))
    }

    /// Adds a key with JSON text, or its removal.
    pub fn with_value(mut self, key: &str, value: Option<String>) -> Self {
        self.changes.retain(|change| change.key != key);
        self.changes.push(HaKeyChange {
            key: key.to_owned(),
            value,
        });
        self
    }

    /// The keys that a person names, in the JSON types that OMS documents: the fields bear the names of the keys.
    pub fn of_parameters(parameters: &HaParameters) -> Self {
        let fields = serde_json::to_value(parameters).unwrap_or_default();
        let fields = fields.as_object().into_iter().flatten();
        fields.fold(Self::new(), |patch, (key, value)| {
            patch.with_value(key, Some(value.to_string()))
        })
    }

    /// Names of the keys it changes.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.changes.iter().map(|change| change.key.as_str())
    }
}

/// For people: as the keys are written in the console.
impl fmt::Display for HaPatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, change) in self.changes.iter().enumerate() {
            let value = change.value.as_deref().unwrap_or("(removed)");
            let comma = if at == 0 { "" } else { ", " };
            write!(f, "{comma}\"{}\": {value}", change.key)?;
        }
        Ok(())
    }
}

/// What the text says, with absent or unreadable values as `None`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct HaSetting {
    /// Master switch; absent or unreadable means off.
    pub enable: bool,
    pub enable_store: Option<bool>,
    pub enable_connector: Option<bool>,
    pub enable_jdbc_writer: Option<bool>,
    pub perceive_store_client_checkpoint: Option<bool>,
    /// `refetchStoreIntervalMin`, minutes.
    pub refetch_store_interval_min: Option<u64>,
    pub subtopic_store_number_threshold: Option<u64>,
}

impl HaConfig {
    /// Checks a stored text.
    pub fn parse(text: &str) -> Result<Self, HaError> {
        let members = find_members(text).map_err(|reason| HaError::NotAnObject { reason })?;
        for (i, member) in members.iter().enumerate() {
            if members.iter().skip(i + 1).any(|m| m.key == member.key) {
                return Err(HaError::DuplicateKey {
                    key: member.key.clone(),
                });
            }
        }
        Ok(Self(text.to_owned()))
    }

    /// An object without keys: what an absent row stands for.
    pub fn empty() -> Self {
        Self("{}".to_owned())
    }

    /// The text, byte for byte as stored.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Reads the keys that the upgrade is about.
    pub fn read_setting(&self) -> HaSetting {
        HaSetting {
            enable: self.read_bool(ENABLE).unwrap_or(false),
            enable_store: self.read_bool(ENABLE_STORE),
            enable_connector: self.read_bool(ENABLE_CONNECTOR),
            enable_jdbc_writer: self.read_bool(ENABLE_JDBC_WRITER),
            perceive_store_client_checkpoint: self.read_bool(PERCEIVE_STORE_CLIENT_CHECKPOINT),
            refetch_store_interval_min: self.read_number(REFETCH_STORE_INTERVAL_MIN),
            subtopic_store_number_threshold: self.read_number(SUBTOPIC_STORE_NUMBER_THRESHOLD),
        }
    }

    /// The value of a key as JSON text, exactly as stored.
    pub fn read_value(&self, key: &str) -> Option<&str> {
        let member = self.members().into_iter().find(|m| m.key == key)?;
        self.0.get(member.value)
    }

    /// True when every key reads as the patch wants it. Values are compared as JSON, so that
    /// `true` and `"true"` differ but white space does not count.
    pub fn satisfies(&self, patch: &HaPatch) -> bool {
        patch.changes.iter().all(
            |change| match (self.read_value(&change.key), &change.value) {
                (None, None) => true,
                (Some(is), Some(want)) => {
                    parse_json(is).is_some() && parse_json(is) == parse_json(want)
                }
                _ => false,
            },
        )
    }

    /// The text with the keys changed and every other byte as it was.
    pub fn apply_patch(&self, patch: &HaPatch) -> Result<Self, HaError> {
        let mut config = self.clone();
        for change in &patch.changes {
            config = match &change.value {
                Some(value) => config.set_value(&change.key, value)?,
                None => config.remove_key(&change.key),
            };
        }
        Self::parse(config.as_str())
    }

    fn members(&self) -> Vec<Member> {
        find_members(&self.0).unwrap_or_default()
    }

    fn read_bool(&self, key: &str) -> Option<bool> {
        match parse_json(self.read_value(key)?)? {
            serde_json::Value::Bool(value) => Some(value),
            serde_json::Value::String(word) => word.trim().to_ascii_lowercase().parse().ok(),
            _ => None,
        }
    }

    fn read_number(&self, key: &str) -> Option<u64> {
        match parse_json(self.read_value(key)?)? {
            serde_json::Value::Number(number) => number.as_u64(),
            serde_json::Value::String(word) => word.trim().parse().ok(),
            _ => None,
        }
    }

    fn set_value(&self, key: &str, value: &str) -> Result<Self, HaError> {
        if parse_json(value).is_none() {
            return Err(HaError::BadValue {
                key: key.to_owned(),
            });
        }
        let value = value.trim();
        let members = self.members();
        if let Some(member) = members.iter().find(|m| m.key == key) {
            return Ok(self.replace(member.value.clone(), value));
        }
        let name = serde_json::Value::from(key).to_string();
        Ok(match members.last() {
            // Written after the last member in the style of the text: a line of its own if it has any.
            Some(last) => {
                let gap = self.0.get(last.gap.clone()).unwrap_or_default();
                let colon = if self.0.contains("\": ") { ": " } else { ":" };
                let added = format!(",{gap}{name}{colon}{value}");
                self.replace(last.value.end..last.value.end, &added)
            }
            None => Self(format!("{{{name}:{value}}}")),
        })
    }

    fn remove_key(&self, key: &str) -> Self {
        let members = self.members();
        let Some(at) = members.iter().position(|m| m.key == key) else {
            return self.clone();
        };
        let Some(member) = members.get(at) else {
            return self.clone();
        };
        // Take one comma along: the one before, or, for the first member, the one after.
        let range = match (
            at.checked_sub(1).and_then(|i| members.get(i)),
            members.get(at + 1),
        ) {
            (Some(before), _) => before.value.end..member.value.end,
            (None, Some(after)) => member.gap.end..after.gap.end,
            (None, None) => member.gap.end..member.value.end,
        };
        self.replace(range, "")
    }

    fn replace(&self, range: std::ops::Range<usize>, with: &str) -> Self {
        let mut text = self.0.clone();
        // Ranges come from the scanner of this very text, so they lie on character borders.
        if text.get(range.clone()).is_some() {
            text.replace_range(range, with);
        }
        Self(text)
    }
}

impl TryFrom<String> for HaConfig {
    type Error = HaError;
    fn try_from(text: String) -> Result<Self, HaError> {
        Self::parse(&text)
    }
}

impl From<HaConfig> for String {
    fn from(config: HaConfig) -> Self {
        config.0
    }
}

fn parse_json(text: &str) -> Option<serde_json::Value> {
    serde_json::from_str(text).ok()
}

/// Minutes for `refetchStoreIntervalMin` so that a new Store starts before what `elapsed` seconds ago was: the whole
/// minutes since then, rounded up, plus `slack`. Always more than the time that passed, as the upgrade guide wants (its
/// example: 60 minutes of downtime, 30 of slack, 90).
pub fn compute_pull_back_minutes(elapsed: i64, slack: u32) -> u64 {
    let elapsed = u64::try_from(elapsed).unwrap_or(0);
    let rounded_up = elapsed.div_ceil(60).saturating_add(u64::from(slack));
    rounded_up.max(elapsed / 60 + 1)
}

#[cfg(test)]
mod tests;
