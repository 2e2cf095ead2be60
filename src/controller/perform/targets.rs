//! Effects on the target Deployments, which are not ours.
use super::Performer;
use crate::api::FIELD_MANAGER;
use crate::controller::calls::{CallError, CallSite};
use json_patch::Patch as Operations;
use k8s_openapi::api::apps::v1::Deployment;
use kube::Resource;
use kube::api::{Patch, PatchParams, Request};
use serde_json::Value;

impl Performer<'_> {
    /// Sends the patch, which tests the version it was decided on. A failed test is no error: the next
    /// reconcile looks at what the Deployment has become.
    pub(super) async fn patch_target(
        &self,
        target: &str,
        operations: Operations,
    ) -> Result<(), CallError> {
        let params = PatchParams {
            field_manager: Some(FIELD_MANAGER.into()),
            ..PatchParams::default()
        };
        let url = Deployment::url_path(&(), Some(self.subject.owner.namespace));
        let request = Request::new(url)
            .patch(target, &params, &Patch::Json::<()>(operations))
            .map_err(|error| CallError::Bug(error.to_string()))?;
        let sent = self.ports.client.request::<Value>(request);
        match self.ports.kube(CallSite::PatchDeployment, sent).await {
            Err(error) if error.is_conflict() || is_failed_test(&error) => {
                tracing::info!(target, %error, "the Deployment changed meanwhile; looking again");
                Ok(())
            }
            sent => sent.map(|_| ()),
        }
    }
}

/// The API server answers a failed `test` operation with 422 and the patch library's words.
pub(super) fn is_failed_test(error: &CallError) -> bool {
    error.kube_status().is_some_and(|status| {
        let causes = status.details.iter().flat_map(|details| &details.causes);
        status.code == 422
            && std::iter::once(status.message.as_str())
                .chain(causes.map(|cause| cause.message.as_str()))
                .any(|text| text.contains("test failed"))
    })
}
