//! OMS's `config.yaml` as people write it: the values that are taken, or what is wrong with the text. No I/O.
//!
//! The one reader of both programs: the operator takes the whole installation (`crate::oms::config_yaml`), the agent
//! the account alone. What OMS's own reader takes, PyYAML, is taken and means the same; what that one refuses is
//! refused. Only `oms_meta_*` is taken of the accounts. Words name line and key and never a value, for values are
//! passwords.
use crate::metadb::secret::{Credentials, SecretString};
use serde::{Deserialize, Deserializer};
use serde_saphyr::DuplicateKeyPolicy;
use thiserror::Error;

/// Signs that begin no plain value in YAML, or give it another meaning: a reserved one, a tag, an anchor, an alias.
const SIGNS: [char; 6] = ['@', '`', '%', '!', '&', '*'];

/// What texts are quoted with.
const QUOTES: [char; 2] = ['\'', '"'];

/// Keys that name databases.
const NAMES: [&str; 3] = ["drc_rm_db", "drc_cm_db", "drc_cm_heartbeat_db"];

/// The values that are taken; absent keys and keys with nothing behind them are `None`.
#[derive(Deserialize)]
pub struct ConfigFile {
    #[serde(default, deserialize_with = "text_of_scalar")]
    pub oms_meta_host: Option<String>,
    #[serde(default, deserialize_with = "text_of_scalar")]
    pub oms_meta_port: Option<String>,
    #[serde(default, deserialize_with = "text_of_scalar")]
    oms_meta_user: Option<String>,
    #[serde(default)]
    oms_meta_password: Option<SecretString>,
    #[serde(default, deserialize_with = "text_of_scalar")]
    pub drc_rm_db: Option<String>,
    #[serde(default, deserialize_with = "text_of_scalar")]
    pub drc_cm_db: Option<String>,
    #[serde(default, deserialize_with = "text_of_scalar")]
    pub drc_cm_heartbeat_db: Option<String>,
    #[serde(default, deserialize_with = "text_of_scalar")]
    pub cm_location: Option<String>,
    #[serde(default, deserialize_with = "text_of_scalar")]
    pub cm_region: Option<String>,
    #[serde(default, deserialize_with = "text_of_scalar")]
    pub cm_url: Option<String>,
    #[serde(default)]
    pub cm_nodes: Option<NodeList>,
    /// Line of `oms_meta_password`, where the key is there.
    #[serde(skip)]
    password_line: Option<usize>,
}

/// `cm_nodes`, as a list or as one text with commas.
#[derive(Deserialize)]
#[serde(untagged)]
pub enum NodeList {
    Many(Vec<String>),
    One(String),
}

/// What is wrong with a `config.yaml`. Lines are counted from 1.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Error)]
pub enum ConfigFlaw {
    /// A key that is needed is absent or has nothing behind it.
    #[error("it has no value for {key}")]
    MissingKey { key: &'static str },
    /// The key is there, and nothing behind it.
    #[error("line {line}: nothing stands behind oms_meta_password")]
    EmptyPassword { line: usize },
    /// A key is followed by the colon of Chinese texts.
    #[error("line {line}: {key} is followed by a full-width colon (：)")]
    FullWidthColon { line: usize, key: String },
    /// A colon is followed by its value at once.
    #[error("line {line}: no space stands behind the colon of {key}")]
    NoSpace { line: usize, key: String },
    /// A tab stands where YAML wants spaces.
    #[error("line {line}: a tab stands in front of the key or its value")]
    Tab { line: usize },
    /// A plain value begins with a sign that YAML keeps for itself.
    #[error("line {line}: the value of {key} begins with a sign that means something to YAML")]
    Sign { line: usize, key: String },
    /// A value begins with a quote and does not end with it.
    #[error("line {line}: the value of {key} begins with a quote that is not closed")]
    OpenQuote { line: usize, key: String },
    /// A value that is not one text as it stands.
    #[error("line {line}: the value of {key} is not one text as it stands")]
    NotText { line: usize, key: String },
    /// A plain name that OMS's reader takes for a number or a word of YAML, which reads otherwise.
    #[error(
        "line {line}: OMS's own reader takes the value of {key} for a number or a word of YAML, not for this text"
    )]
    OtherForOms { line: usize, key: &'static str },
    /// Not YAML, or no mapping, for another reason.
    #[error("it is no list of keys and values near line {line}")]
    Unreadable {
        /// 0 when unknown.
        line: usize,
    },
}

