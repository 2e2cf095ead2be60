//! What a decision is made from. Pure.
use crate::api::{OmsUpgradeSpec, OmsUpgradeStatus, Originals, TargetOriginal};
use crate::facts::Observed;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

/// Everything a decision is made from.
#[derive(Clone, Debug)]
pub struct Context<'a> {
    /// The present moment, to the second.
    pub now: Time,
    /// Identity and metadata of the object.
    pub object: &'a ObjectFacts,
    /// What is asked.
    pub spec: &'a OmsUpgradeSpec,
    /// What is remembered.
    pub status: &'a OmsUpgradeStatus,
    /// What was seen in this reconcile.
    pub observed: &'a Observed,
}

/// Metadata of the `OmsUpgrade`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ObjectFacts {
    pub namespace: String,
    pub name: String,
    pub uid: String,
    pub generation: i64,
    /// `metadata.deletionTimestamp` is set.
    pub deleting: bool,
    /// Our finalizer is there.
    pub finalizer: bool,
    /// The release annotation asks to let go of everything.
    pub release: bool,
    /// What was asked for since the last look, also where the spec does not say it any more.
    pub heard: HeardRequests,
}

/// Requests that were seen in the spec, however shortly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HeardRequests {
    /// `action: Abort`.
    pub abort: bool,
    /// `action: RollBack`.
    pub roll_back: bool,
}

impl HeardRequests {
    /// Both together.
    pub fn and(self, other: Self) -> Self {
        Self {
            abort: self.abort || other.abort,
            roll_back: self.roll_back || other.roll_back,
        }
    }

    /// What is left without these.
    pub fn without(self, other: Self) -> Self {
        Self {
            abort: self.abort && !other.abort,
            roll_back: self.roll_back && !other.roll_back,
        }
    }
}

impl Context<'_> {
    /// Seconds since 1970.
    pub(crate) fn unix_now(&self) -> i64 {
        self.now.0.as_second()
    }

    /// Seconds since the present step began; `None` where that is not known.
    pub(crate) fn count_step_seconds(&self) -> Option<i64> {
        let since = self.status.step_started_time.as_ref();
        since.map(|since| seconds_between(since, &self.now))
    }

    /// The uid that stands in what the upgrade has made. The lock and the record in the MetaDB are held under the uid
    /// of the object itself.
    pub(crate) fn marks(&self) -> &str {
        self.status.internal.find_marks(&self.object.uid)
    }

    pub(crate) fn original(&self, target: &str) -> Option<&TargetOriginal> {
        self.originals()?.find_target(target)
    }

    pub(crate) fn originals(&self) -> Option<&Originals> {
        self.status.internal.originals.as_ref()
    }
}

/// A count as the API writes it: Kubernetes schemas know no unsigned numbers.
pub(crate) fn to_i64(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Seconds from `since` to `now`; zero when `since` lies ahead.
pub(crate) fn seconds_between(since: &Time, now: &Time) -> i64 {
    (now.0.as_second() - since.0.as_second()).max(0)
}
