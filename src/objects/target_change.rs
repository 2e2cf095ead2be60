//! What may be changed on a target Deployment, as data. No I/O.
use crate::api::{ContentProof, OmsUpgradeStatus};

/// Changes of a target Deployment.
#[derive(Clone, Debug, PartialEq)]
pub enum TargetChange {
    /// The annotation with the originals and the fence only.
    Fence,
    /// Stop: no replicas, whatever the template.
    Stop,
    /// The new image with `IS_UPGRADE=true` and without liveness and startup probes.
    StartUpgrade,
    /// The original template with the new image.
    StartFinal,
    /// The original template. Needs a reason why the databases suit the old image.
    StartOld(OldStartProof),
    /// The annotations go, and the recorded owners of the fields are put back.
    GiveBack,
}

/// Why the old image may be started: it cannot be made up, only read off a status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OldStartProof(Reason);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reason {
    NewNeverStarted,
    Content(ContentProof),
}

impl OldStartProof {
    /// The proof that a status holds: the new version was never started, or the content of the
    /// databases was compared or restored after it was stopped.
    pub fn from_status(status: &OmsUpgradeStatus) -> Option<Self> {
        match (
            &status.point_of_no_return_time,
            status.internal.content_proof,
        ) {
            // What another image made of the databases is not known.
            (None, _) if status.internal.other_image_seen_time.is_some() => None,
            (None, _) => Some(Self(Reason::NewNeverStarted)),
            (Some(_), Some(proof)) => Some(Self(Reason::Content(proof))),
            (Some(_), None) => None,
        }
    }
}