impl ConfigFlaw {
    /// What to do about it.
    pub fn advise(&self) -> &'static str {
        match self {
            Self::MissingKey { .. } => "add it as OMS's deployment guide describes",
            Self::EmptyPassword { .. } => {
                "write the password behind it in single quotes, or '' where the account has none"
            }
            Self::FullWidthColon { .. } => "write an ASCII colon and a space in its place",
            Self::NoSpace { .. } => {
                "write one `key: value` per line, the colon followed by a space"
            }
            Self::Tab { .. } => "write spaces in its place",
            Self::Sign { .. } | Self::NotText { .. } => {
                "put the value in single quotes, with each single quote in it doubled"
            }
            Self::OpenQuote { .. } => {
                "close it, or put the whole value in single quotes, with each single quote in it doubled"
            }
            Self::OtherForOms { .. } => {
                "look how the database is called in the MetaDB, and write that name in single quotes"
            }
            Self::Unreadable { .. } => {
                "it must be YAML with one `key: value` per line, the colon followed by a space"
            }
        }
    }
}

/// A scalar as text, whatever YAML would take it for.
fn text_of_scalar<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Option::<String>::deserialize(deserializer)
}

/// Reads one file. Of a key that stands there twice the last value counts, as in OMS.
///
/// # Errors
/// What is wrong, at the line at which a person should look.
pub fn read_config_file(text: &str) -> Result<ConfigFile, ConfigFlaw> {
    let text = cut_byte_order_mark(text);
    if let Some(flaw) = list_pairs(text).find_map(find_sign) {
        return Err(flaw);
    }
    let options = serde_saphyr::options! { duplicate_keys: DuplicateKeyPolicy::LastWins };
    let mut file: ConfigFile =
        serde_saphyr::from_str_with_options(text, options).map_err(|error| {
            // The error's own text quotes the file, so only the line is taken.
            let line = error.location().map_or(0, |location| location.line());
            explain(text, usize::try_from(line).unwrap_or(0))
        })?;
    let other = list_pairs(text).find_map(|pair| {
        let key = NAMES.into_iter().find(|name| *name == pair.key)?;
        let line = pair.line;
        reads_otherwise(pair.value).then_some(ConfigFlaw::OtherForOms { line, key })
    });
    if let Some(flaw) = other {
        return Err(flaw);
    }
    file.password_line = list_pairs(text)
        .filter(|pair| pair.key == "oms_meta_password")
        .last()
        .map(|pair| pair.line);
    Ok(file)
}

impl ConfigFile {
    /// The account of the MetaDB; an empty password is one where it is written as `''`.
    ///
    /// # Errors
    /// `MissingKey` and `EmptyPassword`.
    pub fn take_account(&mut self) -> Result<Credentials, ConfigFlaw> {
        let user = require("oms_meta_user", self.oms_meta_user.take())?;
        let key = "oms_meta_password";
        let absent = self
            .password_line
            .map_or(ConfigFlaw::MissingKey { key }, |line| {
                ConfigFlaw::EmptyPassword { line }
            });
        let password = self.oms_meta_password.take().ok_or(absent)?;
        Ok(Credentials { user, password })
    }
}

/// A value that must be there, without space around it.
///
/// # Errors
/// `MissingKey`.
pub fn require(key: &'static str, value: Option<String>) -> Result<String, ConfigFlaw> {
    value
        .map(|text| text.trim().to_owned())
        .filter(|text| !text.is_empty())
        .ok_or(ConfigFlaw::MissingKey { key })
}

/// The text without the mark that editors of Windows put in front of it.
pub fn cut_byte_order_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

/// One line `key: value`, or what was meant to be one.
#[derive(Clone, Copy)]
struct Pair<'t> {
    line: usize,
    key: &'t str,
    /// What follows the key at once, the colon included.
    rest: &'t str,
    /// What stands behind colon and space.
    value: &'t str,
}

/// Lines that begin with a word of letters, quoted or not, and something like a colon; comments and entries of lists
/// are none.
fn list_pairs(text: &str) -> impl Iterator<Item = Pair<'_>> {
    text.lines().enumerate().filter_map(|(number, line)| {
        let body = line.trim().trim_start_matches(QUOTES);
        let end = body.find(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_'))?;
        let (key, rest) = body.split_at(end);
        let behind = rest.trim_start_matches(QUOTES).trim_start();
        let value = behind.strip_prefix([':', '：'])?;
        (!key.is_empty()).then(|| Pair {
            line: number + 1,
            key,
            rest: behind,
            value: value.trim_start(),
        })
    })
}

