//! Reads answers of the console. Pure; never hands on text of an answer except checked words.
use serde_json::Value;

use super::super::project::{ProjectKey, ProjectKind, ProjectProgress, ProjectStatus};
use super::{Health, OpenApiError};

fn unreadable(call: &str, reason: impl Into<String>) -> OpenApiError {
    OpenApiError::Unreadable {
        call: call.to_owned(),
        reason: reason.into(),
    }
}

fn parse_object(call: &str, body: &[u8]) -> Result<Value, OpenApiError> {
    match serde_json::from_slice::<Value>(body) {
        Ok(value @ Value::Object(_)) => Ok(value),
        Ok(_) => Err(unreadable(call, "it is JSON, but not an object")),
        Err(error) => Err(unreadable(
            call,
            format!("no JSON (line {}, column {})", error.line(), error.column()),
        )),
    }
}

/// `success: false` of the documented envelope as an error.
fn check_envelope(call: &str, answer: &Value) -> Result<(), OpenApiError> {
    match answer.get("success") {
        Some(Value::Bool(false)) => Err(OpenApiError::Failed {
            call: call.to_owned(),
            code: clean_code(answer.get("code")),
        }),
        _ => Ok(()),
    }
}

/// An error code as far as it looks like one; anything else could be text from elsewhere.
fn clean_code(code: Option<&Value>) -> String {
    let text = match code {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        _ => String::new(),
    };
    let plain = text.len() <= 40
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    if plain && !text.is_empty() {
        text
    } else {
        "unnamed".to_owned()
    }
}

/// Reads the answer of the progress call (API reference V4.0.0). Numbers may come as strings: the
/// synchronization call documents its checkpoint as one.
pub fn parse_progress(project: &ProjectKey, body: &[u8]) -> Result<ProjectProgress, OpenApiError> {
    let call = format!("read progress of {project}");
    let answer = parse_object(&call, body)?;
    check_envelope(&call, &answer)?;
    let data = answer
        .get("data")
        .filter(|data| data.is_object())
        .ok_or_else(|| unreadable(&call, "it has no data object"))?;
    let status = read_word(data, "status")
        .ok_or_else(|| unreadable(&call, "data.status is missing or no word"))?;
    Ok(ProjectProgress {
        key: project.clone(),
        status: ProjectStatus::parse(&status),
        current_step: read_word(data, "currentStep").map(|step| step.to_ascii_uppercase()),
        incremental: read_flag(&call, data, "enableIncrSync")?,
        reverse_incremental: match project.kind {
            ProjectKind::Migration => read_flag(&call, data, "enableReverseIncrSync")?,
            ProjectKind::Sync => false,
        },
        checkpoint: read_seconds(&call, data, "incrSyncCheckpoint")?,
        reverse_checkpoint: match project.kind {
            ProjectKind::Migration => read_seconds(&call, data, "reverseIncrSyncCheckpoint")?,
            ProjectKind::Sync => None,
        },
    })
}

/// A short word of letters, digits, `_` and `-`.
fn read_word(data: &Value, key: &str) -> Option<String> {
    let word = data.get(key)?.as_str()?.trim();
    let plain = !word.is_empty()
        && word.len() <= 64
        && word
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
    plain.then(|| word.to_owned())
}

fn read_flag(call: &str, data: &Value, key: &str) -> Result<bool, OpenApiError> {
    match data.get(key) {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Bool(flag)) => Ok(*flag),
        Some(Value::String(word)) if word.eq_ignore_ascii_case("true") => Ok(true),
        Some(Value::String(word)) if word.eq_ignore_ascii_case("false") => Ok(false),
        Some(_) => Err(unreadable(call, format!("data.{key} is no truth value"))),
    }
}

/// Unix seconds; absent, empty and zero mean that there is no checkpoint yet.
fn read_seconds(call: &str, data: &Value, key: &str) -> Result<Option<i64>, OpenApiError> {
    let seconds = match data.get(key) {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Number(number)) => number.as_i64(),
        Some(Value::String(text)) if text.trim().is_empty() => return Ok(None),
        Some(Value::String(text)) => text.trim().parse().ok(),
        Some(_) => None,
    };
    match seconds {
        // Beyond the year 5138 it is milliseconds, and a lag computed from that would be a lie.
        Some(seconds) if (0..100_000_000_000).contains(&seconds) => {
            Ok(Some(seconds).filter(|s| *s > 0))
        }
        _ => Err(unreadable(
            call,
            format!("data.{key} is no time in Unix seconds"),
        )),
    }
}

/// Reads the answer of `/oms/health` (path and field from the vendor's deploy tool).
pub fn parse_health(status: u16, body: &[u8]) -> Result<Health, OpenApiError> {
    let call = "read health";
    match status {
        404 => return Ok(Health::NotOffered),
        200 => {}
        500..=599 => return Ok(Health::Unhealthy),
        _ => {
            return Err(OpenApiError::Refused {
                call: call.to_owned(),
                status,
            });
        }
    }
    let answer = parse_object(call, body)?;
    match answer.pointer("/data/healthy") {
        Some(Value::Bool(true)) => Ok(Health::Healthy),
        Some(Value::String(word)) if word.eq_ignore_ascii_case("true") => Ok(Health::Healthy),
        Some(Value::Bool(false) | Value::String(_)) => Ok(Health::Unhealthy),
        _ => Err(unreadable(call, "it has no data.healthy")),
    }
}

/// Checks the answer to a write: an HTTP success may still say `success: false`.
pub(in super::super) fn check_write_answer(body: &[u8]) -> Result<(), OpenApiError> {
    match serde_json::from_slice::<Value>(body) {
        Ok(answer) => check_envelope("write ha.config", &answer),
        // No documented answer exists; what counts is the read in the meta database that follows.
        Err(_) => Ok(()),
    }
}

#[cfg(test)]
#[path = "answer_tests.rs"]
mod tests;
