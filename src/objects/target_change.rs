//! What may be changed on a target Deployment, as data. No I/O.
use crate::api::{ContentProof, Direction, OmsUpgradeStatus};

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
    /// The proof that a status holds: no other version was started on the databases, or their content was compared,
    /// restored or vouched for after it was stopped. A rollback always rests on their content.
    pub fn from_status(status: &OmsUpgradeStatus) -> Option<Self> {
        let doubted = status.point_of_no_return_time.is_some()
            || status.internal.other_image.is_some()
            || status.direction == Some(Direction::RollBack);
        match status.internal.content_proof {
            Some(proof) => Some(Self(Reason::Content(proof))),
            None if doubted => None,
            None => Some(Self(Reason::NewNeverStarted)),
        }
    }
}
