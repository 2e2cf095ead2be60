//! The namespace of an upgrade: whether it is being deleted, and the claim of the backup in it. Reads only.
use crate::controller::calls::{CallError, CallSite};
use crate::controller::ports::Ports;
use crate::controller::subject::Subject;
use crate::facts::ClaimFacts;
use k8s_openapi::api::core::v1::{Namespace, PersistentVolumeClaim};
use kube::api::Api;

/// Asked only for an object that is being deleted. A namespace that cannot be read counts as alive: then nothing is
/// given up.
pub(super) async fn is_terminating(ports: &Ports, subject: &Subject<'_>) -> bool {
    if subject.upgrade.metadata.deletion_timestamp.is_none() {
        return false;
    }
    let api: Api<Namespace> = Api::all(ports.client.clone());
    let call = api.get(subject.owner.namespace);
    match ports.kube(CallSite::GetNamespace, call).await {
        Ok(namespace) => namespace.metadata.deletion_timestamp.is_some(),
        Err(_) => false,
    }
}

/// The claim of the backup.
pub(super) async fn read_claim(
    ports: &Ports,
    subject: &Subject<'_>,
) -> Result<ClaimFacts, CallError> {
    let api: Api<PersistentVolumeClaim> =
        Api::namespaced(ports.client.clone(), subject.owner.namespace);
    let name = &subject.upgrade.spec.backup.claim_name;
    match ports.kube(CallSite::GetClaim, api.get(name)).await {
        Ok(claim) => Ok(ClaimFacts {
            exists: claim.metadata.deletion_timestamp.is_none(),
            phase: claim
                .status
                .and_then(|status| status.phase)
                .unwrap_or_default(),
        }),
        Err(error) if error.is_not_found() => Ok(ClaimFacts {
            exists: false,
            phase: String::new(),
        }),
        Err(error) => Err(error),
    }
}
