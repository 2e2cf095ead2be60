//! What goes wrong with one object stays with that object: a panic is caught, and an object that cannot be read is told
//! so.
use super::calls::{CallError, CallSite};
use super::ports::Ports;
use super::reconcile::{Key, ask};
use super::record::{publish, record};
use super::subject::{Subject, read_owner};
use crate::api::{OmsUpgrade, read_upgrade};
use crate::facts::Observed;
use crate::upgrade::{Decision, Unreadable, decide_fault, describe_unreadable};
use futures::FutureExt;
use kube::ResourceExt;
use kube::api::{Api, ApiResource, DynamicObject, PostParams};
use std::panic::AssertUnwindSafe;

/// Work on one object that cannot take the others with it.
///
/// What reconciles share (the clients, counters behind locks that forgive poisoning) holds no half-made state between
/// two calls, so what a panic leaves behind is nothing but a reconcile that ended early.
pub(super) async fn isolate<T>(
    work: impl Future<Output = Result<T, CallError>>,
) -> Result<T, CallError> {
    match AssertUnwindSafe(work).catch_unwind().await {
        Ok(result) => result,
        Err(_) => Err(CallError::Panicked),
    }
}

/// Tells people that a reconcile of their object ended in a panic. Telling may meet the same fault; then the log has to
/// do.
pub(super) async fn tell_fault(ports: &Ports, key: &Key) {
    let told = isolate(async {
        let api: Api<OmsUpgrade> = Api::namespaced(ports.client.clone(), &key.namespace);
        let upgrade = ports.kube(CallSite::GetUpgrade, api.get(&key.name)).await?;
        let subject = Subject::read(&upgrade)?;
        let decision = ask(&subject, &Observed::default(), ports.now(), decide_fault);
        if let Decision::Record { status, notes } = decision {
            record(ports, &subject, *status, &notes).await?;
        }
        Ok(())
    });
    if let Err(error) = told.await {
        tracing::warn!(namespace = key.namespace, name = key.name, %error, "the fault was not told");
    }
}

/// Tells people what in their object cannot be read. The object is read as plain JSON, so that nothing of it is lost.
pub(super) async fn tell_unreadable(ports: &Ports, key: &Key) -> Result<(), CallError> {
    let resource = ApiResource::erase::<OmsUpgrade>(&());
    let api: Api<DynamicObject> =
        Api::namespaced_with(ports.client.clone(), &key.namespace, &resource);
    let mut object = match ports.kube(CallSite::GetUpgrade, api.get(&key.name)).await {
        Ok(object) => object,
        Err(error) if error.is_not_found() => return Ok(()),
        Err(error) => return Err(error),
    };
    object.metadata.managed_fields = None;
    let whole = serde_json::to_value(&object)
        .map_err(|error| CallError::Bug(format!("an object cannot be written: {error}")))?;
    let Err(error) = read_upgrade(whole) else {
        // It was corrected meanwhile; the watch tells.
        return Ok(());
    };
    tracing::warn!(namespace = key.namespace, name = key.name, %error, "an OmsUpgrade cannot be read");
    let unreadable = Unreadable {
        namespace: &key.namespace,
        name: &key.name,
        generation: object.metadata.generation.unwrap_or_default(),
        status: object.data.get("status"),
        error: &error,
    };
    let Some((status, note)) = describe_unreadable(&unreadable, &ports.now()) else {
        return Ok(());
    };
    if let Some(data) = object.data.as_object_mut() {
        data.insert("status".into(), status);
    }
    let params = PostParams::default();
    let written = match ports
        .kube(
            CallSite::ReplaceStatus,
            api.replace_status(&key.name, &params, &object),
        )
        .await
    {
        Ok(written) => written,
        // Somebody was faster, and the watch tells.
        Err(error) if error.is_conflict() || error.is_not_found() => return Ok(()),
        Err(error) => return Err(error),
    };
    let owner = read_owner(&object.metadata)?;
    let version = written.resource_version().unwrap_or_default();
    publish(ports, owner, &version, &note).await;
    Ok(())
}
