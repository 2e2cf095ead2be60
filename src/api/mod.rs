//! The custom resource `OmsUpgrade` (`oms.oceanbase.com/v1alpha1`): spec, status, conditions and
//! the CEL rules that the API server enforces. No I/O, no clock.
//!
//! Every comment on a field here is the description that `kubectl explain` shows.
#![warn(missing_docs)]
mod checks;
mod conditions;
mod definition;
mod duration;
mod freeze;
mod reason;
mod schema;
mod spec;
mod status;
#[cfg(test)]
mod tests;

pub use checks::{Check, CheckName, CheckOutcome, CheckPolicy, CheckResult};
pub use conditions::{
    ConditionStatus, condition_is_true, condition_types, find_condition, set_condition,
};
pub use definition::{DEFINITION_NAME, is_memory, list_lacking_fields};
pub use duration::Duration;
pub use reason::{ConditionReason, Reason};
pub use spec::{
    AcceptReason, Acceptance, Action, CaSource, ConsoleScheme, Gate, Ha, HaApi, HaDriver, HaGoal,
    HaParameters, HaRollbackGoal, HeartbeatSequence, HttpMethod, MetaDb, MetaDbSource, MetaDbTls,
    OmsUpgrade, OmsUpgradeSpec, PullBackMethod, RollbackPolicy, STEERING, SecretCredentials,
    Target, Timeouts, TlsMode, Verification, Weekday, Window,
};
pub use status::{
    ActionName, AssumptionsStatus, BackupStatus, Cause, ContentProof, CopyCleanup, DatabaseSummary,
    Direction, Estimates, ForbiddenImage, HaOriginal, HaState, HealthBaseline, HealthSubject,
    InitRecord, InstallationStatus, Intent, Internal, JobRecord, JobRole, KeptKey, Leftover,
    LeftoverKind, Looks, NextAction, OmsUpgradeStatus, OpenComponent, Originals, OtherImage, Phase,
    PhaseRecord, PlanStatus, Progress, ProjectRecord, Requests, RevertedImage, SourceGuard, Stall,
    Step, StoppedTarget, TakeOverOutcome, TakenOver, TargetOriginal, TargetSource, UnconfirmedInit,
    Waiting,
};

/// API group of the custom resource.
pub const GROUP: &str = "oms.oceanbase.com";
/// Version of the custom resource.
pub const VERSION: &str = "v1alpha1";
/// Finalizer held while an upgrade has something to undo or to clean up.
pub const FINALIZER: &str = "oms.oceanbase.com/upgrade";
/// Annotation on a target Deployment while an upgrade is under way: the originals of everything
/// that was changed, so that a lost status can be rebuilt.
pub const ORIGINALS_ANNOTATION: &str = "oms.oceanbase.com/originals";
/// Annotation on a target Deployment: the epoch of the actor that may write it. Raised when the
/// direction changes, so that a write decided before is refused.
pub const FENCE_ANNOTATION: &str = "oms.oceanbase.com/fence";
/// Annotation that only a dry run bears: the admission policy judges it although the operator sends it, so that the
/// operator sees whether an image is refused.
pub const IMAGE_PROBE_ANNOTATION: &str = "oms.oceanbase.com/image-probe";
/// Annotation on an `OmsUpgrade` being deleted: give everything up as it stands and let the object
/// go. The value must be `i-accept-the-current-state`.
pub const RELEASE_ANNOTATION: &str = "oms.oceanbase.com/release";
/// The only value of [`RELEASE_ANNOTATION`] that is honoured.
pub const RELEASE_VALUE: &str = "i-accept-the-current-state";
/// Field manager of all our writes to objects of others. Never starts like `kubectl`, because Flux
/// strips managers that do.
pub const FIELD_MANAGER: &str = "oms-operator";

/// Reads an object as the API server stores it. Stored under another version of the definition it may not be one of
/// ours.
///
/// # Errors
/// The path of the first field that cannot be read, and why.
pub fn read_upgrade(object: serde_json::Value) -> Result<OmsUpgrade, String> {
    serde_path_to_error::deserialize(object).map_err(|error| {
        let path = error.path().to_string();
        format!("{path}: {}", error.into_inner())
    })
}

/// The custom resource definition as the API server gets it.
///
/// On top of what the derive makes: `status` has a default with `observedGeneration: -1`, because a
/// custom resource without status passes Flux's `wait: true` at once.
pub fn build_crd()
-> k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition {
    use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::JSON;
    use kube::CustomResourceExt;
    let mut crd = OmsUpgrade::crd();
    for version in &mut crd.spec.versions {
        let root = version
            .schema
            .as_mut()
            .and_then(|schema| schema.open_api_v3_schema.as_mut());
        let Some(root) = root else { continue };
        freeze::freeze_spec(root);
        freeze::check_source_image(root);
        let parts = root.properties.as_mut();
        for (name, part) in parts.into_iter().flatten() {
            match name.as_str() {
                "spec" => schema::shape(part, false),
                "status" => {
                    schema::shape(part, true);
                    schema::bound_conditions(part);
                    part.default = Some(JSON(serde_json::json!({"observedGeneration": -1})));
                }
                _ => {}
            }
        }
    }
    crd
}
