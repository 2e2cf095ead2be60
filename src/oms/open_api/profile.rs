//! The HA profile: how one console reads and writes the system parameter `ha.config`. No I/O.
//!
//! OMS documents no API for system parameters, so nothing here is a default: method, path, headers,
//! body and pointers all come from the user, who reads them off the browser's network panel.
use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;

use super::super::ha::HaConfig;
use super::super::secret::SecretString;

/// String in a body template that stands for the config as a JSON *string*.
pub const TEXT_PLACEHOLDER: &str = "{{haConfigText}}";
/// String in a body template that stands for the config as a JSON *object*.
pub const OBJECT_PLACEHOLDER: &str = "{{haConfigObject}}";

/// How to read and write `ha.config` over HTTP.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct HaProfile {
    /// Request that answers with the parameter.
    pub read: HaRequest,
    /// JSON pointer (RFC 6901) into the read answer, to the config as string or object.
    pub read_pointer: String,
    /// Request that sets the parameter; its body holds one of the placeholders.
    pub write: HaRequest,
    /// Headers of both requests.
    pub headers: Vec<ProfileHeader>,
}

/// One request of a profile.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct HaRequest {
    /// `GET`, `POST`, `PUT` or `PATCH`.
    pub method: String,
    /// Path and query, beginning with `/`.
    pub path: String,
    /// JSON text; a string in it that is exactly a placeholder is replaced.
    pub body: Option<String>,
}

/// One header of a profile.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ProfileHeader {
    /// Name.
    pub name: String,
    /// Where its value comes from.
    pub source: HeaderSource,
}

/// Where a header's value comes from.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum HeaderSource {
    /// Written in the profile; not a secret.
    Value(String),
    /// Key of the profile's Secret.
    SecretKey(String),
}

/// A profile with its secret header values, ready for a call. Cannot be serialized.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HaCall {
    /// The profile.
    pub profile: HaProfile,
    /// Values of the secret headers: (key of the Secret, value).
    pub secrets: Vec<(String, SecretString)>,
}

/// What is wrong with a profile.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Error)]
#[error("the HA profile is wrong: {field}: {reason}; nothing was sent; correct it in the spec")]
pub struct ProfileError {
    /// Field of the profile.
    pub field: String,
    /// What is wrong with it.
    pub reason: String,
}

fn error(field: &str, reason: &str) -> ProfileError {
    ProfileError {
        field: field.to_owned(),
        reason: reason.to_owned(),
    }
}

impl HaProfile {
    /// Checks everything that can be known without a call.
    pub fn check(&self) -> Result<(), ProfileError> {
        check_request("read", &self.read)?;
        check_request("write", &self.write)?;
        if self.read.method == "GET" && self.read.body.is_some() {
            return Err(error("read.body", "a GET request has no body"));
        }
        if self.write.method == "GET" {
            return Err(error("write.method", "GET cannot change anything"));
        }
        let body = self.write.body.as_deref().unwrap_or_default();
        if !body.contains(TEXT_PLACEHOLDER) && !body.contains(OBJECT_PLACEHOLDER) {
            return Err(error(
                "write.body",
                "holds neither \"{{haConfigText}}\" nor \"{{haConfigObject}}\", so it would write nothing",
            ));
        }
        if !self.read_pointer.is_empty() && !self.read_pointer.starts_with('/') {
            return Err(error(
                "readPointer",
                "a JSON pointer is empty or begins with /",
            ));
        }
        for header in &self.headers {
            let forbidden = [
                "host",
                "content-length",
                "transfer-encoding",
                "connection",
                "upgrade",
                "content-type",
                "accept-encoding",
            ];
            if forbidden.contains(&header.name.to_ascii_lowercase().as_str()) {
                return Err(error(
                    "headers",
                    &format!("{} is set by the operator itself", header.name),
                ));
            }
            if http::HeaderName::try_from(header.name.as_str()).is_err() {
                return Err(error(
                    "headers",
                    "a header name holds a forbidden character",
                ));
            }
            if let HeaderSource::Value(value) = &header.source
                && http::HeaderValue::try_from(value.as_str()).is_err()
            {
                return Err(error(
                    "headers",
                    &format!("the value of {} holds a forbidden character", header.name),
                ));
            }
        }
        Ok(())
    }
}

