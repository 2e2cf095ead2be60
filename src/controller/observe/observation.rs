//! What one reconcile has seen, and the ways that it was seen through. No call.
use super::installation::InstallationAccess;
use crate::controller::calls::CallError;
use crate::controller::ports::ExecPlace;
use crate::facts::{Observed, PodFacts, TargetFacts};
use k8s_openapi::api::core::v1::Pod;

/// What a reconcile has seen, and the ways it was seen through, for the effect that may follow.
pub(in crate::controller) struct Observation {
    /// For the brain.
    pub observed: Observed,
    /// Ways to the targets, in the order of the spec, as their facts are.
    pub(super) handles: Vec<TargetHandle>,
    /// The installation, when it was looked for.
    pub installation: Option<Result<InstallationAccess, CallError>>,
}

/// The way to a target, which the brain does not see.
pub(super) struct TargetHandle {
    pub namespace: String,
    /// Name of the OMS container; empty when it cannot be told.
    pub container: String,
    /// The pods as read.
    pub pods: Vec<Pod>,
}

impl Observation {
    fn find_target(&self, name: &str) -> Option<(&TargetFacts, &TargetHandle)> {
        let targets = self.observed.targets.iter().zip(&self.handles);
        targets.into_iter().find(|(facts, _)| facts.name == name)
    }

    /// The live pod of a target whose container runs, as a place for a command.
    pub fn find_place(&self, target: &str) -> Option<(ExecPlace, &PodFacts)> {
        let (facts, handle) = self.find_target(target)?;
        let pod = facts.find_running()?;
        let place = ExecPlace {
            namespace: handle.namespace.clone(),
            pod: pod.name.clone(),
            container: handle.container.clone(),
        };
        Some((place, pod))
    }

    /// The pods of a target as read.
    pub fn list_pods(&self, target: &str) -> &[Pod] {
        self.find_target(target)
            .map_or(&[], |(_, handle)| handle.pods.as_slice())
    }

    /// The installation; an error when it could not be found.
    pub fn find_installation(&self) -> Result<&InstallationAccess, CallError> {
        match &self.installation {
            Some(Ok(access)) => Ok(access),
            Some(Err(error)) => Err(CallError::Missing(error.to_string())),
            None => Err(CallError::Bug(
                "the installation was not looked for in this step".into(),
            )),
        }
    }
}
