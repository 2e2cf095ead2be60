//! A time limit as people write it (`90s`, `1h30m`), which cannot be absurd. No I/O.
//!
//! Kubernetes' own `metav1.Duration` has no upper bound, and the client library's type panics where a number overflows.
//! This one holds at most 30 days, and whatever does not fit is an error.
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use thiserror::Error;

const NANOS_PER_MILLI: u128 = 1_000_000;
/// Shortest time limit: every step takes longer.
const SHORTEST_MILLIS: u32 = 1_000;
/// 30 days.
const LONGEST_MILLIS: u32 = 30 * 24 * 3_600_000;

/// Texts of the schema: digits are bounded, so that no text overflows what the API server computes with.
const PATTERN: &str = "^([0-9]{1,6}([.][0-9]{1,6})?(ms|s|m)|[0-9]{1,4}([.][0-9]{1,6})?h){1,4}$";
/// What a pattern cannot say.
const BOUNDS: &str = "duration(self) >= duration('1s') && duration(self) <= duration('720h')";
const RULE_MESSAGE: &str =
    "must be at least 1s and at most 720h (30 days), for instance 90s, 45m or 6h";

/// A time limit between one second and 30 days, to the millisecond.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Duration {
    millis: u32,
}

/// The rule of the schema. What the API server cannot compute with is left to the pattern: a value that is stored
/// already and breaks a pattern or a rule may stay while something else is written, the status above all; one at which
/// a rule *errs* may not.
fn build_rule() -> String {
    format!("!self.matches('{PATTERN}') || ({BOUNDS})")
}

/// Why a text is no time limit.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DurationError {
    /// It is not written as a duration.
    #[error("{0:?} is no duration; write it like 90s, 45m or 1h30m")]
    Malformed(String),
    /// Less than a second.
    #[error("{0} is too short: a time limit is at least 1s")]
    TooShort(String),
    /// More than 30 days, or too large to compute with.
    #[error("{0} is too long: a time limit is at most 720h (30 days)")]
    TooLong(String),
}

impl Duration {
    /// So many minutes. More than 30 days do not compile.
    pub const fn of_minutes<const MINUTES: u32>() -> Self {
        const { assert!(MINUTES > 0 && MINUTES <= LONGEST_MILLIS / 60_000) }
        Self {
            millis: MINUTES * 60_000,
        }
    }

    /// Whole seconds, at least one.
    pub fn as_seconds(self) -> u32 {
        self.millis / 1_000
    }
}

impl FromStr for Duration {
    type Err = DurationError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let nanos = sum_parts(text)?;
        if nanos < u128::from(SHORTEST_MILLIS) * NANOS_PER_MILLI {
            return Err(DurationError::TooShort(text.into()));
        }
        // What lies below a millisecond counts for the bound only.
        if nanos > u128::from(LONGEST_MILLIS) * NANOS_PER_MILLI {
            return Err(DurationError::TooLong(text.into()));
        }
        let millis = u32::try_from(nanos / NANOS_PER_MILLI)
            .map_err(|_| DurationError::TooLong(text.into()))?;
        Ok(Self { millis })
    }
}

/// Nanoseconds of a text like `1h30m`.
fn sum_parts(text: &str) -> Result<u128, DurationError> {
    let malformed = || DurationError::Malformed(text.into());
    let mut rest = text;
    let mut total: u128 = 0;
    if rest.is_empty() {
        return Err(malformed());
    }
    while !rest.is_empty() {
        let number_end = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .ok_or_else(malformed)?;
        let (number, tail) = rest.split_at(number_end);
        let unit_end = tail
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit_end);
        let unit = find_unit(unit).ok_or_else(malformed)?;
        let part = measure_part(number, unit, text)?;
        total = total
            .checked_add(part)
            .ok_or_else(|| DurationError::TooLong(text.into()))?;
        rest = tail;
    }
    Ok(total)
}

/// Nanoseconds of a unit.
fn find_unit(unit: &str) -> Option<u128> {
    Some(match unit {
        "ms" => NANOS_PER_MILLI,
        "s" => 1_000 * NANOS_PER_MILLI,
        "m" => 60_000 * NANOS_PER_MILLI,
        "h" => 3_600_000 * NANOS_PER_MILLI,
        _ => return None,
    })
}

/// Nanoseconds of one number with its unit.
fn measure_part(number: &str, unit: u128, text: &str) -> Result<u128, DurationError> {
    let malformed = || DurationError::Malformed(text.into());
    let too_long = || DurationError::TooLong(text.into());
    let (whole, fraction) = match number.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (number, None),
    };
    let is_number = |digits: &str| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    if !is_number(whole) || fraction.is_some_and(|digits| !is_number(digits)) {
        return Err(malformed());
    }
    // All are digits: what does not parse is too large.
    let whole: u128 = whole.parse().map_err(|_| too_long())?;
    let mut part = whole.checked_mul(unit).ok_or_else(too_long)?;
    if let Some(digits) = fraction {
        // Twelve digits of an hour are finer than a nanosecond.
        let digits = digits.get(..12).unwrap_or(digits);
        let above: u128 = digits.parse().map_err(|_| malformed())?;
        let below = digits.bytes().fold(1_u128, |power, _| power * 10);
        part = part
            .checked_add(above * unit / below)
            .ok_or_else(too_long)?;
    }
    Ok(part)
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (hours, rest) = (self.millis / 3_600_000, self.millis % 3_600_000);
        let (minutes, rest) = (rest / 60_000, rest % 60_000);
        let (seconds, millis) = (rest / 1_000, rest % 1_000);
        for (number, unit) in [(hours, "h"), (minutes, "m"), (seconds, "s"), (millis, "ms")] {
            if number > 0 {
                write!(f, "{number}{unit}")?;
            }
        }
        Ok(())
    }
}

