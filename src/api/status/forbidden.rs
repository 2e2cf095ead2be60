//! The images that must not be started on the databases as they are. No I/O.
use super::*;

/// An image that a container of OMS must not get, because the databases are not its any more. The chart's admission
/// policy refuses it to everybody but the operator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ForbiddenImage {
    /// Name of the Deployment.
    pub target: String,
    /// Name of the container in it.
    pub container: String,
    /// The image, as a template would say it.
    pub image: String,
    /// What has to stand there instead: in the Deployment, and in what it is made from (git, chart).
    pub use_image: String,
}

impl ForbiddenImage {
    /// Whether another image belongs there. Otherwise nothing at all is to be started for the moment.
    pub fn has_substitute(&self) -> bool {
        self.image != self.use_image
    }
}

/// How a Deployment stands to what it is kept from, as it was last seen after the end.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TargetSource {
    /// Name of the Deployment.
    pub target: String,
    /// The tool that writes it from a source of its own, in words; absent where none is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool: Option<String>,
    /// What was seen to keep the forbidden image away from it; absent where nothing was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guard: Option<SourceGuard>,
    /// A forbidden image that stands in the Deployment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reverted: Option<RevertedImage>,
}

/// What keeps a forbidden image away from a Deployment after the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum SourceGuard {
    /// The API server was seen to refuse it.
    Refused,
    /// Nothing is left to do but to give the Deployment back, and that waits until the source names the image that
    /// runs.
    Held,
}

/// A forbidden image that somebody has put into a Deployment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RevertedImage {
    /// As the template says it.
    pub image: String,
    /// The manager that wrote the Deployment last.
    pub by: String,
}
