//! The HA profile: how one console writes the system parameter `ha.config`. No I/O.
//!
//! OMS documents no API for system parameters, so nothing here is a default: method, path, headers
//! and body all come from the user, who reads them off the browser's network panel.
use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;

use super::super::ha::HaConfig;
use crate::metadb::secret::SecretString;

/// Stands in a body template for the config as a JSON value.
pub const VALUE_PLACEHOLDER: &str = "${config}";
/// Stands in a body template for the config as a JSON string, quotes included.
pub const STRING_PLACEHOLDER: &str = "${config:string}";

/// How to write `ha.config` over HTTP.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct HaProfile {
    /// How to write it.
    pub write: HaWrite,
    pub headers: Vec<ProfileHeader>,
}

/// The request that sets the parameter.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct HaWrite {
    /// `POST`, `PUT` or `PATCH`.
    pub method: String,
    /// Path and query, beginning with `/`.
    pub path: String,
    /// Body with at least one placeholder.
    pub body: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ProfileHeader {
    pub name: String,
    /// Where its value comes from.
    pub source: HeaderSource,
}

/// Where a header's value comes from.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum HeaderSource {
    /// Written in the profile; not a secret.
    Value(String),
    /// Given apart, in [`HaCall::secrets`].
    Secret,
}

/// A profile with its secret header values, ready for a call. Cannot be serialized.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HaCall {
    pub profile: HaProfile,
    /// Values of the secret headers: (name of the header, value).
    pub secrets: Vec<(String, SecretString)>,
}

/// What is wrong with a profile.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Error)]
#[error(
    "the HTTP call for ha.config is wrong: {field}: {reason}; nothing was sent; correct it in the spec"
)]
pub struct ProfileError {
    /// Field of the profile.
    pub field: &'static str,
    /// What is wrong with it.
    pub reason: String,
}

/// Makes a [`ProfileError`].
pub(in super::super) fn profile_error(
    field: &'static str,
    reason: impl Into<String>,
) -> ProfileError {
    ProfileError {
        field,
        reason: reason.into(),
    }
}

impl HaProfile {
    /// Checks everything that can be known without a call.
    pub fn check(&self) -> Result<(), ProfileError> {
        check_path(&self.write.path)?;
        if !["POST", "PUT", "PATCH"].contains(&self.write.method.as_str()) {
            return Err(profile_error("method", "must be POST, PUT or PATCH"));
        }
        self.headers.iter().try_for_each(check_header)?;
        self.check_body()
    }

    fn check_body(&self) -> Result<(), ProfileError> {
        let body = &self.write.body;
        if !body.contains(VALUE_PLACEHOLDER) && !body.contains(STRING_PLACEHOLDER) {
            return Err(profile_error(
                "bodyTemplate",
                "holds neither ${config} nor ${config:string}, so it would write nothing",
            ));
        }
        // Tried with a config like OMS's: a placeholder inside quotes shows here, not in a broken call.
        let sample = HaConfig::parse(r#"{"enable":true}"#)
            .map_err(|error| profile_error("bodyTemplate", error.to_string()))?;
        let rendered = self.render_body(&sample);
        if self.is_json() && serde_json::from_str::<Value>(&rendered).is_err() {
            return Err(profile_error(
                "bodyTemplate",
                "is not JSON once filled in; write the placeholders without quotes around them",
            ));
        }
        Ok(())
    }

    fn is_json(&self) -> bool {
        let content_type = self
            .headers
            .iter()
            .find(|header| header.name.eq_ignore_ascii_case("content-type"));
        match content_type.map(|header| &header.source) {
            Some(HeaderSource::Value(value)) => value.to_ascii_lowercase().contains("json"),
            _ => true,
        }
    }

    /// The body of the writing request.
    pub fn render_body(&self, config: &HaConfig) -> String {
        // Split first, so that a placeholder inside the config itself is not filled in again.
        let quoted = Value::from(config.as_str()).to_string();
        let parts = self.write.body.split(STRING_PLACEHOLDER);
        let filled: Vec<String> = parts
            .map(|part| part.replace(VALUE_PLACEHOLDER, config.as_str()))
            .collect();
        filled.join(&quoted)
    }
}

fn check_header(header: &ProfileHeader) -> Result<(), ProfileError> {
    let own = [
        "host",
        "content-length",
        "transfer-encoding",
        "connection",
        "upgrade",
        "te",
        "trailer",
    ];
    if own.contains(&header.name.to_ascii_lowercase().as_str()) {
        return Err(profile_error(
            "headers",
            format!("{} is set by the operator itself", header.name),
        ));
    }
    if http::HeaderName::try_from(header.name.as_str()).is_err() {
        return Err(profile_error(
            "headers",
            "a header name holds a forbidden character",
        ));
    }
    match &header.source {
        HeaderSource::Value(value) if http::HeaderValue::try_from(value.as_str()).is_err() => {
            Err(profile_error(
                "headers",
                format!("the value of {} holds a forbidden character", header.name),
            ))
        }
        _ => Ok(()),
    }
}

/// A path with a scheme or authority would take the request away from the observed address.
fn check_path(path: &str) -> Result<(), ProfileError> {
    let plain = path.starts_with('/') && !path.starts_with("//");
    if !plain || path.parse::<http::uri::PathAndQuery>().is_err() {
        return Err(profile_error(
            "path",
            "must be a path that begins with one /",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile() -> HaProfile {
        HaProfile {
            write: HaWrite {
                method: "POST".into(),
                path: "/config".into(),
                body: r#"{"name":"ha.config","value":${config:string}}"#.into(),
            },
            headers: vec![ProfileHeader {
                name: "Cookie".into(),
                source: HeaderSource::Secret,
            }],
        }
    }

    #[test]
    fn fills_value_and_string() {
        let config =
            HaConfig::parse(r#"{"a":"${config:string} ${config} \"","enable":true}"#).unwrap();
        let mut both = profile();
        both.write.body = r#"{"t":[${config:string}],"o":${config}}"#.into();
        let body: Value = serde_json::from_str(&both.render_body(&config)).unwrap();
        assert_eq!(body["t"][0], config.as_str());
        assert_eq!(body["o"]["a"], "${config:string} ${config} \"");
    }

    #[test]
    fn other_content_types_need_no_json() {
        let mut form = profile();
        form.write.body = "value=${config}".into();
        assert_eq!(form.check().unwrap_err().field, "bodyTemplate");
        form.headers.push(ProfileHeader {
            name: "content-type".into(),
            source: HeaderSource::Value("text/plain".into()),
        });
        assert_eq!(form.check(), Ok(()));
    }

    #[test]
    fn refuses_profiles_that_cannot_work() {
        assert_eq!(profile().check(), Ok(()));
        type Edit = fn(&mut HaProfile);
        let edits: [(&str, Edit); 7] = [
            ("path", |p| p.write.path = "//evil/".into()),
            ("path", |p| p.write.path = "/a b".into()),
            ("method", |p| p.write.method = "DELETE".into()),
            ("bodyTemplate", |p| p.write.body = "{}".into()),
            ("bodyTemplate", |p| {
                p.write.body = r#"{"v":"${config:string}"}"#.into()
            }),
            ("headers", |p| p.headers[0].name = "Host".into()),
            ("headers", |p| {
                p.headers[0].source = HeaderSource::Value("a\nb: c".into())
            }),
        ];
        for (field, edit) in edits {
            let mut wrong = profile();
            edit(&mut wrong);
            assert_eq!(wrong.check().unwrap_err().field, field);
        }
    }
}
