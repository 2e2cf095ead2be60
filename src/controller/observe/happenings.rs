//! What Kubernetes tells of an object in events. Reads only.
use crate::controller::calls::CallSite;
use crate::controller::ports::Ports;
use crate::facts::{PodTrouble, PodTroubleKind};
use crate::objects::happenings::{add_events, describe_events};
use k8s_openapi::api::core::v1::Event;
use kube::api::{Api, ListParams};

/// Events of one object that are read: Kubernetes counts what happens again.
const MOST_EVENTS: u32 = 50;

/// A trouble with what the events of the object with this uid say of it, where it did not begin: only there stands why
/// a volume is not mounted, or a pod not made. Where they cannot be read the trouble is told without them.
pub(super) async fn explain(
    ports: &Ports,
    namespace: &str,
    uid: &str,
    trouble: PodTrouble,
) -> PodTrouble {
    if trouble.kind != PodTroubleKind::NotBegun || uid.is_empty() {
        return trouble;
    }
    let api: Api<Event> = Api::namespaced(ports.client.clone(), namespace);
    let params = ListParams::default()
        .fields(&format!("involvedObject.uid={uid}"))
        .limit(MOST_EVENTS);
    let read = ports.kube(CallSite::ListEvents, api.list(&params)).await;
    let told = read
        .ok()
        .and_then(|events| describe_events(&events.items, uid));
    add_events(trouble, told.as_deref())
}