fn check_request(field: &str, request: &HaRequest) -> Result<(), ProfileError> {
    if !["GET", "POST", "PUT", "PATCH"].contains(&request.method.as_str()) {
        return Err(error(
            &format!("{field}.method"),
            "must be GET, POST, PUT or PATCH",
        ));
    }
    // A path with a scheme or authority would take the request away from the observed address.
    let path = &request.path;
    if !path.starts_with('/')
        || path.starts_with("//")
        || path.parse::<http::uri::PathAndQuery>().is_err()
    {
        return Err(error(
            &format!("{field}.path"),
            "must be a path that begins with one /",
        ));
    }
    if let Some(body) = &request.body
        && serde_json::from_str::<Value>(body).is_err()
    {
        return Err(error(&format!("{field}.body"), "is not JSON"));
    }
    Ok(())
}

impl HaRequest {
    /// The body with the placeholders replaced; `None` when the request has none.
    pub fn render_body(&self, config: Option<&HaConfig>) -> Result<Option<String>, ProfileError> {
        let Some(template) = &self.body else {
            return Ok(None);
        };
        let mut body: Value =
            serde_json::from_str(template).map_err(|_| error("body", "is not JSON"))?;
        if let Some(config) = config {
            let object: Value = serde_json::from_str(config.as_str())
                .map_err(|_| error("body", "the config to write is not JSON"))?;
            fill_placeholders(&mut body, config.as_str(), &object);
        }
        Ok(Some(body.to_string()))
    }
}

/// Works on the parsed template, so that no text of the config can break out of its string.
fn fill_placeholders(value: &mut Value, text: &str, object: &Value) {
    match value {
        Value::String(found) if found == TEXT_PLACEHOLDER => text.clone_into(found),
        Value::String(found) if found == OBJECT_PLACEHOLDER => *value = object.clone(),
        Value::Array(items) => items
            .iter_mut()
            .for_each(|item| fill_placeholders(item, text, object)),
        Value::Object(members) => members
            .values_mut()
            .for_each(|item| fill_placeholders(item, text, object)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: &str, path: &str, body: Option<&str>) -> HaRequest {
        HaRequest {
            method: method.into(),
            path: path.into(),
            body: body.map(str::to_owned),
        }
    }

    fn profile() -> HaProfile {
        HaProfile {
            read: request("GET", "/config?name=ha.config", None),
            read_pointer: "/data/value".into(),
            write: request(
                "POST",
                "/config",
                Some(r#"{"name":"ha.config","value":"{{haConfigText}}"}"#),
            ),
            headers: vec![ProfileHeader {
                name: "Cookie".into(),
                source: HeaderSource::SecretKey("cookie".into()),
            }],
        }
    }

    #[test]
    fn fills_text_and_object() {
        let config = HaConfig::parse(r#"{"a":"{{haConfigText}}","enable":true}"#).unwrap();
        let both = request(
            "POST",
            "/",
            Some(
                r#"{"t":["{{haConfigText}}"],"o":{"x":"{{haConfigObject}}"},"n":"x{{haConfigText}}"}"#,
            ),
        );
        let body: Value =
            serde_json::from_str(&both.render_body(Some(&config)).unwrap().unwrap()).unwrap();
        assert_eq!(body["t"][0], config.as_str());
        assert_eq!(body["o"]["x"]["enable"], true);
        assert_eq!(body["n"], "x{{haConfigText}}");
    }

    #[test]
    fn refuses_profiles_that_cannot_work() {
        assert_eq!(profile().check(), Ok(()));
        let edits: [(&str, fn(&mut HaProfile)); 9] = [
            ("read.path", |p| p.read.path = "http://evil/".into()),
            ("read.path", |p| p.read.path = "//evil/".into()),
            ("write.path", |p| p.write.path = "/a b".into()),
            ("write.method", |p| p.write.method = "DELETE".into()),
            ("write.method", |p| p.write.method = "GET".into()),
            ("write.body", |p| p.write.body = Some("{}".into())),
            ("write.body", |p| {
                p.write.body = Some("value={{haConfigText}}".into())
            }),
            ("readPointer", |p| p.read_pointer = "data".into()),
            ("headers", |p| p.headers[0].name = "Host".into()),
        ];
        for (field, edit) in edits {
            let mut wrong = profile();
            edit(&mut wrong);
            assert_eq!(wrong.check().unwrap_err().field, field);
        }
    }
}
