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