/// A sign that must not begin a plain value. A tag that says "this is a text" is none.
fn find_sign(pair: Pair<'_>) -> Option<ConfigFlaw> {
    let spaced = pair.rest.starts_with(": ") && !pair.value.starts_with("!!str ");
    (spaced && pair.value.starts_with(SIGNS)).then(|| ConfigFlaw::Sign {
        line: pair.line,
        key: pair.key.to_owned(),
    })
}

/// What is wrong with a text that is no YAML: what people do most, wherever it stands, else the line at which the
/// reader gave up.
fn explain(text: &str, line: usize) -> ConfigFlaw {
    let mut pairs = list_pairs(text);
    let common = pairs.find_map(|pair| {
        let (line, key) = (pair.line, pair.key.to_owned());
        let behind = pair.rest.chars().nth(1);
        match pair.rest.chars().next() {
            Some('：') => Some(ConfigFlaw::FullWidthColon { line, key }),
            _ if behind == Some('\t') => Some(ConfigFlaw::Tab { line }),
            _ if behind.is_some_and(|letter| letter != ' ') => {
                Some(ConfigFlaw::NoSpace { line, key })
            }
            _ if is_open(pair.value) => Some(ConfigFlaw::OpenQuote { line, key }),
            _ if is_half_list(pair.value) => Some(ConfigFlaw::NotText { line, key }),
            _ => None,
        }
    });
    let indented = || {
        let at = text.lines().position(|line| {
            let margin = &line[..line.len() - line.trim_start().len()];
            margin.contains('\t') && !line.trim_start().starts_with('#')
        })?;
        Some(ConfigFlaw::Tab { line: at + 1 })
    };
    let here = || {
        let pair = list_pairs(text).find(|pair| pair.line == line && !pair.value.is_empty())?;
        let key = pair.key.to_owned();
        Some(ConfigFlaw::NotText { line, key })
    };
    common
        .or_else(indented)
        .or_else(here)
        .unwrap_or(ConfigFlaw::Unreadable { line })
}

/// Whether a value begins with a quote that its line does not close.
fn is_open(value: &str) -> bool {
    let Some(quote) = value.chars().next().filter(|sign| QUOTES.contains(sign)) else {
        return false;
    };
    let mut letters = value.chars().skip(1).peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' if quote == '"' => {
                letters.next();
            }
            _ if letter == quote && quote == '\'' && letters.peek() == Some(&'\'') => {
                letters.next();
            }
            _ if letter == quote => return false,
            _ => {}
        }
    }
    true
}

/// Whether a value begins like a list or a mapping in one line, and does not end so.
fn is_half_list(value: &str) -> bool {
    (value.starts_with('[') && !value.contains(']'))
        || (value.starts_with('{') && !value.contains('}'))
}

/// Whether PyYAML makes a number, a truth or nothing of a plain value, which as a text reads otherwise: `0123` is 83
/// there. A value in quotes is a text everywhere.
fn reads_otherwise(value: &str) -> bool {
    let plain = value.split(" #").next().unwrap_or_default().trim();
    let digits = plain.trim_start_matches(['-', '+']);
    let all = |kind: fn(&char) -> bool| digits.chars().all(|letter| kind(&letter));
    let is_number = digits.starts_with(|first: char| first.is_ascii_digit());
    let octal =
        digits.len() > 1 && digits.starts_with('0') && all(|c| matches!(c, '0'..='7' | '_'));
    let grouped = is_number && plain.contains('_') && all(|c| c.is_ascii_digit() || *c == '_');
    let based = ["0x", "0b"].iter().any(|base| digits.starts_with(base))
        && digits[2..]
            .chars()
            .all(|letter| letter.is_ascii_hexdigit() || letter == '_');
    let signed = plain.starts_with('+') && is_number && all(char::is_ascii_digit);
    let words = ["yes", "no", "on", "off", "true", "false", "null", "~"];
    octal || grouped || based || signed || words.contains(&plain.to_ascii_lowercase().as_str())
}

#[cfg(test)]
#[path = "config_file_tests.rs"]
mod tests;