impl From<Duration> for String {
    fn from(duration: Duration) -> Self {
        duration.to_string()
    }
}

impl TryFrom<String> for Duration {
    type Error = DurationError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl JsonSchema for Duration {
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "maxLength": 32,
            "pattern": PATTERN,
            "x-kubernetes-validations": [{"rule": build_rule(), "message": RULE_MESSAGE}],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Timeouts;
    use proptest::prelude::*;
    use proptest::string::string_regex;
    use serde_json::json;

    /// The sum of a text of the schema, counted another way: in microseconds and by regular parts.
    fn count_micros(text: &str) -> u128 {
        let mut total = 0;
        let mut number = String::new();
        let mut unit = String::new();
        let take = |number: &mut String, unit: &mut String| {
            let micros: u128 = match unit.as_str() {
                "ms" => 1_000,
                "s" => 1_000_000,
                "m" => 60_000_000,
                "h" => 3_600_000_000,
                other => panic!("{other}"),
            };
            let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
            let padded = format!("{fraction:0<6}");
            let sum = whole.parse::<u128>().unwrap() * 1_000_000 + padded.parse::<u128>().unwrap();
            let part = sum * micros / 1_000_000;
            number.clear();
            unit.clear();
            part
        };
        for c in text.chars() {
            if c.is_ascii_digit() || c == '.' {
                if !unit.is_empty() {
                    total += take(&mut number, &mut unit);
                }
                number.push(c);
            } else {
                unit.push(c);
            }
        }
        total + take(&mut number, &mut unit)
    }

    fn admitted() -> impl Strategy<Value = String> {
        string_regex(PATTERN.trim_start_matches('^').trim_end_matches('$'))
            .unwrap()
            .prop_filter("longer than the schema admits", |text| text.len() <= 32)
    }

    proptest! {
        #[test]
        fn every_text_that_the_schema_admits_is_taken_or_refused_by_its_length(text in admitted()) {
            let micros = count_micros(&text);
            let parsed = text.parse::<Duration>();
            match &parsed {
                Ok(duration) => prop_assert!((1_000_000..=2_592_000_000_000).contains(&micros)
                    && u128::from(duration.millis) == micros / 1_000, "{text}: {duration:?}, {micros} µs"),
                // Less than a microsecond above the bound is cut off here only.
                Err(DurationError::TooLong(_)) => prop_assert!(micros >= 2_592_000_000_000, "{text}"),
                Err(DurationError::TooShort(_)) => prop_assert!(micros < 1_000_000, "{text}"),
                Err(DurationError::Malformed(_)) => prop_assert!(false, "{text} is called malformed"),
            }
            let by_rule = kube::core::cel::validate_cel_schema::<Duration>(&json!(text), None).is_ok();
            prop_assert_eq!(by_rule, parsed.is_ok(), "{}: the rule and the parser differ", text);
        }

        #[test]
        fn no_text_at_all_panics(text in any::<String>()) {
            let _ = text.parse::<Duration>();
        }

        #[test]
        fn the_rule_does_not_err_where_the_pattern_refuses(text in "([0-9]{7,25}(ms|s|m|h)|[0-9]{5,6}h[0-9]{5,6}h|[a-z]{0,9})") {
            let by_rule = kube::core::cel::validate_cel_schema::<Duration>(&json!(text), None);
            prop_assert!(by_rule.is_ok(), "{}: {:?}", text, by_rule);
        }

        #[test]
        fn numbers_of_any_length_are_answered(digits in "[0-9]{1,60}", fraction in "(\\.[0-9]{1,60})?", unit in "(ms|s|m|h)") {
            let parsed = format!("{digits}{fraction}{unit}").parse::<Duration>();
            prop_assert!(!matches!(parsed, Err(DurationError::Malformed(_))));
        }

        #[test]
        fn what_is_written_reads_the_same(millis in SHORTEST_MILLIS..=LONGEST_MILLIS) {
            let duration = Duration { millis };
            prop_assert_eq!(duration.to_string().parse(), Ok(duration));
        }
    }

    #[test]
    fn bounds_are_kept() {
        for (text, seconds) in [
            ("1s", 1),
            ("90s", 90),
            ("1.5h", 5400),
            ("1h30m", 5400),
            ("720h", 2_592_000),
        ] {
            assert_eq!(
                text.parse::<Duration>().unwrap().as_seconds(),
                seconds,
                "{text}"
            );
        }
        for (text, word) in [
            ("9999999999999999h", "720h"),
            ("720h1ms", "720h"),
            ("99999999999999999999999999999999h", "720h"),
            ("0s", "at least 1s"),
            ("999ms", "at least 1s"),
            ("", "no duration"),
            ("5 minutes", "no duration"),
            ("-5m", "no duration"),
            ("5", "no duration"),
            ("h", "no duration"),
            ("1.h", "no duration"),
            ("1.2.3h", "no duration"),
        ] {
            let error = text.parse::<Duration>().unwrap_err().to_string();
            assert!(error.contains(word), "{text}: {error}");
        }
    }

    #[test]
    fn defaults_are_written_as_people_write_them() {
        let written = serde_json::to_value(Timeouts::default()).unwrap();
        assert_eq!(written["backup"], "6h");
        assert_eq!(written["restore"], "12h");
        assert_eq!(written["init"], "30m");
    }
}
