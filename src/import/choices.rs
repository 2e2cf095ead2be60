//! What a person says besides the container.

/// What a person says besides the container.
#[derive(Clone, Debug, Default)]
pub struct Choices {
    /// Namespace of all objects.
    pub namespace: String,
    /// Name of the Deployment; docker's name otherwise.
    pub name: Option<String>,
    /// `kubernetes.io/hostname` of the node on which docker runs.
    pub node: Option<String>,
    /// The image that runs now, by the name under which the cluster has it.
    pub image: Option<String>,
    /// The image that an upgrade goes to.
    pub new_image: Option<String>,
}
