//! A text that must not be seen: passwords and secret header values. No I/O.
use std::fmt;

use serde::{Deserialize, Deserializer};
use zeroize::Zeroizing;

/// A secret text. Cannot be printed or serialized, and its memory is overwritten on drop.
///
/// There is deliberately no `Serialize`, `Hash` or `Deref`: every place that reveals the text is
/// found by searching for [`SecretString::reveal`].
#[derive(Clone, PartialEq, Eq, Default)]
pub struct SecretString(Zeroizing<String>);

impl SecretString {
    /// Takes the text over; the caller keeps no copy unless it made one.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// The text itself, for the one call that needs it.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// The same words without the secret: no server and no client is known to repeat a password, but words come from
    /// them.
    pub fn redact(&self, words: String) -> String {
        if self.is_empty() || !words.contains(self.reveal()) {
            return words;
        }
        words.replace(self.reveal(), "***")
    }

    /// True when there is no text at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<String> for SecretString {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

impl fmt::Debug for SecretString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl fmt::Display for SecretString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl<'de> Deserialize<'de> for SecretString {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}

/// Account of a service: the name may be shown, the password may not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// Login name as configured, e.g. `root@metadb#obtest` for an OceanBase tenant behind a proxy.
    pub user: String,
    /// Password; may hold any character.
    pub password: SecretString,
}

/// What a key of a Secret holds, without the line end that editors add and `kubectl create secret
/// --from-file` keeps; no password of OMS ends with one.
pub fn cut_line_end(text: &str) -> &str {
    text.trim_end_matches(['\r', '\n'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hides_the_text_in_every_format() {
        let credentials = Credentials {
            user: "root".into(),
            password: SecretString::new("canary-7"),
        };
        let shown = format!(
            "{credentials:?} {credentials:#?} {} {:?}",
            credentials.password, credentials.password
        );
        assert!(!shown.contains("canary-7"), "{shown}");
        assert_eq!(credentials.password.reveal(), "canary-7");
    }

    #[test]
    fn is_cut_out_of_words() {
        let secret = SecretString::new("canary");
        assert_eq!(secret.redact("bad canary here".into()), "bad *** here");
        assert_eq!(SecretString::default().redact("all".into()), "all");
    }
}
