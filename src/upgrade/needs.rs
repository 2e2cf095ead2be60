//! What a reconcile has to look at: a step asks only for what it decides on. Pure.
use crate::api::OmsUpgradeStatus;
use crate::facts::Needs;
use crate::upgrade::steps::find_def;

/// What the present step needs to see.
pub fn find_needs(status: &OmsUpgradeStatus) -> Needs {
    let Some(def) = status.step.map(find_def) else {
        return Needs::default();
    };
    let looks = (def.looks)(status);
    Needs {
        job: def.job.or(looks.job),
        ..looks
    }
}
