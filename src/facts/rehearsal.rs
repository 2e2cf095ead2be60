//! What the API server would make of a write: it was sent as a dry run, and nothing was stored. Plain facts. No I/O.
use serde_json::Value;

/// A write that was rehearsed, and what came back.
#[derive(Clone, Debug, PartialEq)]
pub struct RehearsalFacts {
    pub act: RehearsedAct,
    pub outcome: Rehearsed,
}

/// What was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RehearsedAct {
    /// The Deployment without replicas.
    Stop,
    /// The Deployment with the template of the first start of the new version.
    StartUpgrade,
    /// The Deployment with the template of its normal start.
    StartFinal,
    /// The Deployment with the template that it has.
    StartOld,
    /// A pod of the first start of the new version.
    UpgradePod,
    /// A pod of its normal start.
    FinalPod,
    /// A pod of the version that runs.
    OldPod,
}

impl RehearsedAct {
    /// All of them, in the order of the procedure.
    pub const ALL: [Self; 7] = [
        Self::Stop,
        Self::StartUpgrade,
        Self::StartFinal,
        Self::StartOld,
        Self::UpgradePod,
        Self::FinalPod,
        Self::OldPod,
    ];

    /// In words for people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stop => "the stop",
            Self::StartUpgrade => "the start of the new version for its initialisation",
            Self::StartFinal => "the normal start of the new version",
            Self::StartOld => "the start of the old version",
            Self::UpgradePod => "a pod of the new version for its initialisation",
            Self::FinalPod => "a pod of the new version",
            Self::OldPod => "a pod of the old version",
        }
    }

    /// Whether a pod was sent, and not the Deployment.
    pub fn is_pod(self) -> bool {
        matches!(self, Self::UpgradePod | Self::FinalPod | Self::OldPod)
    }
}

/// What came back.
#[derive(Clone, Debug, PartialEq)]
pub enum Rehearsed {
    /// It would be stored, with these differences from what was sent.
    Taken(Vec<FieldChange>),
    /// It would be refused, in these words.
    Refused(String),
    /// Nothing that says anything, with the reason in words.
    Unseen(String),
}

/// A field that would be stored otherwise than it was sent.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldChange {
    /// Where, as people write it: `spec.template.spec.containers[oms].image`.
    pub path: String,
    /// What was sent; absent where there was no such field.
    pub sent: Option<Value>,
    /// What would be stored; absent where it would be gone.
    pub stored: Option<Value>,
}

impl FieldChange {
    /// Nothing that was sent is lost or changed.
    pub fn only_adds(&self) -> bool {
        self.sent.is_none()
    }
}
