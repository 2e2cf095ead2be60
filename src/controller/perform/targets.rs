//! Effects on the target Deployments, which are not ours.
use super::Performer;
use super::objects::parse_patch;
use crate::api::FIELD_MANAGER;
use crate::controller::calls::{CallError, CallSite};
use crate::facts::Fact;
use crate::objects::deployment::build_patch;
use crate::objects::target_change::TargetChange;
use crate::upgrade::build_target_record;
use k8s_openapi::api::apps::v1::Deployment;
use kube::Resource;
use kube::api::{Patch, PatchParams, Request};
use serde_json::Value;

impl Performer<'_> {
    /// One JSON patch that tests the version it was decided on. A failed test is no error: the next
    /// reconcile looks at what the Deployment has become.
    pub(super) async fn patch_target(
        &self,
        target: &str,
        change: &TargetChange,
    ) -> Result<(), CallError> {
        let unknown = || {
            CallError::Bug(format!(
                "Deployment {target} was not read in this reconcile"
            ))
        };
        let targets = &self.observation.observed.targets;
        let view = targets
            .iter()
            .find(|facts| facts.name == target)
            .ok_or_else(unknown)?;
        let Fact::Known(Some(facts)) = &view.deployment else {
            return Err(unknown());
        };
        let original = self
            .subject
            .status
            .originals
            .as_ref()
            .and_then(|all| all.find_target(target))
            .ok_or_else(|| CallError::Bug(format!("the original of {target} is not recorded")))?;
        let record = build_target_record(
            self.subject.owner.name,
            self.subject.owner.uid,
            self.subject.status,
            target,
        )
        .ok_or_else(|| CallError::Bug(format!("no record of {target} can be made")))?;
        let image = &self.subject.upgrade.spec.image;
        let epoch = self.subject.status.epoch;
        let operations = build_patch(facts, original, image, change, &record, epoch)
            .ok_or_else(|| CallError::Bug(format!("no patch of {target} can be made")))?;
        let patch = Patch::Json::<()>(parse_patch(operations)?);
        let params = PatchParams {
            field_manager: Some(FIELD_MANAGER.into()),
            ..PatchParams::default()
        };
        let url = Deployment::url_path(&(), Some(self.subject.owner.namespace));
        let request = Request::new(url)
            .patch(target, &params, &patch)
            .map_err(|error| CallError::Bug(error.to_string()))?;
        let site = CallSite::PatchDeployment;
        let sent = self.ports.client.request::<Value>(request);
        match self.ports.kube(site, sent).await {
            Ok(_) => Ok(()),
            Err(error) if error.is_conflict() || is_failed_test(&error) => {
                tracing::info!(target, %error, "the Deployment changed meanwhile; looking again");
                Ok(())
            }
            Err(error) => Err(error),
        }
    }
}

/// The API server answers a failed `test` operation with 422 and the patch library's words.
fn is_failed_test(error: &CallError) -> bool {
    error.kube_status().is_some_and(|status| {
        let causes = status.details.iter().flat_map(|details| &details.causes);
        status.code == 422
            && std::iter::once(status.message.as_str())
                .chain(causes.map(|cause| cause.message.as_str()))
                .any(|text| text.contains("test failed"))
    })
}
